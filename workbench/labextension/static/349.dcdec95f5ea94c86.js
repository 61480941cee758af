"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[349],{7358(e,t,n){n.d(t,{zy:()=>j,hR:()=>S,j5:()=>A});var o=n(6002),i=n(1660),s=n(5072),r=n.n(s),a=n(7825),l=n.n(a),h=n(7659),c=n.n(h),d=n(5056),u=n.n(d),p=n(540),w=n.n(p),f=n(1113),g=n.n(f),k=n(51),m={};m.styleTagTransform=g(),m.setAttributes=u(),m.insert=c().bind(null,"head"),m.domAPI=l(),m.insertStyleElement=w(),r()(k.A,m),k.A&&k.A.locals&&k.A.locals;var b=n(3186),y=n(631),_=n(2716),v=n(6462);let x=(e,t,n="")=>{let o=document.createElement(e);return o.className=`filter-workbench-${t}`,o.textContent=n,o},C=async(e,t,n,s,r)=>{let{trans:a,services:l}=e,h=await (0,b.I)(l.contents,e.folder()??"",r),c=[],d=new i.Widget;d.addClass("filter-workbench-choose");let u=new Map;for(let e of h){let t=x("label","choice"),n=x("input","mark");n.type=s?"checkbox":"radio",n.name="filter-workbench-choice";let o=x("span","place");u.set(e,o);let i=e.lastIndexOf("/")+1,r=x("span","name",(0,v.R)(e.slice(i))),a=x("span","folder",(0,v.R)(e.slice(0,i)));t.title=(0,v.R)(e),t.append(n,r,a,o),n.addEventListener("change",()=>{s||(c.length=0);let t=c.indexOf(e);for(let[n,o]of(t>=0?c.splice(t,1):c.push(e),u))o.textContent=s&&c.includes(n)?String(c.indexOf(n)+1):""}),d.node.append(t)}return h.length||d.node.append(x("div","none",n)),(await (0,o.showDialog)({title:t,body:d,...h.length?{focusNodeSelector:"input"}:{},buttons:h.length?[o.Dialog.cancelButton({label:a.__("Cancel")}),o.Dialog.okButton({label:a.__("Choose")})]:[o.Dialog.cancelButton({label:a.__("Close")})]})).button.accept?c:[]},S=({trans:e,...t})=>C({trans:e,...t},e.__("Replay through which filters, in which order?"),e.__("There is no .wasm file in the folders here."),!0,y.vq),j=({trans:e,...t})=>C({trans:e,...t},e.__("Replay which capture?"),e.__("There is no capture in the folders here: .mitm, .flow, .flows, .har."),!1,y.Be),A=async(e,t)=>{let{services:n,trans:s}=e;await n.kernelspecs.ready,await n.sessions.refreshRunning();let r=[],a=new i.Widget,l=document.createElement("label");l.textContent=s.__("Where the view's Python runs");let h=document.createElement("select");h.className="jp-mod-styled";let c=(e,t)=>{if(!t.length)return;let n=document.createElement("optgroup");for(let{title:o,choice:i}of(n.label=e,t)){let e=document.createElement("option");e.value=String(r.push(i)-1),e.textContent=(0,v.R)(o),n.append(e)}h.append(n)};return c(s.__("A kernel of its own, ended with the view"),(0,_.PB)(n).map(({name:e,title:t})=>({title:t,choice:{own:!0,spec:e}}))),c(s.__("A running kernel, shared"),(0,_.yk)(n).filter(({id:e})=>e!==t).map(({id:e,title:t})=>({title:t,choice:{own:!1,id:e}}))),l.append(h),a.node.append(l),(await (0,o.showDialog)({title:s.__("Choose a kernel"),body:a,focusNodeSelector:"select",buttons:r.length?[o.Dialog.cancelButton({label:s.__("Cancel")}),o.Dialog.okButton({label:s.__("Choose")})]:[o.Dialog.okButton({label:s.__("No Python kernel is installed")})]})).button.accept?r[Number(h.value)]??null:null}},7164(e,t,n){n.d(t,{DocumentView:()=>E});var o=n(5901),i=n(2763),s=n(2904),r=n(5256),a=n(7989),l=n(1660),h=n(7358),c=n(631),d=n(2716),u=n(6462);let p=new r.LabIcon({name:`${c.o_}:trouble`,svgstr:'<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.3" stroke-linejoin="round" stroke-linecap="round"><path d="M8 2.2 14.2 13H1.8zM8 6.3v3.2M8 11.2v.6"/></svg>'}),w=(e,t,n="")=>{let o=document.createElement(e);return o.className=`${c.o_}-${t}`,o.textContent=n,o};class f extends l.Widget{constructor(){super(),this.addClass(`${c.o_}-notice`),this.hide()}say(e){if(this.setHidden(!e),this.node.replaceChildren(),!e)return;this.toggleClass("is-busy",!!e.busy),this.node.setAttribute("role",e.busy?"status":"alert");let t=w("div","words");if(t.append(w("div","what",(0,u.R)(e.what))),e.remedy&&t.append(w("div","remedy",(0,u.R)(e.remedy))),e.actions?.length){let n=w("div","actions");for(let[t,{label:o,act:i}]of e.actions.entries()){let e=w("button","button",o);e.type="button",e.classList.add("jp-mod-styled",t?"jp-mod-reject":"jp-mod-accept"),e.addEventListener("click",i),n.append(e)}t.append(n)}e.busy||this.node.append(p.element({tag:"span",className:`${c.o_}-sign`})),this.node.append(t)}}class g extends l.Widget{constructor(e,t){super({node:w("button","kernel")}),this.node.type="button",this.node.title=e,this.node.addEventListener("click",t)}set(e){this.node.textContent=(0,u.R)(e)}}let k=e=>`__import__("workbench.documents", fromlist=["show"]).show(${JSON.stringify(JSON.stringify(e).replace(/[\u007f-\uffff]/g,e=>`\\u${e.charCodeAt(0).toString(16).padStart(4,"0")}`))})`;var m=n(2099),b=n(6401),y=n(5072),_=n.n(y),v=n(7825),x=n.n(v),C=n(7659),S=n.n(C),j=n(5056),A=n.n(j),T=n(540),R=n.n(T),I=n(1113),N=n.n(I),O=n(8567),D={};D.styleTagTransform=N(),D.setAttributes=A(),D.insert=S().bind(null,"head"),D.domAPI=x(),D.insertStyleElement=R(),_()(O.A,D),O.A&&O.A.locals&&O.A.locals;class E{host;context;around;constructor(e,t,n){this.host=e,this.context=t,this.around=n;let{trans:o}=n,i=e.content;this.notice=new f,(i.layout=new l.PanelLayout).addWidget(this.notice),this.kernelName=new g(o.__("Choose the kernel of this view"),()=>void this.changeKernel());let s=(0,c.vq)(t.path);e.toolbar.addItem("replay",new r.ToolbarButton({icon:r.runIcon,label:s?o.__("Try on a capture…"):o.__("Replay through filter…"),tooltip:s?o.__("Replay a capture through this filter"):o.__("Choose the filters of the chain"),onClick:()=>void(s?this.tryOnCapture():this.replayThrough())})),e.toolbar.addItem("reload",new r.ToolbarButton({icon:r.refreshIcon,tooltip:o.__("Read the files again"),onClick:()=>void this.show(!1)})),e.toolbar.addItem("spacer",r.Toolbar.createSpacerItem()),e.toolbar.addItem("kernel",this.kernelName),e.disposed.connect(()=>this.dispose())}async start(){await this.context.ready;let{kernel:e}=this.host.content.state;await this.connect(e??{own:!0},!0)}async replay(e){this.keep({filters:e}),this.link&&await this.show(!1)}notice;kernelName;link=null;manager=null;area=null;asked=0;lost=!1;keep(e){this.host.content.state={...this.host.content.state,...e},this.host.content.stateChanged.emit()}async connect(e,t=!1){let{services:n,trans:o}=this.around;this.leave();let s=++this.asked;this.say({busy:!0,what:e.id?o.__("Connecting to the kernel…"):o.__("Starting a kernel…")}),this.kernelName.set(e.id?o.__("Connecting"):o.__("Starting"));try{let t=await d.mA.open(n,this.context.localPath,e,o);if(this.host.isDisposed||s!==this.asked)return t.dispose();this.link=t}catch(i){if(this.host.isDisposed||s!==this.asked)return;if(t&&e.id&&e.own)return this.connect({own:!0});this.kernelName.set(o.__("No kernel")),this.say({what:o.__("There is no kernel behind this view: %1.",i instanceof Error?i.message:String(i)),remedy:(0,d.PB)(n).length?o.__("Start a new one, or choose one that runs."):o.__("Install one with the workbench in it: pip install ipykernel wasm-filter-workbench"),actions:this.ways()});return}let r=this.link;this.around.connected.emit(r.kernel),this.keep({kernel:r.choice});let a=this.around.rendermime.clone();this.area=new i.SimplifiedOutputArea({model:new i.OutputAreaModel({trusted:!0}),rendermime:a}),this.area.addClass("filter-workbench-output"),this.host.content.layout.addWidget(this.area),r.changed.connect((e,t)=>this.onState(t));let l=(0,d.PB)(n).find(e=>e.name===r.choice.spec)?.title??r.kernel.name;this.kernelName.set(r.choice.own?l:o.__("%1, shared",l)),await this.show(t)}async show(e){let{link:t,area:n}=this;if(!t||!n)return this.connect({own:!0});let{trans:o}=this.around,i=++this.asked,r=await t.kernel.info;if(i!==this.asked)return;if("python"!==r.language_info.name)return this.say({what:o.__("This kernel runs %1; the view needs Python.",r.language_info.name),remedy:o.__("Choose another kernel."),actions:this.ways()});this.say({busy:!0,what:(0,c.vq)(this.context.path)?o.__("Looking into the filter…"):o.__("Opening the capture…")});let l=setTimeout(()=>{"busy"!==t.state||t.choice.own||i!==this.asked||this.say({busy:!0,what:o.__("The kernel is busy with a cell; the view opens when that is done.")})},1500);this.host.content.state.view||this.keep({view:a.UUID.uuid4()});let h=!1,d=e=>{i===this.asked&&s.KernelMessage.isDisplayDataMsg(e)&&(h||n.model.clear(),h=!0,n.model.add({...e.content,output_type:"display_data"}),this.say(null))};try{let s=this.manager?null:await this.ask(t,"begin",e);if(i!==this.asked)return;if(s?.status!=="error"){var u,p;let o,i,r,l;this.manager??=(u=t.kernel,p=n.rendermime,u._targetRegistry=new Proxy(u._targetRegistry??{},{get:(e,t)=>Reflect.get(e,t)??(()=>void 0)}),o=a.UUID.uuid4(),i=new Proxy(u,{get(e,t){if("id"===t)return`${e.id}/${o}`;let n=Reflect.get(e,t,e);return"function"==typeof n?n.bind(e):n}}),r={},l={sessionContext:{ready:Promise.resolve(),session:{kernel:i},kernelChanged:new b.Signal(r),statusChanged:u.statusChanged,connectionStatusChanged:u.connectionStatusChanged},saveState:new b.Signal(r),model:{getMetadata:()=>void 0,dirty:!1},urlResolver:null},(0,m.registerWidgetManager)(l,p,[][Symbol.iterator]())),s=await this.ask(t,(0,c.vq)(this.context.path)?"filter":"capture",e,d)}if(i!==this.asked)return;if(s?.status==="error"){let{kernel:e,...t}=((e,t,n)=>{if(/^(ModuleNotFound|Import)Error$/.test(e)&&/\bworkbench\b/.test(t))return{what:n("This kernel does not have the Filter Workbench."),remedy:n("Install wasm-filter-workbench where the kernel runs and restart it, or choose another kernel."),kernel:!0};if("KeyboardInterrupt"===e)return{what:n("The kernel was interrupted before the view was there."),remedy:n("Open it again."),kernel:!0};if(!/^(Capture|FilterLoad|Config|Replay|Workbench)Error$/.test(e))return{what:`${e}: ${t}`,remedy:"",kernel:!0};let[o="",i="",s=""]=t.split("\n");return{what:[i,o].filter(Boolean).join(": "),remedy:s,kernel:"ConfigError"===e}})(s.ename,s.evalue,e=>o.__(e)),n={label:o.__("Read again"),act:()=>void this.show(!1)};this.say({...t,actions:e?this.ways():[n]})}else h||this.say({what:o.__("The kernel gave nothing to show."),actions:this.ways()})}catch{}finally{clearTimeout(l)}}async ask(e,t,n,o=()=>void 0){let i=e.kernel.requestExecute({code:k(this.request(t,n)),store_history:!1,allow_stdin:!1,stop_on_error:!1});return i.onIOPub=o,(await i.done)?.content??null}request(e,t){let{view:n,filters:i}=this.host.content.state;return{view:n??"",kind:e,root:o.PageConfig.getOption("serverRoot"),path:this.context.localPath,filters:i??[],settings:this.around.settings(),keep:t}}onState(e){let{trans:t}=this.around,n={dead:t.__("The kernel died. What is shown here no longer answers."),restarted:t.__("The kernel died or was restarted, and runs anew. What is shown here no longer answers."),gone:t.__("The kernel was shut down. What is shown here no longer answers.")};if("lost"===e){this.lost=!0,this.say({busy:!0,what:t.__("The connection to the kernel is lost; trying to get it back…")});return}let o=n[e];if(!o){this.lost&&this.say(null),this.lost=!1;return}this.asked+=1,this.kernelName.set(t.__("No kernel")),this.say({what:o,remedy:"restarted"===e?t.__("Open it again."):t.__("Open it in another kernel."),actions:this.ways("restarted"!==e||this.link?.choice.own?void 0:this.link?.choice)})}ways(e){let{trans:t}=this.around;return[e?{label:t.__("Open again"),act:()=>void this.connect(e)}:{label:t.__("Start a new kernel"),act:()=>void this.connect({own:!0})},{label:t.__("Choose a kernel…"),act:()=>void this.changeKernel()}]}async changeKernel(){let e=await (0,h.j5)(this.around,this.link?.kernel.id);e&&await this.connect(e)}async replayThrough(){let e=await (0,h.hR)(this.around);e.length&&await this.replay(e)}async tryOnCapture(){let[e]=await (0,h.zy)(this.around);e&&await this.around.commands.execute(c.uB.open,{path:e,filters:[this.context.path]})}say(e){this.notice.say(e),this.host.content.toggleClass("filter-workbench-is-over",!!e&&!e.busy)}leave(){let{link:e}=this;e&&!e.choice.own&&["ready","busy"].includes(e.state)&&e.kernel.requestExecute({code:k(this.request("close",!1)),silent:!0,store_history:!1}),this.link=null,this.area?.dispose(),this.area=null,this.manager?.dispose(),this.manager=null,e?.dispose()}dispose(){this.asked+=1,this.leave()}}},3186(e,t,n){let o=/^(\..*|node_modules|__pycache__|deps|build|venv|site-packages)$/,i=async(e,t,n)=>{let i=new Set,s=new Set,r=[t,""];for(;r.length&&s.size<60&&i.size<200;){let t=r.shift()??"";if(s.has(t))continue;s.add(t);let a=await e.get(t,{type:"directory",content:!0}).catch(()=>null);for(let e of(a?.content??[]).toSorted((e,t)=>e.name<t.name?-1:1))"directory"===e.type?o.test(e.name)||r.push(e.path):n(e.path)&&i.add(e.path)}return[...i]},s=async(e,t)=>new Set((await e.get(t,{type:"directory",content:!0})).content.map(e=>e.name));n.d(t,{},{I:i,w:s})},2716(e,t,n){var o=n(7989),i=n(6401),s=n(631);let r=["dead","restarted","gone"];class a{kernel;choice;session;services;constructor(e,t,n,o){this.kernel=e,this.choice=t,this.session=n,this.services=o,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),o.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n,i){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error(i.__("that kernel is not running"));let o=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),r=n.own&&o?.type===s.fW;return new a(e.kernels.connectTo({model:t,handleComms:!0}),{own:r,id:t.id,spec:t.name},r?o.id:null,e)}await e.kernelspecs.ready;let r=n.spec??h(e)[0]?.name;if(!r)throw Error(i.__("no Python kernel is installed"));let{id:c,kernel:d}=await e.sessions.startNew({path:l(t,o.UUID.uuid4().slice(0,8)),name:(0,s.Vb)(t),type:s.fW,kernel:{name:r}},{kernelConnectionOptions:{handleComms:!0}});if(!d)throw Error(i.__("the kernel did not start"));return new a(d,{own:!0,id:d.id,spec:r},c,e)}get state(){return this.current}changed=new i.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,i.Signal.clearData(this),this.session&&"gone"!==this.current&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||r.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let l=(e,t)=>{let n=e.lastIndexOf("/")+1;return`${e.slice(0,n)}.${t}/../${e.slice(n)}`},h=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>a},{PB:h,yk:e=>{let t=new Set(h(e).map(e=>e.name)),n=[];for(let o of e.sessions.running()){let e=o.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:o.name||o.path})}return n}})},51(e,t,n){var o=n(1601),i=n.n(o),s=n(6314),r=(n.n(s))()(i());r.push([e.id,`.filter-workbench-choose {
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
`,""]),n.d(t,{},{A:r})},8567(e,t,n){var o=n(1601),i=n.n(o),s=n(6314),r=(n.n(s))()(i());r.push([e.id,`.filter-workbench-box {
  display: flex;
  flex-direction: column;
  min-height: 0;
  overflow: hidden;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
}

