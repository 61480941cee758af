"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[322],{689(t,e,n){n.d(e,{RunStatus:()=>b});var r=n(660),s=n(462),i=n(72),o=n.n(i),a=n(825),c=n.n(a),d=n(659),u=n.n(d),p=n(56),l=n.n(p),h=n(540),f=n.n(h),m=n(113),v=n.n(m),g=n(842),w={};w.styleTagTransform=v(),w.setAttributes=l(),w.insert=u().bind(null,"head"),w.domAPI=c(),w.insertStyleElement=f(),o()(g.A,w),g.A&&g.A.locals&&g.A.locals;class b extends r.Widget{runs;trans;constructor(t,e){super(),this.runs=t,this.trans=e,this.addClass("filter-workbench-status"),this.words=document.createElement("span"),this.words.setAttribute("role","status"),this.meter=document.createElement("progress"),this.meter.setAttribute("aria-label",e.__("Replay")),this.stop=document.createElement("button"),this.stop.type="button",this.stop.textContent=e.__("Cancel"),this.stop.title=e.__("Stop the replay; what was done is kept"),this.stop.addEventListener("click",()=>this.running()?.cancel()),this.node.append(this.words,this.meter,this.stop),t.changed.connect(this.later,this),this.draw()}dispose(){this.runs.changed.disconnect(this.later,this),super.dispose()}running(){return this.runs.all.find(t=>"running"===t.state)}later(){this.timer??=window.setTimeout(()=>{this.timer=void 0,this.isDisposed||this.draw()},100)}draw(){let t=this.running();this.node.hidden=!t&&!this.ending,this.meter.hidden=this.stop.hidden=!t,t?(this.ending=!0,this.meter.max=t.total||1,this.meter.value=t.done,this.words.textContent=this.trans.__("Replaying %1: %2 of %3",(0,s.R)(t.capture),String(t.done),String(t.total))):this.ending&&(this.words.textContent=this.trans.__("Replay: %1",(0,s.R)(this.runs.all[0]?.words??"")),window.clearTimeout(this.quiet),this.quiet=window.setTimeout(()=>{this.ending=!1,this.isDisposed||(this.node.hidden=!this.running())},6e3))}words;meter;stop;timer;quiet;ending=!1}},462(t,e,n){let r=/[\p{C}\p{Zl}\p{Zp}]/gu;n.d(e,{},{R:t=>t.replace(r,t=>{let e=t.codePointAt(0)??0;return e<256?`\\x${e.toString(16).padStart(2,"0")}`:e<65536?`\\u${e.toString(16).padStart(4,"0")}`:`\\U${e.toString(16).padStart(8,"0")}`})})},842(t,e,n){var r=n(601),s=n.n(r),i=n(314),o=(n.n(i))()(s());o.push([t.id,`.filter-workbench-status {
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
`,""]),n.d(e,{},{A:o})},314(t){t.exports=function(t){var e=[];return e.toString=function(){return this.map(function(e){var n="",r=void 0!==e[5];return e[4]&&(n+="@supports (".concat(e[4],") {")),e[2]&&(n+="@media ".concat(e[2]," {")),r&&(n+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),n+=t(e),r&&(n+="}"),e[2]&&(n+="}"),e[4]&&(n+="}"),n}).join("")},e.i=function(t,n,r,s,i){"string"==typeof t&&(t=[[null,t,void 0]]);var o={};if(r)for(var a=0;a<this.length;a++){var c=this[a][0];null!=c&&(o[c]=!0)}for(var d=0;d<t.length;d++){var u=[].concat(t[d]);r&&o[u[0]]||(void 0!==i&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=i),n&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=n),s&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=s):u[4]="".concat(s)),e.push(u))}},e}},601(t){t.exports=function(t){return t[1]}},72(t){var e=[];function n(t){for(var n=-1,r=0;r<e.length;r++)if(e[r].identifier===t){n=r;break}return n}function r(t,r){for(var s={},i=[],o=0;o<t.length;o++){var a=t[o],c=r.base?a[0]+r.base:a[0],d=s[c]||0,u="".concat(c," ").concat(d);s[c]=d+1;var p=n(u),l={css:a[1],media:a[2],sourceMap:a[3],supports:a[4],layer:a[5]};if(-1!==p)e[p].references++,e[p].updater(l);else{var h=function(t,e){var n=e.domAPI(e);return n.update(t),function(e){e?(e.css!==t.css||e.media!==t.media||e.sourceMap!==t.sourceMap||e.supports!==t.supports||e.layer!==t.layer)&&n.update(t=e):n.remove()}}(l,r);r.byIndex=o,e.splice(o,0,{identifier:u,updater:h,references:1})}i.push(u)}return i}t.exports=function(t,s){var i=r(t=t||[],s=s||{});return function(t){t=t||[];for(var o=0;o<i.length;o++){var a=n(i[o]);e[a].references--}for(var c=r(t,s),d=0;d<i.length;d++){var u=n(i[d]);0===e[u].references&&(e[u].updater(),e.splice(u,1))}i=c}}},659(t){var e={};t.exports=function(t,n){var r=function(t){if(void 0===e[t]){var n=document.querySelector(t);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(t){n=null}e[t]=n}return e[t]}(t);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(n)}},540(t){t.exports=function(t){var e=document.createElement("style");return t.setAttributes(e,t.attributes),t.insert(e,t.options),e}},56(t,e,n){t.exports=function(t){var e=n.nc;e&&t.setAttribute("nonce",e)}},825(t){t.exports=function(t){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=t.insertStyleElement(t);return{update:function(n){var r,s,i;r="",n.supports&&(r+="@supports (".concat(n.supports,") {")),n.media&&(r+="@media ".concat(n.media," {")),(s=void 0!==n.layer)&&(r+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),r+=n.css,s&&(r+="}"),n.media&&(r+="}"),n.supports&&(r+="}"),(i=n.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(i))))," */")),t.styleTagTransform(r,e,t.options)},remove:function(){var t;null===(t=e).parentNode||t.parentNode.removeChild(t)}}}},113(t){t.exports=function(t,e){if(e.styleSheet)e.styleSheet.cssText=t;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(t))}}}}]);