// The workbench: what is replayed through what, then the views on it. One selection runs through all of them.
import { ARROW, channel, h, icon, int, ordinal, plain, plural, tabList, text } from "./fw.js";
import { flowTable } from "./flow_table.js";
import { exchangeDetails } from "./exchange_details.js";
import { findingsList } from "./findings_list.js";
import { timingTable } from "./timing_table.js";

const SPLIT = "fw-split";

export const dashboardView = (model, el, signal) => {
  const ask = channel(model, signal);
  const top = h("div.top");
  const notices = h("div", { role: "presentation" });
  const tabs = h("div.tabs.views");
  const view = h("div.view");
  const findings = findingsList((index) => choose(index));
  const root = h("div.workbench", top, notices, findings.root, tabs, view);
  el.append(root);

  let tab = "exchanges";
  let parts = null;

  // Both panes stay in the document, so that nothing is lost between tabs.
  const exchanges = h("div.split");
  const timing = h("div.timing-pane", { hidden: true });
  const blank = h("div.blank", { hidden: true });
  view.append(exchanges, timing, blank);

  const select = (index) => {
    if (model.get("selected") !== index) {
      model.set("selected", index);
      model.save_changes();
    }
    parts?.details.show(index);
  };
  // A choice made outside the table: it may be in another tab, and behind another pane.
  const choose = (index) => {
    tabs.querySelector("[data-id=exchanges]")?.click();
    select(index);
    parts?.table.select(index);
    openDetails(true);
  };
  const openDetails = (on) => root.classList.toggle("fw-opened", on);

  const build = () => {
    if (parts) {
      parts.table.reload();
      parts.details.show(model.get("selected"));
      parts.timing.reload();
      return;
    }
    const upper = h("div.upper");
    const lower = h("div.lower");
    const bar = h("div.splitter", { role: "separator", tabindex: 0, "aria-orientation": "horizontal", "aria-label": "Height of the table", "aria-valuemin": 15, "aria-valuemax": 85 });
    exchanges.append(upper, bar, lower);
    const details = exchangeDetails(model, lower, signal, { onstep: (by) => parts.table.step(by), onback: () => openDetails(false) });
    const table = flowTable(model, upper, signal, { onpick: select, onopen: () => openDetails(true) });
    parts = { table, details, timing: timingTable(model, timing, signal) };
    splitter(bar);
  };

  const splitter = (bar) => {
    const set = (percent) => {
      const kept = Math.min(85, Math.max(15, percent));
      root.style.setProperty("--fw-split", `${kept}%`);
      bar.setAttribute("aria-valuenow", Math.round(kept));
      try {
        localStorage.setItem(SPLIT, String(kept));
      } catch {
        // A page without storage forgets the height, nothing else.
      }
    };
    let stored = null;
    try {
      stored = localStorage.getItem(SPLIT);
    } catch {
      // As above.
    }
    set(Number(stored) || 44);
    bar.addEventListener("pointerdown", (event) => {
      bar.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    bar.addEventListener("pointermove", (event) => {
      if (!bar.hasPointerCapture(event.pointerId)) return;
      const box = exchanges.getBoundingClientRect();
      set((100 * (event.clientY - box.top)) / box.height);
    });
    bar.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -4, ArrowDown: 4 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      set(Number(bar.getAttribute("aria-valuenow")) + by);
    });
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

  const drawView = () => {
    const ready = model.get("revision") > 0;
    const run = model.get("run");
    if (ready) {
      build();
      tabs.replaceChildren(
        tabList("Views", [["exchanges", model.get("noun") === "connection" ? "Connections" : "Exchanges", int(model.get("total"))], ["timing", "Timing", null]], tab, (id) => {
          tab = id;
          exchanges.hidden = id !== "exchanges";
          timing.hidden = id !== "timing";
          if (id === "timing") parts.timing.shown();
        }),
      );
    }
    root.classList.toggle("fw-bare", !ready && run.state !== "running");
    tabs.hidden = !ready;
    exchanges.hidden = !ready || tab !== "exchanges";
    timing.hidden = !ready || tab !== "timing";
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
  const onSelected = () => {
    parts?.table.select(model.get("selected"));
    parts?.details.show(model.get("selected"));
  };
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