.filter-workbench-output {
  flex: 1;
  min-height: 0;
  overflow: auto;
}

/* A dashboard takes the tab as it is, without a frame of its own. */
.filter-workbench-output:has(.fw-workbench) {
  overflow: hidden;
}

.filter-workbench-output
  :is(.jp-OutputArea-child, .jp-OutputArea-output, .jp-OutputArea-output > .lm-Widget, .jupyter-widgets):has(
    .fw-workbench
  ),
.filter-workbench-output .fw:has(> .fw-workbench) {
  height: 100%;
  max-height: none;
  margin: 0;
  padding: 0;
  overflow: hidden;
}

.filter-workbench-output .fw .fw-workbench {
  height: 100%;
  max-height: none;
  min-height: 0;
  resize: none;
  border: 0;
}

.filter-workbench-output .jp-RenderedHTMLCommon {
  padding: 12px 16px;
}

.filter-workbench-is-over .filter-workbench-output {
  opacity: 0.45;
  pointer-events: none;
}

.filter-workbench-notice {
  display: flex;
  flex: none;
  gap: 8px;
  align-items: flex-start;
  padding: 10px 12px;
  border-bottom: 1px solid var(--jp-border-color2);
  border-left: 2px solid var(--jp-warn-color1);
  font-size: 13px;
  line-height: 20px;
}

