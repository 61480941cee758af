"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[777],{824(e,t,a){a.r(t),a.d(t,{lessons:()=>d,newFilter:()=>h,record:()=>_,replay:()=>s});var r=a(2),i=a(901),o=a(358),l=a(631);let n=[{title:()=>"Rust",files:{"Cargo.toml":`[package]
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
`,"README.md":`# NAME

A Proxy-Wasm filter in WebAssembly text: it adds the header \`x-filter\` to each request.

Build it in this folder, in a notebook or console:

    from pathlib import Path
    import wasmtime
    Path("NAME.wasm").write_bytes(wasmtime.wat2wasm(Path("NAME.wat").read_text()))

Then double-click \`NAME.wasm\` to look into it, and press "Try on a capture…".
`}}],s=async(e,t,a)=>{let r=t.length?t:await (0,o.zy)(e);if(!r.length)return;let i=a.length?a:await (0,o.hR)(e);if(i.length||!t.length)for(let t of r)await e.commands.execute(l.uB.open,{path:t,filters:i})},c=/^[A-Za-z0-9][\w-]*(\.[\w-]+)*$/,_=async(e,t)=>{let{trans:a,services:o,commands:l}=e;if(!l.hasCommand("terminal:create-new"))return(0,r.showErrorMessage)(a.__("Nothing was recorded"),a.__("This server has no terminals. Run this where they are: %1","mitmdump --listen-host 127.0.0.1 -w recorded.mitm"),[p(e)]);let n=await r.InputDialog.getText({title:a.__("Record to %1",t||"/"),label:a.__("File. Send traffic through the proxy 127.0.0.1:8080; Ctrl-C in the terminal ends the recording."),text:"recorded.mitm",okLabel:a.__("Record"),cancelLabel:a.__("Cancel")}),s=n.button.accept?n.value?.trim():null;if(!s)return;let _=await m(e,i.PathExt.join(t,s));if(!c.test(s)||_){let t=_?a.__("%1 is there already.",s):a.__("Letters, digits, dots and dashes make a name.");return(0,r.showErrorMessage)(a.__("Nothing was recorded"),t,[p(e)])}let h=await l.execute("terminal:create-new",{cwd:t});await o.terminals.ready,h.content.session.send({type:"stdin",content:[`mitmdump --listen-host 127.0.0.1 --listen-port 8080 -w ${s}\r`]})},h=async(e,t)=>{let{trans:a,services:o,commands:l}=e,s=await r.InputDialog.getItem({title:a.__("New filter"),label:a.__("Written in"),items:n.map(e=>e.title(a)),okLabel:a.__("Next"),cancelLabel:a.__("Cancel")});if(!s.button.accept)return;let c=await r.InputDialog.getText({title:a.__("New filter in %1",t||"/"),label:a.__("Name: small letters, digits and _"),text:"my_filter",okLabel:a.__("Create"),cancelLabel:a.__("Cancel")}),_=c.button.accept?c.value?.trim():null;if(!_)return;let h=i.PathExt.join(t,_),d=await m(e,h);if(!/^[a-z][a-z0-9_]*$/.test(_)||d){let t=d?a.__("%1 is there already.",_):a.__("Small letters, digits and _ make a name.");return(0,r.showErrorMessage)(a.__("No filter was made"),t,[p(e)])}let{contents:w}=o;try{let t=n.find(e=>e.title(a)===s.value)??n["0"];for(let[a,r]of Object.entries(t.files).map(([e,t])=>[e.replaceAll("NAME",_),t.replaceAll("NAME",_).replaceAll("LENGTH",String(_.length))]))await u(e,i.PathExt.join(h,i.PathExt.dirname(a))),await w.save(i.PathExt.join(h,a),{type:"file",format:"text",content:r});await l.execute("docmanager:open",{path:i.PathExt.join(h,"README.md")})}catch(i){let t=i instanceof Error?i:String(i);await (0,r.showErrorMessage)(a.__("The filter was not made whole"),t,[p(e)])}},d=async e=>{let{trans:t,commands:a}=e,i="notebooks/00_tour.ipynb";await m(e,i)?await a.execute("docmanager:open",{path:i}):await (0,r.showDialog)({title:t.__("The lessons are not here"),body:t.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),buttons:[p(e)]})},m=(e,t)=>e.services.contents.get(t,{content:!1}).then(()=>!0,()=>!1),p=({trans:e})=>r.Dialog.okButton({label:e.__("Close")}),u=async(e,t)=>{!t||"."===t||await m(e,t)||(await u(e,i.PathExt.dirname(t)),await e.services.contents.save(t,{type:"directory"}))}}}]);