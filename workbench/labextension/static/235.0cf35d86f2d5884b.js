"use strict";(self.rspackChunkfilter_workbench=self.rspackChunkfilter_workbench||[]).push([[235],{186(e,t,n){let r=/^(\..*|node_modules|__pycache__|deps|build|venv|site-packages)$/,s=async(e,t,n)=>{let s=new Set,i=new Set,o=[t,""];for(;o.length&&i.size<60&&s.size<200;){let t=o.shift()??"";if(i.has(t))continue;i.add(t);let a=await e.get(t,{type:"directory",content:!0}).catch(()=>null);for(let e of(a?.content??[]).toSorted((e,t)=>e.name<t.name?-1:1))"directory"===e.type?r.test(e.name)||o.push(e.path):n(e.path)&&s.add(e.path)}return[...s]},i=async(e,t)=>new Set((await e.get(t,{type:"directory",content:!0})).content.map(e=>e.name));n.d(t,{},{I:s,w:i})},716(e,t,n){var r=n(989),s=n(401);let i=["dead","restarted","gone"];class o{kernel;choice;session;services;constructor(e,t,n,r){this.kernel=e,this.choice=t,this.session=n,this.services=r,this.current="busy"===e.status?"busy":"ready",e.statusChanged.connect(this.onStatus,this),e.connectionStatusChanged.connect(this.onConnection,this),e.disposed.connect(this.onGone,this),r.kernels.runningChanged.connect(this.onRunning,this)}static async open(e,t,n,s){if(n.id){let t=await e.kernels.findById(n.id);if(!t)throw Error(s.__("that kernel is not running"));let r=[...e.sessions.running()].find(e=>e.kernel?.id===n.id),i=n.own&&r?.type===a;return new o(e.kernels.connectTo({model:t,handleComms:!0}),{own:i,id:t.id,spec:t.name},i?r.id:null,e)}await e.kernelspecs.ready;let i=n.spec??c(e)[0]?.name;if(!i)throw Error(s.__("no Python kernel is installed"));let{id:d,kernel:u}=await e.sessions.startNew({path:l(t,r.UUID.uuid4().slice(0,8)),name:t.split("/").pop()??t,type:a,kernel:{name:i}},{kernelConnectionOptions:{handleComms:!0}});if(!u)throw Error(s.__("the kernel did not start"));return new o(u,{own:!0,id:u.id,spec:i},d,e)}get state(){return this.current}changed=new s.Signal(this);isDisposed=!1;dispose(){this.isDisposed||(this.isDisposed=!0,s.Signal.clearData(this),this.session&&this.services.sessions.shutdown(this.session).catch(()=>void 0),this.kernel.dispose())}current;set(e){this.isDisposed||this.current===e||i.includes(this.current)||(this.current=e,this.changed.emit(e))}onStatus(e,t){"dead"===t||"autorestarting"===t?this.set("dead"):"restarting"===t||"starting"===t?this.set("restarted"):"busy"===t?this.set("busy"):"idle"===t&&this.set("ready")}onConnection(e,t){"disconnected"===t?this.set("lost"):"connected"===t&&this.set("ready")}onGone(){this.set("gone")}onRunning(e,t){t.some(e=>e.id===this.kernel.id)||this.set("gone")}}let a="filter-workbench",l=(e,t)=>{let n=e.lastIndexOf("/")+1;return`${e.slice(0,n)}.${t}/../${e.slice(n)}`},c=e=>{let t=e.kernelspecs.specs;return Object.values(t?.kernelspecs??{}).filter(e=>e?.language.toLowerCase()==="python").map(e=>({name:e?.name??"",title:e?.display_name??""})).sort((e,n)=>Number(n.name===t?.default)-Number(e.name===t?.default))};n.d(t,{mA:()=>o},{PB:c,yk:e=>{let t=new Set(c(e).map(e=>e.name)),n=[];for(let r of e.sessions.running()){let e=r.kernel;e&&t.has(e.name)&&!n.some(t=>t.id===e.id)&&n.push({id:e.id,title:r.name||r.path})}return n}})},81(e,t,n){n.d(t,{record:()=>u});var r=n(2),s=n(660),i=n(186),o=n(716);let a=/^[A-Za-z0-9][\w-]*(\.[\w-]+)*$/,l=/^https?:\/\/([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;var c=n(909),d=n(462);n(642);let u=async(e,t)=>{let{trans:n,services:s,commands:o}=e;if(!o.hasCommand("terminal:create-new"))return(0,c.T)(e,n.__("Nothing was recorded"),n.__("This server has no terminals. Run this where they are: %1","mitmdump --listen-host 127.0.0.1 -w recorded.mitm"));let u=new h(e,m(await (0,i.w)(s.contents,t))),w=await (0,r.showDialog)({title:n.__("Record to %1",(0,d.R)(t)||"/"),body:u,focusNodeSelector:"input",buttons:[r.Dialog.cancelButton({label:n.__("Cancel")}),r.Dialog.okButton({label:n.__("Record")})]}),g=w.button.accept?w.value:null;if(!g)return;let y={name:n.__("Letters, digits, dots and dashes make a name."),port:n.__("A port is a number from 1 to 65535."),upstream:n.__("An upstream is written like http://127.0.0.1:9000.")},v=(await (0,i.w)(s.contents,t)).has(g.name),_=y[(({name:e,port:t,upstream:n})=>a.test(e)?!/^\d{1,5}$/.test(t)||1>Number(t)||Number(t)>65535?"port":n&&!l.test(n)?"upstream":null:"name")(g)??""]??(v?n.__("%1 is there already.",g.name):null);if(_)return(0,c.T)(e,n.__("Nothing was recorded"),_);let b=await f(s);if(""===b)return(0,c.T)(e,n.__("Nothing was recorded"),n.__("mitmdump is not installed beside the kernels' Python: pip install mitmproxy"));let{session:k}=(await o.execute("terminal:create-new",{cwd:t})).content;await p(k),k.send({type:"stdin",content:[`${(({name:e,port:t,upstream:n},r)=>{let s=/^[\w./-]+$/.test(r),i=/^[A-Za-z]:\\/.test(r)?`& '${r.replaceAll("'","''")}'`:`'${r.replaceAll("'","'\\''")}'`;return[s?r:i,...n?["--mode",`'reverse:${n}'`]:[],"--listen-host 127.0.0.1 --listen-port",t,"-w",e].join(" ")})(g,b??"mitmdump")}\r`]})},p=e=>new Promise(t=>{let n=()=>{clearTimeout(r),e.messageReceived.disconnect(n),t()},r=setTimeout(n,3e3);e.messageReceived.connect(n)});class h extends s.Widget{constructor({trans:e},t){super(),this.addClass("filter-workbench-form"),this.name=this.field(e.__("File"),t),this.port=this.field(e.__("Port on 127.0.0.1"),"8080"),this.upstream=this.field(e.__("Upstream"),"",e.__("none: a proxy for any"));let n=document.createElement("p");n.className="filter-workbench-form-note",n.textContent=e.__("Send requests to the port: with an upstream as if it were that service, else with the port set as proxy. Ctrl-C in the terminal ends the recording."),this.node.append(n)}getValue(){return{name:this.name.value.trim(),port:this.port.value.trim(),upstream:this.upstream.value.trim()}}field(e,t,n=""){let r=document.createElement("label"),s=document.createElement("span");s.textContent=e;let i=document.createElement("input");return i.className="jp-mod-styled",i.value=t,i.placeholder=n,i.spellcheck=!1,r.append(s,i),this.node.append(r),i}name;port;upstream}let m=e=>{let t="recorded.mitm";for(let n=2;e.has(t);n++)t=`recorded-${n}.mitm`;return t},f=async e=>{try{await e.kernelspecs.ready;let t=(0,o.PB)(e)[0]?.name;if(!t)return null;let n=await e.kernels.startNew({name:t});try{let e=n.requestExecute({code:"",silent:!0,store_history:!1,user_expressions:{tool:'__import__("json").dumps((lambda o, s, y: s.which("mitmdump", path=o.path.dirname(y.executable)) or s.which("mitmdump") or "")(*map(__import__, ("os", "shutil", "sys"))))'}}),t=(await e.done).content,r=t.user_expressions?.tool?.data?.["text/plain"]??"";return JSON.parse(r.slice(1,-1).replaceAll("\\\\","\\"))}finally{await n.shutdown().catch(()=>void 0),n.dispose()}}catch{return null}}},909(e,t,n){var r=n(2);let s=({trans:e})=>r.Dialog.okButton({label:e.__("Close")});n.d(t,{},{E:s,T:(e,t,n)=>(0,r.showErrorMessage)(t,n,[s(e)])})},462(e,t,n){let r=/[\p{C}\p{Zl}\p{Zp}]/gu;n.d(t,{},{R:e=>e.replace(r,e=>{let t=e.codePointAt(0)??0;return t<256?`\\x${t.toString(16).padStart(2,"0")}`:t<65536?`\\u${t.toString(16).padStart(4,"0")}`:`\\U${t.toString(16).padStart(8,"0")}`})})},51(e,t,n){var r=n(601),s=n.n(r),i=n(314),o=(n.n(i))()(s());o.push([e.id,`.filter-workbench-choose {
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
`,""]),n.d(t,{},{A:o})},314(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var n="",r=void 0!==t[5];return t[4]&&(n+="@supports (".concat(t[4],") {")),t[2]&&(n+="@media ".concat(t[2]," {")),r&&(n+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),n+=e(t),r&&(n+="}"),t[2]&&(n+="}"),t[4]&&(n+="}"),n}).join("")},t.i=function(e,n,r,s,i){"string"==typeof e&&(e=[[null,e,void 0]]);var o={};if(r)for(var a=0;a<this.length;a++){var l=this[a][0];null!=l&&(o[l]=!0)}for(var c=0;c<e.length;c++){var d=[].concat(e[c]);r&&o[d[0]]||(void 0!==i&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=i),n&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=n),s&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=s):d[4]="".concat(s)),t.push(d))}},t}},601(e){e.exports=function(e){return e[1]}},642(e,t,n){var r=n(72),s=n.n(r),i=n(825),o=n.n(i),a=n(659),l=n.n(a),c=n(56),d=n.n(c),u=n(540),p=n.n(u),h=n(113),m=n.n(h),f=n(51),w={};w.styleTagTransform=m(),w.setAttributes=d(),w.insert=l().bind(null,"head"),w.domAPI=o(),w.insertStyleElement=p(),s()(f.A,w),f.A&&f.A.locals&&f.A.locals},72(e){var t=[];function n(e){for(var n=-1,r=0;r<t.length;r++)if(t[r].identifier===e){n=r;break}return n}function r(e,r){for(var s={},i=[],o=0;o<e.length;o++){var a=e[o],l=r.base?a[0]+r.base:a[0],c=s[l]||0,d="".concat(l," ").concat(c);s[l]=c+1;var u=n(d),p={css:a[1],media:a[2],sourceMap:a[3],supports:a[4],layer:a[5]};if(-1!==u)t[u].references++,t[u].updater(p);else{var h=function(e,t){var n=t.domAPI(t);return n.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&n.update(e=t):n.remove()}}(p,r);r.byIndex=o,t.splice(o,0,{identifier:d,updater:h,references:1})}i.push(d)}return i}e.exports=function(e,s){var i=r(e=e||[],s=s||{});return function(e){e=e||[];for(var o=0;o<i.length;o++){var a=n(i[o]);t[a].references--}for(var l=r(e,s),c=0;c<i.length;c++){var d=n(i[c]);0===t[d].references&&(t[d].updater(),t.splice(d,1))}i=l}}},659(e){var t={};e.exports=function(e,n){var r=function(e){if(void 0===t[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}t[e]=n}return t[e]}(e);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(n)}},540(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},56(e,t,n){e.exports=function(e){var t=n.nc;t&&e.setAttribute("nonce",t)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(n){var r,s,i;r="",n.supports&&(r+="@supports (".concat(n.supports,") {")),n.media&&(r+="@media ".concat(n.media," {")),(s=void 0!==n.layer)&&(r+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),r+=n.css,s&&(r+="}"),n.media&&(r+="}"),n.supports&&(r+="}"),(i=n.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(i))))," */")),e.styleTagTransform(r,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);