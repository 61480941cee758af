// What every view shares: elements, escaped text, numbers in words, icons. Captured text only ever becomes text nodes.

const build = (namespace) => (tag, props, ...kids) => {
  const [name, ...classes] = tag.split(".");
  const node = namespace ? document.createElementNS(namespace, name || "g") : document.createElement(name || "div");
  if (props == null || typeof props !== "object" || props.nodeType || Array.isArray(props)) {
    kids.unshift(props);
    props = {};
  }
  for (const [key, value] of Object.entries(props)) {
    if (value == null || (value === false && !key.startsWith("aria-"))) continue;
    if (key === "class") classes.push(...String(value).split(" ").filter(Boolean));
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : value);
  }
  if (classes.length) node.setAttribute("class", classes.map((one) => `fw-${one}`).join(" "));
  for (const kid of kids.flat(9)) if (kid != null && kid !== false) node.append(kid.nodeType ? kid : String(kid));
  return node;
};

/** h("button.btn.primary", {onclick}, "Replay"): an element; class names get the prefix fw-. */
export const h = build(null);
/** The same for SVG. */
export const svg = build("http://www.w3.org/2000/svg");
/** Make these all that `node` holds; null and false are nothing. */
export const fill = (node, ...kids) => node.replaceChildren(...kids.flat(9).filter((kid) => kid != null && kid !== false));

// Control, format (bidi, zero width, tags), private use, unassigned and lone surrogate characters never reach the page as they are.
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;
const UNSAFE_RUNS = /([\p{C}\p{Zl}\p{Zp}]+)/u;
const NAMED = { 9: "\\t", 10: "\\n", 13: "\\r" };
const escapeOne = (char) => {
  const code = char.codePointAt(0);
  if (code in NAMED) return NAMED[code];
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
};
const escapeAll = (run) => Array.from(run, escapeOne).join("");

/** Captured text as a string that is safe in an attribute: tooltips, labels. */
export const plain = (value) => {
  const string = String(value ?? "");
  return UNSAFE.test(string) ? string.split(UNSAFE_RUNS).map((part, i) => (i % 2 ? escapeAll(part) : part)).join("") : string;
};
/** Captured text as nodes: escapes stand out in muted, everything else is plain text. */
export const text = (value) => {
  const string = String(value ?? "");
  if (!UNSAFE.test(string)) return [document.createTextNode(string)];
  return string.split(UNSAFE_RUNS).map((part, i) => (i % 2 ? h("span.esc", escapeAll(part)) : document.createTextNode(part)));
};

const NARROW = "\u202f";
const MINUS = "\u2212";
export const ARROW = "\u2192";
export const SIGNS = { add: "+", del: MINUS, chg: "~", move: "\u21c5", same: "" };
/** 1 204 118, with narrow spaces. */
export const int = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, NARROW);
const three = (n) => String(Number(n.toPrecision(3)));
/** Real durations with three figures: 740 ns, 4.18 µs, 1.84 ms, 6 s. */
export const duration = (ns) => {
  if (ns < 999.5) return `${Math.round(ns)} ns`;
  if (ns < 999.5e3) return `${three(ns / 1e3)} \u00b5s`;
  if (ns < 999.5e6) return `${three(ns / 1e6)} ms`;
  return `${three(ns / 1e9)} s`;
};
/** Filter and host time in one unit: 9.3 + 3.3 µs. */
export const durations = (filter, host) => {
  const total = filter + host;
  const [unit, by] = total < 1e3 ? ["ns", 1] : total < 999.5e3 ? ["\u00b5s", 1e3] : ["ms", 1e6];
  const places = by === 1 || total >= 100 * by ? 0 : by === 1e6 && total < 10 * by ? 2 : 1;
  return [`${(filter / by).toFixed(places)} `, `+ ${(host / by).toFixed(places)} ${unit}`];
};
/** 86 B, 182 kB, 1.1 MB. */
export const bytes = (n) => (n < 1000 ? `${n} B` : n < 999.5e3 ? `${n < 9950 ? (n / 1e3).toFixed(1) : Math.round(n / 1e3)} kB` : `${(n / 1e6).toFixed(1)} MB`);
export const share = (x) => `${(100 * x).toFixed(1)}${NARROW}%`;
export const plural = (n, one, many) => `${int(n)} ${n === 1 ? one : (many ?? `${one}s`)}`;

// 16 px, one stroke each.
const ICONS = {
  capture: "M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M5.5 3.5v9",
  chain: "M2 5.5h4v5H2zM10 5.5h4v5h-4zM6 8h4",
  run: "M5 3.2v9.6L12.6 8z",
  stop: "M4.5 4.5h7v7h-7z",
  search: "M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4zM10.2 10.2l3.3 3.3",
  passed: "M3 8h9M9 5l3 3-3 3",
  changed: "M8 3v6M5 6h6M5 12.2h6",
  allowed: "M3 8.4l3.2 3.2L13 4.8",
  limited: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM4.2 4.2l7.6 7.6",
  denied: "M4 7.2h8v6H4zM5.6 7.2V5.4a2.4 2.4 0 0 1 4.8 0v1.8",
  error: "M8 2.2 14.2 13H1.8zM8 6.3v3.2M8 11.2v.6",
  local: "M13 4v3.2a2 2 0 0 1-2 2H3.5M6.5 6.2l-3 3 3 3",
  compare: "M2.5 3.5h4.5v9H2.5zM9 3.5h4.5v9H9zM4 6.5h1.5M10.5 6.5h1.5M10.5 9h1.5",
  watch: "M1.8 8S4.2 3.9 8 3.9 14.2 8 14.2 8 11.8 12.1 8 12.1 1.8 8 1.8 8zM8 6.2a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6z",
  grip: "M6 4v.1M10 4v.1M6 8v.1M10 8v.1M6 12v.1M10 12v.1",
  plus: "M8 3.5v9M3.5 8h9",
  close: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  up: "M4.8 9.6 8 6.4l3.2 3.2",
  down: "M4.8 6.4 8 9.6l3.2-3.2",
  right: "M6.4 4.8 9.6 8l-3.2 3.2",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  left: "M9.6 4.8 6.4 8l3.2 3.2",
};
export const icon = (name, size = 16, tone = "") =>
  svg(
    "svg",
    { width: size, height: size, viewBox: "0 0 16 16", fill: "none", stroke: "currentColor", "stroke-width": 1.3, "stroke-linejoin": "round", "stroke-linecap": "round", "aria-hidden": "true", class: tone },
    svg("path", { d: ICONS[name] ?? "" }),
  );

