"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[777],{824(e,t,a){a.r(t),a.d(t,{lessons:()=>p,newFilter:()=>c,replay:()=>n});var o=a(2),r=a(901),i=a(60),l=a(631);let s=[{title:"Rust",files:{"Cargo.toml":`[package]
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
`}},{title:"WebAssembly text, built without a toolchain",files:{"NAME.wat":`(module
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
`,"README.md":`# NAME

A Proxy-Wasm filter in WebAssembly text: it adds the header \`x-filter\` to each request.

Build it in this folder, in a notebook or console:

    from pathlib import Path
    import wasmtime
    Path("NAME.wasm").write_bytes(wasmtime.wat2wasm(Path("NAME.wat").read_text()))

Then double-click \`NAME.wasm\` to look into it, and press "Try on a capture…".
`}}],n=async(e,t,a)=>{let o=t.length?t:await (0,i.zy)(e);if(!o.length)return;let r=a.length?a:await (0,i.hR)(e);if(r.length||!t.length)for(let t of o)await e.commands.execute(l.uB.open,{path:t,filters:r})},c=async(e,t)=>{let{trans:a,services:i,commands:l}=e,n=await o.InputDialog.getItem({title:a.__("New filter"),label:a.__("Written in"),items:s.map(e=>e.title),okLabel:a.__("Next")});if(!n.button.accept)return;let c=await o.InputDialog.getText({title:a.__("New filter in %1",t||"/"),label:a.__("Name: small letters, digits and _"),text:"my_filter",okLabel:a.__("Create")}),p=c.button.accept?c.value?.trim():null;if(!p)return;let h=r.PathExt.join(t,p),d=await _(e,h);if(!/^[a-z][a-z0-9_]*$/.test(p)||d){let e=d?a.__("%1 is there already.",p):a.__("Small letters, digits and _ make a name.");return(0,o.showErrorMessage)(a.__("No filter was made"),e)}let{contents:u}=i;try{let t=s.find(e=>e.title===n.value)??s["0"];for(let[a,o]of Object.entries(t.files).map(([e,t])=>[e.replaceAll("NAME",p),t.replaceAll("NAME",p).replaceAll("LENGTH",String(p.length))]))await m(e,r.PathExt.join(h,r.PathExt.dirname(a))),await u.save(r.PathExt.join(h,a),{type:"file",format:"text",content:o});let a=l.hasCommand("markdownviewer:open")?"markdownviewer:open":"docmanager:open";await l.execute(a,{path:r.PathExt.join(h,"README.md")})}catch(e){await (0,o.showErrorMessage)(a.__("The filter was not made whole"),e instanceof Error?e:String(e))}},p=async e=>{let{trans:t,commands:a}=e,r="notebooks/00_tour.ipynb";await _(e,r)?await a.execute("docmanager:open",{path:r}):await (0,o.showDialog)({title:t.__("The lessons are not here"),body:t.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),buttons:[o.Dialog.okButton()]})},_=(e,t)=>e.services.contents.get(t,{content:!1}).then(()=>!0,()=>!1),m=async(e,t)=>{!t||"."===t||await _(e,t)||(await m(e,r.PathExt.dirname(t)),await e.services.contents.save(t,{type:"directory"}))}}}]);