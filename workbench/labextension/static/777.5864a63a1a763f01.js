"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[777],{5824(e,t,n){n.r(t),n.d(t,{lessons:()=>u,newFilter:()=>p,replay:()=>h});var a=n(6002),i=n(5901),o=n(7358),r=n(3186),s=n(631),l=n(8909);let c=[{title:()=>"Rust",files:{"Cargo.toml":`[package]
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
wb.Filter("NAME.wasm").inspect()`}],metadata:{kernelspec:{display_name:"Python 3",language:"python",name:"python3"}},nbformat:4,nbformat_minor:5}),"README.md":'# NAME\n\nA Proxy-Wasm filter in WebAssembly text: it adds the header `x-filter` to each request.\n\nRun `build.ipynb`: it makes `NAME.wasm` of `NAME.wat` and shows what is in it. Run it again when you have changed the text.\n\nThen double-click `NAME.wasm` to look into it, and press "Try on a capture…".\n'}}],h=async(e,t,n)=>{let a=t.length?t:await (0,o.zy)(e);if(!a.length)return;let i=n.length?n:await (0,o.hR)(e);if(i.length||!t.length)for(let t of a)await e.commands.execute(s.uB.open,{path:t,filters:i})},d="filebrowser:go-to-path",p=async(e,t)=>{let{trans:n,services:o,commands:s}=e,h=await a.InputDialog.getItem({title:n.__("New filter"),label:n.__("Written in"),items:c.map(e=>e.title(n)),okLabel:n.__("Next"),cancelLabel:n.__("Cancel")});if(!h.button.accept)return;let p=await a.InputDialog.getText({title:n.__("New filter in %1",t||"/"),label:n.__("Name: small letters, digits and _"),text:"my_filter",pattern:"[a-z][a-z0-9_]*",required:!0,okLabel:n.__("Create"),cancelLabel:n.__("Cancel")}),u=p.button.accept?p.value?.trim():null;if(!u)return;let m=i.PathExt.join(t,u),f=(await (0,r.w)(o.contents,t)).has(u);if(!/^[a-z][a-z0-9_]*$/.test(u)||f){let t=f?n.__("%1 is there already.",u):n.__("Small letters, digits and _ make a name.");return(0,l.T)(e,n.__("No filter was made"),t)}let{contents:_}=o;try{let e=c.find(e=>e.title(n)===h.value)??c["0"];await _.save(m,{type:"directory"});let t=new Set([""]);for(let[n,a]of Object.entries(e.files).map(([e,t])=>[e.replaceAll("NAME",u),t.replaceAll("NAME",u).replaceAll("LENGTH",String(u.length))])){let e=i.PathExt.dirname(n);t.has(e)||await _.save(i.PathExt.join(m,e),{type:"directory"}),t.add(e),await _.save(i.PathExt.join(m,n),{type:"file",format:"text",content:a})}s.hasCommand(d)&&await s.execute(d,{path:m});let a=s.hasCommand("markdownviewer:open")?"markdownviewer:open":"docmanager:open";await s.execute(a,{path:i.PathExt.join(m,"README.md")})}catch(a){let t=a instanceof Error?a:String(a);await (0,l.T)(e,n.__("The filter was not made whole"),t)}},u=async e=>{let{trans:t,commands:n,services:o}=e,[s,c]=["notebooks","00_tour.ipynb"];(await (0,r.w)(o.contents,"")).has(s)&&(await (0,r.w)(o.contents,s)).has(c)?await n.execute("docmanager:open",{path:i.PathExt.join(s,c)}):await (0,a.showDialog)({title:t.__("The lessons are not here"),body:t.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),buttons:[(0,l.E)(e)]})}},7358(e,t,n){n.d(t,{zy:()=>C,hR:()=>A,j5:()=>N});var a=n(6002),i=n(1660),o=n(5072),r=n.n(o),s=n(7825),l=n.n(s),c=n(7659),h=n.n(c),d=n(5056),p=n.n(d),u=n(540),m=n.n(u),f=n(1113),_=n.n(f),w=n(51),g={};g.styleTagTransform=_(),g.setAttributes=p(),g.insert=h().bind(null,"head"),g.domAPI=l(),g.insertStyleElement=m(),r()(w.A,g),w.A&&w.A.locals&&w.A.locals;var b=n(3186),y=n(631),x=n(2716),k=n(6462);let v=(e,t,n="")=>{let a=document.createElement(e);return a.className=`filter-workbench-${t}`,a.textContent=n,a},E=async(e,t,n,o,r)=>{let{trans:s,services:l}=e,c=await (0,b.I)(l.contents,e.folder()??"",r),h=[],d=new i.Widget;d.addClass("filter-workbench-choose");let p=new Map;for(let e of c){let t=v("label","choice"),n=v("input","mark");n.type=o?"checkbox":"radio",n.name="filter-workbench-choice";let a=v("span","place");p.set(e,a);let i=e.lastIndexOf("/")+1,r=v("span","name",(0,k.R)(e.slice(i))),s=v("span","folder",(0,k.R)(e.slice(0,i)));t.title=(0,k.R)(e),t.append(n,r,s,a),n.addEventListener("change",()=>{o||(h.length=0);let t=h.indexOf(e);for(let[n,a]of(t>=0?h.splice(t,1):h.push(e),p))a.textContent=o&&h.includes(n)?String(h.indexOf(n)+1):""}),d.node.append(t)}return c.length||d.node.append(v("div","none",n)),(await (0,a.showDialog)({title:t,body:d,...c.length?{focusNodeSelector:"input"}:{},buttons:c.length?[a.Dialog.cancelButton({label:s.__("Cancel")}),a.Dialog.okButton({label:s.__("Choose")})]:[a.Dialog.cancelButton({label:s.__("Close")})]})).button.accept?h:[]},A=({trans:e,...t})=>E({trans:e,...t},e.__("Replay through which filters, in which order?"),e.__("There is no .wasm file in the folders here."),!0,y.vq),C=({trans:e,...t})=>E({trans:e,...t},e.__("Replay which capture?"),e.__("There is no capture in the folders here: .mitm, .flow, .flows, .har."),!1,y.Be),N=async(e,t)=>{let{services:n,trans:o}=e;await n.kernelspecs.ready,await n.sessions.refreshRunning();let r=[],s=new i.Widget,l=document.createElement("label");l.textContent=o.__("Where the view's Python runs");let c=document.createElement("select");c.className="jp-mod-styled";let h=(e,t)=>{if(!t.length)return;let n=document.createElement("optgroup");for(let{title:a,choice:i}of(n.label=e,t)){let e=document.createElement("option");e.value=String(r.push(i)-1),e.textContent=(0,k.R)(a),n.append(e)}c.append(n)};return h(o.__("A kernel of its own, ended with the view"),(0,x.PB)(n).map(({name:e,title:t})=>({title:t,choice:{own:!0,spec:e}}))),h(o.__("A running kernel, shared"),(0,x.yk)(n).filter(({id:e})=>e!==t).map(({id:e,title:t})=>({title:t,choice:{own:!1,id:e}}))),l.append(c),s.node.append(l),(await (0,a.showDialog)({title:o.__("Choose a kernel"),body:s,focusNodeSelector:"select",buttons:r.length?[a.Dialog.cancelButton({label:o.__("Cancel")}),a.Dialog.okButton({label:o.__("Choose")})]:[a.Dialog.okButton({label:o.__("No Python kernel is installed")})]})).button.accept?r[Number(c.value)]??null:null}},3186(e,t,n){let a=/^(\..*|node_modules|__pycache__|deps|build|venv|site-packages)$/,i=async(e,t,n)=>{let i=new Set,o=new Set,r=[t,""];for(;r.length&&o.size<60&&i.size<200;){let t=r.shift()??"";if(o.has(t))continue;o.add(t);let s=await e.get(t,{type:"directory",content:!0}).catch(()=>null);for(let e of(s?.content??[]).toSorted((e,t)=>e.name<t.name?-1:1))"directory"===e.type?a.test(e.name)||r.push(e.path):n(e.path)&&i.add(e.path)}return[...i]},o=async(e,t)=>new Set((await e.get(t,{type:"directory",content:!0})).content.map(e=>e.name));n.d(t,{},{I:i,w:o})},2716(e,t,n){var a=n(7989),i=n(6401),o=n(631);let r=["dead","restarted","gone"];class s{kernel;choice;session;services;constructor(e,t,n,a){this.kernel=e,this.choice=t,this.session=n,this.services=a,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),a.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n,i){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error(i.__("that kernel is not running"));let a=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),r=n.own&&a?.type===o.fW;return new s(e.kernels.connectTo({model:t,handleComms:!0}),{own:r,id:t.id,spec:t.name},r?a.id:null,e)}await e.kernelspecs.ready;let r=n.spec??c(e)[0]?.name;if(!r)throw Error(i.__("no Python kernel is installed"));let{id:h,kernel:d}=await e.sessions.startNew({path:l(t,a.UUID.uuid4().slice(0,8)),name:(0,o.Vb)(t),type:o.fW,kernel:{name:r}},{kernelConnectionOptions:{handleComms:!0}});if(!d)throw Error(i.__("the kernel did not start"));return new s(d,{own:!0,id:d.id,spec:r},h,e)}get state(){return this.current}changed=new i.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,i.Signal.clearData(this),this.session&&"gone"!==this.current&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||r.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let l=(e,t)=>{let n=e.lastIndexOf("/")+1;return`${e.slice(0,n)}.${t}/../${e.slice(n)}`},c=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>s},{PB:c,yk:e=>{let t=new Set(c(e).map(e=>e.name)),n=[];for(let a of e.sessions.running()){let e=a.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:a.name||a.path})}return n}})},8909(e,t,n){var a=n(6002);let i=({trans:e})=>a.Dialog.okButton({label:e.__("Close")});n.d(t,{},{E:i,T:(e,t,n)=>(0,a.showErrorMessage)(t,n,[i(e)])})},51(e,t,n){var a=n(1601),i=n.n(a),o=n(6314),r=(n.n(o))()(i());r.push([e.id,`.filter-workbench-choose {
  min-width: 380px;
  max-height: 46vh;
  overflow: auto;
}

.filter-workbench-choice {
  display: grid;
  grid-template-columns: auto minmax(0, max-content) minmax(0, 1fr) 16px;
  gap: 8px;
  align-items: center;
  height: 24px;
  padding: 0 4px;
}

/* Lab makes fields of the inputs in its dialogs. */
.filter-workbench-choice input.filter-workbench-mark {
  appearance: auto;
  width: 13px;
  height: 13px;
  margin: 0 2px;
  accent-color: var(--jp-brand-color1);
}

.filter-workbench-choice:hover {
  background: var(--jp-layout-color2);
}

.filter-workbench-name,
.filter-workbench-folder {
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
  unicode-bidi: isolate;
}

.filter-workbench-folder,
.filter-workbench-none {
  color: color-mix(in srgb, var(--jp-ui-font-color0) 64%, var(--jp-layout-color1));
}

/* A filter is its place in the chain. */
.filter-workbench-place:not(:empty) {
  border: 1px solid var(--jp-border-color1);
  border-radius: 2px;
  font-size: 11px;
  font-weight: 600;
  line-height: 14px;
  text-align: center;
}
`,""]),n.d(t,{},{A:r})}}]);