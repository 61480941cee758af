// The distributions of one dimension, a row each: the filter's own time above the line, the host's hatched below it.
import { channel, choice, duration, h, int, ordinal, plain, plural, share, text, timeBar } from "./fw.js";
import { along, outline, percent, spelling, tickLabels } from "./timing_scale.js";
import { timingGroup } from "./timing_group.js";

const SHOWN_AT_FIRST = 10;
const DIMENSIONS = [
  ["callbacks", "Callbacks"],
  ["hostcalls", "Hostcalls"],
  ["filters", "Filters"],
  ["paths", "Paths"],
];
const HEADS = { callbacks: "Callback", hostcalls: "Hostcall", filters: "Filter", paths: "Path" };

const both = (say, own, host) => [h("span", own > 0 ? say(own) : "0"), h("span.muted", host > 0 ? say(host) : say === duration ? "0" : "")];
const sumOf = (row) => row.own.sum + row.host.sum;
const total = (rows) => rows.reduce((sum, row) => sum + sumOf(row), 0);

const distribution = (row, { axis, baseline, say }) => {
  const most = Math.max(1, ...row.own.histogram, ...row.host.histogram);
  const marks = (spread, side) => ["p50", "p99"].map((name) => spread[name] > 0 && h(`i.mark.${name}.${side}`, { style: `left:${percent(along(axis, spread[name]))}` }));
  return h(
    "div.distribution",
    { role: "img", "aria-label": `filter: half within ${say(row.own.p50)}, 99 of 100 within ${say(row.own.p99)}; host: half within ${say(row.host.p50)}, 99 of 100 within ${say(row.host.p99)}` },
    axis.ticks.map((ns) => h("i.tick", { style: `left:${percent(along(axis, ns))}` })),
    baseline && h("i.empty-line", { style: `left:${percent(along(axis, baseline.ns))}` }),
    row.own.sum > 0 && h("div.own-bins", { style: `clip-path:${outline(row.own.histogram, axis, most, true)}` }),
    row.host.sum > 0 && h("div.host-bins", { style: `clip-path:${outline(row.host.histogram, axis, most, false)}` }),
    marks(row.own, "above"),
    marks(row.host, "below"),
  );
};

