// One exchange under the microscope: strip, calls and state, all at one call that a hand or the keys move.
import { channel, chip, choice, h, icon, int, plain, text } from "./fw.js";
import { callStrip, valueAt } from "./call_strip.js";
import { callList } from "./call_list.js";
import { statePanel } from "./state_panel.js";

const CHUNK = 200;
const WINDOWS = 8;
const SETTLE = 250;
const TYPING = 180;
const AXES = [
  ["call", "By call"],
  ["time", "Virtual time"],
  ["cost", "Real cost"],
];

/** Draws into `el`; gives {show, shown, reload}. `onopen()` is called when a call was chosen elsewhere. */
export const microscope = (model, el, signal, { onopen = () => {}, onselect = () => {} } = {}) => {
  const ask = channel(model, signal, (words) => blank("", words));
  let data = null;
  let step = 0;
  let axis = "call";
  let windows = [];
  let asked = false;
  let wanted = null;
  let visible = false;
  let stale = true;
  let settle = 0;
  let telling = false;
  let typing = 0;
  let frame = 0;
  let found = [];
  const needed = new Set();

  const head = h("div.scope-head");
  const note = h("div", { role: "presentation" });
  const strip = callStrip((to) => move(to), signal);
  const list = callList((at) => fetchLines(at), (to) => move(to), signal);
  const panel = statePanel((to) => move(to));
  const columns = h("div.scope-columns", list.root, panel.root);
  const empty = h("div.scope-empty", { hidden: true });
  const root = h("section.scope", { "aria-label": "Microscope" }, head, note, strip.root, columns, empty);
  el.append(root);

  const field = h("input", { type: "search", role: "searchbox", placeholder: "Find in calls", "aria-label": "Find in calls", spellcheck: "false", autocomplete: "off" });
  const hits = h("span.muted", { role: "status" });
  const turn = (name, label, by) => h("button.icon-btn", { type: "button", "aria-label": label, title: label, onclick: () => next(by) }, icon(name));
  const finder = h("div.scope-find", icon("search", 14), field, hits, turn("up", "Previous match", -1), turn("down", "Next match", 1));

  const blank = (title, words) => {
    data = null;
    head.replaceChildren();
    note.replaceChildren();
    strip.root.hidden = columns.hidden = true;
    empty.hidden = false;
    empty.replaceChildren(h("div.void", title && h("span.strong", title), h("span", text(words))));
  };

  const drawHead = () => {
    const [counts, times] = data.sum;
    head.replaceChildren(
      h("span.muted", `#${data.index}`),
      h("span.strong", text(data.method)),
      h("span.mono.cut.scope-target", { title: plain(data.target) }, text(data.target)),
      chip(data.outcome, true),
      h("span.muted.cut.scope-sum", counts, h("span.scope-times", `, ${times}`)),
      h("span.grow"),
      choice("Horizontal axis", AXES, axis, (id) => ((axis = id), strip.load(data, axis), strip.hits(found), strip.place(step))),
      finder,
    );
    note.replaceChildren(...(data.left > 0 ? [h("div.banner.is-warning", { role: "status" }, icon("error", 16, "chg"), h("div", `The first ${int(data.steps)} calls are shown; ${int(data.left)} more are in replay.hostcalls.`))] : []));
  };

  // What is known of the states, and what is fetched before a hand gets there.
  const statesAt = (at) => windows.find((one) => one.first <= at && at <= one.last) ?? null;
  const fetchStates = async () => {
    if (asked || !data) return;
    const around = Math.min(CHUNK, data.steps);
    const missing = [step, Math.min(step + around, data.steps - 1), Math.max(step - around, 0)].find((at) => !statesAt(at));
    if (missing == null) return;
    asked = true;
    const { index } = data;
    const answer = await ask("states", { index, at: missing });
    asked = false;
    if (data?.index !== index || answer.error) return;
    windows = [...windows.slice(1 - WINDOWS), answer.data];
    redraw();
  };
  const fetchLines = async (at) => {
    const first = Math.floor(at / CHUNK) * CHUNK;
    if (needed.has(first)) return;
    needed.add(first);
    const { index } = data;
    const answer = await ask("calls", { index, first, count: CHUNK });
    needed.delete(first);
    if (data?.index === index && !answer.error) list.fill(first, answer.data);
  };

  const spoken = () => {
    const line = list.line(step);
    return `call ${step + 1} of ${data.steps}${line ? `, ${plain(line.kind === "event" || line.kind === "log" ? line.message : line.name)}` : ""}`;
  };
  const redraw = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      if (!data) return;
      strip.place(step, spoken());
      list.place(step);
      panel.draw(data, statesAt(step), step);
      fetchStates();
    });
  };
  const row = (at) => at + valueAt(data.rows, at);
  const tell = () => {
    if (!data || model.get("call") === row(step)) return;
    telling = true;
    model.set("call", row(step));
    telling = false;
    model.save_changes();
  };
  const move = (to, told = true) => {
    if (!data?.steps) return;
    step = Math.min(Math.max(to, 0), data.steps - 1);
    redraw();
    drawHits();
    clearTimeout(settle);
    if (told) settle = setTimeout(tell, SETTLE);
  };
  const callback = (by) => {
    const places = data.names.map(([at]) => at);
    if (by > 0) return places.find((at) => at > step) ?? data.steps - 1;
    return places.findLast((at) => at < step) ?? 0;
  };

  const drawHits = () => {
    const at = found.indexOf(step);
    hits.textContent = !field.value ? "" : !found.length ? "none" : at < 0 ? `${int(found.length)}` : `${int(at + 1)} of ${int(found.length)}`;
    finder.classList.toggle("fw-found", Boolean(field.value));
  };
  const find = async () => {
    const { value } = field;
    if (!data) return;
    const { index } = data;
    const answer = value ? await ask("find", { index, text: value }) : { data: { found: [] } };
    if (data?.index !== index || field.value !== value || answer.error) return;
    found = answer.data.found;
    strip.hits(found);
    list.search(value);
    if (found.length && !found.includes(step)) move(found.find((at) => at >= step) ?? found[0]);
    else drawHits();
  };
  const next = (by) => {
    if (!found.length) return;
    move(by > 0 ? (found.find((at) => at > step) ?? found[0]) : (found.findLast((at) => at < step) ?? found.at(-1)));
  };
  field.addEventListener("input", () => (clearTimeout(typing), (typing = setTimeout(find, TYPING))));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && field.value) ((field.value = ""), find());
    else if (event.key === "Escape") list.root.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f" && data) {
      field.focus();
      field.select();
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !data?.steps) return;
    if (!strip.root.contains(event.target) && !list.root.contains(event.target)) return;
    const page = list.rows();
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by) move(event.shiftKey ? callback(by) : step + by);
    else if (event.key === "PageDown" || event.key === "PageUp") move(step + (event.key === "PageDown" ? page : -page));
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(data.steps - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const load = async (index, call) => {
    wanted = index;
    stale = false;
    if (index == null || index < 0) return blank("", "Choose an exchange to see every call of it.");
    const slow = setTimeout(() => {
      blank("", "");
      empty.replaceChildren(h("div.loading", { "aria-busy": "true" }, [70, 45, 60, 30].map((width) => h("div.skeleton", { style: `width:${width}%` }))));
    }, 150);
    const answer = await ask("microscope", { index, call });
    clearTimeout(slow);
    if (wanted !== index) return;
    if (answer.error) return blank("This exchange cannot be shown", answer.error);
    if (!answer.data.steps) return blank(`#${index}`, "No filter was called during this exchange.");
    data = answer.data;
    windows = [data.states];
    found = [];
    field.value = "";
    needed.clear();
    empty.hidden = true;
    strip.root.hidden = columns.hidden = false;
    drawHead();
    list.load(data);
    list.fill(data.page, data.lines);
    strip.load(data, axis);
    // a call that was looked at in another exchange is none of this one
    move(data.at, model.get("call") >= 0);
  };

  const onCall = async () => {
    const call = model.get("call");
    if (call < 0 || telling) return;
    if (data && call >= row(0) && call <= row(data.steps - 1)) {
      let low = 0;
      let high = data.steps - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (row(middle) < call) low = middle + 1;
        else high = middle;
      }
      if (row(low) === call && wanted === data.index) {
        onopen();
        return move(low, false);
      }
    }
    const answer = await ask("owner", { call });
    if (answer.error || model.get("call") !== call) return;
    onselect(answer.index);
    onopen();
    if (wanted !== answer.index) load(answer.index, call);
  };
  model.on("change:call", onCall);
  signal.addEventListener("abort", () => {
    model.off("change:call", onCall);
    clearTimeout(settle);
    cancelAnimationFrame(frame);
  });

  const show = (index) => {
    if (!stale && index === wanted) return;
    stale = true;
    if (visible && !el.hidden) load(index, model.get("call"));
    else wanted = null;
  };
  return {
    show,
    shown() {
      visible = true;
      if (stale) load(model.get("selected"), model.get("call"));
    },
    reload() {
      stale = true;
      wanted = null;
      if (visible && !el.hidden) load(model.get("selected"), model.get("call"));
    },
    grow() {
      if (!data && visible && !el.hidden) load(model.get("selected"), model.get("call"));
    },
  };
};

/** The microscope as a pane of the dashboard. */
export const microscopePane = (model, el, signal, { select, openTab }) => microscope(model, el, signal, { onopen: () => openTab("microscope"), onselect: select });

/** The microscope on its own: the trait `selected` says which exchange, `call` which row. */
export const microscopeView = (model, el, signal) => {
  el.classList.add("fw-alone");
  const select = (index) => {
    model.set("selected", index);
    model.save_changes();
  };
  const scope = microscope(model, el, signal, { onselect: select });
  scope.shown();
  const follow = () => scope.show(model.get("selected"));
  const afresh = () => scope.reload();
  model.on("change:selected", follow);
  model.on("change:revision", afresh);
  signal.addEventListener("abort", () => (model.off("change:selected", follow), model.off("change:revision", afresh)));
};
