"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[349],{164(e,t,n){n.d(t,{DocumentView:()=>P});var o=n(901),i=n(763),s=n(904),r=n(256),a=n(989),h=n(660),l=n(358),d=n(631),c=n(716),u=n(462);let p=new r.LabIcon({name:`${d.o_}:trouble`,svgstr:'<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.3" stroke-linejoin="round" stroke-linecap="round"><path d="M8 2.2 14.2 13H1.8zM8 6.3v3.2M8 11.2v.6"/></svg>'}),w=(e,t,n="")=>{let o=document.createElement(e);return o.className=`${d.o_}-${t}`,o.textContent=n,o};class k extends h.Widget{constructor(){super(),this.addClass(`${d.o_}-notice`),this.hide()}say(e){if(this.setHidden(!e),this.node.replaceChildren(),!e)return;this.toggleClass("is-busy",!!e.busy),this.node.setAttribute("role",e.busy?"status":"alert");let t=w("div","words");if(t.append(w("div","what",(0,u.R)(e.what))),e.remedy&&t.append(w("div","remedy",(0,u.R)(e.remedy))),e.actions?.length){let n=w("div","actions");for(let[t,{label:o,act:i}]of e.actions.entries()){let e=w("button","button",o);e.type="button",e.classList.add("jp-mod-styled",t?"jp-mod-reject":"jp-mod-accept"),e.addEventListener("click",i),n.append(e)}t.append(n)}e.busy||this.node.append(p.element({tag:"span",className:`${d.o_}-sign`})),this.node.append(t)}}class g extends h.Widget{constructor(e,t){super({node:w("button","kernel")}),this.node.type="button",this.node.title=e,this.node.addEventListener("click",t)}set(e){this.node.textContent=(0,u.R)(e)}}let f=e=>`__import__("workbench.documents", fromlist=["show"]).show(${JSON.stringify(JSON.stringify(e).replace(/[\u007f-\uffff]/g,e=>`\\u${e.charCodeAt(0).toString(16).padStart(4,"0")}`))})`;var y=n(99),b=n(401),m=n(72),_=n.n(m),v=n(825),x=n.n(v),C=n(659),j=n.n(C),T=n(56),S=n.n(T),A=n(540),I=n.n(A),O=n(113),R=n.n(O),N=n(567),$={};$.styleTagTransform=R(),$.setAttributes=S(),$.insert=j().bind(null,"head"),$.domAPI=x(),$.insertStyleElement=I(),_()(N.A,$),N.A&&N.A.locals&&N.A.locals;class P{host;context;around;constructor(e,t,n){this.host=e,this.context=t,this.around=n;let{trans:o}=n,i=e.content;this.notice=new k,(i.layout=new h.PanelLayout).addWidget(this.notice),this.kernelName=new g(o.__("Choose the kernel of this view"),()=>void this.changeKernel());let s=(0,d.vq)(t.path);e.toolbar.addItem("replay",new r.ToolbarButton({icon:r.runIcon,label:s?o.__("Try on a capture…"):o.__("Replay through filter…"),tooltip:s?o.__("Replay a capture through this filter"):o.__("Choose the filters of the chain"),onClick:()=>void(s?this.tryOnCapture():this.replayThrough())})),e.toolbar.addItem("reload",new r.ToolbarButton({icon:r.refreshIcon,tooltip:o.__("Read the files again"),onClick:()=>void this.show(!1)})),e.toolbar.addItem("spacer",r.Toolbar.createSpacerItem()),e.toolbar.addItem("kernel",this.kernelName),e.disposed.connect(()=>this.dispose())}async start(){await this.context.ready;let{kernel:e}=this.host.content.state;await this.connect(e??{own:!0},!0)}async replay(e){this.keep({filters:e}),this.link&&await this.show(!1)}notice;kernelName;link=null;manager=null;area=null;asked=0;lost=!1;keep(e){this.host.content.state={...this.host.content.state,...e},this.host.content.stateChanged.emit()}async connect(e,t=!1){let{services:n,trans:o}=this.around;this.leave();let s=++this.asked;this.say({busy:!0,what:e.id?o.__("Connecting to the kernel…"):o.__("Starting a kernel…")}),this.kernelName.set(e.id?o.__("Connecting"):o.__("Starting"));try{let t=await c.mA.open(n,this.context.localPath,e,o);if(this.host.isDisposed||s!==this.asked)return t.dispose();this.link=t}catch(i){if(this.host.isDisposed||s!==this.asked)return;if(t&&e.id&&e.own)return this.connect({own:!0});this.kernelName.set(o.__("No kernel")),this.say({what:o.__("There is no kernel behind this view: %1.",i instanceof Error?i.message:String(i)),remedy:(0,c.PB)(n).length?o.__("Start a new one, or choose one that runs."):o.__("Install one with the workbench in it: pip install ipykernel wasm-filter-workbench"),actions:this.ways()});return}let r=this.link;this.around.connected.emit(r.kernel),this.keep({kernel:r.choice});let a=this.around.rendermime.clone();this.area=new i.SimplifiedOutputArea({model:new i.OutputAreaModel({trusted:!0}),rendermime:a}),this.area.addClass("filter-workbench-output"),this.host.content.layout.addWidget(this.area),r.changed.connect((e,t)=>this.onState(t));let h=(0,c.PB)(n).find(e=>e.name===r.choice.spec)?.title??r.kernel.name;this.kernelName.set(r.choice.own?h:o.__("%1, shared",h)),await this.show(t)}async show(e){let{link:t,area:n}=this;if(!t||!n)return this.connect({own:!0});let{trans:o}=this.around,i=++this.asked,r=await t.kernel.info;if(i!==this.asked)return;if("python"!==r.language_info.name)return this.say({what:o.__("This kernel runs %1; the view needs Python.",r.language_info.name),remedy:o.__("Choose another kernel."),actions:this.ways()});this.say({busy:!0,what:(0,d.vq)(this.context.path)?o.__("Looking into the filter…"):o.__("Opening the capture…")});let h=setTimeout(()=>{"busy"!==t.state||t.choice.own||i!==this.asked||this.say({busy:!0,what:o.__("The kernel is busy with a cell; the view opens when that is done.")})},1500);this.host.content.state.view||this.keep({view:a.UUID.uuid4()});let l=!1,c=e=>{i===this.asked&&s.KernelMessage.isDisplayDataMsg(e)&&(l||n.model.clear(),l=!0,n.model.add({...e.content,output_type:"display_data"}),this.say(null))};try{var u,p,w,k,g;let s=this.manager?null:await this.ask(t,"begin",e);if(i!==this.asked)return;if(s?.status!=="error"){let o,i,r,h;this.manager??=(u=t.kernel,p=n.rendermime,u._targetRegistry=new Proxy(u._targetRegistry??{},{get:(e,t)=>Reflect.get(e,t)??(()=>void 0)}),o=a.UUID.uuid4(),i=new Proxy(u,{get(e,t){if("id"===t)return`${e.id}/${o}`;let n=Reflect.get(e,t,e);return"function"==typeof n?n.bind(e):n}}),r={},h={sessionContext:{ready:Promise.resolve(),session:{kernel:i},kernelChanged:new b.Signal(r),statusChanged:u.statusChanged,connectionStatusChanged:u.connectionStatusChanged},saveState:new b.Signal(r),model:{getMetadata:()=>void 0,dirty:!1},urlResolver:null},(0,y.registerWidgetManager)(h,p,[][Symbol.iterator]())),s=await this.ask(t,(0,d.vq)(this.context.path)?"filter":"capture",e,c)}if(i!==this.asked)return;s?.status==="error"?this.say({...(w=s.ename,k=s.evalue,g=e=>o.__(e),/^(ModuleNotFound|Import)Error$/.test(w)&&/\bworkbench\b/.test(k)?{what:g("This kernel does not have the Filter Workbench."),remedy:g("Install wasm-filter-workbench where the kernel runs and restart it, or choose another kernel.")}:"KeyboardInterrupt"===w?{what:g("The kernel was interrupted before the view was there."),remedy:g("Open it again.")}:{what:/(Capture|FilterLoad|Config|Replay|Workbench)Error$/.test(w)?k:`${w}: ${k}`,remedy:""}),actions:this.ways()}):l||this.say({what:o.__("The kernel gave nothing to show."),actions:this.ways()})}catch{}finally{clearTimeout(h)}}async ask(e,t,n,o=()=>void 0){let i=e.kernel.requestExecute({code:f(this.request(t,n)),store_history:!1,allow_stdin:!1,stop_on_error:!1});return i.onIOPub=o,(await i.done)?.content??null}request(e,t){let{view:n,filters:i}=this.host.content.state;return{view:n??"",kind:e,root:o.PageConfig.getOption("serverRoot"),path:this.context.localPath,filters:i??[],settings:this.around.settings(),keep:t}}onState(e){let{trans:t}=this.around,n={dead:t.__("The kernel died. What is shown here no longer answers."),restarted:t.__("The kernel died or was restarted, and runs anew. What is shown here no longer answers."),gone:t.__("The kernel was shut down. What is shown here no longer answers.")};if("lost"===e){this.lost=!0,this.say({busy:!0,what:t.__("The connection to the kernel is lost; trying to get it back…")});return}let o=n[e];if(!o){this.lost&&this.say(null),this.lost=!1;return}this.asked+=1,this.kernelName.set(t.__("No kernel")),this.say({what:o,remedy:"restarted"===e?t.__("Open it again."):t.__("Open it in another kernel."),actions:this.ways("restarted"!==e||this.link?.choice.own?void 0:this.link?.choice)})}ways(e){let{trans:t}=this.around;return[e?{label:t.__("Open again"),act:()=>void this.connect(e)}:{label:t.__("Start a new kernel"),act:()=>void this.connect({own:!0})},{label:t.__("Choose a kernel…"),act:()=>void this.changeKernel()}]}async changeKernel(){let e=await (0,l.j5)(this.around,this.link?.kernel.id);e&&await this.connect(e)}async replayThrough(){let e=await (0,l.hR)(this.around);e.length&&await this.replay(e)}async tryOnCapture(){let[e]=await (0,l.zy)(this.around);e&&await this.around.commands.execute(d.uB.open,{path:e,filters:[this.context.path]})}say(e){this.notice.say(e),this.host.content.toggleClass("filter-workbench-is-over",!!e&&!e.busy)}leave(){let{link:e}=this;e&&!e.choice.own&&["ready","busy"].includes(e.state)&&e.kernel.requestExecute({code:f(this.request("close",!1)),silent:!0,store_history:!1}),this.link=null,this.area?.dispose(),this.area=null,this.manager?.dispose(),this.manager=null,e?.dispose()}dispose(){this.asked+=1,this.leave()}}},567(e,t,n){var o=n(601),i=n.n(o),s=n(314),r=(n.n(s))()(i());r.push([e.id,`.filter-workbench-box {
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
`,""]),n.d(t,{},{A:r})}}]);