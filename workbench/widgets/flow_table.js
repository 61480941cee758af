// The table of exchanges: rows come in pages by messages, only those in sight are in the document.
import { ARROW, OUTCOMES, SIGNS, channel, chip, durations, h, icon, int, plain, plural, text, timeBar } from "./fw.js";

const ROW = 24;
const PAGE = 100;
const KEPT_PAGES = 40;
// Browsers give up on taller elements; beyond this the scroll position is scaled.
const TALLEST = 8_000_000;
const COLUMNS = [
  ["index", "#", "num"],
  ["time", "Time", "when"],
  ["method", "Method", ""],
  ["path", "Path", ""],
  ["status", "Status", ""],
  ["outcome", "Outcome", ""],
  ["changes", "Changes", "changes-head"],
  ["cost", "Filter and host time", "cost-head"],
  ["hostcalls", "Calls", "num calls"],
];

const status = (row) => {
  if (row.up === row.down || row.up == null || row.down == null) {
    const only = row.down ?? row.up;
    return only == null ? h("span.muted", "none") : row.up == null ? h("b.strong", only) : h("span", only);
  }
  return [h("span.muted", `${row.up} ${ARROW} `), h("b.strong", row.down)];
};

const changes = (row) => {
  if (row.reason) return h("span.cut", { class: row.outcome === "error" ? "del" : "muted", title: plain(row.reason) }, text(row.reason));
  const named = row.changes.map(([kind, name]) => h("span.mono", { title: plain(name) }, h("span", { class: kind }, SIGNS[kind]), text(name)));
  const counts = Object.entries(row.counts).filter(([, n]) => n).map(([kind, n]) => h("span", { class: kind }, SIGNS[kind], n));
  const more = row.more > 0 && h("span.muted", `${int(row.more)} more`);
  return [h("div.names", named, more), h("div.counts", counts)];
};

const cells = (row, scale) => {
  const [own, rest] = durations(row.filter_ns, row.host_ns);
  return [
    h("div.num.muted", row.index),
    h("div.muted.when", { title: plain(row.date) }, row.time),
    h("div.cut", { title: plain(row.method) }, text(row.method)),
    h("div.mono.cut", { title: plain(`${row.host}${row.path}`) }, text(row.path), row.path_cut && h("span.muted", "\u2026")),
    h("div.status", status(row)),
    h("div", chip(row.outcome)),
    h("div.changes", changes(row)),
    h("div.cost", timeBar(row.filter_ns, row.host_ns, scale), h("span.num", own, h("span.muted", rest))),
    h("div.num.muted.calls", int(row.hostcalls)),
  ];
};

