"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[133],{60(e,t,n){var r=n(2),o=n(660);n(642);var i=n(186),s=n(631),a=n(716),l=n(462);let c=(e,t,n="")=>{let r=document.createElement(e);return r.className=`filter-workbench-${t}`,r.textContent=n,r},d=async(e,t,n,s,a)=>{let{trans:d,services:h}=e,p=await (0,i.I)(h.contents,e.folder()??"",a),u=[],f=new o.Widget;f.addClass("filter-workbench-choose");let m=new Map;for(let e of p){let t=c("label","choice"),n=c("input","box");n.type=s?"checkbox":"radio",n.name="filter-workbench-choice";let r=c("span","place");m.set(e,r);let o=e.lastIndexOf("/")+1,i=c("span","name",(0,l.R)(e.slice(o))),a=c("span","folder",(0,l.R)(e.slice(0,o)));t.title=(0,l.R)(e),t.append(n,i,a,r),n.addEventListener("change",()=>{s||(u.length=0);let t=u.indexOf(e);for(let[n,r]of(t>=0?u.splice(t,1):u.push(e),m))r.textContent=s&&u.includes(n)?String(u.indexOf(n)+1):""}),f.node.append(t)}return p.length||f.node.append(c("div","none",n)),(await (0,r.showDialog)({title:t,body:f,...p.length?{focusNodeSelector:"input"}:{},buttons:p.length?[r.Dialog.cancelButton({label:d.__("Cancel")}),r.Dialog.okButton({label:d.__("Choose")})]:[r.Dialog.cancelButton({label:d.__("Close")})]})).button.accept?u:[]},h=async(e,t)=>{let{services:n,trans:i}=e;await n.kernelspecs.ready,await n.sessions.refreshRunning();let s=[],c=new o.Widget,d=document.createElement("label");d.textContent=i.__("Where the view's Python runs");let h=document.createElement("select");h.className="jp-mod-styled";let p=(e,t)=>{if(!t.length)return;let n=document.createElement("optgroup");for(let{title:r,choice:o}of(n.label=e,t)){let e=document.createElement("option");e.value=String(s.push(o)-1),e.textContent=(0,l.R)(r),n.append(e)}h.append(n)};return p(i.__("A kernel of its own, ended with the view"),(0,a.PB)(n).map(({name:e,title:t})=>({title:t,choice:{own:!0,spec:e}}))),p(i.__("A running kernel, shared"),(0,a.yk)(n).filter(({id:e})=>e!==t).map(({id:e,title:t})=>({title:t,choice:{own:!1,id:e}}))),d.append(h),c.node.append(d),(await (0,r.showDialog)({title:i.__("Choose a kernel"),body:c,focusNodeSelector:"select",buttons:s.length?[r.Dialog.cancelButton({label:i.__("Cancel")}),r.Dialog.okButton({label:i.__("Choose")})]:[r.Dialog.okButton({label:i.__("No Python kernel is installed")})]})).button.accept?s[Number(h.value)]??null:null};n.d(t,{},{hR:({trans:e,...t})=>d({trans:e,...t},e.__("Replay through which filters, in which order?"),e.__("There is no .wasm file in the folders here."),!0,s.vq),j5:h,zy:({trans:e,...t})=>d({trans:e,...t},e.__("Replay which capture?"),e.__("There is no capture in the folders here: .mitm, .flow, .flows, .har."),!1,s.Be)})},186(e,t,n){let r=/^(\..*|node_modules|__pycache__|deps|build|venv|site-packages)$/,o=async(e,t,n)=>{let o=new Set,i=new Set,s=[t,""];for(;s.length&&i.size<60&&o.size<200;){let t=s.shift()??"";if(i.has(t))continue;i.add(t);let a=await e.get(t,{type:"directory",content:!0}).catch(()=>null);for(let e of(a?.content??[]).toSorted((e,t)=>e.name<t.name?-1:1))"directory"===e.type?r.test(e.name)||s.push(e.path):n(e.path)&&o.add(e.path)}return[...o]},i=async(e,t)=>new Set((await e.get(t,{type:"directory",content:!0})).content.map(e=>e.name));n.d(t,{},{I:o,w:i})},716(e,t,n){var r=n(989),o=n(401);let i=["dead","restarted","gone"];class s{kernel;choice;session;services;constructor(e,t,n,r){this.kernel=e,this.choice=t,this.session=n,this.services=r,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),r.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n,o){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error(o.__("that kernel is not running"));let r=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),i=n.own&&r?.type===a;return new s(e.kernels.connectTo({model:t,handleComms:!0}),{own:i,id:t.id,spec:t.name},i?r.id:null,e)}await e.kernelspecs.ready;let i=n.spec??c(e)[0]?.name;if(!i)throw Error(o.__("no Python kernel is installed"));let{id:d,kernel:h}=await e.sessions.startNew({path:l(t,r.UUID.uuid4().slice(0,8)),name:t.split("/").pop()??t,type:a,kernel:{name:i}},{kernelConnectionOptions:{handleComms:!0}});if(!h)throw Error(o.__("the kernel did not start"));return new s(h,{own:!0,id:h.id,spec:i},d,e)}get state(){return this.current}changed=new o.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,o.Signal.clearData(this),this.session&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||i.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let a="filter-workbench",l=(e,t)=>{let n=e.lastIndexOf("/")+1;return`${e.slice(0,n)}.${t}/../${e.slice(n)}`},c=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>s},{PB:c,yk:e=>{let t=new Set(c(e).map(e=>e.name)),n=[];for(let r of e.sessions.running()){let e=r.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:r.name||r.path})}return n}})},462(e,t,n){let r=/[\p{C}\p{Zl}\p{Zp}]/gu;n.d(t,{},{R:e=>e.replace(r,e=>{let t=e.codePointAt(0)??0;return t<256?`\\x${t.toString(16).padStart(2,"0")}`:t<65536?`\\u${t.toString(16).padStart(4,"0")}`:`\\U${t.toString(16).padStart(8,"0")}`})})},51(e,t,n){var r=n(601),o=n.n(r),i=n(314),s=(n.n(i))()(o());s.push([e.id,`.filter-workbench-choose {
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

