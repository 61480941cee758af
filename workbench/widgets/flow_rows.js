// The rows in the document: those in sight, those near it that are made already, and one mark where rows are still on their way.
import { h } from "./fw.js";

export const ROW = 24;
const NEAR = 8;

/** The layer that holds them. `cells(row)` makes what a row holds. Gives {root, show, forget, idOf}. */
export const rowLayer = (cells) => {
  const uid = `fw${Math.random().toString(36).slice(2, 8)}`;
  const coming = h("div.coming", { "aria-hidden": "true", hidden: true });
  const root = h("div.layer", coming);
  let drawn = new Map();

  const idOf = (at) => `${uid}-${at}`;
  const make = (at, row) => ({ row, node: h("div.row.td", { role: "row", id: idOf(at), "aria-rowindex": at + 2, "data-at": at, "data-exchange": row.index }, cells(row)) });

  /** Shows rows `from` to `to` of `all`, row `at` standing `base + at * ROW` px down. `rowAt(at)` is a row once it came, `chosen` the exchange
   * selected. True where every row in sight is there. */
  const show = (from, to, all, base, rowAt, chosen) => {
    const kept = new Map();
    let missing = null;
    for (let at = Math.max(0, from - NEAR); at < Math.min(all, to + NEAR); at += 1) {
      const row = rowAt(at);
      const inSight = at >= from && at < to;
      if (!row && inSight) missing = [missing?.[0] ?? at, at + 1];
      let entry = drawn.get(at);
      // A row that is there is not made again: scrolling by a line costs a line.
      if (entry?.row !== row) entry = row && inSight ? make(at, row) : null;
      if (!entry) continue;
      const on = String(row.index === chosen);
      if (entry.on !== on) entry.node.setAttribute("aria-selected", (entry.on = on));
      const top = base + at * ROW;
      if (entry.top !== top) entry.node.style.transform = `translateY(${(entry.top = top).toFixed(1)}px)`;
      kept.set(at, entry);
    }
    for (const [at, { node }] of drawn) if (kept.get(at)?.node !== node) node.remove();
    drawn = kept;
    // In the order of the table, as it is read aloud.
    let last = coming;
    for (const { node } of kept.values()) {
      if (last.nextSibling !== node) last.after(node);
      last = node;
    }
    coming.hidden = !missing;
    if (missing) {
      coming.style.transform = `translateY(${(base + missing[0] * ROW).toFixed(1)}px)`;
      coming.style.height = `${(missing[1] - missing[0]) * ROW}px`;
    }
    return !missing;
  };
  /** The columns are other ones: every row is made anew when it is shown next. */
  const forget = () => {
    for (const entry of drawn.values()) entry.row = null;
  };
  return { root, show, forget, idOf };
};
