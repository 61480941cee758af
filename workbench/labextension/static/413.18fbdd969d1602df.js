"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[413],{7358(e,t,n){n.d(t,{zy:()=>A,hR:()=>j,j5:()=>D});var i=n(6002),r=n(1660),s=n(5072),o=n.n(s),a=n(7825),l=n.n(a),h=n(7659),c=n.n(h),d=n(5056),p=n.n(d),u=n(540),f=n.n(u),w=n(1113),b=n.n(w),g=n(51),m={};m.styleTagTransform=b(),m.setAttributes=p(),m.insert=c().bind(null,"head"),m.domAPI=l(),m.insertStyleElement=f(),o()(g.A,m),g.A&&g.A.locals&&g.A.locals;var k=n(3186),v=n(631),y=n(2716),x=n(6462);let _=(e,t,n="")=>{let i=document.createElement(e);return i.className=`filter-workbench-${t}`,i.textContent=n,i},C=async(e,t,n,s,o)=>{let{trans:a,services:l}=e,h=await (0,k.I)(l.contents,e.folder()??"",o),c=[],d=new r.Widget;d.addClass("filter-workbench-choose");let p=new Map;for(let e of h){let t=_("label","choice"),n=_("input","mark");n.type=s?"checkbox":"radio",n.name="filter-workbench-choice";let i=_("span","place");p.set(e,i);let r=e.lastIndexOf("/")+1,o=_("span","name",(0,x.R)(e.slice(r))),a=_("span","folder",(0,x.R)(e.slice(0,r)));t.title=(0,x.R)(e),t.append(n,o,a,i),n.addEventListener("change",()=>{s||(c.length=0);let t=c.indexOf(e);for(let[n,i]of(t>=0?c.splice(t,1):c.push(e),p))i.textContent=s&&c.includes(n)?String(c.indexOf(n)+1):""}),d.node.append(t)}return h.length||d.node.append(_("div","none",n)),(await (0,i.showDialog)({title:t,body:d,...h.length?{focusNodeSelector:"input"}:{},buttons:h.length?[i.Dialog.cancelButton({label:a.__("Cancel")}),i.Dialog.okButton({label:a.__("Choose")})]:[i.Dialog.cancelButton({label:a.__("Close")})]})).button.accept?c:[]},j=({trans:e,...t})=>C({trans:e,...t},e.__("Replay through which filters, in which order?"),e.__("There is no .wasm file in the folders here."),!0,v.vq),A=({trans:e,...t})=>C({trans:e,...t},e.__("Replay which capture?"),e.__("There is no capture in the folders here: .mitm, .flow, .flows, .har."),!1,v.Be),D=async(e,t)=>{let{services:n,trans:s}=e;await n.kernelspecs.ready,await n.sessions.refreshRunning();let o=[],a=new r.Widget,l=document.createElement("label");l.textContent=s.__("Where the view's Python runs");let h=document.createElement("select");h.className="jp-mod-styled";let c=(e,t)=>{if(!t.length)return;let n=document.createElement("optgroup");for(let{title:i,choice:r}of(n.label=e,t)){let e=document.createElement("option");e.value=String(o.push(r)-1),e.textContent=(0,x.R)(i),n.append(e)}h.append(n)};return c(s.__("A kernel of its own, ended with the view"),(0,y.PB)(n).map(({name:e,title:t})=>({title:t,choice:{own:!0,spec:e}}))),c(s.__("A running kernel, shared"),(0,y.yk)(n).filter(({id:e})=>e!==t).map(({id:e,title:t})=>({title:t,choice:{own:!1,id:e}}))),l.append(h),a.node.append(l),(await (0,i.showDialog)({title:s.__("Choose a kernel"),body:a,focusNodeSelector:"select",buttons:o.length?[i.Dialog.cancelButton({label:s.__("Cancel")}),i.Dialog.okButton({label:s.__("Choose")})]:[i.Dialog.okButton({label:s.__("No Python kernel is installed")})]})).button.accept?o[Number(h.value)]??null:null}},3186(e,t,n){let i=/^(\..*|node_modules|__pycache__|deps|build|venv|site-packages)$/,r=async(e,t,n)=>{let r=new Set,s=new Set,o=[t,""];for(;o.length&&s.size<60&&r.size<200;){let t=o.shift()??"";if(s.has(t))continue;s.add(t);let a=await e.get(t,{type:"directory",content:!0}).catch(()=>null);for(let e of(a?.content??[]).toSorted((e,t)=>e.name<t.name?-1:1))"directory"===e.type?i.test(e.name)||o.push(e.path):n(e.path)&&r.add(e.path)}return[...r]},s=async(e,t)=>new Set((await e.get(t,{type:"directory",content:!0})).content.map(e=>e.name));n.d(t,{},{I:r,w:s})},2716(e,t,n){var i=n(7989),r=n(6401),s=n(631);let o=["dead","restarted","gone"];class a{kernel;choice;session;services;constructor(e,t,n,i){this.kernel=e,this.choice=t,this.session=n,this.services=i,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),i.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n,r){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error(r.__("that kernel is not running"));let i=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),o=n.own&&i?.type===s.fW;return new a(e.kernels.connectTo({model:t,handleComms:!0}),{own:o,id:t.id,spec:t.name},o?i.id:null,e)}await e.kernelspecs.ready;let o=n.spec??h(e)[0]?.name;if(!o)throw Error(r.__("no Python kernel is installed"));let{id:c,kernel:d}=await e.sessions.startNew({path:l(t,i.UUID.uuid4().slice(0,8)),name:(0,s.Vb)(t),type:s.fW,kernel:{name:o}},{kernelConnectionOptions:{handleComms:!0}});if(!d)throw Error(r.__("the kernel did not start"));return new a(d,{own:!0,id:d.id,spec:o},c,e)}get state(){return this.current}changed=new r.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,r.Signal.clearData(this),this.session&&"gone"!==this.current&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||o.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let l=(e,t)=>{let n=e.lastIndexOf("/")+1;return`${e.slice(0,n)}.${t}/../${e.slice(n)}`},h=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>a},{PB:h,yk:e=>{let t=new Set(h(e).map(e=>e.name)),n=[];for(let i of e.sessions.running()){let e=i.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:i.name||i.path})}return n}})},100(e,t,n){n.d(t,{SidePanel:()=>S});var i=n(5256),r=n(1660);let s=(e,t,n)=>t in e?e.map((e,i)=>i===t?{filters:[...e.filters,n].slice(0,30)}:e):[...e,{filters:[n]}].slice(-30);var o=n(7358),a=n(3186),l=n(3751),h=n(631),c=n(6462),d=n(5072),p=n.n(d),u=n(7825),f=n.n(u),w=n(7659),b=n.n(w),g=n(5056),m=n.n(g),k=n(540),v=n.n(k),y=n(1113),x=n.n(y),_=n(5724),C={};C.styleTagTransform=x(),C.setAttributes=m(),C.insert=b().bind(null,"head"),C.domAPI=f(),C.insertStyleElement=v(),p()(_.A,C),_.A&&_.A.locals&&_.A.locals;let j=`${h.o_}:chains`,A="application/x-filter-workbench-filter",D=(e,t,...n)=>{let i=document.createElement(e);return t&&(i.className=t),i.append(...n),i};class S extends r.Widget{around;runs;states;constructor(e,t,n){super(),this.around=e,this.runs=t,this.states=n,this.addClass("filter-workbench-panel");let{trans:r}=e;this.node.append(this.section(r.__("Captures"),this.captures,[i.refreshIcon,r.__("Look again"),()=>void this.look()]),this.section(r.__("Filters"),this.filters),this.section(r.__("Chains"),this.chainList),this.section(r.__("Runs"),this.runList)),t.changed.connect(this.drawRuns,this),this.drawRuns(),this.drawChains(),this.restore(),this.look()}dispose(){this.runs.changed.disconnect(this.drawRuns,this),super.dispose()}section(e,t,n){let i=D("div","filter-workbench-head",D("h3","",e));return n&&i.append(this.button(...n)),t.setAttribute("role","list"),t.setAttribute("aria-label",e),D("section","",i,t)}button(e,t,n){let i=D("button","filter-workbench-icon",e.element({tag:"span"}));return i.type="button",i.title=t,i.setAttribute("aria-label",t),i.addEventListener("click",e=>{e.stopPropagation(),n()}),i}row(e,t,n,i,r){let s=D("span","filter-workbench-label",(0,c.R)(t)),o=[e.element({tag:"span"}),s,D("span","filter-workbench-fact",(0,c.R)(i))],a=r?D("button","filter-workbench-main",...o):D("div","filter-workbench-main",...o);r&&a.addEventListener("click",r),a.title=(0,c.R)(n);let l=D("div","filter-workbench-row",a);return l.setAttribute("role","listitem"),l}empty(e,t){e.replaceChildren(D("div","filter-workbench-empty",t))}async look(){let{trans:e,services:t,commands:n}=this.around,i=await (0,a.I)(t.contents,this.around.folder()??"",e=>(0,h.Be)(e)||(0,h.vq)(e));if(this.isDisposed)return;let r=(e,t)=>i.filter(e).map(e=>{let i=this.row(t,(0,h.Vb)(e),e,e.slice(0,Math.max(0,e.lastIndexOf("/"))),()=>void n.execute(h.uB.open,{path:e}));return(0,h.vq)(e)&&this.draggable(i,e),i});this.captures.replaceChildren(...r(h.Be,l.gf)),this.filters.replaceChildren(...r(h.vq,l.Sj)),this.captures.childElementCount||this.empty(this.captures,e.__("No .mitm, .flow or .flows in the folders here.")),this.filters.childElementCount||this.empty(this.filters,e.__("No .wasm in the folders here."))}draggable(e,t){e.draggable=!0,e.addEventListener("dragstart",e=>e.dataTransfer?.setData(A,t));let{trans:n}=this.around;e.append(this.button(l.l9,n.__("Add to a chain"),()=>this.setChains(s(this.chains,this.last,t))))}drawChains(){let{trans:e}=this.around,t=this.chains.map((t,n)=>{let r=this.row(l.l9,t.filters.map(h.WS).join(" → "),t.filters.join("\n"),"",null);return r.append(this.button(i.runIcon,e.__("Replay a capture through this chain"),()=>void this.replay(t)),this.button(i.closeIcon,e.__("Remove the chain"),()=>{let e;return this.setChains((e=this.chains,e.filter((e,t)=>t!==n)))})),this.target(r,n),r}),n=D("div","filter-workbench-drop",e.__("Drop a filter here to begin a chain"));this.target(n,-1),this.chainList.replaceChildren(...t,n)}target(e,t){let n=t=>e.classList.toggle("is-over",t);e.addEventListener("dragover",e=>{e.dataTransfer?.types.includes(A)&&(e.preventDefault(),n(!0))}),e.addEventListener("dragleave",()=>n(!1)),e.addEventListener("drop",e=>{n(!1);let i=e.dataTransfer?.getData(A);i&&(e.preventDefault(),this.setChains(s(this.chains,t,i)))})}async replay(e){let[t]=await (0,o.zy)(this.around);t&&await this.around.commands.execute(h.uB.open,{path:t,filters:e.filters})}setChains(e){this.chains=e,this.last=e.length-1,this.states?.save(j,e),this.drawChains()}async restore(){let e;this.chains=(Array.isArray(e=await this.states?.fetch(j))?e:[]).map(e=>e?.filters).filter(e=>Array.isArray(e)&&e.every(e=>"string"==typeof e)).map(e=>({filters:e.slice(0,30)})).slice(0,30),this.isDisposed||this.drawChains()}drawRuns(){let{trans:e}=this.around,t=this.runs.all.map(t=>{let n=t.filters.join(" → ")||e.__("no filter"),r=this.row(l.l5,t.capture,`${t.capture} → ${n}
${t.words}`,"running"===t.state?e.__("%1 of %2",String(t.done),String(t.total)):"failed"===t.state?e.__("failed"):t.words,null);return r.classList.add("is-run"),r.classList.toggle("is-failed","failed"===t.state),"running"===t.state&&r.append(this.button(i.closeIcon,e.__("Cancel the replay"),t.cancel)),r});this.runList.replaceChildren(...t),t.length||this.empty(this.runList,e.__("Nothing was replayed on this page yet."))}captures=D("div","");filters=D("div","");chainList=D("div","");runList=D("div","");chains=[];last=-1}},51(e,t,n){var i=n(1601),r=n.n(i),s=n(6314),o=(n.n(s))()(r());o.push([e.id,`.filter-workbench-choose {
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
`,""]),n.d(t,{},{A:o})},5724(e,t,n){var i=n(1601),r=n.n(i),s=n(6314),o=(n.n(s))()(r());o.push([e.id,`.filter-workbench-late,
.filter-workbench-panel {
  min-width: 200px;
  overflow: auto;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font-size: 13px;
}

.filter-workbench-head {
  display: flex;
  align-items: center;
  justify-content: space-between;
  height: 32px;
  padding: 0 8px 0 12px;
  border-bottom: 1px solid var(--jp-border-color2);
  background: color-mix(in srgb, var(--jp-layout-color2) 42%, var(--jp-layout-color1));
}

.filter-workbench-head h3 {
  margin: 0;
  font-size: 12px;
  font-weight: 600;
}

.filter-workbench-row {
  display: flex;
  align-items: center;
  height: 24px;
  padding-right: 8px;
}

.filter-workbench-row:hover,
.filter-workbench-row.is-over {
  background: color-mix(in srgb, var(--jp-ui-font-color0) 4.5%, var(--jp-layout-color1));
}

.filter-workbench-main {
  display: flex;
  flex: 1;
  gap: 8px;
  align-items: center;
  min-width: 0;
  height: 24px;
  padding: 0 0 0 12px;
  border: 0;
  background: none;
  color: inherit;
  font: inherit;
  text-align: left;
}

.filter-workbench-main > span:first-child {
  display: inline-flex;
  flex: none;
}

.filter-workbench-label,
.filter-workbench-fact {
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
  unicode-bidi: isolate;
}

.filter-workbench-label {
  flex: 0 1 auto;
  min-width: 40px;
}

.filter-workbench-fact {
  flex: 1 10000 auto;
  min-width: 0;
  color: color-mix(in srgb, var(--jp-ui-font-color0) 64%, var(--jp-layout-color1));
  font-size: 12px;
  text-align: right;
}

/* What became of a run says more than the capture's name, which the tooltip has whole. */
.is-run .filter-workbench-fact {
  flex-shrink: 0;
  max-width: 75%;
}

.is-failed .filter-workbench-fact {
  color: var(--jp-error-color0);
}

[data-jp-theme-light="false"] .is-failed .filter-workbench-fact {
  color: var(--jp-error-color2);
}

.filter-workbench-icon {
  display: inline-grid;
  flex: none;
  place-items: center;
  width: 22px;
  height: 22px;
  margin-left: 4px;
  padding: 0;
  border: 0;
  border-radius: 3px;
  background: none;
}

.filter-workbench-icon > span {
  display: inline-flex;
}

.filter-workbench-icon:hover {
  background: var(--jp-layout-color2);
}

.filter-workbench-panel :is(button, [tabindex]):focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

.filter-workbench-empty,
.filter-workbench-drop {
  padding: 6px 12px;
  color: color-mix(in srgb, var(--jp-ui-font-color0) 64%, var(--jp-layout-color1));
  font-size: 12px;
}

.filter-workbench-drop {
  margin: 6px 8px;
  border: 1px dashed var(--jp-border-color1);
  border-radius: 3px;
}

.filter-workbench-drop.is-over {
  border-color: var(--jp-brand-color1);
  color: var(--jp-ui-font-color1);
}
`,""]),n.d(t,{},{A:o})}}]);