// The Timing view: the whole in figures, where the time goes, each distribution, and over the capture.
import { channel, choice, duration, h, int, text } from "./fw.js";
import { spelling } from "./timing_scale.js";
import { timingTable } from "./timing_table.js";
import { timingIcicle } from "./timing_icicle.js";
import { timingCapture } from "./timing_capture.js";

const UNITS = [
  ["time", "Real time"],
  ["fuel", "Instructions"],
];

const facts = (data) => [
  ...data.facts.map((fact) => h("div", h("div.fact-name", fact.label), h("div.fact-value", spelling(data.unit)(fact.ns), fact.note && h("small", ` ${fact.note}`)))),
  data.baseline && h("div", h("div.fact-name", "Empty hostcall"), h("div.fact-value", duration(data.baseline.ns), h("small.on-wide", ` p50 of ${int(data.baseline.calls)}, this machine`))),
];

/** A pane of the dashboard: draws into `el` when first shown. */
export const timingPane = (model, el, signal, doors = {}) => {
  const words = (told) => blank.replaceChildren(h("span", text(told)));
  const ask = channel(model, signal, words);
  const select = (index) => {
    doors.select(index);
    capture.mark();
  };
  const told = ({ data, error }) => {
    const nothing = error || !(data.facts.length || data.rows.length);
    blank.hidden = !nothing;
    parts.hidden = Boolean(nothing);
    if (error) return words(error);
    if (nothing) return blank.replaceChildren(h("span.strong", "No filter was called"), h("span", "What the calls into a filter cost is shown here, once the chain has one."));
    const units = data.counted && choice("Unit", UNITS, unit, (id) => {
      if (id === unit) return;
      unit = id;
      table.reset();
      load();
    });
    figures.replaceChildren(...[...facts(data), units && h("span.units", units)].filter(Boolean));
    sentence.replaceChildren(...text(data.sentence));
  };
  const blank = h("div.void", h("div.skeleton", { style: "width:30%" }));
  const figures = h("div.facts");
  const sentence = h("p.say");
  const icicle = timingIcicle(signal);
  const table = timingTable(model, signal, { select, choose: doors.choose, told, unit: () => unit });
  const capture = timingCapture(model, signal, { select, choose: doors.choose });
  const parts = h("div", { hidden: true }, figures, sentence, icicle.root, table.root, capture.root);
  el.append(h("div.timing.scroll", { tabindex: 0, "aria-label": "Timing" }, blank, parts));
  let fresh = false;
  let unit = "time";

  const shown = async () => {
    if (fresh) return;
    fresh = true;
    await load();
  };
  const load = async () => {
    const wanted = unit;
    await table.load();
    const tree = await ask("timing", { part: "tree", unit: wanted });
    if (tree.data) icicle.show(tree.data, wanted);
    await capture.load(wanted);
  };
  const reload = () => {
    fresh = false;
    if (!el.hidden) shown();
  };
  return { shown, reload, show: () => capture.mark() };
};

/** The view alone in a cell. */
export const timingView = (model, el, signal) => {
  const box = h("div.timing-alone", { role: "region", "aria-label": "Timing of a replay" });
  el.append(box);
  const select = (index) => {
    if (model.get("selected") === index) return;
    model.set("selected", index);
    model.save_changes();
  };
  const pane = timingPane(model, box, signal, { select });
  const onSelected = () => pane.show();
  model.on("change:selected", onSelected);
  model.on("change:revision", pane.reload);
  signal.addEventListener("abort", () => (model.off("change:selected", onSelected), model.off("change:revision", pane.reload)));
  pane.shown();
};
