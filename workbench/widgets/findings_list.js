// What looks wrong in the replay: one line that opens into a list; a click on an exchange selects it.
import { h, icon, plural, text } from "./fw.js";

const TONES = { error: ["error", "del"], warning: ["error", "chg"], note: ["right", "muted"] };
const PLURALS = { error: "errors", warning: "warnings", note: "notes" };

/** `show(found)` draws the findings, `hidden` while there are none; `onpick(index)` is called for an exchange that was chosen. */
export const findingsList = (onpick) => {
  const root = h("section.findings", { "aria-label": "Findings", hidden: true });
  let open = false;

  const sign = (one) => icon(TONES[one.severity]?.[0] ?? "right", 16, TONES[one.severity]?.[1] ?? "muted");
  const who = (one) => one.filter && h("span.strong.who", text(one.filter));
  const exchange = (one, index) => h("button.exchange.mono", { type: "button", title: "Select this exchange", onclick: () => onpick(index), "aria-label": `Exchange ${index}: ${one.title}` }, `#${index}`);
  const places = (one) =>
    one.count > 0 && h("span.places", plural(one.count, "exchange"), ": ", one.exchanges.map((index) => exchange(one, index)), one.count > one.exchanges.length && h("span.muted", "…"));
  const item = (one) =>
    h(
      "li.finding",
      h("span", { title: one.severity }, sign(one), h("span.sr", one.severity)),
      h("div", h("div", who(one), text(one.title)), h("div.muted", text(one.reason)), h("div", h("span.muted", "Remedy: "), text(one.remedy)), places(one)),
    );

  const show = (found) => {
    root.hidden = !found.length;
    if (!found.length) return;
    const counts = Object.entries(PLURALS).map(([severity, many]) => [found.filter((one) => one.severity === severity).length, severity, many]);
    const said = counts.filter(([n]) => n).map(([n, severity, many]) => plural(n, severity, many)).join(", ");
    const list = h("ul.list.scroll", { hidden: !open, tabindex: 0, "aria-label": "Findings on this replay" }, found.map(item));
    const arrow = h("span.arrow", icon(open ? "up" : "down", 14, "muted"));
    const head = h(
      "button.head",
      {
        type: "button",
        "aria-expanded": open,
        onclick: () => {
          open = !open;
          head.setAttribute("aria-expanded", open);
          list.hidden = !open;
          arrow.replaceChildren(icon(open ? "up" : "down", 14, "muted"));
        },
      },
      sign(found[0]),
      h("span.strong.said", said),
      h("span.cut.muted", found[0].filter ? [text(found[0].filter), " "] : null, text(found[0].title)),
      arrow,
    );
    root.replaceChildren(head, list);
  };
  return { root, show };
};
