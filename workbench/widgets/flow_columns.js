// The columns of the flow table: what a cell says, how wide it is, which are shown. What a reader sets is kept in the browser.
import { ARROW, SIGNS, chip, duration, durations, h, icon, int, plain, text, timeBar } from "./fw.js";

const KEPT = "filter-workbench:columns";
const NARROWEST = 36;
const WIDEST = 1200;
const STEP = 16;
const GAP = 12;
// A head reaches into the gap, so that its grip stands between two columns.
const OVERHANG = 8;

const status = (row) => {
  if (row.up === row.down || !row.up || !row.down) {
    const only = row.down || row.up;
    return !only ? h("span.muted", "none") : !row.up ? h("b.strong", only) : h("span", only);
  }
  return [h("span.muted", `${row.up} ${ARROW} `), h("b.strong", row.down)];
};
// As wide as names are in the table's type, so that those that fit are shown whole.
const CHARACTER = 7.3;
const BETWEEN = 9;
const MORE = 52;
/** How many of the names fit, one at least: what is left over is counted. */
const fitting = (names, more, room) => {
  let left = room;
  let shown = 0;
  for (const name of names) {
    const need = (name.length + 1) * CHARACTER + (shown ? BETWEEN : 0);
    const tail = more + names.length - shown - 1 > 0 ? MORE + BETWEEN : 0;
    if (shown && need + tail > left) break;
    left -= need;
    shown += 1;
  }
  return shown;
};
const changes = (row, scale, room) => {
  if (row.reason) return h("span.cut", { class: row.outcome === "error" ? "del" : "muted", title: plain(row.reason) }, text(row.reason));
  const shown = fitting(row.changes.map(([, name]) => plain(name)), row.more, room("changes"));
  const more = row.more + row.changes.length - shown;
  const named = row.changes.slice(0, shown).map(([kind, name]) => h("span.mono", { title: plain(name) }, h("span", { class: kind }, SIGNS[kind]), text(name)));
  const counts = ["del", "add", "chg"].filter((kind) => row[kind]).map((kind) => h("span", { class: kind }, SIGNS[kind], row[kind]));
  return [h("div.names", { title: row.changes.map(([kind, name]) => `${SIGNS[kind]}${plain(name)}`).join(" ") }, named, more > 0 && h("span.muted", `${int(more)} more`)), h("div.counts", counts)];
};
const cost = (row, scale) => {
  if (!row.callbacks) return null; // no filter had it
  const [own, rest] = durations(row.filter_ns, row.host_ns);
  return [timeBar(row.filter_ns, row.host_ns, scale), h("span.num", own, h("span.muted", rest))];
};
const when = (row) => {
  const stamp = new Date(row.time).toISOString();
  return h("span", { title: `${stamp.slice(0, 10)} ${stamp.slice(11, 23)} UTC` }, stamp.slice(11, 23));
};