/** `timingTable(model, signal, { select, choose })` gives its root and `load()`, which draws afresh; `told(data)` gets what was drawn. */
export const timingTable = (model, signal, { select, choose, told, unit: inUnit }) => {
  const ask = channel(model, signal);
  // one element that is a row by itself: a grid holds nothing but rows
  const alone = (...made) => h("div", { role: "row" }, h("div", { role: "gridcell" }, h(...made)));
  const body = h("div.timing-table", { role: "treegrid", "aria-readonly": "true" });
  const bar = h("div.section.timing-bar");
  const root = h("section.timing-part", bar, body);
  let dimension = "callbacks";
  let data = null;
  let all = false;
  let opened = null;

  const groupName = (row) => (row.filter >= 0 ? `${row.filter + 1} ${plain(data.filters[row.filter])}, ${plain(row.name)}` : plain(row.name));

  const line = (row, most) => {
    const { say } = data;
    const prefix = dimension === "callbacks" || dimension === "hostcalls" ? "proxy_" : "";
    const name = dimension === "filters" ? data.filters[row.filter] : row.name;
    return h(
      "div.timing-row.callback",
      { role: "row", tabindex: -1, "data-key": row.key, "aria-expanded": opened === row.key, "aria-level": 1, "aria-label": `${groupName(row)}, ${plural(row.count, unit())}`, onclick: () => toggle(row.key) },
      h("div.of", { role: "rowheader" }, row.filter >= 0 && ordinal(row.filter, data.filters[row.filter]), h("span.mono.cut", { title: plain(`${row.filter >= 0 ? `${data.filters[row.filter]} ` : ""}${prefix}${row.name}`) }, text(name))),
      h("div.num.muted.calls", { role: "gridcell" }, int(row.count)),
      h("div", { role: "gridcell" }, distribution(row, data)),
      h("div.pair.p50", { role: "gridcell" }, both(say, row.own.p50, row.host.p50)),
      h("div.pair.p90", { role: "gridcell" }, both(say, row.own.p90, row.host.p90)),
      h("div.pair.p99", { role: "gridcell" }, both(say, row.own.p99, row.host.p99)),
      h("div.pair.max", { role: "gridcell" }, both(say, row.own.max, row.host.max)),
      h("div.sum", { role: "gridcell" }, timeBar(row.own.sum, row.host.sum, most), h("div.pair", both(say, row.own.sum, row.host.sum))),
    );
  };

  const unit = () => (dimension === "callbacks" || dimension === "hostcalls" ? "call" : "exchange");

  const head = () => {
    const { axis, baseline } = data;
    const empty = baseline && { ns: baseline.ns, label: "empty", title: `An empty hostcall on this machine: ${duration(baseline.ns)}, p50 of ${int(baseline.calls)}. Most of it is reading the clock, as for every call.` };
    return h(
      "div.timing-row.heads",
      { role: "row" },
      h("div", { role: "columnheader" }, HEADS[dimension]),
      h("div.num.calls", { role: "columnheader" }, unit() === "call" ? "Calls" : "Exchanges"),
      h("div.axis", { role: "columnheader", "aria-label": `Distribution of the time of each ${unit()}, logarithmic` }, tickLabels(axis, data.say, baseline ? [empty] : [])),
      h("div.num.p50", { role: "columnheader" }, h("i.key-p50"), "p50"),
      h("div.num.p90", { role: "columnheader" }, "p90"),
      h("div.num.p99", { role: "columnheader" }, h("i.key-p99"), "p99"),
      h("div.num.max", { role: "columnheader" }, "Max"),
      h("div.num.sum-head", { role: "columnheader" }, "Sum"),
    );
  };

  const draw = () => {
    const served = data.rows.filter((row) => !row.start);
    const starts = data.rows.filter((row) => row.start);
    const most = Math.max(1, ...served.map(sumOf));
    const inFull = [...served].sort((a, b) => sumOf(b) - sumOf(a)).slice(0, SHOWN_AT_FIRST);
    const shown = all ? served : served.filter((row) => inFull.includes(row) || row.key === opened);
    const left = served.length - shown.length;
    const whole = total(served);
    const lines = (rows, scale) => rows.flatMap((row) => [line(row, scale), row.key === opened && timingGroup(ask, dimension, row, data, { select, choose, name: groupName(row), model })]);
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    body.setAttribute("aria-label", `Time per ${HEADS[dimension].toLowerCase()}`);
    const parts = [
      head(),
      ...lines(shown, most),
      left > 0 && alone("button.more", { type: "button", onclick: () => ((all = true), draw()) }, `Show ${int(left)} more`, h("span.muted", whole ? `, together ${share(1 - total(shown) / whole)} of the time` : "")),
      all && served.length > SHOWN_AT_FIRST && alone("button.more", { type: "button", onclick: () => ((all = false), draw()) }, `Show the ${SHOWN_AT_FIRST} that take most only`),
      ...(all && starts.length ? [h("div.divider", { role: "row" }, h("span", { role: "gridcell" }, "Starting the filters", h("span.muted", " once each, for no exchange"))), ...lines(starts, Math.max(1, ...starts.map(sumOf)))] : []),
      ...(served.length ? [] : [alone("div.void", h("span", dimension === "paths" ? "Connections have no paths." : "No such call was made."))]),
    ];
    body.replaceChildren(...parts.filter(Boolean));
    const rows = [...body.querySelectorAll(".fw-callback")];
    const current = rows.find((row) => row.dataset.key === (focused ?? String(opened))) ?? rows[0];
    if (current) current.tabIndex = 0;
    if (focused != null) current?.focus();
  };

  const toggle = (key) => {
    opened = opened === key ? null : key;
    draw();
  };

  body.addEventListener("keydown", (event) => {
    const row = event.target.closest?.(".fw-callback");
    if (!row || event.target !== row) {
      if (event.key === "Escape" && opened != null) {
        event.preventDefault();
        const key = opened;
        toggle(key);
        body.querySelector(`[data-key="${key}"]`)?.focus();
      }
      return;
    }
    const rows = [...body.querySelectorAll(".fw-callback")];
    const at = rows.indexOf(row);
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (target != null) {
      const next = rows[Math.min(rows.length - 1, Math.max(0, target))];
      rows.forEach((one) => (one.tabIndex = one === next ? 0 : -1));
      next.focus();
    } else if (event.key === "Enter" || event.key === " " || (event.key === "Escape" && opened != null)) toggle(event.key === "Escape" ? opened : Number(row.dataset.key));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const load = async () => {
    const wanted = dimension;
    const answer = await ask("timing", { part: "table", dimension, unit: inUnit() });
    if (wanted !== dimension) return;
    if (answer.error) return told(answer);
    data = answer.data;
    data.say = spelling(data.unit);
    root.classList.toggle("fw-counts", data.unit === "fuel");
    opened = data.rows.some((row) => row.key === opened) ? opened : null;
    bar.replaceChildren(
      choice("What is timed", DIMENSIONS.filter(([id]) => (id !== "paths" || data.paths) && (id !== "hostcalls" || data.unit === "time")), dimension, (id) => {
        if (id === dimension) return;
        [dimension, opened, all] = [id, null, false];
        load();
      }),
      h("span.grow"),
      data.unit === "time" ? h("span.legend", h("span.key-f"), "Filter, above", h("span.key-h"), "Host, below") : h("span.legend", "instructions"),
    );
    draw();
    told(answer);
  };
  const reset = () => {
    if (dimension === "hostcalls") [dimension, opened] = ["callbacks", null];
  };
  return { root, load, reset };
};
