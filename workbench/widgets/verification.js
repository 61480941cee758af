// A replay beside real Envoy: how many exchanges agree, what differs with both values and the cause, and the chosen exchange.
import { channel, h, icon, int, plain, plural, text } from "./fw.js";
import { exchangeDetails } from "./exchange_details.js";

const COUNTS = [
  ["agree", "allowed", "Agree"],
  ["explained", "local", "Differ, cause known"],
  ["unexplained", "error", "Differ, unexplained"],
];
const FEW = 6;

const tally = (counts) =>
  COUNTS.map(([key, sign, label]) => h("div.tally-one", { class: counts[key] ? key : "none" }, icon(sign, 14), h("span.strong", int(counts[key])), h("span.muted", label)));

const share = (counts) => {
  const all = COUNTS.reduce((sum, [key]) => sum + counts[key], 0);
  return h("div.shares", { "aria-hidden": "true" }, all ? COUNTS.map(([key]) => counts[key] > 0 && h("i", { class: key, style: `flex-grow:${counts[key]}` })) : null);
};

/** Draws into `el`; the trait `selected` says which exchange stands below. */
export const verificationView = (model, el, signal) => {
  const ask = channel(model, signal, (words) => table.replaceChildren(h("div.void", h("span", words))));
  const head = h("div.verdict");
  const table = h("div.findings.scroll", { role: "table", "aria-label": "Differences from Envoy", tabindex: 0 });
  const below = h("div.chosen");
  el.append(h("section.verification", { role: "region", "aria-label": "Beside Envoy" }, head, table, below));
  const open = new Set();
  let data = null;

  const choose = (index) => {
    model.set("selected", index);
    model.save_changes();
  };
  const chosenAt = (group) => Math.max(0, group.exchanges.indexOf(model.get("selected")));

  const numbers = (group, at) => {
    const shown = open.has(at) ? group.exchanges : group.exchanges.slice(0, FEW);
    const hidden = group.exchanges.length + group.left - shown.length;
    const more = !open.has(at) && group.exchanges.length > FEW;
    return [
      shown.map((index) => h("button.number", { type: "button", "data-exchange": index, "aria-pressed": index === model.get("selected"), "aria-label": `exchange ${index}`, onclick: () => choose(index) }, `#${index}`)),
      hidden > 0 && (more ? h("button.number.more", { type: "button", onclick: () => (open.add(at), draw()) }, `+ ${int(hidden)}`) : h("span.muted", `and ${int(hidden)} more`)),
    ];
  };
  const line = (group, at) => {
    const place = chosenAt(group);
    const value = (string) => h("div.value.mono", { role: "cell", title: plain(string) }, string === "" ? h("span.muted", "empty") : text(string));
    return h(
      "div.finding-line",
      { role: "row", class: `${group.explained ? "explained" : "unexplained"}${group.exchanges.includes(model.get("selected")) ? " is-chosen" : ""}` },
      h("div.what", { role: "rowheader" }, icon(group.explained ? "local" : "error", 14), h("div", h("span.strong", text(group.what)), h("span.muted", text(group.message)))),
      value(group.replay[place] ?? ""),
      value(group.envoy[place] ?? ""),
      h("div.cause", { role: "cell" }, group.cause ? text(group.cause) : h("span.muted", "unknown")),
      h("div.numbers", { role: "cell" }, numbers(group, at)),
    );
  };
  const draw = () => {
    const focus = table.contains(document.activeElement) ? document.activeElement.dataset.exchange : null;
    if (!data.groups.length) {
      table.replaceChildren(h("div.void", h("span.strong", "Envoy does the same"), h("span", "In every exchange, headers, bodies, trailers and answers.")));
      return;
    }
    table.replaceChildren(
      h("div.finding-line.heads", { role: "row" }, ["What differs", "Replay", "Envoy", "Likely cause", "Exchanges"].map((name) => h("div", { role: "columnheader" }, name))),
      ...data.groups.map(line),
      ...(data.left > 0 ? [h("div.hint", `${plural(data.left, "more line")} in .table`)] : []),
    );
    if (focus != null) table.querySelector(`[data-exchange="${focus}"]`)?.focus();
  };
  const load = async () => {
    const answer = await ask("findings");
    if (answer.error) return table.replaceChildren(h("div.banner.is-error", { role: "alert" }, text(answer.error)));
    data = answer.data;
    head.replaceChildren(h("span.strong", text(data.head)), ...tally(data.counts), share(data.counts), ...data.notes.map((note) => h("div.note.muted", text(note))));
    draw();
  };

  const details = exchangeDetails(model, below, signal);
  const follow = () => {
    details.show(model.get("selected"));
    if (data) draw();
  };
  model.on("change:selected", follow);
  signal.addEventListener("abort", () => model.off("change:selected", follow));
  load();
};
