// One exchange: the finding in words, then headers stage by stage, bodies, calls and logs.
import { ARROW, SIGNS, bytes, channel, chip, choice, h, icon, int, ordinal, plain, plural, tabList, text } from "./fw.js";
import { callTree } from "./call_tree.js";

const SPOKEN = { add: "added", del: "removed", chg: "changed", move: "moved" };
const sign = (kind) => h("span.sign", { class: kind }, h("span", { "aria-hidden": "true" }, SIGNS[kind]), h("span.sr", SPOKEN[kind]));
const cutNote = (cell) => cell.more > 0 && h("span.muted", ` \u2026 ${bytes(cell.more)} more`);
const repeatTag = (row) => row.repeat && h("span.tag", row.repeat);

// Words and single signs: a value is compared by these, so that a number or a name that changed is marked whole.
const TOKENS = /[\p{L}\p{N}_]+|[^]/gu;
const MOST_TOKENS = 300;

/** The longest run of tokens that both have, as pairs of places. */
const common = (was, now) => {
  const table = Array.from({ length: was.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let a = was.length - 1; a >= 0; a -= 1)
    for (let b = now.length - 1; b >= 0; b -= 1) table[a][b] = was[a] === now[b] ? table[a + 1][b + 1] + 1 : Math.max(table[a + 1][b], table[a][b + 1]);
  const pairs = [];
  for (let a = 0, b = 0; a < was.length && b < now.length; ) {
    if (was[a] === now[b]) pairs.push([a++, b++]);
    else if (table[a + 1][b] >= table[a][b + 1]) a += 1;
    else b += 1;
  }
  return pairs;
};
/** A value as it became: what is common stays plain, the rest is struck through or underlined. */
const within = (was, now) => {
  const [old, fresh] = [was.match(TOKENS) ?? [], now.match(TOKENS) ?? []];
  let pairs = Math.max(old.length, fresh.length) > MOST_TOKENS ? [] : common(old, fresh);
  // A few equal signs by chance read worse than two whole values.
  const kept = pairs.reduce((sum, [a]) => sum + old[a].length, 0);
  if (kept < Math.max(was.length, now.length) / 3) pairs = [];
  const parts = [];
  let [a, b] = [0, 0];
  for (const [x, y] of [...pairs, [old.length, fresh.length]]) {
    const [gone, come] = [old.slice(a, x).join(""), fresh.slice(b, y).join("")];
    parts.push(gone && h("del", text(gone)), gone && come && " ", come && h("ins", text(come)), x < old.length ? text(old[x]) : []);
    [a, b] = [x + 1, y + 1];
  }
  return parts;
};
const value = (cell) => {
  if (cell.kind === "del") return h("span.muted", cell.why ?? "removed");
  if (cell.kind === "chg") return h("span.mono", { title: plain(`${cell.was} ${ARROW} ${cell.value}`) }, within(cell.was, cell.value), cutNote(cell));
  return h("span.mono", { title: plain(cell.value) }, text(cell.value), cutNote(cell));
};

const tally = (stage) => Object.entries(stage.counts ?? {}).filter(([, n]) => n).map(([kind, n]) => h("span.tally", { class: kind }, SIGNS[kind], n));
const stageHead = (stage, names) =>
  h("div.stage", { role: "columnheader" }, stage.filter != null && ordinal(stage.filter, names[stage.filter]), h("span.cut", { class: stage.tone ?? "" }, text(stage.name)), stage.note && h("span.muted.cut", text(stage.note)), tally(stage));

const fold = (rows, width, open, toggle) => {
  if (!rows.length) return null;
  const names = rows.slice(0, 8).map((row) => row.name).join(", ");
  const button = h("button.fold-btn", { type: "button", "aria-expanded": open, onclick: toggle }, icon(open ? "down" : "right", 12), h("span.cut", `${int(rows.length)} unchanged`, open ? "" : [": ", h("span.mono", text(names)), rows.length > 8 ? ", \u2026" : ""]));
  return h("div.fold", { role: "row" }, h("div", { role: "cell", "aria-colspan": width }, button));
};

const sideBySide = (part, names, open, toggle) => {
  const cells = (row) => [
    h("div.name", { role: "rowheader" }, h("span.mono.cut", { title: plain(row.name) }, text(row.name)), repeatTag(row)),
    row.cells.map((cell, at) => {
      const same = cell.kind === "same";
      const spent = part.stages[at].spent ? "spent" : "";
      if (same) return h("div.cell.through", { role: "cell", class: spent, title: plain(cell.value) }, h("span.sr", "unchanged"));
      if (cell.kind === "void") return h("div.cell.nothing", { role: "cell", class: spent });
      const leads = cell.call == null ? {} : { tabindex: 0, "data-call": cell.call, "aria-keyshortcuts": "Enter" };
      return h("div.cell.cut", { role: "cell", class: `bg-${cell.kind} ${spent}`, ...leads }, cell.kind !== "base" && sign(cell.kind), value(cell));
    }),
  ];
  const line = (row) => h("div.line", { role: "row" }, cells(row));
  const same = part.rows.filter((row) => !row.changed);
  return h(
    "div.stages",
    { role: "table", "aria-label": part.title, style: `--fw-stages:${part.stages.length}` },
    h("div.line.stage-heads", { role: "row" }, h("div.name.strong", { role: "columnheader" }, part.title), part.stages.map((stage) => stageHead(stage, names))),
    part.rows.filter((row) => row.changed).map(line),
    fold(same, part.stages.length + 1, open, toggle),
    open ? same.map(line) : null,
  );
};

const inline = (part, names, open, toggle) => {
  const line = (row) =>
    h(
      "div.inline-line",
      { role: "row", class: `bg-${row.net.kind}` },
      h("div.sign-cell", { role: "cell" }, row.net.kind in SPOKEN && sign(row.net.kind)),
      h("div.name", { role: "rowheader" }, h("span.mono.cut", { title: plain(row.name) }, text(row.name)), repeatTag(row)),
      h("div.value", { role: "cell" }, row.net.kind === "del" ? h("span.mono", h("del", text(row.net.was ?? ""))) : value(row.net)),
      h("div.by", { role: "cell" }, row.by.map((place) => ordinal(place, names[place]))),
    );
  const same = part.rows.filter((row) => !row.changed);
  return h(
    "div.inline",
    { role: "table", "aria-label": part.title },
    h("div.section", { role: "row" }, h("div", { role: "columnheader" }, h("span.strong", part.title), " ", h("span.muted", text(part.summary)), tally(part))),
    part.rows.filter((row) => row.changed).map(line),
    fold(same, 4, open, toggle),
    open ? same.map(line) : null,
  );
};

const jsonChanges = (step) =>
  h(
    "div.json-changes",
    { role: "table", "aria-label": step.title },
    h("div.section", { role: "row" }, h("span", { role: "columnheader" }, h("span.muted", text(step.title)))),
    step.rows.map((row) =>
      h("div.json-line", { role: "row", class: `bg-${row.kind}` }, h("div", { role: "cell" }, sign(row.kind)), h("div.mono.path", { role: "rowheader" }, text(row.path)), h("div.mono.value", { role: "cell" }, row.was != null && h("del", text(row.was)), row.was != null && row.now != null && ` ${ARROW} `, row.now != null && h("ins", text(row.now)))),
    ),
    !step.rows.length && h("div.hint", "The same value, written in another way."),
  );

const pane = (one, picture, page) =>
  h(
    "div.pane",
    h("div.pane-head", h("span.strong", text(one.title)), h("span.muted", one.size == null ? "none" : bytes(one.size)), one.note && h("span.muted.cut", text(one.note))),
    one.image ? picture() : one.lines.length ? h("div.code", { role: "list" }, one.lines.map(([kind, content], at) => h("div", { role: "listitem", class: `bg-${kind}`, "data-n": kind === "gap" ? "" : at + 1 + one.begin }, kind in SPOKEN ? sign(kind) : h("span.sign"), h("span.mono", text(content))))) : h("div.hint", !one.size ? "No body." : page ? "It ends before this part." : "Nothing to show in this form."),
    one.left > 0 && h("div.hint", `\u2026 ${bytes(one.left)} more`),
  );

const logList = (detail) => {
  if (!detail.logs.length) return h("div.void", h("span", "No filter wrote a log line during this exchange."));
  return h(
    "div.logs",
    { role: "table", "aria-label": "Logs" },
    detail.logs.map((log) => h("div.log", { role: "row" }, h("div.muted.num", { role: "cell", title: "virtual time since the request" }, log.clock), h("div.level", { role: "cell", class: log.level }, log.level), h("div", { role: "cell" }, log.filter != null && ordinal(log.filter, detail.filters[log.filter])), h("div.mono.message", { role: "cell" }, text(log.message)))),
    detail.logs_left > 0 && h("div.hint", `${plural(detail.logs_left, "more line")} in replay.logs`),
  );
};

/** Draws into `el`; gives {show(index)}. `onstep(±1)` is asked for the neighbour in the table, `onback` (if any) for the table itself. */
export const exchangeDetails = (model, el, signal, { onstep = null, onback = null } = {}) => {
  const ask = channel(model, signal, (words) => body.replaceChildren(h("div.void", h("span", words))));
  let detail = null;
  let tab = "headers";
  let form = "";
  let page = 0;
  let pictures = [];
  let layout = "";
  let wanted = null;
  const open = new Set();
  const head = h("div.detail-head");
  const tabs = h("div.tabs");
  const body = h("div.panel.scroll", { role: "tabpanel", tabindex: 0 });
  const root = h("section.detail", { "aria-label": "Exchange details" }, head, tabs, body);
  el.append(root);

  // A changed header leads to the call that changed it, in the microscope.
  const lead = (event) => {
    const call = event.target.closest("[data-call]")?.dataset.call;
    if (call == null || (event.type === "keydown" && event.key !== "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    if (model.get("call") === Number(call)) model.set("call", -1);
    model.set("call", Number(call));
    model.save_changes();
  };
  body.addEventListener("keydown", lead);
  body.addEventListener("dblclick", lead);

  const blank = (title, words) => {
    tabs.replaceChildren();
    head.replaceChildren();
    body.replaceChildren(h("div.void", title && h("span.strong", title), h("span", words)));
  };

  const drawHead = () => {
    const { finding } = detail;
    const button = (name, label, act) => h("button.icon-btn", { type: "button", "aria-label": label, title: label, onclick: act }, icon(name));
    head.replaceChildren(
      ...[
        onback && h("button.icon-btn.back", { type: "button", "aria-label": "Back to the exchanges", onclick: onback }, icon("left")),
        h("span.muted", `#${detail.index}`),
        h("span.strong", text(detail.method)),
        h("span.mono.cut.target", { title: plain(detail.url) }, text(detail.target)),
        chip(detail.outcome, true),
        h("span.finding.cut", { title: plain(`${finding.what}${finding.why ? `: ${finding.why}` : ""}`) }, text(finding.what), finding.why && h("span.muted", ": ", text(finding.why))),
        h("span.grow"),
        onstep && button("up", "Previous exchange", () => onstep(-1)),
        onstep && button("down", "Next exchange", () => onstep(1)),
      ].filter(Boolean),
    );
  };

  const drawTabs = () => {
    const sizes = detail.bodies.map((one) => one.size);
    const list = [
      detail.parts.length && ["headers", "Headers", detail.changes],
      ["body", "Body", sizes.every((n) => !n) ? "none" : sizes.map((n) => (n == null ? "none" : bytes(n))).join(" + ")],
      ["calls", "Calls", int(detail.calls_total)],
      ["logs", "Logs", int(detail.logs.length + detail.logs_left)],
    ].filter(Boolean);
    const end = h("div.end");
    tabs.replaceChildren(tabList("Parts of the exchange", list, tab, (id) => ((tab = id), drawPanel(), drawEnd(end))), end);
    drawEnd(end);
  };
  const drawEnd = (end) => {
    if (tab === "headers") end.replaceChildren(choice("Layout of the headers", [["inline", "Inline"], ["side", "Side by side"]], chosenLayout(), (id) => ((layout = id), drawPanel())));
    else end.replaceChildren();
  };
  const chosenLayout = () => layout || (root.clientWidth > 820 ? "side" : "inline");

  const drawHeaders = () => {
    const draw = chosenLayout() === "side" ? sideBySide : inline;
    body.replaceChildren(
      ...detail.parts.map((part) => draw(part, detail.filters, open.has(part.key), () => {
        if (!open.delete(part.key)) open.add(part.key);
        drawHeaders();
        body.querySelector(`[aria-label="${part.title}"] .fw-fold-btn`)?.focus();
      })),
    );
  };

  const dropPictures = () => {
    pictures.forEach((address) => URL.revokeObjectURL(address));
    pictures = [];
  };
  // A picture never has an address of its own in the page: its bytes come by message, and it is shown from memory.
  const picture = (index, part, at, alt) => {
    const box = h("div.picture", h("div.skeleton", { style: "width:40%" }));
    ask("image", { index, part, pane: at }).then((answer) => {
      if (detail?.index !== index || tab !== "body") return;
      if (answer.error) return box.replaceChildren(h("div.hint", text(answer.error)));
      const address = URL.createObjectURL(new Blob([answer.data[0]], { type: answer.type }));
      pictures.push(address);
      const shown = h("img", { alt, src: address });
      const size = h("span.muted");
      shown.addEventListener("load", () => (size.textContent = `${int(shown.naturalWidth)} \u00d7 ${int(shown.naturalHeight)}, ${answer.type}`));
      shown.addEventListener("error", () => box.replaceChildren(h("div.hint", "The picture is damaged.")));
      box.replaceChildren(shown, size);
    });
    return box;
  };
  const drawBody = async () => {
    const { index } = detail;
    const answer = await ask("body", { index, form, page });
    if (detail?.index !== index || tab !== "body") return;
    if (answer.error) return body.replaceChildren(h("div.banner.is-error", { role: "alert" }, text(answer.error)));
    dropPictures();
    const { forms, parts } = answer.data;
    const names = { text: "Text", json: "JSON", changes: "JSON changes", form: "Form", image: "Image", hex: "Hex" };
    const end = tabs.querySelector(".fw-end");
    const more = parts.some((part) => part.panes.some((one) => one.left > 0));
    const turn = (by) => ((page += by), drawBody(), (body.scrollTop = 0));
    const leaf = (name, label, by, on) => h("button.icon-btn", { type: "button", "aria-label": label, title: label, "aria-disabled": !on, onclick: () => on && turn(by) }, icon(name));
    end?.replaceChildren(
      ...(more || page ? [h("span.leaf", leaf("left", "Earlier part", -1, page > 0), h("span.muted", `Part ${int(page + 1)}`), leaf("right", "Later part", 1, more))] : []),
      ...(forms.length > 1 ? [choice("Form of the body", forms.map((one) => [one, names[one]]), answer.data.form, (id) => ((form = id), (page = 0), drawBody()))] : []),
    );
    body.replaceChildren(
      ...parts.map((part, number) =>
        h(
          "section.body-part",
          { "aria-label": part.title },
          h("div.section", h("span.strong", part.title), " ", h("span.muted", text(part.note))),
          answer.data.form === "changes" ? (part.changes.length ? part.changes.map(jsonChanges) : h("div.hint", "No step changed a JSON value here.")) : h("div.panes", part.panes.map((one, at) => pane(one, () => picture(index, number, at, `${part.title}, ${one.title}`), page))),
        ),
      ),
    );
  };

  const drawPanel = () => {
    body.setAttribute("aria-label", tab);
    body.scrollTop = 0;
    if (tab === "headers") drawHeaders();
    else if (tab === "body") drawBody();
    else if (tab === "calls") body.replaceChildren(callTree(detail));
    else body.replaceChildren(logList(detail));
  };

  const show = async (index) => {
    wanted = index;
    page = 0;
    dropPictures();
    if (index == null || index < 0) {
      detail = null;
      return blank("", "Choose an exchange to see what the filters did to it.");
    }
    const slow = setTimeout(() => body.replaceChildren(h("div.loading", { "aria-busy": "true" }, [70, 45, 60, 30].map((width) => h("div.skeleton", { style: `width:${width}%` })))), 150);
    const answer = await ask("detail", { index });
    clearTimeout(slow);
    if (wanted !== index) return;
    if (answer.error) {
      detail = null;
      return blank("This exchange cannot be shown", answer.error);
    }
    detail = answer.data;
    // a TCP connection has no headers
    if (tab === "headers" && !detail.parts.length) tab = "body";
    drawHead();
    drawTabs();
    drawPanel();
  };

  const widths = new ResizeObserver(() => {
    if (detail && tab === "headers" && !layout && body.dataset.layout !== chosenLayout()) {
      body.dataset.layout = chosenLayout();
      drawTabs();
      drawHeaders();
    }
  });
  widths.observe(root);
  signal.addEventListener("abort", () => (widths.disconnect(), dropPictures()));
  show(model.get("selected"));
  return { show, shows: () => detail != null, focus: () => body.focus() };
};

/** The details on their own: the trait `selected` says which exchange. */
export const exchangeDetailsView = (model, el, signal) => {
  el.classList.add("fw-alone");
  const details = exchangeDetails(model, el, signal, {
    onstep: (by) => {
      const next = model.get("selected") + by;
      if (next < 0 || next >= model.get("total")) return;
      model.set("selected", next);
      model.save_changes();
    },
  });
  const follow = () => details.show(model.get("selected"));
  model.on("change:selected", follow);
  model.on("change:revision", follow);
  signal.addEventListener("abort", () => (model.off("change:selected", follow), model.off("change:revision", follow)));
};
