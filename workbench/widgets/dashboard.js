// The workbench: what is replayed through what, then the views on it. One selection runs through all of them.
import { ARROW, channel, fill, h, icon, int, ordinal, plain, plural, tabList, text } from "./fw.js";
import { chainPane } from "./chain_pane.js";
import { changesStrip } from "./changes_strip.js";
import { decisionsPane } from "./decision_timeline.js";
import { exchangesPane } from "./exchanges_pane.js";
import { findingsList } from "./findings_list.js";
import { microscopePane } from "./microscope.js";
import { statePane } from "./state_tracks.js";
import { runBar } from "./run_bar.js";
import { timingPane } from "./timing_pane.js";

// A pane is `make(model, el, signal, { select, choose, openTab, opened, compare })` and gives `reload()` for other data, `show(index)` for
// another selection and `shown()` for when its tab is opened: what takes long waits for that. While a replay goes on, `grow()` tells a pane
// that has it of further exchanges. `label` and `count` are functions of the model; `always` is for a pane that needs no replay.
const PANES = [
  { id: "exchanges", label: (model) => (model.get("noun") === "connection" ? "Connections" : "Exchanges"), count: (model) => int(model.get("total")), make: exchangesPane },
  { id: "microscope", label: () => "Microscope", make: microscopePane },
  { id: "decisions", label: () => "Decisions", make: decisionsPane },
  { id: "timing", label: () => "Timing", make: timingPane },
  { id: "state", label: () => "State", make: statePane },
  { id: "chain", label: () => "Chain", count: (model) => plural(model.get("filters").length, "filter"), make: chainPane, always: true },
];

// More of them are counted beside the first ones.
const MOST_NAMED = 3;
const SILENT_MS = 10_000;

