// The decisions as a table: the accessible form of the lanes above. Only rows in sight are in the document.
import { channel, h, int, plain, plural, text } from "./fw.js";
import { lasting, markSign, markTone, markWords } from "./decision_lane.js";

const ROW = 24;
const HEAD = 25;
const PAGE = 100;
const TALLEST = 8_000_000;
const COLUMNS = [["#", "num"], ["Time", "dl-when"], ["Key", ""], ["Decision", ""], ["Taken / limit", "num"], ["Resets in", "num dl-resets"], ["Reason", "dl-reason"]];

const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** Draws into `el`. `where()` gives {lane, from_ms, to_ms}; `pick(index)` and `open(index)` are told of clicks and Enter. Gives {reload, mark}. */
export const decisionTable = (model, el, signal, { where, pick, open }) => {
  const ask = channel(model, signal);
  let pages = new Map();
  let asked = new Set();
  let matched = 0;
  let generation = 0;
  let chosen = -1;
  let cursor = -1;
  // the cursor went where no row is yet
  let awaited = false;
  let tops = [];

  const count = h("span.muted", { role: "status" });
  const layer = h("div.dl-layer");
  const spacer = h("div.dl-spacer", { role: "rowgroup" }, layer);
  const heads = h("div.dl-row.dl-heads", { role: "row", "aria-rowindex": 1 }, COLUMNS.map(([name, classes]) => h("div", { role: "columnheader", class: classes }, name)));
  // one box that scrolls and has the focus; its heads stay above the rows
  const grid = h("div.dl-grid.scroll", { role: "grid", tabindex: 0, "aria-label": "Decisions", "aria-readonly": "true" }, h("div.dl-top-row", { role: "rowgroup" }, heads), spacer);
  const inSight = () => grid.clientHeight - HEAD;
  el.append(grid);

  const room = () => matched * ROW;
  const scale = () => (room() <= TALLEST ? 1 : (TALLEST - inSight()) / Math.max(1, room() - inSight()));
  const rowAt = (at) => pages.get(Math.floor(at / PAGE))?.[at % PAGE];

  const fetchPage = async (page) => {
    if (pages.has(page) || asked.has(page)) return;
    asked.add(page);
    const mine = generation;
    const answer = await ask("decision_rows", { ...where(), first: page * PAGE, count: PAGE });
    if (mine !== generation) return;
    asked.delete(page);
    if (answer.error) return layer.replaceChildren(h("div.void", h("span", text(answer.error))));
    matched = answer.matched;
    pages.set(page, answer.data);
    if (pages.size > 40) pages.delete(pages.keys().next().value);
    spacer.style.height = `${Math.min(room(), TALLEST)}px`;
    grid.setAttribute("aria-rowcount", matched + 1);
    count.textContent = plural(matched, "decision");
    draw();
    if (awaited && rowAt(cursor)) {
      awaited = false;
      pick(rowAt(cursor).exchange);
    }
  };
  const cells = (row) => [
    h("div.num.muted", { role: "gridcell" }, int(row.exchange)),
    h("div.muted.dl-when", { role: "gridcell" }, row.clock),
    h("div.mono.cut", { role: "gridcell", title: plain(row.key) }, text(row.key)),
    h("div.dl-verdict", { role: "gridcell", class: markTone(row.mark) }, markSign(row.mark), capital(markWords(row.mark))),
    h("div.num", { role: "gridcell" }, row.counter < 0 ? "" : row.max < 0 ? int(row.counter) : `${int(row.counter)} / ${int(row.max)}`),
    h("div.num.muted.dl-resets", { role: "gridcell" }, row.resets_ms == null ? "" : lasting(row.resets_ms)),
    h("div.muted.cut.dl-reason", { role: "gridcell", title: plain(row.reason) }, text(row.reason)),
  ];
  const draw = () => {
    const first = Math.floor(grid.scrollTop / scale() / ROW);
    const shown = Math.ceil(inSight() / ROW) + 1;
    const rows = [];
    tops = [];
    for (let at = first; at < Math.min(matched, first + shown); at++) {
      const row = rowAt(at);
      if (!row) fetchPage(Math.floor(at / PAGE));
      const top = at * ROW - (first * ROW - Math.floor(first * ROW * scale()));
      const on = row?.exchange === chosen;
      tops.push([top, at]);
      rows.push(
        h(
          "div.dl-row.dl-td",
          { role: "row", "aria-rowindex": at + 2, "aria-selected": on, style: `transform:translateY(${top}px)`, "data-exchange": row?.exchange },
          row ? cells(row) : h("div.skeleton", { style: "grid-column:2/-2" }),
        ),
      );
    }
    layer.replaceChildren(...rows);
  };
  // by its place: rows are drawn anew at any time, also between a button's down and up
  const hit = (event) => {
    const y = event.clientY - layer.getBoundingClientRect().top;
    return tops.find(([top]) => y >= top && y < top + ROW)?.[1] ?? -1;
  };
  layer.addEventListener("click", (event) => {
    const row = rowAt(hit(event));
    if (!row) return;
    cursor = hit(event);
    pick(row.exchange);
  });
  layer.addEventListener("dblclick", (event) => rowAt(hit(event)) && open(rowAt(hit(event)).exchange));
  const reveal = () => {
    const top = cursor * ROW * scale();
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW > grid.scrollTop + inSight()) grid.scrollTop = top + ROW - inSight();
  };
  grid.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(inSight() / ROW) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -matched, End: matched }[event.key];
    if (event.key === "Enter" && chosen >= 0) return open(chosen);
    if (!by || !matched) return;
    event.preventDefault();
    event.stopPropagation();
    if (cursor < 0) cursor = [...pages.entries()].flatMap(([n, rows]) => rows.map((row, i) => (row.exchange === chosen ? n * PAGE + i : -1))).find((at) => at >= 0) ?? -1;
    cursor = Math.min(matched - 1, Math.max(0, cursor + by));
    reveal();
    draw();
    const row = rowAt(cursor);
    awaited = !row;
    if (row) pick(row.exchange);
  });
  let waiting = 0;
  grid.addEventListener("scroll", () => {
    if (!waiting) waiting = requestAnimationFrame(() => ((waiting = 0), draw()));
  });
  new ResizeObserver(() => draw()).observe(grid);

  return {
    count,
    reload() {
      generation += 1;
      pages = new Map();
      asked = new Set();
      cursor = -1;
      grid.scrollTop = 0;
      fetchPage(0);
    },
    mark(index) {
      chosen = index;
      const here = [...pages.entries()].flatMap(([n, rows]) => rows.map((row, i) => (row.exchange === index ? n * PAGE + i : -1))).find((at) => at >= 0);
      if (here != null && here !== cursor && rowAt(cursor)?.exchange !== index) {
        cursor = here;
        reveal();
      }
      draw();
    },
  };
};
