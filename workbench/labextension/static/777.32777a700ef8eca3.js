"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[777],{824(e,t,n){n.r(t),n.d(t,{lessons:()=>u,newFilter:()=>h,record:()=>d,replay:()=>l});var a=n(2),i=n(901),s=n(60),r=n(631);let o=[{title:"Rust",files:{"Cargo.toml":`[package]
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
`}}],l=async(e,t,n)=>{let a=t.length?t:await (0,s.zy)(e);if(!a.length)return;let i=n.length?n:await (0,s.hR)(e);if(i.length||!t.length)for(let t of a)await e.commands.execute(r.uB.open,{path:t,filters:i})},c=/^[A-Za-z0-9][\w-]*(\.[\w-]+)*$/,d=async(e,t)=>{let{trans:n,services:s,commands:r}=e;if(!r.hasCommand("terminal:create-new"))return(0,a.showErrorMessage)(n.__("Nothing was recorded"),n.__("This server has no terminals. Run this where they are: %1","mitmdump --listen-host 127.0.0.1 -w recorded.mitm"));let o=await a.InputDialog.getText({title:n.__("Record to %1",t||"/"),label:n.__("File. Send traffic through the proxy 127.0.0.1:8080; Ctrl-C in the terminal ends the recording."),text:"recorded.mitm",okLabel:n.__("Record")}),l=o.button.accept?o.value?.trim():null;if(!l)return;let d=await p(e,i.PathExt.join(t,l));if(!c.test(l)||d){let e=d?n.__("%1 is there already.",l):n.__("Letters, digits, dots and dashes make a name.");return(0,a.showErrorMessage)(n.__("Nothing was recorded"),e)}let h=await r.execute("terminal:create-new",{cwd:t});await s.terminals.ready,h.content.session.send({type:"stdin",content:[`mitmdump --listen-host 127.0.0.1 --listen-port 8080 -w ${l}\r`]})},h=async(e,t)=>{let{trans:n,services:s,commands:r}=e,l=await a.InputDialog.getItem({title:n.__("New filter"),label:n.__("Written in"),items:o.map(e=>e.title),okLabel:n.__("Next")});if(!l.button.accept)return;let c=await a.InputDialog.getText({title:n.__("New filter in %1",t||"/"),label:n.__("Name: small letters, digits and _"),text:"my_filter",okLabel:n.__("Create")}),d=c.button.accept?c.value?.trim():null;if(!d)return;let h=i.PathExt.join(t,d),u=await p(e,h);if(!/^[a-z][a-z0-9_]*$/.test(d)||u){let e=u?n.__("%1 is there already.",d):n.__("Small letters, digits and _ make a name.");return(0,a.showErrorMessage)(n.__("No filter was made"),e)}let{contents:_}=s;try{let t=o.find(e=>e.title===l.value)??o["0"];for(let[n,a]of Object.entries(t.files).map(([e,t])=>[e.replaceAll("NAME",d),t.replaceAll("NAME",d).replaceAll("LENGTH",String(d.length))]))await m(e,i.PathExt.join(h,i.PathExt.dirname(n))),await _.save(i.PathExt.join(h,n),{type:"file",format:"text",content:a});await r.execute("docmanager:open",{path:i.PathExt.join(h,"README.md")})}catch(e){await (0,a.showErrorMessage)(n.__("The filter was not made whole"),e instanceof Error?e:String(e))}},u=async e=>{let{trans:t,commands:n}=e,i="notebooks/00_tour.ipynb";await p(e,i)?await n.execute("docmanager:open",{path:i}):await (0,a.showDialog)({title:t.__("The lessons are not here"),body:t.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),buttons:[a.Dialog.okButton()]})},p=(e,t)=>e.services.contents.get(t,{content:!1}).then(()=>!0,()=>!1),m=async(e,t)=>{!t||"."===t||await p(e,t)||(await m(e,i.PathExt.dirname(t)),await e.services.contents.save(t,{type:"directory"}))}},60(e,t,n){var a=n(2),i=n(861),s=n(660),r=n(631),o=n(716),l=n(462);let c=async(e,t,n)=>{if(!e.documents)return[];let a=await i.FileDialog.getOpenFiles({manager:e.documents,title:t,label:"",filter:e=>"directory"===e.type||n(e.path)?{}:null,...null===e.folder()?{}:{defaultPath:e.folder()}});return(a.button.accept?a.value??[]:[]).map(e=>e.path).filter(n)},d=async(e,t)=>{let{services:n,trans:i}=e;await n.kernelspecs.ready,await n.sessions.refreshRunning();let r=[],c=new s.Widget,d=document.createElement("label");d.textContent=i.__("Where the view's Python runs");let h=document.createElement("select");h.className="jp-mod-styled";let u=(e,t)=>{if(!t.length)return;let n=document.createElement("optgroup");for(let{title:a,choice:i}of(n.label=e,t)){let e=document.createElement("option");e.value=String(r.push(i)-1),e.textContent=(0,l.R)(a),n.append(e)}h.append(n)};return u(i.__("A kernel of its own, ended with the view"),(0,o.PB)(n).map(({name:e,title:t})=>({title:t,choice:{own:!0,spec:e}}))),u(i.__("A running kernel, shared"),(0,o.yk)(n).filter(({id:e})=>e!==t).map(({id:e,title:t})=>({title:t,choice:{own:!1,id:e}}))),d.append(h),c.node.append(d),(await (0,a.showDialog)({title:i.__("Choose a kernel"),body:c,focusNodeSelector:"select",buttons:r.length?[a.Dialog.cancelButton({label:i.__("Cancel")}),a.Dialog.okButton({label:i.__("Choose")})]:[a.Dialog.okButton({label:i.__("No Python kernel is installed")})]})).button.accept?r[Number(h.value)]??null:null};n.d(t,{},{hR:e=>c(e,e.trans.__("Replay through which filters?"),r.vq),j5:d,zy:e=>c(e,e.trans.__("Replay which capture?"),r.Be)})},716(e,t,n){var a=n(989),i=n(401);let s=["dead","restarted","gone"];class r{kernel;choice;session;services;constructor(e,t,n,a){this.kernel=e,this.choice=t,this.session=n,this.services=a,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),a.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error("that kernel is not running");let a=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),i=n.own&&a?.type===o;return new r(e.kernels.connectTo({model:t,handleComms:!0}),{own:i,id:t.id,spec:t.name},i?a.id:null,e)}await e.kernelspecs.ready;let i=n.spec??l(e)[0]?.name;if(!i)throw Error("no Python kernel is installed");let{id:s,kernel:c}=await e.sessions.startNew({path:`${t}-${a.UUID.uuid4().slice(0,8)}`,name:t.split("/").pop()??t,type:o,kernel:{name:i}},{kernelConnectionOptions:{handleComms:!0}});if(!c)throw Error("the kernel did not start");return new r(c,{own:!0,id:c.id,spec:i},s,e)}get state(){return this.current}changed=new i.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,i.Signal.clearData(this),this.session&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||s.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let o="filter-workbench",l=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>r},{PB:l,yk:e=>{let t=new Set(l(e).map(e=>e.name)),n=[];for(let a of e.sessions.running()){let e=a.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:a.name||a.path})}return n}})},462(e,t,n){let a=/[\p{C}\p{Zl}\p{Zp}]/gu;n.d(t,{},{R:e=>e.replace(a,e=>{let t=e.codePointAt(0)??0;return t<256?`\\x${t.toString(16).padStart(2,"0")}`:t<65536?`\\u${t.toString(16).padStart(4,"0")}`:`\\U${t.toString(16).padStart(8,"0")}`})})}}]);