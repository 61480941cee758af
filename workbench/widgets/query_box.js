// Where a query is typed: what is wrong with it is underlined at its place, and what could stand at the caret is offered.
import { h, icon, plain, text } from "./fw.js";

const PAUSE = 60;

/** `onquery(text)` is told of a query that is right; while one is wrong the last right one stays. */
export const queryBox = (ask, signal, { onquery, onleave }) => {
  const uid = `fwq${Math.random().toString(36).slice(2, 8)}`;
  const input = h("input.query", {
    type: "text",
    role: "combobox",
    placeholder: "Path or URL, or ~ for terms: ~m POST & ~outcome limited",
    "aria-label": "Query",
    "aria-expanded": false,
    "aria-controls": `${uid}-list`,
    "aria-autocomplete": "list",
    "aria-describedby": `${uid}-said`,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    maxlength: 2000,
  });
  const mirror = h("div.mirror", { "aria-hidden": "true" });
  const list = h("div.offers", { role: "listbox", id: `${uid}-list`, "aria-label": "What could stand here", hidden: true });
  const said = h("div.query-said", { id: `${uid}-said`, role: "status", hidden: true });
  const terms = h("button.icon-btn", { type: "button", title: "Terms of the query language", "aria-label": "Terms", onclick: () => offerTerms() }, "~");
  const wipe = h("button.icon-btn", { type: "button", title: "Clear the query", "aria-label": "Clear the query", hidden: true, onclick: () => (set(""), input.focus()) }, icon("close", 14));
  const root = h("div.query-root", h("div.box", icon("search", 14), h("div.query-field", mirror, input), wipe, terms), list);

  let offers = [];
  let active = -1;
  let asked = 0;
  let good = "";
  let timer;

  const close = () => {
    offers = [];
    active = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", false);
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (at) => {
    active = at;
    [...list.children].forEach((one, place) => one.setAttribute("aria-selected", place === at));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `${uid}-${at}`);
  };
  const offer = (found) => {
    if (!found.length || input.getRootNode().activeElement !== input) return close();
    offers = found;
    list.replaceChildren(
      ...found.map((one, at) =>
        h("div.offer", { role: "option", id: `${uid}-${at}`, "aria-selected": false, "data-at": at }, h("span.mono", text(one.text.trim())), h("span.muted", text(one.help))),
      ),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", true);
    mark(-1);
  };
  const draw = (wrong) => {
    const value = input.value;
    wipe.hidden = !value;
    mirror.replaceChildren();
    input.setAttribute("aria-invalid", wrong != null);
    said.hidden = wrong == null;
    if (wrong == null) return said.replaceChildren();
    const end = Math.max(wrong.end, wrong.at + 1);
    mirror.append(value.slice(0, wrong.at), h("span.wavy", value.slice(wrong.at, end) || "\u00a0"), value.slice(end));
    mirror.scrollLeft = input.scrollLeft;
    const fits = wrong.fits.slice(0, 3).map((word) =>
      h("button.fit", { type: "button", onclick: () => set(value.slice(0, wrong.at) + word + value.slice(wrong.end), wrong.at + word.length) }, text(word)),
    );
    const words = wrong.fits.length ? "Did you mean" : `${wrong.remedy}.`;
    said.replaceChildren(
      ...[icon("error", 14, "del"), h("span.del", ...text(wrong.what[0].toUpperCase() + wrong.what.slice(1))), h("span.muted", text(words)), ...fits, good ? h("span.muted.last", "Shown: ", h("span.mono", text(good))) : h("span.muted.last", "Shown: everything")].filter(Boolean),
    );
  };
  const look = async () => {
    const value = input.value;
    const mine = (asked += 1);
    const answer = await ask("query", { text: value, caret: input.selectionStart ?? value.length });
    if (mine !== asked || signal.aborted || answer.error) return;
    draw(answer.wrong);
    offer(value ? answer.data : []);
    if (answer.wrong == null && value !== good) onquery((good = value));
  };
  const set = (value, caret = value.length) => {
    input.value = value;
    input.focus();
    input.setSelectionRange(caret, caret);
    look();
  };
  const accept = (at) => {
    const { text: word, at: from } = offers[at];
    const caret = input.selectionStart;
    const behind = input.value.slice(caret);
    set(input.value.slice(0, from) + word + behind.replace(/^ /, ""), from + word.length);
  };
  const offerTerms = () => {
    const value = input.value;
    set(value && !/[\s(!]$/.test(value) ? `${value} ~` : `${value}~`);
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  input.addEventListener("scroll", () => (mirror.scrollLeft = input.scrollLeft));
  input.addEventListener("blur", () => setTimeout(() => input.getRootNode().activeElement === input || close(), 150));
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const one = event.target.closest("[data-at]");
    if (one) accept(Number(one.dataset.at));
  });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const open = !list.hidden;
    const n = offers.length;
    if (event.key === "ArrowDown" && open) mark(active + 1 < n ? active + 1 : 0);
    else if (event.key === "ArrowUp" && open) mark(active > 0 ? active - 1 : n - 1);
    else if (event.key === "ArrowDown") onleave();
    else if ((event.key === "Enter" || event.key === "Tab") && open && active >= 0) accept(active);
    else if (event.key === "Enter") (close(), onleave());
    else if (event.key === "Escape" && open) close();
    else if (event.key === "Escape" && input.value) set("");
    else if (event.key === " " && event.ctrlKey) look();
    else return;
    event.preventDefault();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));

  return {
    root,
    said,
    focus: () => input.focus(),
    clear() {
      input.value = good = "";
      asked += 1;
      draw(null);
      close();
    },
    /** Shows a query that is known to be right. */
    put(query) {
      input.value = good = query;
      asked += 1;
      draw(null);
      close();
    },
    title: () => plain(good),
  };
};