// `from` is the width of the table from which a column is shown unless the reader decided; `most` sorts large numbers first.
export const COLUMNS = [
  { key: "index", name: "#", title: "Number in the capture", classes: "num muted", width: "var(--fw-index, 36px)", from: 0, cell: (row) => row.index },
  { key: "time", name: "Time", title: "Time of the request", classes: "muted", width: "84px", from: 820, cell: when },
  { key: "method", name: "Method", classes: "cut", width: "58px", from: 0, cell: (row) => h("span", { title: plain(row.method) }, text(row.method)) },
  { key: "host", name: "Host", classes: "cut", width: "minmax(90px, 0.6fr)", from: 1240, cell: (row) => h("span", { title: plain(row.host) }, text(row.host)) },
  { key: "path", name: "Path", classes: "mono cut", width: "minmax(110px, 1fr)", from: 0, cell: (row) => h("span", { title: plain(`${row.host}${row.path}`) }, text(row.path), row.path_cut > 0 && h("span.muted", "\u2026")) },
  { key: "status", name: "Status", title: "Status before and after", classes: "status", width: "76px", from: 0, cell: status },
  { key: "outcome", name: "Outcome", classes: "", width: "88px", from: 0, cell: (row) => chip(row.outcome) },
  { key: "changes", name: "Changes", title: "Number of changes", classes: "changes", width: "minmax(130px, 1.3fr)", narrow: "76px", from: 540, most: true, cell: changes },
  { key: "cost", name: "Filter and host time", classes: "cost", width: "190px", narrow: "104px", from: 660, most: true, cell: cost, head: () => [h("span.key-f"), "Filter ", h("span.key-h"), "Host time"] },
  { key: "filter_ns", name: "Filter time", classes: "num", width: "84px", from: Infinity, most: true, cell: (row) => duration(row.filter_ns) },
  { key: "host_ns", name: "Host time", classes: "num muted", width: "84px", from: Infinity, most: true, cell: (row) => duration(row.host_ns) },
  { key: "hostcalls", name: "Calls", title: "Hostcalls", classes: "num muted", width: "44px", from: 820, most: true, cell: (row) => int(row.hostcalls) },
  { key: "callbacks", name: "Callbacks", classes: "num muted", width: "68px", from: Infinity, most: true, cell: (row) => int(row.callbacks) },
  { key: "logs", name: "Logs", title: "Log lines", classes: "num muted", width: "44px", from: Infinity, most: true, cell: (row) => int(row.logs) },
];

const read = () => {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
    return { widths: { ...kept.widths }, shown: { ...kept.shown } };
  } catch {
    return { widths: {}, shown: {} };
  }
};
const write = (kept) => {
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // A page without storage forgets the columns, nothing else.
  }
};

