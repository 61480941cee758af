// The calls of one exchange in order: callbacks, and in each what the filter asked of the host.
import { duration, h, icon, int, ordinal, plain, plural, text, timeBar } from "./fw.js";

const argument = ([name, value, kind]) => {
  const shown = kind === "text" ? ['"', text(value), '"'] : text(value);
  return h("span.arg", { title: plain(`${name}: ${value}`) }, h("span.muted", text(name), "="), shown);
};
const join = (list) => list.flatMap((one, at) => (at ? [", ", one] : [one]));

const call = (one) => [
  h("span.call-name", { class: one.tone ?? "", title: plain(one.full ?? one.name) }, text(one.name)),
  one.args && ["(", h("span.args", join(one.args.map(argument))), one.args_left > 0 && h("span.muted", ", \u2026"), ")"],
  one.result ? [h("span.muted", " = "), h("span", { class: one.refused ? "del" : "", title: plain(one.result_title ?? "") }, text(one.result))] : null,
  one.finished === false && h("span.del", " never returned"),
];

const row = (one, level, scale, filters, extra = {}) => {
  const timed = one.filter_ns != null;
  return h(
    "div.call-row",
    { role: "row", "aria-level": level, tabindex: -1, class: `call-${one.kind} ${one.tone ? `is-${one.tone}` : ""}`, ...extra },
    h("div", { role: "gridcell" }, level === 1 && one.filter != null && ordinal(one.filter, filters[one.filter])),
    h("div.num.muted", { role: "gridcell" }, one.number ?? ""),
    h("div.mono.call.cut", { role: "gridcell" }, level === 1 && h("span.twist", one.children?.length ? icon("down", 12) : ""), level > 1 && h("span.indent"), one.kind === "log" ? [h("span.level", { class: one.level }, one.level), " ", text(one.message)] : one.kind === "event" ? text(one.message) : call(one)),
    h("div.num.muted.clock", { role: "gridcell", title: "virtual time since the request" }, one.clock ?? ""),
    h("div.call-cost", { role: "gridcell" }, timed ? [timeBar(one.filter_ns, one.host_ns, scale), h("span.num", duration(one.filter_ns + one.host_ns))] : null),
  );
};

/** A treegrid of `detail.calls`: callbacks are level 1, hostcalls, logs and events level 2. */
export const callTree = (detail) => {
  if (!detail.calls.length) return h("div.void", h("span", "No filter was called during this exchange."));
  const scale = Math.max(1, ...detail.calls.map((one) => (one.filter_ns ?? 0) + (one.host_ns ?? 0)));
  const tree = h("div.calls-grid", { role: "treegrid", "aria-label": "Calls", "aria-readonly": "true" });
  tree.append(
    h(
      "div.call-row.call-heads",
      { role: "row" },
      ["", "#", "Call"].map((name, at) => h("div", { role: "columnheader", class: at === 1 ? "num" : "" }, name)),
      h("div.num.clock", { role: "columnheader", title: "virtual time since the request" }, "Clock"),
      h("div.num", { role: "columnheader" }, h("span.key-f"), "Filter ", h("span.key-h"), "Host time"),
    ),
  );
  const rows = [];
  for (const one of detail.calls) {
    const parent = row(one, 1, scale, detail.filters, one.children?.length ? { "aria-expanded": true } : {});
    const kids = (one.children ?? []).map((kid) => row(kid, 2, scale, detail.filters));
    const toggle = (on) => {
      if (!kids.length) return;
      parent.setAttribute("aria-expanded", on);
      for (const kid of kids) kid.hidden = !on;
    };
    parent.addEventListener("click", () => toggle(parent.getAttribute("aria-expanded") !== "true"));
    rows.push({ node: parent, toggle }, ...kids.map((node) => ({ node, parent })));
    tree.append(parent, ...kids);
    if (one.children_left > 0) tree.append(h("div.hint", `${plural(one.children_left, "more call")} in replay.hostcalls`));
  }
  if (detail.calls_left > 0) tree.append(h("div.hint", `${plural(detail.calls_left, "more callback")} in replay.callbacks; ${int(detail.calls.length)} shown`));
  rows[0].node.tabIndex = 0;
  tree.addEventListener("keydown", (event) => {
    const seen = rows.filter(({ node }) => !node.hidden);
    const at = seen.findIndex(({ node }) => node === event.target.closest("[role=row]"));
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: seen.length - 1 }[event.key];
    if (to != null) move(seen[Math.min(Math.max(to, 0), seen.length - 1)].node);
    else if (event.key === "ArrowRight") seen[at].toggle?.(true);
    else if (event.key === "ArrowLeft") seen[at].parent ? move(seen[at].parent) : seen[at].toggle?.(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const move = (node) => {
    for (const one of rows) one.node.tabIndex = one.node === node ? 0 : -1;
    node.focus();
  };
  return tree;
};
