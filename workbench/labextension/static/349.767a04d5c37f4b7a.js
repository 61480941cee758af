"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[349],{60(e,t,n){var o=n(2),r=n(861),s=n(660),i=n(631),a=n(716),l=n(462);let h=async(e,t,n)=>{if(!e.documents)return[];let o=await r.FileDialog.getOpenFiles({manager:e.documents,title:t,label:"",filter:e=>"directory"===e.type||n(e.path)?{}:null,...null===e.folder()?{}:{defaultPath:e.folder()}});return(o.button.accept?o.value??[]:[]).map(e=>e.path).filter(n)},c=async(e,t)=>{let{services:n,trans:r}=e;await n.kernelspecs.ready,await n.sessions.refreshRunning();let i=[],h=new s.Widget,c=document.createElement("label");c.textContent=r.__("Where the view's Python runs");let d=document.createElement("select");d.className="jp-mod-styled";let u=(e,t)=>{if(!t.length)return;let n=document.createElement("optgroup");for(let{title:o,choice:r}of(n.label=e,t)){let e=document.createElement("option");e.value=String(i.push(r)-1),e.textContent=(0,l.R)(o),n.append(e)}d.append(n)};return u(r.__("A kernel of its own, ended with the view"),(0,a.PB)(n).map(({name:e,title:t})=>({title:t,choice:{own:!0,spec:e}}))),u(r.__("A running kernel, shared"),(0,a.yk)(n).filter(({id:e})=>e!==t).map(({id:e,title:t})=>({title:t,choice:{own:!1,id:e}}))),c.append(d),h.node.append(c),(await (0,o.showDialog)({title:r.__("Choose a kernel"),body:h,focusNodeSelector:"select",buttons:i.length?[o.Dialog.cancelButton({label:r.__("Cancel")}),o.Dialog.okButton({label:r.__("Choose")})]:[o.Dialog.okButton({label:r.__("No Python kernel is installed")})]})).button.accept?i[Number(d.value)]??null:null};n.d(t,{},{hR:e=>h(e,e.trans.__("Replay through which filters?"),i.vq),j5:c,zy:e=>h(e,e.trans.__("Replay which capture?"),i.Be)})},164(e,t,n){n.d(t,{DocumentView:()=>P});var o=n(901),r=n(763),s=n(904),i=n(256),a=n(989),l=n(660),h=n(60),c=n(631),d=n(716),u=n(462);let p=new i.LabIcon({name:`${c.o_}:trouble`,svgstr:'<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.3" stroke-linejoin="round" stroke-linecap="round"><path d="M8 2.2 14.2 13H1.8zM8 6.3v3.2M8 11.2v.6"/></svg>'}),f=(e,t,n="")=>{let o=document.createElement(e);return o.className=`${c.o_}-${t}`,o.textContent=n,o};class w extends l.Widget{constructor(){super(),this.addClass(`${c.o_}-notice`),this.hide()}say(e){if(this.setHidden(!e),this.node.replaceChildren(),!e)return;this.toggleClass("is-busy",!!e.busy),this.node.setAttribute("role",e.busy?"status":"alert");let t=f("div","words");if(t.append(f("div","what",(0,u.R)(e.what))),e.remedy&&t.append(f("div","remedy",(0,u.R)(e.remedy))),e.actions?.length){let n=f("div","actions");for(let[t,{label:o,act:r}]of e.actions.entries()){let e=f("button","button",o);e.type="button",e.classList.add("jp-mod-styled",t?"jp-mod-reject":"jp-mod-accept"),e.addEventListener("click",r),n.append(e)}t.append(n)}e.busy||this.node.append(p.element({tag:"span",className:`${c.o_}-sign`})),this.node.append(t)}}class g extends l.Widget{constructor(e,t){super({node:f("button","kernel")}),this.node.type="button",this.node.title=e,this.node.addEventListener("click",t)}set(e){this.node.textContent=(0,u.R)(e)}}let m=e=>`__import__("workbench.documents", fromlist=["show"]).show(${JSON.stringify(JSON.stringify(e).replace(/[\u007f-\uffff]/g,e=>`\\u${e.charCodeAt(0).toString(16).padStart(4,"0")}`))})`;var y=n(99),k=n(401),b=n(72),v=n.n(b),_=n(825),x=n.n(_),C=n(659),S=n.n(C),j=n(56),T=n.n(j),N=n(540),R=n.n(N),A=n(113),I=n.n(A),E=n(567),O={};O.styleTagTransform=I(),O.setAttributes=T(),O.insert=S().bind(null,"head"),O.domAPI=x(),O.insertStyleElement=R(),v()(E.A,O),E.A&&E.A.locals&&E.A.locals;class P{host;context;around;constructor(e,t,n){this.host=e,this.context=t,this.around=n;let{trans:o}=n,r=e.content;this.notice=new w,(r.layout=new l.PanelLayout).addWidget(this.notice),this.kernelName=new g(o.__("Choose the kernel of this view"),()=>void this.changeKernel());let s=(0,c.vq)(t.path);e.toolbar.addItem("replay",new i.ToolbarButton({icon:i.runIcon,label:s?o.__("Try on a capture…"):o.__("Replay through filter…"),tooltip:s?o.__("Replay a capture through this filter"):o.__("Choose the filters of the chain"),onClick:()=>void(s?this.tryOnCapture():this.replayThrough())})),e.toolbar.addItem("reload",new i.ToolbarButton({icon:i.refreshIcon,tooltip:o.__("Read the files again"),onClick:()=>void this.show(!1)})),e.toolbar.addItem("spacer",i.Toolbar.createSpacerItem()),e.toolbar.addItem("kernel",this.kernelName),e.disposed.connect(()=>this.dispose())}async start(){await this.context.ready;let{kernel:e}=this.host.content.state;await this.connect(e??{own:!0},!0)}async replay(e){this.keep({filters:e}),this.link&&await this.show(!1)}notice;kernelName;link=null;manager=null;area=null;asked=0;lost=!1;keep(e){this.host.content.state={...this.host.content.state,...e},this.host.content.stateChanged.emit()}async connect(e,t=!1){let{services:n,trans:o}=this.around;this.leave();let s=++this.asked;this.say({busy:!0,what:e.id?o.__("Connecting to the kernel…"):o.__("Starting a kernel…")}),this.kernelName.set(e.id?o.__("Connecting"):o.__("Starting"));try{let t=await d.mA.open(n,this.context.localPath,e);if(this.host.isDisposed||s!==this.asked)return t.dispose();this.link=t}catch(r){if(this.host.isDisposed||s!==this.asked)return;if(t&&e.id&&e.own)return this.connect({own:!0});this.kernelName.set(o.__("No kernel")),this.say({what:o.__("There is no kernel behind this view: %1.",r instanceof Error?r.message:String(r)),remedy:(0,d.PB)(n).length?o.__("Start a new one, or choose one that runs."):o.__("Install one with the workbench in it: pip install ipykernel wasm-filter-workbench"),actions:this.ways()});return}let i=this.link;this.around.connected.emit(i.kernel),this.keep({kernel:i.choice});let a=this.around.rendermime.clone();this.area=new r.SimplifiedOutputArea({model:new r.OutputAreaModel({trusted:!0}),rendermime:a}),this.area.addClass("filter-workbench-output"),this.host.content.layout.addWidget(this.area),i.changed.connect((e,t)=>this.onState(t));let l=(0,d.PB)(n).find(e=>e.name===i.choice.spec)?.title??i.kernel.name;this.kernelName.set(i.choice.own?l:o.__("%1, shared",l)),await this.show(t)}async show(e){let{link:t,area:n}=this;if(!t||!n)return this.connect({own:!0});let{trans:o}=this.around,r=++this.asked,i=await t.kernel.info;if(r!==this.asked)return;if("python"!==i.language_info.name)return this.say({what:o.__("This kernel runs %1; the view needs Python.",i.language_info.name),remedy:o.__("Choose another kernel."),actions:this.ways()});this.say({busy:!0,what:(0,c.vq)(this.context.path)?o.__("Looking into the filter…"):o.__("Opening the capture…")});let l=setTimeout(()=>{"busy"!==t.state||t.choice.own||r!==this.asked||this.say({busy:!0,what:o.__("The kernel is busy with a cell; the view opens when that is done.")})},1500);this.host.content.state.view||this.keep({view:a.UUID.uuid4()});let h=!1,d=e=>{r===this.asked&&s.KernelMessage.isDisplayDataMsg(e)&&(h||n.model.clear(),h=!0,n.model.add({...e.content,output_type:"display_data"}),this.say(null))};try{var u,p,f,w,g;let s=this.manager?null:await this.ask(t,"begin",e);if(r!==this.asked)return;if(s?.status!=="error"){let o,r,i,l;this.manager??=(u=t.kernel,p=n.rendermime,u._targetRegistry=new Proxy(u._targetRegistry??{},{get:(e,t)=>Reflect.get(e,t)??(()=>void 0)}),o=a.UUID.uuid4(),r=new Proxy(u,{get(e,t){if("id"===t)return`${e.id}/${o}`;let n=Reflect.get(e,t,e);return"function"==typeof n?n.bind(e):n}}),i={},l={sessionContext:{ready:Promise.resolve(),session:{kernel:r},kernelChanged:new k.Signal(i),statusChanged:u.statusChanged,connectionStatusChanged:u.connectionStatusChanged},saveState:new k.Signal(i),model:{getMetadata:()=>void 0,dirty:!1},urlResolver:null},(0,y.registerWidgetManager)(l,p,[][Symbol.iterator]())),s=await this.ask(t,(0,c.vq)(this.context.path)?"filter":"capture",e,d)}if(r!==this.asked)return;s?.status==="error"?this.say({...(f=s.ename,w=s.evalue,g=e=>o.__(e),/^(ModuleNotFound|Import)Error$/.test(f)&&/\bworkbench\b/.test(w)?{what:g("This kernel does not have the Filter Workbench."),remedy:g("Install wasm-filter-workbench where the kernel runs and restart it, or choose another kernel.")}:"KeyboardInterrupt"===f?{what:g("The kernel was interrupted before the view was there."),remedy:g("Open it again.")}:{what:/(Capture|FilterLoad|Config|Replay|Workbench)Error$/.test(f)?w:`${f}: ${w}`,remedy:""}),actions:this.ways()}):h||this.say({what:o.__("The kernel gave nothing to show."),actions:this.ways()})}catch{}finally{clearTimeout(l)}}async ask(e,t,n,o=()=>void 0){let r=e.kernel.requestExecute({code:m(this.request(t,n)),store_history:!1,allow_stdin:!1,stop_on_error:!1});return r.onIOPub=o,(await r.done)?.content??null}request(e,t){let{view:n,filters:r}=this.host.content.state;return{view:n??"",kind:e,root:o.PageConfig.getOption("serverRoot"),path:this.context.localPath,filters:r??[],settings:this.around.settings(),keep:t}}onState(e){let{trans:t}=this.around,n={dead:t.__("The kernel died. What is shown here no longer answers."),restarted:t.__("The kernel died or was restarted, and runs anew. What is shown here no longer answers."),gone:t.__("The kernel was shut down. What is shown here no longer answers.")};if("lost"===e){this.lost=!0,this.say({busy:!0,what:t.__("The connection to the kernel is lost; trying to get it back…")});return}let o=n[e];if(!o){this.lost&&this.say(null),this.lost=!1;return}this.asked+=1,this.kernelName.set(t.__("No kernel")),this.say({what:o,remedy:"restarted"===e?t.__("Open it again."):t.__("Open it in another kernel."),actions:this.ways("restarted"!==e||this.link?.choice.own?void 0:this.link?.choice)})}ways(e){let{trans:t}=this.around;return[e?{label:t.__("Open again"),act:()=>void this.connect(e)}:{label:t.__("Start a new kernel"),act:()=>void this.connect({own:!0})},{label:t.__("Choose a kernel…"),act:()=>void this.changeKernel()}]}async changeKernel(){let e=await (0,h.j5)(this.around,this.link?.kernel.id);e&&await this.connect(e)}async replayThrough(){let e=await (0,h.hR)(this.around);e.length&&await this.replay(e)}async tryOnCapture(){let[e]=await (0,h.zy)(this.around);e&&await this.around.commands.execute(c.uB.open,{path:e,filters:[this.context.path]})}say(e){this.notice.say(e),this.host.content.toggleClass("filter-workbench-is-over",!!e&&!e.busy)}leave(){let{link:e}=this;e&&!e.choice.own&&["ready","busy"].includes(e.state)&&e.kernel.requestExecute({code:m(this.request("close",!1)),silent:!0,store_history:!1}),this.link=null,this.area?.dispose(),this.area=null,this.manager?.dispose(),this.manager=null,e?.dispose()}dispose(){this.asked+=1,this.leave()}}},716(e,t,n){var o=n(989),r=n(401);let s=["dead","restarted","gone"];class i{kernel;choice;session;services;constructor(e,t,n,o){this.kernel=e,this.choice=t,this.session=n,this.services=o,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),o.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error("that kernel is not running");let o=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),r=n.own&&o?.type===a;return new i(e.kernels.connectTo({model:t,handleComms:!0}),{own:r,id:t.id,spec:t.name},r?o.id:null,e)}await e.kernelspecs.ready;let r=n.spec??l(e)[0]?.name;if(!r)throw Error("no Python kernel is installed");let{id:s,kernel:h}=await e.sessions.startNew({path:`${t}-${o.UUID.uuid4().slice(0,8)}`,name:t.split("/").pop()??t,type:a,kernel:{name:r}},{kernelConnectionOptions:{handleComms:!0}});if(!h)throw Error("the kernel did not start");return new i(h,{own:!0,id:h.id,spec:r},s,e)}get state(){return this.current}changed=new r.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,r.Signal.clearData(this),this.session&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||s.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let a="filter-workbench",l=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>i},{PB:l,yk:e=>{let t=new Set(l(e).map(e=>e.name)),n=[];for(let o of e.sessions.running()){let e=o.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:o.name||o.path})}return n}})},462(e,t,n){let o=/[\p{C}\p{Zl}\p{Zp}]/gu;n.d(t,{},{R:e=>e.replace(o,e=>{let t=e.codePointAt(0)??0;return t<256?`\\x${t.toString(16).padStart(2,"0")}`:t<65536?`\\u${t.toString(16).padStart(4,"0")}`:`\\U${t.toString(16).padStart(8,"0")}`})})},567(e,t,n){var o=n(601),r=n.n(o),s=n(314),i=(n.n(s))()(r());i.push([e.id,`.filter-workbench-box {
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
`,""]),n.d(t,{},{A:i})},314(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var n="",o=void 0!==t[5];return t[4]&&(n+="@supports (".concat(t[4],") {")),t[2]&&(n+="@media ".concat(t[2]," {")),o&&(n+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),n+=e(t),o&&(n+="}"),t[2]&&(n+="}"),t[4]&&(n+="}"),n}).join("")},t.i=function(e,n,o,r,s){"string"==typeof e&&(e=[[null,e,void 0]]);var i={};if(o)for(var a=0;a<this.length;a++){var l=this[a][0];null!=l&&(i[l]=!0)}for(var h=0;h<e.length;h++){var c=[].concat(e[h]);o&&i[c[0]]||(void 0!==s&&(void 0===c[5]||(c[1]="@layer".concat(c[5].length>0?" ".concat(c[5]):""," {").concat(c[1],"}")),c[5]=s),n&&(c[2]&&(c[1]="@media ".concat(c[2]," {").concat(c[1],"}")),c[2]=n),r&&(c[4]?(c[1]="@supports (".concat(c[4],") {").concat(c[1],"}"),c[4]=r):c[4]="".concat(r)),t.push(c))}},t}},601(e){e.exports=function(e){return e[1]}},72(e){var t=[];function n(e){for(var n=-1,o=0;o<t.length;o++)if(t[o].identifier===e){n=o;break}return n}function o(e,o){for(var r={},s=[],i=0;i<e.length;i++){var a=e[i],l=o.base?a[0]+o.base:a[0],h=r[l]||0,c="".concat(l," ").concat(h);r[l]=h+1;var d=n(c),u={css:a[1],media:a[2],sourceMap:a[3],supports:a[4],layer:a[5]};if(-1!==d)t[d].references++,t[d].updater(u);else{var p=function(e,t){var n=t.domAPI(t);return n.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&n.update(e=t):n.remove()}}(u,o);o.byIndex=i,t.splice(i,0,{identifier:c,updater:p,references:1})}s.push(c)}return s}e.exports=function(e,r){var s=o(e=e||[],r=r||{});return function(e){e=e||[];for(var i=0;i<s.length;i++){var a=n(s[i]);t[a].references--}for(var l=o(e,r),h=0;h<s.length;h++){var c=n(s[h]);0===t[c].references&&(t[c].updater(),t.splice(c,1))}s=l}}},659(e){var t={};e.exports=function(e,n){var o=function(e){if(void 0===t[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}t[e]=n}return t[e]}(e);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(n)}},540(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},56(e,t,n){e.exports=function(e){var t=n.nc;t&&e.setAttribute("nonce",t)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(n){var o,r,s;o="",n.supports&&(o+="@supports (".concat(n.supports,") {")),n.media&&(o+="@media ".concat(n.media," {")),(r=void 0!==n.layer)&&(o+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),o+=n.css,r&&(o+="}"),n.media&&(o+="}"),n.supports&&(o+="}"),(s=n.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(s))))," */")),e.styleTagTransform(o,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);