"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[413],{100(e,t,i){i.d(t,{SidePanel:()=>I});var r=i(256),n=i(660);let s=(e,t,i)=>t in e?e.map((e,r)=>r===t?{filters:[...e.filters,i].slice(0,30)}:e):[...e,{filters:[i]}].slice(-30);var a=i(358),o=i(186),l=i(751),h=i(631),c=i(462),d=i(72),p=i.n(d),f=i(825),u=i.n(f),b=i(659),w=i.n(b),g=i(56),v=i.n(g),k=i(540),m=i.n(k),x=i(113),y=i.n(x),_=i(724),j={};j.styleTagTransform=y(),j.setAttributes=v(),j.insert=w().bind(null,"head"),j.domAPI=u(),j.insertStyleElement=m(),p()(_.A,j),_.A&&_.A.locals&&_.A.locals;let C=`${h.o_}:chains`,A="application/x-filter-workbench-filter",L=(e,t,...i)=>{let r=document.createElement(e);return t&&(r.className=t),r.append(...i),r},E=e=>e.slice(e.lastIndexOf("/")+1),R=e=>E(e).replace(/\.wasm$/i,"");class I extends n.Widget{around;runs;states;constructor(e,t,i){super(),this.around=e,this.runs=t,this.states=i,this.addClass("filter-workbench-panel");let{trans:n}=e;this.node.append(this.section(n.__("Captures"),this.captures,[r.refreshIcon,n.__("Look again"),()=>void this.look()]),this.section(n.__("Filters"),this.filters),this.section(n.__("Chains"),this.chainList),this.section(n.__("Runs"),this.runList)),t.changed.connect(this.drawRuns,this),this.drawRuns(),this.drawChains(),this.restore(),this.look()}dispose(){this.runs.changed.disconnect(this.drawRuns,this),super.dispose()}section(e,t,i){let r=L("div","filter-workbench-head",L("h3","",e));return i&&r.append(this.button(...i)),t.setAttribute("role","list"),t.setAttribute("aria-label",e),L("section","",r,t)}button(e,t,i){let r=L("button","filter-workbench-icon",e.element({tag:"span"}));return r.type="button",r.title=t,r.setAttribute("aria-label",t),r.addEventListener("click",e=>{e.stopPropagation(),i()}),r}row(e,t,i,r,n){let s=L("span","filter-workbench-label",(0,c.R)(t)),a=[e.element({tag:"span"}),s,L("span","filter-workbench-fact",(0,c.R)(r))],o=n?L("button","filter-workbench-main",...a):L("div","filter-workbench-main",...a);n&&o.addEventListener("click",n),o.title=(0,c.R)(i);let l=L("div","filter-workbench-row",o);return l.setAttribute("role","listitem"),l}empty(e,t){e.replaceChildren(L("div","filter-workbench-empty",t))}async look(){let{trans:e,services:t,commands:i}=this.around,r=await (0,o.I)(t.contents,this.around.folder()??"",e=>(0,h.Be)(e)||(0,h.vq)(e));if(this.isDisposed)return;let n=(e,t)=>r.filter(e).map(e=>{let r=this.row(t,E(e),e,e.slice(0,Math.max(0,e.lastIndexOf("/"))),()=>void i.execute(h.uB.open,{path:e}));return(0,h.vq)(e)&&this.draggable(r,e),r});this.captures.replaceChildren(...n(h.Be,l.gf)),this.filters.replaceChildren(...n(h.vq,l.Sj)),this.captures.childElementCount||this.empty(this.captures,e.__("No .mitm, .flow or .flows in the folders here.")),this.filters.childElementCount||this.empty(this.filters,e.__("No .wasm in the folders here."))}draggable(e,t){e.draggable=!0,e.addEventListener("dragstart",e=>e.dataTransfer?.setData(A,t));let{trans:i}=this.around;e.append(this.button(l.l9,i.__("Add to a chain"),()=>this.setChains(s(this.chains,this.last,t))))}drawChains(){let{trans:e}=this.around,t=this.chains.map((t,i)=>{let n=this.row(l.l9,t.filters.map(R).join(" → "),t.filters.join("\n"),"",null);return n.append(this.button(r.runIcon,e.__("Replay a capture through this chain"),()=>void this.replay(t)),this.button(r.closeIcon,e.__("Remove the chain"),()=>{let e;return this.setChains((e=this.chains,e.filter((e,t)=>t!==i)))})),this.target(n,i),n}),i=L("div","filter-workbench-drop",e.__("Drop a filter here to begin a chain"));this.target(i,-1),this.chainList.replaceChildren(...t,i)}target(e,t){let i=t=>e.classList.toggle("is-over",t);e.addEventListener("dragover",e=>{e.dataTransfer?.types.includes(A)&&(e.preventDefault(),i(!0))}),e.addEventListener("dragleave",()=>i(!1)),e.addEventListener("drop",e=>{i(!1);let r=e.dataTransfer?.getData(A);r&&(e.preventDefault(),this.setChains(s(this.chains,t,r)))})}async replay(e){let[t]=await (0,a.zy)(this.around);t&&await this.around.commands.execute(h.uB.open,{path:t,filters:e.filters})}setChains(e){this.chains=e,this.last=e.length-1,this.states?.save(C,e),this.drawChains()}async restore(){let e;this.chains=(Array.isArray(e=await this.states?.fetch(C))?e:[]).map(e=>e?.filters).filter(e=>Array.isArray(e)&&e.every(e=>"string"==typeof e)).map(e=>({filters:e.slice(0,30)})).slice(0,30),this.isDisposed||this.drawChains()}drawRuns(){let{trans:e}=this.around,t=this.runs.all.map(t=>{let i=t.filters.join(" → ")||e.__("no filter"),n=this.row(l.l5,t.capture,`${t.capture} → ${i}
${t.words}`,"running"===t.state?e.__("%1 of %2",String(t.done),String(t.total)):"failed"===t.state?e.__("failed"):t.words,null);return n.classList.toggle("is-failed","failed"===t.state),"running"===t.state&&n.append(this.button(r.closeIcon,e.__("Cancel the replay"),t.cancel)),n});this.runList.replaceChildren(...t),t.length||this.empty(this.runList,e.__("Nothing was replayed on this page yet."))}captures=L("div","");filters=L("div","");chainList=L("div","");runList=L("div","");chains=[];last=-1}},724(e,t,i){var r=i(601),n=i.n(r),s=i(314),a=(i.n(s))()(n());a.push([e.id,`.filter-workbench-late,
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

.is-failed .filter-workbench-fact {
  color: var(--jp-error-color0);
}

.filter-workbench-icon {
  display: inline-grid;
  flex: none;
  place-items: center;
  width: 22px;
  height: 22px;
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
`,""]),i.d(t,{},{A:a})}}]);