/** The row of heads and the button for the choice of columns. `onsort(column)` and `onchange()` are told. */
export const columnHeads = (el, { onsort, onchange }) => {
  const kept = read();
  const heads = h("div.row.heads", { role: "row", "aria-rowindex": 1 });
  let room = 1280;
  const rooms = new Map();
  let focused = 0;

  const isShown = (column) => kept.shown[column.key] ?? room >= column.from;
  const shown = () => COLUMNS.filter(isShown);
  const width = (column) => (kept.widths[column.key] ? `${kept.widths[column.key]}px` : room <= 820 && column.narrow ? column.narrow : column.width);
  const layout = () => {
    const columns = shown();
    // The last track takes what fixed columns leave over.
    const spare = columns.some((column) => width(column).includes("fr")) ? "" : " minmax(0, 1fr)";
    el.style.setProperty("--fw-columns", columns.map(width).join(" ") + spare);
    rooms.clear();
    // Narrower than this the table scrolls sideways, all rows alike.
    const least = columns.reduce((sum, column) => sum + (Number(/(\d+)px/.exec(width(column))?.[1]) || 60) + GAP, 24);
    el.style.setProperty("--fw-least", `${least}px`);
  };
  const set = (column, px) => {
    kept.widths[column.key] = Math.round(Math.min(WIDEST, Math.max(NARROWEST, px)));
    layout();
    write(kept);
  };
  const widthNow = (column) => heads.querySelector(`[data-key="${column.key}"]`)?.getBoundingClientRect().width - OVERHANG || 80;

  /** Width of a column's cells, measured once for all rows. */
  const roomOf = (key) => {
    if (!rooms.has(key)) rooms.set(key, (heads.querySelector(`[data-key="${key}"]`)?.getBoundingClientRect().width ?? 0) - OVERHANG);
    return rooms.get(key);
  };

  const grip = (column) => {
    const bar = h("span.grip", { "aria-hidden": "true", title: "Drag to resize, double-click for the usual width" });
    bar.addEventListener("pointerdown", (event) => {
      bar.setPointerCapture(event.pointerId);
      event.preventDefault();
      event.stopPropagation();
      const [from, at] = [widthNow(column), event.clientX];
      const move = (moved) => set(column, from + moved.clientX - at);
      bar.addEventListener("pointermove", move);
      bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), { once: true });
    });
    bar.addEventListener("click", (event) => event.stopPropagation());
    bar.addEventListener("dblclick", (event) => {
      event.stopPropagation();
      delete kept.widths[column.key];
      layout();
      write(kept);
    });
    return bar;
  };
  const draw = (sort, descending) => {
    const columns = shown();
    focused = Math.min(focused, columns.length - 1);
    const had = heads.contains(heads.getRootNode().activeElement);
    heads.replaceChildren(
      ...columns.map((column, at) => {
        const title = `Sort by ${(column.title ?? column.name).toLowerCase()}. Shift and arrow keys change the width.`;
        const button = h("button", { type: "button", tabindex: at === focused ? 0 : -1, title, onclick: () => onsort(column) }, column.head?.() ?? column.name);
        const order = column.key === sort ? (descending ? "descending" : "ascending") : "none";
        return h("div", { role: "columnheader", class: column.classes.replace("mono", "").replace("cost", "cost-head"), "data-key": column.key, "aria-sort": order, "aria-colindex": at + 1 }, button, grip(column));
      }),
    );
    if (had) heads.children[focused]?.firstChild.focus();
    layout();
  };
  heads.addEventListener("keydown", (event) => {
    // A press of the button: the grid would take it for its row's, and Lab for its cell's.
    if (event.key === "Enter" || event.key === " ") event.stopPropagation();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const columns = shown();
    const at = [...heads.children].findIndex((head) => head.contains(event.target));
    if (event.shiftKey) return set(columns[at], widthNow(columns[at]) + step * STEP);
    focused = (at + step + columns.length) % columns.length;
    [...heads.children].forEach((head, place) => (head.firstChild.tabIndex = place === focused ? 0 : -1));
    heads.children[focused].firstChild.focus();
  });

  const list = h("div.menu", { role: "menu", "aria-label": "Columns", hidden: true });
  const opener = h("button.icon-btn", { type: "button", "aria-label": "Columns", title: "Choose columns", "aria-haspopup": "menu", "aria-expanded": false, onclick: () => (list.hidden ? open() : close()) }, icon("columns"));
  const item = (label, checked, pick) => h("button.item", { type: "button", role: checked == null ? "menuitem" : "menuitemcheckbox", "aria-checked": checked ?? null, tabindex: -1, onclick: pick }, h("span.tick", checked ? icon("allowed", 14) : null), label);
  const fill = (at = 0) => {
    list.replaceChildren(
      ...COLUMNS.map((column, place) =>
        item(column.title ?? column.name, isShown(column), () => {
          if (isShown(column) && shown().length === 1) return;
          kept.shown[column.key] = !isShown(column);
          write(kept);
          onchange();
          fill(place);
        }),
      ),
      h("div.rule", { role: "separator" }),
      item("Usual columns and widths", null, () => {
        Object.assign(kept, { widths: {}, shown: {} });
        write(kept);
        onchange();
        close(true);
      }),
    );
    list.querySelectorAll("button")[at]?.focus();
  };
  const open = () => {
    list.hidden = false;
    opener.setAttribute("aria-expanded", true);
    fill();
  };
  const close = (back) => {
    list.hidden = true;
    opener.setAttribute("aria-expanded", false);
    if (back) opener.focus();
  };
  const menu = h("div.columns", opener, list);
  menu.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const items = [...list.querySelectorAll("button")];
    const at = items.indexOf(event.target);
    const to = { ArrowDown: (at + 1) % items.length, ArrowUp: (at - 1 + items.length) % items.length, Home: 0, End: items.length - 1 }[event.key];
    if (to == null && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") close(true);
    else items[to].focus();
  });
  menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || close());

  return {
    heads,
    menu,
    roomOf,
    shown,
    draw,
    /** True where another set of columns has room now. */
    fit(px) {
      const before = shown().map((column) => column.key + width(column)).join();
      room = px;
      rooms.clear();
      return before !== shown().map((column) => column.key + width(column)).join();
    },
  };
};
