// An editor for one configuration: line numbers, JSON in colours, what changed and what is wrong marked on its line.
import { fill, h, plain, text } from "./fw.js";

const LONGEST_PAINTED = 20000;
const TOKENS = /("(?:[^"\\]|\\.)*"?)(\s*:)?|(-?\d[\d.eE+-]*|\b(?:true|false|null)\b)/g;

/** One line of JSON as nodes: names, texts and the rest apart. */
const paint = (line) => {
  const found = [];
  let at = 0;
  for (const match of line.matchAll(TOKENS)) {
    const [whole, string, colon, literal] = match;
    found.push(line.slice(at, match.index));
    if (literal) found.push(h("span.editor-literal", literal));
    else found.push(h("span", { class: colon ? "editor-name" : "editor-text" }, string), colon ?? "");
    at = match.index + whole.length;
  }
  return [...found, line.slice(at)];
};

/** Numbers of the first line that differs and of the first after it from which all is alike again. */
const changedLines = (now, before) => {
  let first = 0;
  while (first < now.length && first < before.length && now[first] === before[first]) first += 1;
  let same = 0;
  while (same < now.length - first && same < before.length - first && now[now.length - 1 - same] === before[before.length - 1 - same]) same += 1;
  return [first, now.length - same];
};

/** `ontype(text)` is told what was typed, `onapply()` that Ctrl and Enter were pressed. Gives {root, set, value, focus}. */
export const configEditor = ({ ontype, onapply }) => {
  let before = "";
  let form = "json";
  let bad = 0;
  let leaves = false;
  const gutter = h("div.editor-gutter", { "aria-hidden": "true" });
  const under = h("div.editor-under", { "aria-hidden": "true" });
  const input = h("textarea.editor-input", { spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", placeholder: "JSON or plain text" });
  const hint = h("span.sr", { id: `fw-editor-${Math.random().toString(36).slice(2, 8)}` }, "Tab indents. Escape, then Tab leaves the editor.");
  input.setAttribute("aria-describedby", hint.id);
  const page = h("div.editor-page", under, input);
  const root = h("div.editor", { "data-lm-suppress-shortcuts": "true" }, h("div.editor-scroll.scroll", gutter, page), hint);

  const draw = () => {
    const value = input.value;
    const lines = value.split("\n");
    const [from, to] = value === before ? [0, 0] : changedLines(lines, before.split("\n"));
    const tone = (at) => (at + 1 === bad ? "bad" : at >= from && at < to ? "new" : "");
    // What cannot be painted as it is, since escapes are wider, is left to the browser.
    const painted = form === "json" && value.length <= LONGEST_PAINTED && plain(value.replaceAll("\n", "").replaceAll("\t", "")) === value.replaceAll("\n", "").replaceAll("\t", "");
    root.classList.toggle("fw-painted", painted);
    fill(gutter, ...lines.slice(0, LONGEST_PAINTED).map((_, at) => h("div", { class: tone(at) }, at + 1)));
    fill(under, ...(painted ? lines.map((line, at) => h("div.editor-line", { class: tone(at) }, line ? paint(line) : " ")) : []));
    page.style.setProperty("--fw-lines", lines.length);
    // as wide as its longest line, so that editor and paint scroll as one
    input.style.width = "100%";
    input.style.width = `${input.scrollWidth}px`;
  };

  const insert = (string, from = input.selectionStart, to = input.selectionEnd) => {
    input.setSelectionRange(from, to);
    // keeps the browser's undo; gone in some browser, the text is set all the same
    if (!document.execCommand("insertText", false, string)) input.setRangeText(string, from, to, "end");
    typed();
  };
  const typed = () => {
    bad = 0;
    draw();
    ontype(input.value);
  };
  const indent = (back) => {
    const start = input.value.lastIndexOf("\n", input.selectionStart - 1) + 1;
    const end = input.selectionEnd;
    if (!back && input.selectionStart === end) return insert("  ");
    const block = input.value.slice(start, end);
    const moved = back ? block.replace(/^ {1,2}/gm, "") : block.replace(/^/gm, "  ");
    if (moved === block) return null;
    insert(moved, start, end);
    return input.setSelectionRange(start, start + moved.length);
  };
  const newline = () => {
    const line = input.value.slice(input.value.lastIndexOf("\n", input.selectionStart - 1) + 1, input.selectionStart);
    insert(`\n${/^\s*/.exec(line)[0]}${/[[{]\s*$/.test(line) ? "  " : ""}`);
  };
  input.addEventListener("input", typed);
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const escaped = leaves;
    leaves = event.key === "Escape";
    if (input.readOnly) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onapply();
    else if (event.key === "Enter" && !event.isComposing) newline();
    else if (event.key === "Tab" && !escaped) indent(event.shiftKey);
    else return;
    event.preventDefault();
  });

  return {
    root,
    /** Show a configuration. The text is left as it is while somebody types. */
    set({ value, applied, kind, editable, line, label, typing }) {
      before = applied;
      form = kind;
      bad = line;
      input.readOnly = !editable;
      input.setAttribute("aria-label", label);
      input.setAttribute("aria-invalid", line > 0);
      if (!typing && input.value !== value) input.value = value;
      draw();
    },
    value: () => input.value,
    focus: () => input.focus(),
    redraw: draw,
  };
};
