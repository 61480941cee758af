"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[777],{824(e,t,a){a.r(t),a.d(t,{lessons:()=>m,newFilter:()=>h,replay:()=>p});var o=a(2),i=a(901),r=a(358),n=a(186),l=a(631),s=a(909);let c=[{title:()=>"Rust",files:{"Cargo.toml":`[package]
name = "NAME"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
log = "0.4"
proxy-wasm = "0.2"
`,"src/lib.rs":`use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Filter) });
}}

struct Filter;

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        log::info!("request for {path}");
        self.add_http_request_header("x-filter", "NAME");
        Action::Continue
    }
}
`,"README.md":`# NAME

A Proxy-Wasm filter in Rust: it logs the path of each request and adds the header \`x-filter\`.

Build it in this folder (once: \`rustup target add wasm32-wasip1\`):

    cargo build --release --target wasm32-wasip1

The filter is \`target/wasm32-wasip1/release/NAME.wasm\`. Double-click it to look into it, then press "Try on a capture…".
`}},{title:e=>e.__("WebAssembly text, built without a toolchain"),files:{"NAME.wat":`(module
  (import "env" "proxy_add_header_map_value"
    (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "x-filter")
  (data (i32.const 32) "NAME")
  (global $free (mut i32) (i32.const 1024))

  (func (export "proxy_abi_version_0_2_1"))
  ;; The host puts what it hands over into memory that this gives; nothing here is big enough to be given back.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.add (global.get $free) (local.get $size)))
    (local.get $at))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))

  ;; Adds x-filter to the request's headers (map 0) and lets it go on (action 0).
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $add (i32.const 0) (i32.const 16) (i32.const 8) (i32.const 32) (i32.const LENGTH)))
    (i32.const 0)))
`,"build.ipynb":JSON.stringify({cells:[{cell_type:"code",execution_count:null,id:"build",metadata:{},outputs:[],source:`from pathlib import Path

import wasmtime
import workbench as wb

Path("NAME.wasm").write_bytes(wasmtime.wat2wasm(Path("NAME.wat").read_text()))
wb.Filter("NAME.wasm").inspect()`}],metadata:{kernelspec:{display_name:"Python 3",language:"python",name:"python3"}},nbformat:4,nbformat_minor:5}),"README.md":'# NAME\n\nA Proxy-Wasm filter in WebAssembly text: it adds the header `x-filter` to each request.\n\nRun `build.ipynb`: it makes `NAME.wasm` of `NAME.wat` and shows what is in it. Run it again when you have changed the text.\n\nThen double-click `NAME.wasm` to look into it, and press "Try on a capture…".\n'}}],p=async(e,t,a)=>{let o=t.length?t:await (0,r.zy)(e);if(!o.length)return;let i=a.length?a:await (0,r.hR)(e);if(i.length||!t.length)for(let t of o)await e.commands.execute(l.uB.open,{path:t,filters:i})},_="filebrowser:go-to-path",h=async(e,t)=>{let{trans:a,services:r,commands:l}=e,p=await o.InputDialog.getItem({title:a.__("New filter"),label:a.__("Written in"),items:c.map(e=>e.title(a)),okLabel:a.__("Next"),cancelLabel:a.__("Cancel")});if(!p.button.accept)return;let h=await o.InputDialog.getText({title:a.__("New filter in %1",t||"/"),label:a.__("Name: small letters, digits and _"),text:"my_filter",okLabel:a.__("Create"),cancelLabel:a.__("Cancel")}),m=h.button.accept?h.value?.trim():null;if(!m)return;let u=i.PathExt.join(t,m),d=(await (0,n.w)(r.contents,t)).has(m);if(!/^[a-z][a-z0-9_]*$/.test(m)||d){let t=d?a.__("%1 is there already.",m):a.__("Small letters, digits and _ make a name.");return(0,s.T)(e,a.__("No filter was made"),t)}let{contents:w}=r;try{let e=c.find(e=>e.title(a)===p.value)??c["0"];await w.save(u,{type:"directory"});let t=new Set([""]);for(let[a,o]of Object.entries(e.files).map(([e,t])=>[e.replaceAll("NAME",m),t.replaceAll("NAME",m).replaceAll("LENGTH",String(m.length))])){let e=i.PathExt.dirname(a);t.has(e)||await w.save(i.PathExt.join(u,e),{type:"directory"}),t.add(e),await w.save(i.PathExt.join(u,a),{type:"file",format:"text",content:o})}l.hasCommand(_)&&await l.execute(_,{path:u});let o=l.hasCommand("markdownviewer:open")?"markdownviewer:open":"docmanager:open";await l.execute(o,{path:i.PathExt.join(u,"README.md")})}catch(o){let t=o instanceof Error?o:String(o);await (0,s.T)(e,a.__("The filter was not made whole"),t)}},m=async e=>{let{trans:t,commands:a,services:r}=e,[l,c]=["notebooks","00_tour.ipynb"];(await (0,n.w)(r.contents,"")).has(l)&&(await (0,n.w)(r.contents,l)).has(c)?await a.execute("docmanager:open",{path:i.PathExt.join(l,c)}):await (0,o.showDialog)({title:t.__("The lessons are not here"),body:t.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),buttons:[(0,s.E)(e)]})}},909(e,t,a){var o=a(2);let i=({trans:e})=>o.Dialog.okButton({label:e.__("Close")});a.d(t,{},{E:i,T:(e,t,a)=>(0,o.showErrorMessage)(t,a,[i(e)])})}}]);