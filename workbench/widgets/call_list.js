// The calls of an exchange, one row each, of which only those in sight are in the document. What is yet to come is muted.
import { duration, h, plain, text, timeBar } from "./fw.js";
import { valueAt } from "./call_strip.js";

const HEIGHT = 22;
const SPARE = 8;

/** Captured text with what is searched for marked. */
const marked = (value, wanted) => {
  const string = String(value ?? "");
  if (!wanted) return text(string);
  const lower = string.toLowerCase();
  const parts = [];
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0 && parts.length < 40; at = lower.indexOf(wanted, from)) {
    parts.push(text(string.slice(from, at)), h("mark", text(string.slice(at, at + wanted.length))));
    from = at + wanted.length;
  }
  return [parts, text(string.slice(from))];
};
// Numbers say little without their names; enumerations and text speak for themselves.
const argument = ([name, value], wanted) => h("span", { title: plain(`${name}: ${value}`) }, /^-?\d/.test(value) ? h("span.muted", name, "=") : null, marked(value, wanted));
const joined = (list) => list.flatMap((one, at) => (at ? [", ", one] : [one]));

const words = (line, data, step, wanted) => {
  if (!line) return h("span.skeleton", { style: "width:40%" });
  if (line.kind === "event") return h("span.cut", { class: { f: "del", p: "chg", s: "chg" }[line.tone] ?? "muted", title: plain(line.message) }, marked(line.message, wanted));
  if (line.kind === "log") return [h("span.level", { class: line.level }, line.level), h("span.cut.log-text", { title: plain(line.message) }, marked(line.message, wanted))];
  const lane = valueAt(data.lanes, step);
  const callback = line.kind === "callback";
  const paused = callback && line.result && !["Continue", "true", "false"].includes(line.result);
  const result = line.result && h("span", { class: line.refused ? "del" : paused ? "chg" : "" }, callback ? "\u2192 " : line.refused ? "\u2717 " : "= ", marked(line.result, wanted));
  return [
    callback && lane >= 0 && h("span.call-of.cut", { title: plain(data.filters[lane]) }, text(data.filters[lane])),
    h("span.call-name", { class: { w: "write", k: "write", s: "ends" }[line.tone] ?? "", title: plain(line.full) }, marked(line.name, wanted)),
    h("span.call-args.cut", "(", joined(line.args.map((one) => argument(one, wanted))), ")"),
    h("span.call-result.cut", result, line.outs.length ? [" ", joined(line.outs.map((one) => argument(one, wanted)))] : null, !line.finished && h("span.del", "never returned")),
    line.shared && h("span.tag", { title: "a root context's callback, which other exchanges share" }, "shared"),
  ];
};

