"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[322],{8689(t,e,s){s.d(e,{RunStatus:()=>x});var i=s(1660),n=s(6462),r=s(5072),o=s.n(r),h=s(7825),d=s.n(h),a=s(7659),l=s.n(a),p=s(5056),u=s.n(p),c=s(540),g=s.n(c),w=s(1113),m=s.n(w),b=s(6842),f={};f.styleTagTransform=m(),f.setAttributes=u(),f.insert=l().bind(null,"head"),f.domAPI=d(),f.insertStyleElement=g(),o()(b.A,f),b.A&&b.A.locals&&b.A.locals;class x extends i.Widget{runs;trans;constructor(t,e){super(),this.runs=t,this.trans=e,this.addClass("filter-workbench-status"),this.words=document.createElement("span"),this.words.setAttribute("role","status"),this.meter=document.createElement("progress"),this.meter.setAttribute("aria-label",e.__("Replay")),this.stop=document.createElement("button"),this.stop.type="button",this.stop.textContent=e.__("Cancel"),this.stop.title=e.__("Stop the replay; what was done is kept"),this.stop.addEventListener("click",()=>this.running()?.cancel()),this.node.append(this.words,this.meter,this.stop),t.changed.connect(this.later,this),this.draw()}dispose(){this.runs.changed.disconnect(this.later,this),super.dispose()}running(){return this.runs.all.find(t=>"running"===t.state)}later(){this.timer??=window.setTimeout(()=>{this.timer=void 0,this.isDisposed||this.draw()},100)}draw(){let t=this.running();if(this.node.hidden=!t&&!this.ending,this.meter.hidden=this.stop.hidden=!t,t)this.ending=!0,this.meter.max=t.total||1,this.meter.value=t.done,this.words.textContent=this.trans.__("Replaying %1: %2 of %3",(0,n.R)(t.capture),String(t.done),String(t.total));else if(this.ending){let t=this.runs.all[0]?.words;if(!t){this.ending=!1,this.node.hidden=!0;return}this.words.textContent=this.trans.__("Replay: %1",(0,n.R)(t)),window.clearTimeout(this.quiet),this.quiet=window.setTimeout(()=>{this.ending=!1,this.isDisposed||(this.node.hidden=!this.running())},6e3)}}words;meter;stop;timer;quiet;ending=!1}},6842(t,e,s){var i=s(1601),n=s.n(i),r=s(6314),o=(s.n(r))()(n());o.push([t.id,`.filter-workbench-status {
  display: flex;
  gap: 8px;
  align-items: center;
  height: 24px;
  padding: 0 4px;
  font-size: 12px;
  white-space: nowrap;
}

.filter-workbench-status[hidden],
.filter-workbench-status [hidden] {
  display: none;
}

.filter-workbench-status progress {
  width: 72px;
  height: 6px;
  accent-color: var(--jp-brand-color1);
}

.filter-workbench-status button {
  height: 18px;
  padding: 0 8px;
  border: 1px solid var(--jp-border-color1);
  border-radius: 3px;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font: inherit;
  line-height: 16px;
}
`,""]),s.d(e,{},{A:o})}}]);