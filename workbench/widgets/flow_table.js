// The table of exchanges: rows come in pages by messages, only those in sight are in the document.
import { OUTCOMES, channel, h, icon, int, plural, share, text } from "./fw.js";
import { columnHeads } from "./flow_columns.js";
import { rowsOf } from "./flow_page.js";
import { ROW, rowLayer } from "./flow_rows.js";
import { queryBox } from "./query_box.js";

const HEADS = 26;
const PAGE = 50;
const KEPT_PAGES = 120;
const OVERSCAN = 6;
// Pages fetched before they are in sight: those of the next moments, and so many at most.
const AHEAD = 12;
const AHEAD_MS = 600;
const TOGETHER = 3;
const CALM = 250;
// Browsers give up on taller elements; beyond this the scroll position is scaled.
const TALLEST = 8_000_000;

/** Draws into `el`. `onpick(index)` is told which exchange was chosen, `onopen(byKey)` that it was clicked, or that Enter was pressed. Gives {select, step, reload, refresh, search}. */
export const flowTable = (model, el, signal, { onpick = () => {}, onopen = () => {} } = {}) => {
  const ask = channel(model, signal, (words) => fail(words));
  const view = { query: "", outcome: "", sort: "index", descending: false };
  let pages = new Map();
  let asked = new Set();
  let generation = 0;
  let matched = null;
  let total = 0;
  let scale = 0;
  let cursor = -1;
  let chosen = model.get("selected");

  const box = queryBox(ask, signal, { onquery: (query) => change({ query }), onleave: () => grid.focus() });
  const count = h("span.muted.count", { role: "status" });
  const kinds = h("div.kinds", { role: "radiogroup", "aria-label": "Outcome" });
  const columns = columnHeads(el, { onsort: (column) => sortBy(column), onchange: () => draw(true) });
  const layer = rowLayer((row) => columns.shown().map((column) => h("div", { role: "gridcell", class: column.classes }, column.cell(row, scale, columns.roomOf))));
  const spacer = h("div.spacer", { role: "rowgroup" }, layer.root);
  const scroller = h("div.body.scroll", { role: "presentation" }, h("div.heads-group", { role: "rowgroup" }, columns.heads), spacer);
  const note = h("div.note", { hidden: true });
  // The rows are one tab stop: the focus stays on the grid and the active row is named.
  const grid = h("div.grid", { role: "grid", "aria-label": "Exchanges", "aria-readonly": "true", tabindex: 0 }, scroller, note);
  el.append(h("div.flows", h("div.bar-query", box.root, count, columns.menu), box.said, kinds, grid));

  const sortBy = ({ key, most }) => change(view.sort === key ? { descending: !view.descending } : { sort: key, descending: most ?? false });
  const change = (what) => {
    Object.assign(view, what);
    reload();
  };

  const height = () => Math.min((matched ?? 0) * ROW, TALLEST);
  const room = () => scroller.clientHeight - HEADS;
  const inSight = () => Math.max(1, Math.floor(room() / ROW));
  const firstInSight = () => {
    const all = (matched ?? 0) * ROW;
    if (all <= TALLEST) return scroller.scrollTop / ROW;
    return (scroller.scrollTop / Math.max(1, TALLEST - room())) * ((all - room()) / ROW);
  };
  const scrollTo = (first) => {
    const all = (matched ?? 0) * ROW;
    scroller.scrollTop = all <= TALLEST ? first * ROW : (first * ROW * (TALLEST - room())) / Math.max(1, all - room());
  };
  const rowAt = (at) => pages.get(Math.floor(at / PAGE))?.rows[at % PAGE];

  let kindsDrawn = "";
  const wanted = (page) => (!pages.has(page) || pages.get(page).stale) && !asked.has(page);
  /** Fetches what is wanted of the pages from one to another, with one question. */
  const fetchPages = async (from, to) => {
    while (from <= to && !wanted(from)) from += 1;
    while (to >= from && !wanted(to)) to -= 1;
    if (from > to) return;
    const mine = generation;
    const span = Array.from({ length: to - from + 1 }, (_, at) => from + at);
    for (const page of span) asked.add(page);
    const answer = await ask("rows", { ...view, first: from * PAGE, count: span.length * PAGE });
    if (mine !== generation) return;
    for (const page of span) asked.delete(page);
    if (answer.error) return fail(answer.error);
    const rows = rowsOf(answer);
    for (const page of span) {
      pages.delete(page);
      pages.set(page, { rows: rows.slice((page - from) * PAGE, (page - from + 1) * PAGE) });
    }
    while (pages.size > KEPT_PAGES) pages.delete(pages.keys().next().value);
    frame(answer);
    draw();
  };
  // A search through the captured bytes of many exchanges takes several answers; what matches so far is shown.
  const lookOn = async () => {
    const mine = generation;
    for (;;) {
      const answer = await ask("rows", { ...view, first: 0, count: 0 });
      if (mine !== generation) return;
      if (answer.error) return fail(answer.error);
      const grew = answer.matched !== matched;
      frame(answer);
      if (grew) {
        const inOrder = view.sort === "index" && !view.descending;
        for (const page of pages.values()) page.stale ||= !inOrder || page.rows.length < PAGE;
        draw();
      }
      if (answer.searched >= answer.total) return;
    }
  };

  const frame = (answer) => {
    ({ matched, total } = answer);
    if (scale !== answer.scale_ns) layer.forget();
    scale = answer.scale_ns;
    spacer.style.height = `${height()}px`;
    grid.setAttribute("aria-rowcount", matched + 1);
    const digits = `${Math.max(28, 8 + 8 * String(Math.max(0, total - 1)).length)}px`;
    // Each of these would have the page laid out anew, also where it says the same.
    if (el.style.getPropertyValue("--fw-index") !== digits) el.style.setProperty("--fw-index", digits);
    const looked = answer.searched < total ? `, ${share(answer.searched / total)} looked through` : "";
    const words = (matched === total ? plural(total, model.get("noun")) : `${int(matched)} of ${int(total)}`) + looked;
    if (count.textContent !== words) count.textContent = words;
    if (answer.outcomes) drawKinds(answer.outcomes);
    note.hidden = matched > 0 || answer.searched < total;
    if (!note.hidden) {
      note.replaceChildren(
        total
          ? h("div.void", h("span.strong", "No exchange matches"), h("span", "Change the query above, or show every outcome."), h("button.btn", { type: "button", onclick: clear }, "Show all"))
          : h("div.void", h("span.strong", "The capture holds no exchange"), h("span", "Record some traffic with mitmdump -w, and open that file.")),
      );
    }
  };
  const fail = (message) => {
    note.hidden = false;
    note.replaceChildren(h("div.banner.is-error", { role: "alert" }, icon("error", 16, "del"), h("div", text(message))));
  };

  const drawKinds = (outcomes) => {
    const now = JSON.stringify([view.outcome, outcomes]);
    if (now === kindsDrawn) return;
    kindsDrawn = now;
    const list = [["", "All", Object.values(outcomes).reduce((a, b) => a + b, 0)], ...Object.keys(OUTCOMES).filter((one) => outcomes[one]).map((one) => [one, OUTCOMES[one], outcomes[one]])];
    const focused = kinds.contains(kinds.getRootNode().activeElement);
    kinds.replaceChildren(
      ...list.map(([id, name, n]) => {
        const on = id === view.outcome;
        return h(
          "button.kind",
          { type: "button", role: "radio", "aria-checked": on, tabindex: on ? 0 : -1, class: id, "data-id": id, onclick: () => pickKind(id) },
          id ? icon(id, 14) : null,
          h("span", name),
          h("span.n", int(n)),
        );
      }),
    );
    if (focused) kinds.querySelector('[aria-checked="true"]')?.focus();
  };
  const pickKind = (id) => change({ outcome: id });
  kinds.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const ids = [...kinds.children].map((one) => one.dataset.id);
    pickKind(ids[(ids.indexOf(view.outcome) + step + ids.length) % ids.length]);
  });

  let near = 0;
  let calm = 0;
  let [before, beforeAt] = [0, 0];
  const draw = (columnsToo = false) => {
    if (columnsToo) {
      columns.draw(view.sort, view.descending);
      layer.forget();
    }
    if (matched == null) return;
    const first = firstInSight();
    const from = Math.floor(first);
    const to = Math.min(matched, Math.ceil(first) + inSight() + 1);
    const [moved, passed] = [from - before, performance.now() - beforeAt];
    [before, beforeAt] = [from, beforeAt + passed];
    // Asked before anything is drawn, so that the answer is made meanwhile.
    if (to > from) fetchPages(Math.floor(from / PAGE), Math.floor((to - 1) / PAGE));
    cancelAnimationFrame(near);
    clearTimeout(calm);
    if (!place(from, to)) return;
    // What is near comes a frame later: first what is looked at.
    near = requestAnimationFrame(() => place(Math.max(0, from - OVERSCAN), Math.min(matched, to + OVERSCAN)));
    // Who scrolls on finds the next pages there; after a jump they wait until the hand rests, since another jump may follow.
    if (moved && Math.abs(moved) < AHEAD * PAGE) fetchAhead(from, to, moved > 0, Math.ceil((AHEAD_MS * Math.abs(moved)) / Math.max(passed, 10) / PAGE));
    else calm = setTimeout(() => [true, false].forEach((down) => fetchAhead(from, to, down, 1)), CALM);
  };
  /** The next `soon` pages are what will be scrolled to in a moment; a few at a time, so that the nearest are there first. */
  const fetchAhead = (from, to, down, soon) => {
    const last = Math.floor((matched - 1) / PAGE);
    const first = down ? Math.floor((to - 1) / PAGE) + 1 : Math.floor(from / PAGE) - 1;
    for (let step = 0; step < Math.min(soon, AHEAD); step += 1) {
      const page = down ? first + step : first - step;
      if (page < 0 || page > last) return;
      if (wanted(page)) down ? fetchPages(page, Math.min(last, page + TOGETHER - 1)) : fetchPages(Math.max(0, page - TOGETHER + 1), page);
    }
  };
  const place = (from, to) => {
    const whole = layer.show(from, to, matched, scroller.scrollTop - firstInSight() * ROW, rowAt, chosen);
    for (let at = from; at < to; at += 1) if (rowAt(at)?.index === chosen) cursor = at;
    if (cursor >= from && cursor < to && rowAt(cursor)) grid.setAttribute("aria-activedescendant", layer.idOf(cursor));
    else grid.removeAttribute("aria-activedescendant");
    return whole;
  };

  const reveal = (at) => {
    const first = firstInSight();
    const fit = room() / ROW;
    if (at < first) scrollTo(at);
    else if (at + 1 > first + fit) scrollTo(at + 1 - fit);
  };
  const moveTo = async (at) => {
    if (!matched) return;
    cursor = Math.min(Math.max(at, 0), matched - 1);
    const mine = cursor;
    reveal(cursor);
    await fetchPages(Math.floor(cursor / PAGE), Math.floor(cursor / PAGE));
    const row = rowAt(cursor);
    // The hand may be further on by the time a page comes.
    if (row && mine === cursor) pick(row.index);
  };
  const pick = (index) => {
    chosen = index;
    draw();
    onpick(index);
  };
  const select = async (index) => {
    chosen = index;
    draw();
    if (index == null || index < 0) return;
    const mine = generation;
    const answer = await ask("locate", { ...view, index });
    if (mine !== generation || chosen !== index || answer.at == null || answer.at < 0) return;
    cursor = answer.at;
    reveal(cursor);
    draw();
  };
  const alike = async (step) => {
    if (chosen == null || chosen < 0) return;
    const answer = await ask("next", { ...view, index: chosen, step });
    if (answer.at == null || answer.at < 0) return;
    cursor = answer.at;
    reveal(cursor);
    pick(answer.index);
  };
  const reload = async () => {
    generation += 1;
    asked = new Set();
    cursor = -1;
    for (const page of pages.values()) page.stale = true;
    const mine = generation;
    columns.draw(view.sort, view.descending);
    // What is shown stays until the new rows are there.
    const answer = await ask("rows", { ...view, first: 0, count: PAGE });
    if (mine !== generation) return;
    if (answer.error) return fail(answer.error);
    pages = new Map([[0, { rows: rowsOf(answer) }]]);
    frame(answer);
    scroller.scrollTop = 0;
    draw();
    if (answer.searched < answer.total) lookOn();
    if (chosen != null && chosen >= 0) select(chosen);
  };
  /** Other data for the same question: what is in sight stays until the new rows have come. */
  const refresh = async () => {
    if (matched == null) return reload();
    generation += 1;
    asked = new Set();
    for (const page of pages.values()) page.stale = true;
    await lookOn();
    draw();
  };
  const clear = () => {
    box.clear();
    change({ query: "", outcome: "" });
  };

  grid.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: inSight(), PageUp: -inSight() }[event.key];
    if (by) moveTo(cursor < 0 ? 0 : cursor + by);
    else if (event.key === "Home") moveTo(0);
    else if (event.key === "End") moveTo((matched ?? 1) - 1);
    else if (event.key === "Enter") onopen(true);
    else if (event.key === "/") box.focus();
    else if (event.key === "]" || event.key === "[") alike(event.key === "]" ? 1 : -1);
    else return;
    // Lab would move its cell cursor otherwise.
    event.preventDefault();
    event.stopPropagation();
  });
  layer.root.addEventListener("click", (event) => {
    const line = event.target.closest("[data-exchange]");
    if (!line) return;
    cursor = Number(line.dataset.at);
    pick(Number(line.dataset.exchange));
    onopen();
  });
  let waiting = 0;
  scroller.addEventListener("scroll", () => {
    if (!waiting) waiting = requestAnimationFrame(() => ((waiting = 0), draw()));
  });
  const sizes = new ResizeObserver(() => draw(columns.fit(scroller.clientWidth)));
  sizes.observe(scroller);
  signal.addEventListener("abort", () => (sizes.disconnect(), clearTimeout(calm)));

  /** Asks for what a query finds, whatever the outcome. */
  const search = (query) => {
    box.put(query);
    change({ query, outcome: "" });
    grid.focus();
  };

  reload();
  return { select, reload, refresh, search, step: (by) => moveTo(cursor < 0 ? 0 : cursor + by) };
};

/** A flow table on its own: the selection is the trait `selected`. */
export const flowTableView = (model, el, signal) => {
  el.classList.add("fw-alone");
  const table = flowTable(model, el, signal, {
    onpick: (index) => {
      model.set("selected", index);
      model.save_changes();
    },
  });
  const follow = () => table.select(model.get("selected"));
  model.on("change:selected", follow);
  model.on("change:revision", table.reload);
  signal.addEventListener("abort", () => (model.off("change:selected", follow), model.off("change:revision", table.reload)));
};