/** `need(first)` is asked for lines that are not here yet, `onmove(step)` for another call. */
export const callList = (need, onmove, signal) => {
  const heads = h(
    "div.scope-row.scope-heads",
    { role: "row", "aria-rowindex": 1 },
    h("div.num", { role: "columnheader" }, "#"),
    h("div", { role: "columnheader", "aria-label": "Filter" }),
    h("div", { role: "columnheader" }, "Call and result"),
    h("div.num.scope-clock", { role: "columnheader", title: "virtual time since the request" }, "Clock"),
    h("div.num", { role: "columnheader", title: "real time on this machine" }, h("span.scope-long", h("span.key-f"), "Filter ", h("span.key-h"), "Host time"), h("span.scope-short", "Time")),
  );
  const sheet = h("div.scope-sheet", { role: "rowgroup" });
  const body = h("div.scope-body.scroll", sheet);
  const grid = h("div.scope-grid", { role: "treegrid", tabindex: 0, "aria-label": "Calls in order", "aria-readonly": "true" }, h("div", { role: "rowgroup" }, heads), body);
  const unique = Math.random().toString(36).slice(2);
  let data = null;
  let lines = [];
  let rows = new Map();
  let now = 0;
  let wanted = "";
  let scale = 1;
  let filters = 0;
  let paused = [];

  const rails = (step) => {
    const lane = valueAt(data.lanes, step);
    const inside = data.levels[step] !== "1" || "cx".includes(data.kinds[step]);
    const rail = (place) => {
      const on = inside && lane === place;
      const held = !on && paused.some((span) => span.filter === place && span.from <= step && step < span.to);
      return h("i", { class: on ? "on" : held ? "held" : "", style: `left:${4 + place * 10}px` });
    };
    return h("span.rails", { "aria-hidden": "true" }, Array.from({ length: Math.min(filters, 6) }, (_, place) => rail(place)));
  };

  const make = (step) => {
    const line = lines[step];
    const level = Number(data.levels[step]);
    const timed = line && line.filter_ns != null;
    const total = timed ? line.filter_ns + line.host_ns : 0;
    const clock = valueAt(data.clocks, step);
    // Virtual time stands still within a callback, so it is written where it may have moved.
    const told = level === 1 ? (clock < 1e10 ? `${clock ? "+" : ""}${(clock / 1e6).toFixed(3)} ms` : `+${(clock / 1e9).toFixed(3)} s`) : "";
    return h(
      "div.scope-row",
      {
        role: "row",
        id: `fw-${unique}-${step}`,
        "aria-rowindex": step + 2,
        "aria-level": level,
        "data-step": step,
        class: line ? `is-${line.kind} ${line.refused ? "is-refused" : ""} ${line.tone === "f" ? "is-failure" : ""}` : "",
        style: `top:${step * HEIGHT}px`,
      },
      h("div.num.muted", { role: "gridcell" }, step + 1),
      h("div", { role: "gridcell" }, rails(step)),
      h("div.scope-call.mono", { role: "gridcell", style: `padding-left:${(level - 1) * 14}px` }, words(line, data, step, wanted)),
      h("div.num.muted.scope-clock", { role: "gridcell" }, told),
      h("div.scope-cost", { role: "gridcell" }, timed ? [line.kind === "callback" ? timeBar(line.filter_ns, line.host_ns, scale) : timeBar(0, total, scale), h("span.num", { class: line.kind === "callback" ? "strong" : "muted" }, duration(total))] : null),
    );
  };

  const state = (node, step) => {
    node.classList.toggle("fw-now", step === now);
    node.classList.toggle("fw-future", step > now);
    node.setAttribute("aria-selected", step === now);
  };

  const draw = (afresh = false) => {
    if (!data) return;
    const first = Math.max(0, Math.floor(body.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(data.steps - 1, Math.ceil((body.scrollTop + body.clientHeight) / HEIGHT) + SPARE);
    const kept = new Map();
    for (let step = first; step <= last; step += 1) {
      const old = afresh ? null : rows.get(step);
      const node = old && (old.known || !lines[step]) ? old.node : make(step);
      if (!lines[step]) need(step);
      state(node, step);
      kept.set(step, { node, known: Boolean(lines[step]) });
    }
    rows = kept;
    sheet.replaceChildren(...[...kept.values()].map((one) => one.node));
  };

  const place = (step) => {
    now = step;
    const top = step * HEIGHT;
    const room = body.clientHeight;
    if (top < body.scrollTop + HEIGHT) body.scrollTop = Math.max(0, top - HEIGHT * 2);
    else if (top > body.scrollTop + room - 3 * HEIGHT) body.scrollTop = top - room + 3 * HEIGHT;
    if (rows.has(step)) for (const [at, one] of rows) state(one.node, at);
    else draw();
    grid.setAttribute("aria-activedescendant", `fw-${unique}-${step}`);
  };

  body.addEventListener("scroll", () => requestAnimationFrame(() => draw()));
  sheet.addEventListener("click", (event) => {
    const row = event.target.closest("[data-step]");
    if (row) onmove(Number(row.dataset.step));
  });
  const sizes = new ResizeObserver(() => (draw(), data && place(now)));
  sizes.observe(body);
  signal.addEventListener("abort", () => sizes.disconnect());

  return {
    root: grid,
    rows: () => Math.max(1, Math.floor(body.clientHeight / HEIGHT) - 2),
    load(next) {
      data = next;
      lines = [];
      rows = new Map();
      wanted = "";
      filters = next.filters.length;
      paused = next.spans.flat().filter((span) => span.state === "paused" || span.state === "left");
      // One slow callback must not flatten all others: longer bars are cut, with a notch.
      const costs = next.names.map(([at]) => next.costs[at]).sort((a, b) => a - b);
      scale = Math.max(1, costs[Math.floor(0.9 * (costs.length - 1))] ?? 1);
      grid.style.setProperty("--fw-digits", `${Math.max(34, 14 + 7.5 * String(next.steps).length)}px`);
      grid.style.setProperty("--fw-rails", `${8 + Math.min(filters, 6) * 10}px`);
      grid.setAttribute("aria-rowcount", next.steps + 1);
      sheet.style.height = `${next.steps * HEIGHT}px`;
      body.scrollTop = 0;
    },
    fill(first, more) {
      more.forEach((line, at) => (lines[first + at] = line));
      draw();
    },
    has: (step) => Boolean(lines[step]),
    line: (step) => lines[step],
    place,
    search(value) {
      wanted = value.toLowerCase();
      draw(true);
    },
  };
};
