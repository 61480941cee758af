// What is behind one row of the timing table: its distribution functions, and the exchanges that were slowest in it.
import { durations, h, int, plain, svg, text, timeBar } from "./fw.js";
import { along, percent, tickLabels } from "./timing_scale.js";

const TALL = 132;
const SHARES = [0, 0.5, 0.9, 0.99, 1];
const CURVES = [
  ["total", "Together"],
  ["own", "Filter"],
  ["host", "Host"],
];

const stairs = ([times, shares], axis) => {
  let before = 0;
  const steps = times.map((ns, i) => {
    const x = (1000 * along(axis, Math.max(ns, axis.from_ns))).toFixed(1);
    const step = `${i ? "L" : "M"}${x} ${((1 - before) * TALL).toFixed(1)}L${x} ${((1 - shares[i]) * TALL).toFixed(1)}`;
    before = shares[i];
    return step;
  });
  return `${steps.join("")}L1000 0`;
};

// Without host time the filter's curve is the whole.
const shows = (data, id, baseline) => data.curves[id][0].some((ns) => ns > 0) && (id !== "total" || baseline);

const ecdf = (data, row, { axis, baseline, say }) =>
  h(
    "figure.ecdf.chart",
    { "aria-label": `Share of calls within a time. Filter: half within ${say(row.own.p50)}, 99 of 100 within ${say(row.own.p99)}. Host: half within ${say(row.host.p50)}, 99 of 100 within ${say(row.host.p99)}.` },
    h("figcaption", h("span.strong", "Share within"), CURVES.map(([id, label]) => shows(data, id, baseline) && h(`span.curve-key.${id}`, h("i"), label))),
    h(
      "div.ecdf-plot",
      SHARES.map((share) => h("span.ecdf-share", { style: `top:${percent(1 - share)}` }, share === 0.99 ? "" : `${Math.round(100 * share)}`)),
      h(
        "div.ecdf-area",
        svg(
          "svg",
          { viewBox: `0 0 1000 ${TALL}`, preserveAspectRatio: "none", "aria-hidden": "true" },
          SHARES.map((share) => svg("line", { class: "grid", x1: 0, x2: 1000, y1: (1 - share) * TALL, y2: (1 - share) * TALL })),
          axis.ticks.map((ns) => svg("line", { class: "grid", x1: 1000 * along(axis, ns), x2: 1000 * along(axis, ns), y1: 0, y2: TALL })),
          baseline && svg("line", { class: "empty", x1: 1000 * along(axis, baseline.ns), x2: 1000 * along(axis, baseline.ns), y1: 0, y2: TALL }),
          CURVES.map(([id]) => shows(data, id, baseline) && svg("path", { class: `curve ${id}`, d: stairs(data.curves[id], axis) })),
        ),
      ),
      h("div.ecdf-axis.axis", tickLabels(axis, say)),
    ),
  );

const heading = (unit) => (unit === "fuel" ? "Exchanges with most instructions" : "Slowest exchanges");

const slowest = (data, { unit, say }, { select, choose, model }) => {
  const most = Math.max(1, ...data.slowest.map((one) => one.own_ns + one.host_ns));
  const list = h("div.slow-list", { role: "listbox", "aria-label": "Slowest exchanges" });
  const mark = () => {
    for (const one of list.children) one.setAttribute("aria-selected", Number(one.dataset.slow) === model.get("selected"));
  };
  const pick = (index) => {
    select(index);
    mark();
  };
  list.append(
    ...data.slowest.map((one, at) =>
      h(
        "div.slow",
        { role: "option", tabindex: at ? -1 : 0, "data-slow": one.exchange, "aria-selected": "false", title: choose ? "Enter or a double click opens it" : "", onclick: () => pick(one.exchange), ondblclick: () => choose?.(one.exchange) },
        h("span.num.muted", `#${int(one.exchange)}`),
        h("span.mono.cut", { title: plain(`${one.method} ${one.path}`) }, text(`${one.method} ${one.path}`)),
        timeBar(one.own_ns, one.host_ns, most),
        h("span.num", unit === "fuel" ? say(one.own_ns) : durations(one.own_ns, one.host_ns)),
      ),
    ),
  );
  list.addEventListener("keydown", (event) => {
    const rows = [...list.children];
    const at = rows.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || (to == null && event.key !== "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") return choose ? choose(Number(rows[at].dataset.slow)) : pick(Number(rows[at].dataset.slow));
    const next = rows[Math.min(rows.length - 1, Math.max(0, to))];
    rows.forEach((one) => (one.tabIndex = one === next ? 0 : -1));
    next.focus();
    pick(Number(next.dataset.slow));
  });
  mark();
  return h("div.slowest", h("div.slow-head.strong", data.slowest.length ? heading(unit) : "Made for no exchange"), list);
};

/** The opened part below a row: drawn when the answer is there. */
export const timingGroup = (ask, dimension, row, table, doors) => {
  const cell = h("div.group-cell", { role: "gridcell", "aria-busy": "true" }, h("div.skeleton", { style: "width:40%" }));
  ask("timing", { part: "group", dimension, key: row.key, unit: table.unit }).then(({ data, error }) => {
    cell.setAttribute("aria-busy", "false");
    if (error) return cell.replaceChildren(h("span.del", text(error)));
    cell.replaceChildren(ecdf(data, row, table), slowest(data, table, doors));
  });
  return h("div.group", { role: "row", "aria-level": 2, "aria-label": `${doors.name}: distribution and slowest exchanges` }, cell);
};