/** Draws into `el`. `onpick(index)` is told which exchange was chosen, `onopen()` that Enter was pressed. Gives {select, step, reload}. */
export const flowTable = (model, el, signal, { onpick = () => {}, onopen = () => {} } = {}) => {
  const ask = channel(model, signal, (words) => fail(words));
  const uid = `fw${Math.random().toString(36).slice(2, 8)}`;
  const view = { query: "", outcome: "", sort: "index", descending: false };
  let pages = new Map();
  // rows of the data before, shown until those that take their place have come
  let stale = new Map();
  let asked = new Set();
  let generation = 0;
  let matched = null;
  let total = 0;
  let scale = 0;
  let cursor = -1;
  let chosen = model.get("selected");

  const query = h("input.query", { type: "search", placeholder: "Contains: method, host, path, status or outcome", "aria-label": "Show exchanges that contain", spellcheck: "false", autocomplete: "off" });
  const count = h("span.muted.count", { role: "status" });
  const kinds = h("div.kinds", { role: "radiogroup", "aria-label": "Outcome" });
  const heads = h("div.row.heads", { role: "row", "aria-rowindex": 1 });
  const layer = h("div.layer");
  const spacer = h("div.spacer", { role: "rowgroup" }, layer);
  const scroller = h("div.body.scroll", { tabindex: 0 }, spacer);
  const note = h("div.note", { hidden: true });
  const grid = h("div.grid", { role: "grid", "aria-label": "Exchanges", "aria-readonly": "true" }, h("div", { role: "rowgroup" }, heads), scroller, note);
  el.append(h("div.flows", h("div.bar-query", h("label.box", icon("search", 14), query), count), kinds, grid));
  // The grid is one tab stop: the focus stays on it and the active row is named.
  scroller.removeAttribute("tabindex");
  grid.tabIndex = 0;

  for (const [key, name, classes] of COLUMNS) {
    const label = key === "cost" ? [h("span.key-f"), "Filter", " ", h("span.key-h"), "Host time"] : name;
    const head = h("button", { type: "button", tabindex: -1, onclick: () => sortBy(key), title: `Sort by ${name.toLowerCase()}` }, label);
    heads.append(h("div", { role: "columnheader", class: classes, "data-key": key }, head));
  }
  const sortBy = (key) => {
    if (view.sort === key) view.descending = !view.descending;
    else Object.assign(view, { sort: key, descending: key === "cost" || key === "hostcalls" || key === "changes" });
    reload();
  };

  const height = () => Math.min((matched ?? 0) * ROW, TALLEST);
  const inSight = () => Math.max(1, Math.floor(scroller.clientHeight / ROW));
  const firstInSight = () => {
    const room = (matched ?? 0) * ROW;
    if (room <= TALLEST) return scroller.scrollTop / ROW;
    return (scroller.scrollTop / Math.max(1, TALLEST - scroller.clientHeight)) * ((room - scroller.clientHeight) / ROW);
  };
  const scrollTo = (first) => {
    const room = (matched ?? 0) * ROW;
    scroller.scrollTop = room <= TALLEST ? first * ROW : (first * ROW * (TALLEST - scroller.clientHeight)) / Math.max(1, room - scroller.clientHeight);
  };
  const rowAt = (at) => (pages.get(Math.floor(at / PAGE)) ?? stale.get(Math.floor(at / PAGE)))?.[at % PAGE];

  const fetchPage = async (page) => {
    if (pages.has(page) || asked.has(page)) return;
    const mine = generation;
    asked.add(page);
    const answer = await ask("rows", { ...view, first: page * PAGE, count: PAGE });
    if (mine !== generation) return;
    asked.delete(page);
    if (answer.error) return fail(answer.error);
    ({ matched, total } = answer);
    scale = answer.scale_ns;
    pages.set(page, answer.data);
    if (pages.size > KEPT_PAGES) pages.delete(pages.keys().next().value);
    frame(answer);
    draw();
  };

  const frame = (answer) => {
    spacer.style.height = `${height()}px`;
    grid.setAttribute("aria-rowcount", matched + 1);
    el.style.setProperty("--fw-index", `${Math.max(28, 8 + 8 * String(Math.max(0, total - 1)).length)}px`);
    count.textContent = matched === total ? plural(total, model.get("noun")) : `${int(matched)} of ${int(total)}`;
    if (answer.outcomes) drawKinds(answer.outcomes);
    note.hidden = matched > 0;
    if (!matched) {
      note.replaceChildren(
        total
          ? h("div.void", h("span.strong", "No exchange matches"), h("span", "Shorten the words above, or show every outcome."), h("button.btn", { type: "button", onclick: clear }, "Show all"))
          : h("div.void", h("span.strong", "The capture holds no exchange"), h("span", "Record some traffic with mitmdump -w, and open that file.")),
      );
    }
  };
  const fail = (message) => {
    note.hidden = false;
    note.replaceChildren(h("div.banner.is-error", { role: "alert" }, icon("error", 16, "del"), h("div", text(message))));
  };

  const drawKinds = (outcomes) => {
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
  const pickKind = (id) => {
    view.outcome = id;
    reload();
  };
  kinds.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const ids = [...kinds.children].map((one) => one.dataset.id);
    pickKind(ids[(ids.indexOf(view.outcome) + step + ids.length) % ids.length]);
  });

  const draw = () => {
    if (matched == null) return;
    const first = firstInSight();
    const from = Math.max(0, Math.floor(first) - 6);
    const to = Math.min(matched, Math.ceil(first) + inSight() + 7);
    const base = scroller.scrollTop - first * ROW;
    const rows = [];
    for (let at = from; at < to; at += 1) {
      const row = rowAt(at);
      const top = `transform:translateY(${(base + at * ROW).toFixed(1)}px)`;
      if (!pages.has(Math.floor(at / PAGE))) fetchPage(Math.floor(at / PAGE));
      if (!row) {
        rows.push(h("div.row.td", { role: "row", "aria-rowindex": at + 2, style: top }, COLUMNS.map(([, , classes]) => h("div", { role: "gridcell", class: classes }, h("div.skeleton", { style: `width:${35 + ((at * 17) % 50)}%` })))));
        continue;
      }
      const on = row.index === chosen;
      if (on) cursor = at;
      const line = h("div.row.td", { role: "row", id: `${uid}-${at}`, "aria-rowindex": at + 2, "aria-selected": on, style: top, "data-at": at, "data-exchange": row.index }, cells(row, scale));
      for (const cell of line.children) cell.setAttribute("role", "gridcell");
      rows.push(line);
    }
    layer.replaceChildren(...rows);
    if (cursor >= from && cursor < to) grid.setAttribute("aria-activedescendant", `${uid}-${cursor}`);
    else grid.removeAttribute("aria-activedescendant");
    for (const head of heads.children) head.setAttribute("aria-sort", head.dataset.key === view.sort ? (view.descending ? "descending" : "ascending") : "none");
  };

  const reveal = (at) => {
    const first = firstInSight();
    const room = scroller.clientHeight / ROW;
    if (at < first) scrollTo(at);
    else if (at + 1 > first + room) scrollTo(at + 1 - room);
  };
  const moveTo = async (at) => {
    if (!matched) return;
    cursor = Math.min(Math.max(at, 0), matched - 1);
    const mine = cursor;
    reveal(cursor);
    await fetchPage(Math.floor(cursor / PAGE));
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
  const reload = async () => {
    generation += 1;
    pages = new Map();
    stale = new Map();
    asked = new Set();
    cursor = -1;
    scroller.scrollTop = 0;
    await fetchPage(0);
    if (chosen != null && chosen >= 0) select(chosen);
  };
  /** Other data for the same question: what is in sight stays there. */
  const refresh = async () => {
    if (matched == null) return reload();
    generation += 1;
    if (pages.size) stale = pages;
    pages = new Map();
    asked = new Set();
    return fetchPage(Math.min(Math.floor(firstInSight() / PAGE), Math.floor(Math.max(0, matched - 1) / PAGE)));
  };
  const clear = () => {
    query.value = view.query = view.outcome = "";
    reload();
  };

  let timer;
  query.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      view.query = query.value;
      reload();
    }, 120);
  });
  query.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape" && query.value) clear();
    if (event.key === "ArrowDown") grid.focus();
  });
  grid.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: inSight(), PageUp: -inSight() }[event.key];
    if (by) moveTo(cursor < 0 ? 0 : cursor + by);
    else if (event.key === "Home") moveTo(0);
    else if (event.key === "End") moveTo((matched ?? 1) - 1);
    else if (event.key === "Enter") onopen();
    else if (event.key === "/") query.focus();
    else return;
    // Lab would move its cell cursor otherwise.
    event.preventDefault();
    event.stopPropagation();
  });
  layer.addEventListener("click", (event) => {
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
  const sizes = new ResizeObserver(() => draw());
  sizes.observe(scroller);
  signal.addEventListener("abort", () => (sizes.disconnect(), clearTimeout(timer)));

  reload();
  return { select, reload, refresh, step: (by) => moveTo(cursor < 0 ? 0 : cursor + by) };
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