export const OUTCOMES = { passed: "Passed", changed: "Changed", allowed: "Allowed", limited: "Limited", denied: "Denied", error: "Error", local: "Answered" };
/** An outcome as icon and word; `boxed` with its tint. */
export const chip = (outcome, boxed = false) => {
  const known = outcome in OUTCOMES ? outcome : "passed";
  return h("span.chip", { class: `${known}${boxed ? " boxed" : ""}` }, icon(known, 14), OUTCOMES[known]);
};
/** A filter's place in the chain, counted from 1, in its box. */
export const ordinal = (place, name) => h("span.ord", { title: plain(name ?? ""), "aria-label": `filter ${place + 1}, ${plain(name ?? "")}` }, place + 1);
/** Filter time solid, host time hatched; `scale` is the time of a full bar, a longer one is cut with a notch. */
export const timeBar = (filter, host, scale) => {
  const total = filter + host;
  scale = scale || total;
  const fit = total > scale ? scale / total : 1;
  const width = (ns) => `width:${scale > 0 ? ((100 * ns * fit) / scale).toFixed(2) : 0}%`;
  return h("div.bar", { class: total > scale ? "over" : "", "aria-hidden": "true" }, h("i.f", { style: width(filter) }), host > 0 && h("i.h", { style: width(host) }));
};

/** Tabs with arrow keys. `tabs` is [[id, label, count]], `onpick(id)` is called when one is chosen. */
export const tabList = (label, tabs, chosen, onpick) => {
  const list = h("div", { role: "tablist", "aria-label": label });
  const pick = (id, focus) => {
    for (const tab of list.children) {
      const on = tab.dataset.id === id;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
      if (on) reveal(tab);
    }
    onpick(id);
  };
  // Only the list itself is scrolled: the page must not jump.
  const reveal = (tab) => {
    const [from, to] = [tab.offsetLeft, tab.offsetLeft + tab.offsetWidth];
    if (from < list.scrollLeft) list.scrollLeft = from;
    else if (to > list.scrollLeft + list.clientWidth) list.scrollLeft = to - list.clientWidth;
  };
  for (const [id, name, count] of tabs) {
    const tab = h("button", { role: "tab", type: "button", "data-id": id, "aria-selected": id === chosen, tabindex: id === chosen ? 0 : -1, onclick: () => pick(id) }, name, count != null && h("span.n", count));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const ids = tabs.map(([one]) => one);
      pick(ids[(ids.indexOf(id) + step + ids.length) % ids.length], true);
    });
    list.append(tab);
  }
  return list;
};

/** Two or three choices side by side, one of them on. */
export const choice = (label, options, chosen, onpick) => {
  const group = h("div.seg", { role: "radiogroup", "aria-label": label });
  const pick = (id, focus) => {
    for (const one of group.children) {
      const on = one.dataset.id === id;
      one.setAttribute("aria-checked", on);
      one.tabIndex = on ? 0 : -1;
      if (on && focus) one.focus();
    }
    onpick(id);
  };
  options.forEach(([id, name], at) => {
    const one = h("button", { type: "button", role: "radio", "data-id": id, "aria-checked": id === chosen, tabindex: id === chosen ? 0 : -1, onclick: () => pick(id) }, name);
    one.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      pick(options[(at + step + options.length) % options.length][0], true);
    });
    group.append(one);
  });
  return group;
};

const FIRST_PATIENCE = 4000;
const SILENCE = "The kernel does not answer. It may be busy; if it was restarted, run the cell again.";
/** Questions to Python and their answers. An answer carries the number of its question; those nobody waits for are dropped.
 * `onsilence(words)` is called when an answer is long overdue. */
export const channel = (model, signal, onsilence = () => {}) => {
  const waiting = new Map();
  let last = 0;
  const receive = (content, buffers) => {
    const resolve = waiting.get(content?.ask);
    if (!resolve) return;
    waiting.delete(content.ask);
    const data = content.binary ? buffers : buffers?.length ? JSON.parse(new TextDecoder().decode(buffers[0])) : null;
    resolve({ ...content, data });
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  return (kind, body = {}) =>
    new Promise((resolve) => {
      last += 1;
      // Two views of one model share its messages, so the number alone would not tell their questions apart.
      const ask = `${last}.${Math.random().toString(36).slice(2)}`;
      // A message can get lost while a page connects anew, so a question is asked again until it is answered or the view is gone.
      const send = (patience) => {
        if (signal.aborted || (patience > FIRST_PATIENCE && !waiting.has(ask))) return;
        if (patience > 2 * FIRST_PATIENCE) onsilence(SILENCE);
        try {
          model.send({ ...body, kind, ask });
        } catch {
          // The way to a kernel that is gone is closed.
          return onsilence(SILENCE);
        }
        setTimeout(send, patience, 2 * patience);
      };
      waiting.set(ask, resolve);
      send(FIRST_PATIENCE);
    });
};
