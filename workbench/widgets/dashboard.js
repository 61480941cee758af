// The workbench: what is replayed through what, then the views on it. One selection runs through all of them.
import { ARROW, channel, h, icon, int, ordinal, plain, plural, tabList, text } from "./fw.js";
import { decisionsPane } from "./decision_timeline.js";
import { exchangesPane } from "./exchanges_pane.js";
import { findingsList } from "./findings_list.js";
import { microscopePane } from "./microscope.js";
import { timingTable } from "./timing_table.js";

// A pane is `make(model, el, signal, { select, choose, openTab, opened })` and gives `reload()` for other data, `show(index)` for another
// selection and `shown()` for when its tab is opened: what takes long waits for that. `label` and `count` are functions of the model.
const PANES = [
  { id: "exchanges", label: (model) => (model.get("noun") === "connection" ? "Connections" : "Exchanges"), count: (model) => int(model.get("total")), make: exchangesPane },
  { id: "microscope", label: () => "Microscope", make: microscopePane },
  { id: "decisions", label: () => "Decisions", make: decisionsPane },
  { id: "timing", label: () => "Timing", make: timingTable },
];

export const dashboardView = (model, el, signal) => {
  const ask = channel(model, signal);
  const top = h("div.top");
  const notices = h("div", { role: "presentation" });
  const tabs = h("div.tabs.views");
  const view = h("div.view");
  const findings = findingsList((index) => choose(index));
  const root = h("div.workbench", top, notices, findings.root, tabs, view);
  el.append(root);

  let tab = PANES[0].id;
  let panes = null;

  const boxes = PANES.map(({ id }) => h(`div.${id}-pane`, { hidden: true }));
  const blank = h("div.blank", { hidden: true });
  view.append(...boxes, blank);

  const select = (index) => {
    if (model.get("selected") !== index) {
      model.set("selected", index);
      model.save_changes();
    }
    panes?.forEach((pane) => pane.show(index));
  };
  const openTab = (id) => tabs.querySelector(`[data-id=${id}]`)?.click();
  const opened = (on) => root.classList.toggle("fw-opened", on);
  // A choice made outside the table: it may be in another tab, and behind another pane.
  const choose = (index) => {
    openTab("exchanges");
    select(index);
    opened(true);
  };

  // All panes stay in the document, so that nothing is lost between tabs.
  const build = () => {
    if (panes) panes.forEach((pane) => pane.reload());
    else panes = PANES.map(({ make }, at) => make(model, boxes[at], signal, { select, choose, openTab, opened }));
  };

  const drawTop = () => {
    const run = model.get("run");
    const filters = model.get("filters");
    const capture = model.get("capture_name");
    const running = run.state === "running";
    const chain = filters.length
      ? filters.flatMap((name, at) => [at ? h("span.muted", ARROW) : null, h("span.link", ordinal(at, name), h("span", text(name)))])
      : [h("span.muted", "No chain")];
    const replayable = model.get("replayable");
    top.replaceChildren(
      h("span.pick", icon("capture"), h("span.strong.cut", text(capture || "No capture")), capture ? h("span.muted.wide", plural(model.get("captured"), model.get("noun"))) : null),
      h("span.muted", ARROW),
      h("span.pick.cut", icon("chain"), chain),
      h("span.grow"),
      h("span.muted.wide", { role: "status" }, running ? "" : text(run.words ?? "")),
      running
        ? h("button.btn", { type: "button", onclick: () => ask("cancel") }, icon("stop", 14), "Cancel")
        : h("button.btn", { type: "button", class: replayable ? "primary" : "", "aria-disabled": !replayable, title: replayable ? "" : "Needs a capture and a chain", onclick: () => replayable && ask("run") }, icon("run", 14), "Replay"),
    );
  };

  const drawNotices = () => {
    const run = model.get("run");
    const found = [];
    if (run.state === "running") {
      const share = run.total ? run.done / run.total : 0;
      found.push(
        h(
          "div.runbar",
          h("span", "Replaying"),
          h("div.meter", { role: "progressbar", "aria-label": "Replay", "aria-valuenow": run.done, "aria-valuemin": 0, "aria-valuemax": run.total }, h("i", { style: `width:${(100 * share).toFixed(1)}%` })),
          h("span", `${int(run.done)} of ${int(run.total)}`),
          h("span.muted", run.left_s ? `${int(run.left_s)} s left` : ""),
        ),
      );
    }
    if (run.state === "failed") {
      found.push(h("div.banner.is-error", { role: "alert" }, icon("error", 16, "del"), h("div", h("div", h("span.strong", text(run.where || "The replay did not run")), " ", text(run.what)), run.remedy && h("div.muted", text(run.remedy)))));
    }
    for (const problem of model.get("problems")) {
      found.push(h("div.banner.is-warning", { role: "status" }, icon("error", 16, "chg"), h("div", text(problem))));
    }
    notices.replaceChildren(...found);
  };

  const place = (ready) => PANES.forEach(({ id }, at) => (boxes[at].hidden = !ready || tab !== id));
  const drawView = () => {
    const ready = model.get("revision") > 0;
    const run = model.get("run");
    if (ready) {
      build();
      tabs.replaceChildren(
        tabList("Views", PANES.map(({ id, label, count }) => [id, label(model), count?.(model) ?? null]), tab, (id) => {
          tab = id;
          place(true);
          panes[PANES.findIndex((pane) => pane.id === id)].shown();
        }),
      );
    }
    root.classList.toggle("fw-bare", !ready && run.state !== "running");
    tabs.hidden = !ready;
    place(ready);
    blank.hidden = ready;
    if (!ready) blank.replaceChildren(run.state === "running" ? waiting() : nothing(run));
  };
  const waiting = () => h("div.loading", { "aria-busy": "true" }, [64, 48, 72, 40, 58, 66, 36].map((width) => h("div.skeleton", { style: `width:${width}%` })));
  const nothing = (run) =>
    run.state === "failed"
      ? h("div.void", h("span.strong", "No exchange was replayed"), h("span", "Mend what is named above, then press Replay."))
      : h(
          "div.void",
          h("span.strong", model.get("capture_name") ? "Add a chain to see what its filters do" : "Open a capture to see what a filter does to it"),
          h("span", "The module you deploy runs here, in this kernel. Nothing is sent anywhere."),
          h("pre", ['capture = wb.open_capture("toystore.mitm")', 'chain = wb.Chain(wb.Filter("add_header.wasm"))', "wb.Workbench(capture, chain)"].join("\n")),
        );

  const drawAll = () => (drawTop(), drawNotices());
  let seen = -1;
  const drawData = () => {
    if (seen === model.get("revision")) return;
    seen = model.get("revision");
    drawView();
    const asked = seen;
    if (asked > 0) ask("findings").then((answer) => asked === seen && findings.show(answer.data ?? []));
  };
  const onRun = () => {
    drawAll();
    if (!model.get("revision")) drawView();
  };
  const onSelected = () => panes?.forEach((pane) => pane.show(model.get("selected")));
  const watched = { "change:run": onRun, "change:problems": drawNotices, "change:filters": drawTop, "change:revision": () => (drawAll(), drawData()), "change:selected": onSelected };
  for (const [name, act] of Object.entries(watched)) model.on(name, act);
  signal.addEventListener("abort", () => {
    for (const [name, act] of Object.entries(watched)) model.off(name, act);
  });
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Filter Workbench");
  drawAll();
  drawData();
};