.filter-workbench-notice.lm-mod-hidden {
  display: none;
}

.filter-workbench-notice.is-busy {
  border-left-color: transparent;
  color: color-mix(in srgb, var(--jp-ui-font-color0) 64%, var(--jp-layout-color1));
}

.filter-workbench-sign {
  flex: none;
  width: 16px;
  height: 20px;
  padding-top: 2px;
  color: var(--jp-warn-color0);
}

.filter-workbench-words {
  min-width: 0;
  overflow-wrap: anywhere;
}

.filter-workbench-notice:not(.is-busy) .filter-workbench-what {
  font-weight: 600;
}

.filter-workbench-remedy {
  color: color-mix(in srgb, var(--jp-ui-font-color0) 64%, var(--jp-layout-color1));
}

.filter-workbench-actions {
  display: flex;
  gap: 8px;
  padding-top: 8px;
}

.filter-workbench-kernel {
  height: 24px;
  padding: 0 8px;
  border: 0;
  border-radius: 3px;
  background: none;
  color: var(--jp-ui-font-color1);
  font: 12px/24px var(--jp-ui-font-family);
}

.filter-workbench-kernel:hover {
  background: var(--jp-layout-color2);
}

.filter-workbench-kernel:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

/* Lab's buttons have an icon or words; ours have both. */
.filter-workbench-document .jp-ToolbarButtonComponent-label:not(:first-child) {
  margin-left: 4px;
}
`,""]),n.d(t,{},{A:r})}}]);