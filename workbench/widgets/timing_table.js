// Real time per callback: a distribution on one shared logarithmic axis, the sum of filter and host, and where the time goes.
import { channel, duration, h, int, ordinal, plain, plural, share, svg, text, timeBar } from "./fw.js";

const HEIGHT = 32;
const TALL = 26;

const along = (axis, ns) => Math.min(1, Math.max(0, Math.log(ns / axis.from_ns) / Math.log(axis.to_ns / axis.from_ns)));

const histogram = (row, axis) => {
  const bins = row.histogram;
  const most = Math.max(1, ...bins);
  const wide = 1000 / bins.length;
  // A single slow call stays visible beside a thousand quick ones.
  const tall = (n) => Math.max(1.5, (TALL * n) / most);
  const at = (ns) => (1000 * along(axis, ns)).toFixed(1);
  return svg(
    "svg",
    { class: "histogram", viewBox: `0 0 1000 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${row.name}: half of the calls within ${duration(row.p50)}, 99 of 100 within ${duration(row.p99)}` },
    axis.ticks.map((ns) => svg("line", { class: "tick", x1: at(ns), x2: at(ns), y1: 0, y2: HEIGHT })),
    bins.map((n, i) => n > 0 && svg("rect", { class: "bin", x: (i * wide + 0.5).toFixed(1), y: (HEIGHT - tall(n)).toFixed(1), width: (wide - 1).toFixed(1), height: tall(n).toFixed(1) })),
    svg("line", { class: "p50", x1: at(row.p50), x2: at(row.p50), y1: 3, y2: HEIGHT }),
    svg("line", { class: "p99", x1: at(row.p99), x2: at(row.p99), y1: 3, y2: HEIGHT }),
  );
};

const facts = (data) =>
  h(
    "div.facts",
    data.facts.map((fact) => h("div", h("div.fact-name", fact.label), h("div.fact-value", duration(fact.ns), fact.note && h("small", ` ${fact.note}`)))),
  );

const table = (data) => {
  const { axis } = data;
  const most = Math.max(1, ...data.rows.map((row) => row.filter_ns + row.host_ns));
  const head = h(
    "div.timing-row.heads",
    { role: "row" },
    h("div", { role: "columnheader" }, "Callback"),
    h("div.num", { role: "columnheader" }, "Calls"),
    h("div.axis", { role: "columnheader", "aria-label": "Distribution of the time of a call, logarithmic" }, axis.ticks.map((ns) => h("span", { style: `left:${(100 * along(axis, ns)).toFixed(2)}%`, class: along(axis, ns) < 0.15 ? "first" : along(axis, ns) > 0.85 ? "final" : "" }, duration(ns)))),
    ["p50", "p99", "Max"].map((name) => h("div.num", { role: "columnheader", class: name.toLowerCase() }, h("i", { class: `mark-${name.toLowerCase()}` }), name)),
    h("div", { role: "columnheader" }, h("span.key-f"), "Filter ", h("span.key-h"), "Host, sum"),
  );
  const line = (row) =>
    h(
      "div.timing-row.callback",
      { role: "row" },
      h("div.of", { role: "rowheader" }, row.filter != null && ordinal(row.filter, data.filters[row.filter]), h("span.mono.cut", { title: plain(`${data.filters[row.filter] ?? ""} proxy_${row.name}`) }, text(row.name))),
      h("div.num.muted", { role: "gridcell" }, int(row.count)),
      h("div", { role: "gridcell" }, histogram(row, axis)),
      h("div.num.p50", { role: "gridcell" }, duration(row.p50)),
      h("div.num.p99", { role: "gridcell" }, duration(row.p99)),
      h("div.num.muted.max", { role: "gridcell" }, duration(row.max)),
      h("div.sum", { role: "gridcell" }, timeBar(row.filter_ns, row.host_ns, most), h("span.num", duration(row.filter_ns + row.host_ns))),
    );
  return h("div.timing-table", { role: "grid", "aria-label": "Time per callback", "aria-readonly": "true" }, head, data.rows.map(line));
};

/** Width is time: all callbacks, then filters, callbacks, and in each its own code and the host. */
const icicle = (data) => {
  const all = data.rows.reduce((sum, row) => sum + row.filter_ns + row.host_ns, 0);
  const filters = data.filters.map((name, place) => ({ name, place, rows: data.rows.filter((row) => row.filter === place) })).filter((one) => one.rows.length);
  const total = (rows) => rows.reduce((sum, row) => sum + row.filter_ns + row.host_ns, 0);
  const cell = (ns, classes, label) => h("div.part", { class: classes, style: `flex-grow:${Math.max(ns, 1)}`, title: label }, h("span.cut", { "aria-hidden": ns / all < 0.04 }, ns / all < 0.04 ? "" : label));
  return h(
    "section.icicle",
    { "aria-label": "Where the time goes" },
    h("div.section", h("span.strong", "Where the time goes"), " ", h("span.muted", "filter, callback, then its own code and the host; width is time")),
    h(
      "div.icicle-rows",
      { role: "img", "aria-label": data.sentence },
      h("div.level-row", cell(all, "whole", `${plural(data.exchanges, "exchange")}, ${duration(all)}`)),
      h("div.level-row", filters.map((one) => cell(total(one.rows), "by-filter", `${one.place + 1} ${plain(one.name)}, ${duration(total(one.rows))}, ${share(total(one.rows) / all)}`))),
      h("div.level-row", filters.flatMap((one) => one.rows.map((row) => cell(row.filter_ns + row.host_ns, "by-callback", `${plain(row.name)}, ${duration(row.filter_ns + row.host_ns)}`)))),
      h("div.level-row", filters.flatMap((one) => one.rows.flatMap((row) => [cell(row.filter_ns, "own", `own code ${duration(row.filter_ns)}`), cell(row.host_ns, "host", `host ${duration(row.host_ns)}`)]))),
    ),
  );
};

/** Draws into `el` when first shown; gives {shown, show, reload}. */
export const timingTable = (model, el, signal) => {
  const ask = channel(model, signal, (words) => panel.replaceChildren(h("div.void", h("span", words))));
  let fresh = false;
  const panel = h("div.timing.scroll", { tabindex: 0, "aria-label": "Timing" });
  el.append(panel);
  const shown = async () => {
    if (fresh) return;
    fresh = true;
    const answer = await ask("timing");
    const { data } = answer;
    if (answer.error || !data.rows.length) {
      panel.replaceChildren(h("div.void", h("span", text(answer.error ?? "No filter was called, so there is no time to show."))));
      return;
    }
    panel.replaceChildren(facts(data), table(data), h("p.say", text(data.sentence)), icicle(data));
  };
  const reload = () => {
    fresh = false;
    if (!el.hidden) shown();
  };
  return { shown, reload, show() {} };
};