export const dashboardView = (model, el, signal) => {
  const ask = channel(model, signal, (words) => {
    if (lost === words) return;
    lost = words;
    root.classList.add("fw-lost"); // said once is enough
    drawNotices();
    onRun();
  });
  let lost = "";
  const top = h("div.top");
  const notices = h("div", { role: "presentation" });
  const tabs = h("div.tabs.views");
  const view = h("div.view");
  const findings = findingsList((index) => choose(index));
  const changes = changesStrip(ask, { onpick: (index) => choose(index), onsearch: (query) => search(query) });
  const bar = runBar(() => ask("cancel"));
  const root = h("div.workbench", top, bar.root, notices, findings.root, changes.root, tabs, view);
  el.append(root);

  let tab = PANES[0].id;
  const panes = PANES.map(() => null);

  const boxes = PANES.map(({ id }) => h(`div.${id}-pane`, { hidden: true }));
  const blank = h("div.blank", { hidden: true });
  view.append(...boxes, blank);

  const select = (index) => {
    if (model.get("selected") !== index) {
      model.set("selected", index);
      model.save_changes();
    }
    panes.forEach((pane) => pane?.show(index));
  };
  const openTab = (id) => tabs.querySelector(`[data-id=${id}]`)?.click();
  const opened = (on) => root.classList.toggle("fw-opened", on);
  // A choice made outside the table: it may be in another tab, and behind another pane.
  const choose = (index) => {
    openTab("exchanges");
    select(index);
    opened(true);
  };
  const search = (query) => {
    openTab("exchanges");
    opened(false);
    panes[PANES.findIndex(({ id }) => id === "exchanges")]?.search(query);
  };
  const compare = (found) => changes.open(found);
  const doors = { select, choose, openTab, opened, compare };

  const ready = () => model.get("revision") > 0;
  const usable = (pane) => ready() || (pane.always && model.get("capture_name"));
  // All panes stay in the document, so that nothing is lost between tabs.
  const build = (fresh) =>
    PANES.forEach((pane, at) => {
      if (!usable(pane)) return;
      if (panes[at]) fresh && panes[at].reload();
      else panes[at] = pane.make(model, boxes[at], signal, doors);
    });

  const openFilter = (place) => {
    openTab("chain");
    panes[PANES.findIndex(({ id }) => id === "chain")]?.open(place);
  };
  const drawTop = () => {
    const run = model.get("run");
    const filters = model.get("filters");
    const capture = model.get("capture_name");
    const running = run.state === "running";
    const watching = model.get("watch");
    const all = (words, title) => h("button.link.chain-all", { type: "button", title, onclick: () => openTab("chain") }, words);
    const chain = filters.length
      ? [h("span.chain-names", filters.slice(0, MOST_NAMED).map((name, at) => h("span.chain-name", at ? h("span.muted", ARROW) : null, h("button.link", { type: "button", title: `Configuration of ${plain(name)}`, onclick: () => openFilter(at) }, ordinal(at, name), h("span.cut", text(name))))))]
      : [all(model.get("replayable") ? "No filter" : "No chain", "Add filters")];
    if (filters.length > 1) chain.push(h("span.chain-count", { class: filters.length > MOST_NAMED ? "many" : "" }, all(plural(filters.length, "filter"), "All filters of the chain")));
    const replayable = model.get("replayable");
    const said = running ? "" : [run.number ? `Run ${int(run.number)}` : "", run.state === "failed" ? "failed" : (run.words ?? "")].filter(Boolean).join(": ");
    const watch = () => {
      model.set("watch", !model.get("watch"));
      model.save_changes();
    };
    fill(top,
      h("span.pick.capture", icon("capture"), h("span.strong.cut", { title: plain(capture) }, text(capture || "No capture")), capture ? h("span.muted.wide", plural(model.get("captured"), model.get("noun"))) : null),
      h("span.muted", ARROW),
      h("span.pick.through", icon("chain"), h("span.chain-line", chain)),
      h("span.grow"),
      h("span.muted.wide.cut.said", { role: "status", title: plain(said) }, text(said)),
      replayable ? h("button.btn.quiet.toggle", { type: "button", "aria-pressed": watching, "aria-label": "Watch", title: watching ? "Replays again when a module's file changes" : "Replay again when a module's file changes", onclick: watch }, icon("watch"), h("span.wide", watching ? "Watching" : "Watch")) : null,
      h("button.btn", { type: "button", class: replayable && !running ? "primary" : "", "aria-disabled": !replayable || running, title: replayable ? (running ? "A replay goes on" : "") : "Needs a capture and a chain", onclick: () => replayable && !running && ask("run") }, icon("run", 14), "Replay"),
    );
  };

  const replayAnyway = () => {
    model.set("start_anyway", true);
    model.save_changes();
    ask("run");
  };
  const drawNotices = () => {
    const run = model.get("run");
    const found = [];
    if (lost) found.push(h("div.banner.is-error", { role: "alert" }, icon("error", 16, "del"), h("div.grow", text(lost))));
    if (run.state === "failed") {
      const kept = run.kept ? `What is shown is run ${int(run.kept)}, the last good one. ` : "";
      found.push(
        h(
          "div.banner.is-error",
          { role: "alert" },
          icon("error", 16, "del"),
          h("div.grow", h("div", h("span.strong", text(run.where || "The replay did not run")), " ", text(run.what)), (kept || run.remedy) && h("div.muted", kept, text(run.remedy))),
          run.refused ? h("button.btn", { type: "button", onclick: replayAnyway }, "Replay anyway") : null,
          h("button.btn", { type: "button", onclick: () => openTab("chain") }, "Open the chain"),
        ),
      );
    }
    for (const problem of model.get("problems")) {
      found.push(h("div.banner.is-warning", { role: "status" }, icon("error", 16, "chg"), h("div", text(problem))));
    }
    fill(notices, ...found);
  };

  const place = () => {
    PANES.forEach((pane, at) => (boxes[at].hidden = !panes[at] || tab !== pane.id));
    blank.hidden = boxes.some((box) => !box.hidden);
  };
  const drawTabs = () => {
    const focused = tabs.contains(document.activeElement);
    fill(tabs,
      tabList("Views", PANES.map(({ id, label, count }) => [id, label(model), count?.(model) ?? null]), tab, (id) => {
        tab = id;
        place();
        panes[PANES.findIndex((pane) => pane.id === id)]?.shown();
      }),
    );
    if (focused) tabs.querySelector('[aria-selected="true"]')?.focus();
  };
  const drawView = (fresh) => {
    const run = model.get("run");
    const bare = !model.get("capture_name");
    build(fresh);
    tabs.hidden = bare;
    if (!bare) drawTabs();
    root.classList.toggle("fw-bare", bare);
    place();
    if (!ready()) fill(blank, run.state !== "running" ? nothing(run) : lost ? h("div.void", h("span.strong", "The replay is no longer heard of")) : waiting());
  };
  const waiting = () => h("div.loading", { "aria-busy": "true" }, [64, 48, 72, 40, 58, 66, 36].map((width) => h("div.skeleton", { style: `width:${width}%` })));
  const nothing = (run) => {
    if (run.state === "failed") return h("div.void", h("span.strong", "No exchange was replayed"), h("span", "Mend what is named above, then press Replay"));
    const capture = model.get("capture_name");
    return h(
      "div.void",
      h("span.strong", capture ? "Add a chain to see what its filters do" : "Open a capture to see what a filter does to it"),
      h("span", "The module you deploy runs here, in this kernel. Nothing is sent anywhere."),
      capture
        ? h("button.btn", { type: "button", onclick: () => openTab("chain") }, "Open the chain")
        : h("pre", ['capture = wb.open_capture("toystore.mitm")', 'chain = wb.Chain(wb.Filter("add_header.wasm"))', "wb.Workbench(capture, chain)"].join("\n")),
    );
  };

  let seen = -1;
  let sought = -1;
  const drawData = () => {
    const revision = model.get("revision");
    if (seen !== revision) {
      seen = revision;
      drawView(true);
    }
    // While a replay goes on they would be those of a part, and cost the kernel time.
    if (!ready() || sought === revision || model.get("run").state === "running") return;
    sought = revision;
    ask("findings").then((answer) => sought === revision && findings.show(answer.data ?? []));
  };
  let state = "";
  let told = 0;
  // A kernel that is gone says nothing, so what has long said nothing is asked.
  let silence = null;
  const onNews = () => {
    if (lost) {
      lost = "";
      root.classList.remove("fw-lost");
      drawNotices();
    }
    onRun();
  };
  const onRun = () => {
    const run = model.get("run");
    clearTimeout(silence);
    if (run.state === "running" && !lost) silence = setTimeout(() => ask("runs").then(onNews), SILENT_MS);
    if (lost && !ready()) drawView(false);
    bar.draw(lost ? { state: "lost" } : run);
    if (run.state !== state) {
      state = run.state;
      drawTop();
      drawNotices();
      if (!ready()) drawView(false);
    } else if (state !== "running") drawTop();
    if (run.state === "done" && told !== run.number) {
      told = run.number;
      changes.announce(run.changes ? { ...run.changes, number: run.number } : null);
    }
    drawData();
  };
  const onGrown = () => {
    panes.forEach((pane) => pane?.grow?.());
    drawTabs();
  };
  const onSelected = () => panes.forEach((pane) => pane?.show(model.get("selected")));
  const onFilters = () => {
    drawTop();
    drawView(false);
  };
  const watched = {
    "change:run": onNews,
    "change:problems": drawNotices,
    "change:filters": onFilters,
    "change:replayable": onFilters,
    "change:watch": drawTop,
    "change:revision": drawData,
    "change:grown": onGrown,
    "change:selected": onSelected,
  };
  for (const [name, act] of Object.entries(watched)) model.on(name, act);
  signal.addEventListener("abort", () => {
    clearTimeout(silence);
    for (const [name, act] of Object.entries(watched)) model.off(name, act);
  });
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Filter Workbench");
  drawTop();
  drawNotices();
  drawView(false);
  onRun();
};