.filter-workbench-form {
  display: grid;
  width: 380px;
  max-width: 100%;
  gap: 8px;
}

.filter-workbench-form label {
  display: grid;
  grid-template-columns: 128px minmax(0, 1fr);
  align-items: center;
}

.filter-workbench-form-note {
  margin: 4px 0 0;
  color: color-mix(in srgb, var(--jp-ui-font-color0) 64%, var(--jp-layout-color1));
  line-height: 1.45;
}
`,""]),n.d(t,{},{A:s})},314(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var n="",r=void 0!==t[5];return t[4]&&(n+="@supports (".concat(t[4],") {")),t[2]&&(n+="@media ".concat(t[2]," {")),r&&(n+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),n+=e(t),r&&(n+="}"),t[2]&&(n+="}"),t[4]&&(n+="}"),n}).join("")},t.i=function(e,n,r,o,i){"string"==typeof e&&(e=[[null,e,void 0]]);var s={};if(r)for(var a=0;a<this.length;a++){var l=this[a][0];null!=l&&(s[l]=!0)}for(var c=0;c<e.length;c++){var d=[].concat(e[c]);r&&s[d[0]]||(void 0!==i&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=i),n&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=n),o&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=o):d[4]="".concat(o)),t.push(d))}},t}},601(e){e.exports=function(e){return e[1]}},642(e,t,n){var r=n(72),o=n.n(r),i=n(825),s=n.n(i),a=n(659),l=n.n(a),c=n(56),d=n.n(c),h=n(540),p=n.n(h),u=n(113),f=n.n(u),m=n(51),g={};g.styleTagTransform=f(),g.setAttributes=d(),g.insert=l().bind(null,"head"),g.domAPI=s(),g.insertStyleElement=p(),o()(m.A,g),m.A&&m.A.locals&&m.A.locals},72(e){var t=[];function n(e){for(var n=-1,r=0;r<t.length;r++)if(t[r].identifier===e){n=r;break}return n}function r(e,r){for(var o={},i=[],s=0;s<e.length;s++){var a=e[s],l=r.base?a[0]+r.base:a[0],c=o[l]||0,d="".concat(l," ").concat(c);o[l]=c+1;var h=n(d),p={css:a[1],media:a[2],sourceMap:a[3],supports:a[4],layer:a[5]};if(-1!==h)t[h].references++,t[h].updater(p);else{var u=function(e,t){var n=t.domAPI(t);return n.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&n.update(e=t):n.remove()}}(p,r);r.byIndex=s,t.splice(s,0,{identifier:d,updater:u,references:1})}i.push(d)}return i}e.exports=function(e,o){var i=r(e=e||[],o=o||{});return function(e){e=e||[];for(var s=0;s<i.length;s++){var a=n(i[s]);t[a].references--}for(var l=r(e,o),c=0;c<i.length;c++){var d=n(i[c]);0===t[d].references&&(t[d].updater(),t.splice(d,1))}i=l}}},659(e){var t={};e.exports=function(e,n){var r=function(e){if(void 0===t[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}t[e]=n}return t[e]}(e);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(n)}},540(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},56(e,t,n){e.exports=function(e){var t=n.nc;t&&e.setAttribute("nonce",t)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(n){var r,o,i;r="",n.supports&&(r+="@supports (".concat(n.supports,") {")),n.media&&(r+="@media ".concat(n.media," {")),(o=void 0!==n.layer)&&(r+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),r+=n.css,o&&(r+="}"),n.media&&(r+="}"),n.supports&&(r+="}"),(i=n.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(i))))," */")),e.styleTagTransform(r,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);