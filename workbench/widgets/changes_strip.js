// What differs between two runs: one line that opens into the exchanges that do; a click on one selects it.
import { ARROW, chip, fill, h, icon, int, plural, text } from "./fw.js";

const shown = (one) => {
  const [was, now] = one.outcome;
  const [before, after] = one.status;
  const code = (status) => status || "none";
  return [
    h("span.side", chip(was), was !== now && [h("span.muted", ARROW), chip(now)]),
    h("span.codes", before === after ? h("span.muted", code(after)) : [h("span.muted", `${code(before)} ${ARROW} `), h("b.strong", code(after))]),
    h("span.cut.muted", one.parts.filter((part) => part !== "outcome" && part !== "status").join(", ") || "nothing else"),
  ];
};

/** `ask` is the view's channel, `onpick(index)` is called for an exchange that was chosen, `onsearch(query)` to show some in the table. Gives {root, announce, open}. */
export const changesStrip = (ask, { onpick, onsearch }) => {
  const root = h("section.changed-runs", { "aria-label": "Changes between runs", hidden: true });
  const head = h("div.changed-head");
  const list = h("div.changed-list.scroll", { hidden: true, tabindex: 0, role: "list", "aria-label": "Exchanges that differ" });
  const parts = h("div.changed-parts", { role: "group", "aria-label": "Show in the table", hidden: true });
  root.append(head, parts, list);
  let open = false;
  let inTable = false;
  let summed = null;

  // in the table they need not stand here too
  const search = (word) => {
    inTable = true;
    list.hidden = true;
    onsearch(`~differs ${word}`);
  };

  const draw = (why = "") => {
    const { number, count, both } = summed;
    const other = summed.with;
    const same = count === 0;
    const toggle = h(
      "button.changed-toggle",
      { type: "button", "aria-expanded": same ? null : open, "aria-disabled": same, onclick: () => !same && (open ? close() : fetch()) },
      icon(same ? "allowed" : "compare", 16, same ? "add" : "chg"),
      h("span.strong", same ? `No exchange differs from run ${int(other)}` : `${int(count)} of ${plural(both, "exchange")} ${count === 1 ? "differs" : "differ"} from run ${int(other)}`),
      h("span.cut.muted", why ? [`run ${int(number)}: `, text(why)] : `run ${int(number)}`),
      !same && h("span.arrow", icon(open ? "up" : "down", 14, "muted")),
    );
    // which run they differ from is what was asked last
    const show = () => fetch().then((found) => found && search("any"));
    const focused = head.firstChild?.contains(head.getRootNode().activeElement);
    fill(head, toggle, same ? null : h("button.btn.quiet", { type: "button", title: "Query ~differs any", "aria-label": "Show in the table", onclick: show }, icon("search", 14), h("span.wide", "Show in the table")), h("button.icon-btn", { type: "button", "aria-label": "Hide the changes", title: "Hide", onclick: () => (root.hidden = true) }, icon("close", 14)));
    if (focused) toggle.focus();
    parts.hidden = !open || same;
    list.hidden = parts.hidden || inTable;
    root.hidden = false;
  };
  const close = () => {
    open = false;
    draw(summed.why);
  };
  const fetch = async () => {
    const asked = summed;
    const answer = await ask("changes", { with: asked.with });
    if (asked !== summed) return false;
    if (answer.error) {
      fill(head, h("span.muted", text(answer.error)));
      return false;
    }
    const { data } = answer;
    open = data.count > 0;
    inTable = false;
    summed = { ...asked, count: data.count, both: data.both, why: data.why.join("; ") };
    fill(parts,
      h("span.muted", { "aria-hidden": "true" }, "Show in the table"),
      ...data.words.map(([word, n, help]) => h("button.differs", { type: "button", title: `${help}: ~differs ${word}`, onclick: () => search(word) }, h("span", word === "any" ? "all" : word.replace("_", " ")), h("span.n", int(n)))),
    );
    const rest = data.count - data.rows.length;
    fill(list,
      ...data.rows.map((one) => h("div", { role: "listitem" }, h("button.changed-row", { type: "button", onclick: () => onpick(one.index), "aria-label": `Exchange ${one.index}: ${one.outcome.join(", then ")}, ${one.parts.join(", ")}` }, h("span.mono.num", `#${one.index}`), shown(one)))),
      rest > 0 ? h("div.changed-rest.muted", { role: "listitem" }, `${int(rest)} more: show them in the table`) : "",
    );
    draw(summed.why);
    return open;
  };

  return {
    root,
    /** A run is over: `found` is {number, with, count, both} or null. */
    announce(found) {
      summed = found;
      open = false;
      root.hidden = !found;
      if (!found) return;
      draw();
      const asked = summed;
      ask("runs").then((answer) => {
        const why = answer.data?.find((one) => one.number === asked.number)?.why.join("; ");
        if (asked === summed && why) draw((summed.why = why));
      });
    },
    /** Set the last run against another one that is kept. */
    open(found) {
      summed = found;
      fetch();
    },
  };
};
