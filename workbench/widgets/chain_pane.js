// Chain and run: the chain drawn, one of its filters open to be edited, the last runs; nothing counts before it is applied.
import { channel, chip, fill, h, icon, int, ordinal, plain, plural, text } from "./fw.js";
import { chainDiagram } from "./chain_diagram.js";
import { configEditor } from "./config_editor.js";

const PAUSE_MS = 200;
const GROWN_MS = 1000;

/** A pane of the dashboard: `compare(number)` is asked to set the last run against another one. */
export const chainPane = (model, el, signal, { compare }) => {
  const ask = channel(model, signal, (words) => say(words, true));
  let state = null;
  let chosen = null;
  let fresh = false;
  let timer = null;
  let typed = null;
  let generation = 0;
  let growing = false;

  const spoken = h("span.sr", { role: "status" });
  const head = h("div.chain-head");
  const adder = h("form.adder", { hidden: true });
  const trouble = h("div.banner.is-error", { role: "alert", hidden: true });
  const editor = configEditor({ ontype: (value) => type(value), onapply: () => apply() });
  const title = h("div.panel-head");
  const verdict = h("div.config-verdict", { role: "status" });
  const config = h("section.config", { "aria-label": "Configuration" }, title, editor.root, verdict);
  const none = h("div.void", { hidden: true }, h("span.strong", "No filter yet"), h("span", "Add the .wasm that you deploy, then apply and replay"), h("button.btn.primary", { type: "button", onclick: () => openAdder(true) }, "Add filter"));
  const settings = h("section.settings", { "aria-label": "Settings of the filter" });
  const runs = h("section.runs", { "aria-label": "Runs" });
  const side = h("div.chain-side.scroll", { tabindex: 0, role: "group", "aria-label": "Settings and runs" }, settings, runs);
  const foot = h("div.draft-bar");
  const diagram = chainDiagram({
    select: (id) => {
      flush();
      chosen = id;
      draw();
    },
    move: async (id, to) => {
      await edit({ op: "move", id, to });
      const slot = state.slots.find((one) => one.id === id);
      if (slot) spoken.textContent = `${plain(slot.name)} is now ${state.slots.indexOf(slot) + 1} of ${state.slots.length}`;
      diagram.reveal(id);
    },
    toggle: (id, on) => edit({ op: "switch", id, on }),
  });
  el.append(h("div.chain", { "data-lm-suppress-shortcuts": "true" }, head, adder, trouble, diagram.root, h("div.chain-lower", config, none, side), foot, spoken));

  const say = (words, bad = false) => {
    trouble.hidden = !bad || !words;
    if (bad && words) fill(trouble, icon("error", 16, "del"), h("div.grow", text(words)), h("button.icon-btn", { type: "button", "aria-label": "Hide this message", onclick: () => say("") }, icon("close", 14)));
  };
  const slotOf = (id) => state?.slots.find((one) => one.id === id);

  const take = (answer) => {
    if (answer.error) {
      say(answer.error, true);
      return false;
    }
    state = answer.data;
    // at first the one that has to be mended
    if (!slotOf(chosen)) chosen = (state.slots.find((one) => one.refused) ?? state.slots[0])?.id ?? null;
    draw();
    return true;
  };
  const edit = async (change) => {
    generation += 1;
    const done = take(await ask("edit", change));
    if (done) say("");
    return done;
  };
  // What was typed is told after a pause, and at once before anything else is done.
  const type = (value) => {
    typed = { op: "config", id: chosen, text: value, form: slotOf(chosen)?.form ?? "json" };
    clearTimeout(timer);
    timer = setTimeout(flush, PAUSE_MS);
  };
  const flush = () => {
    clearTimeout(timer);
    if (!typed) return null;
    const change = typed;
    typed = null;
    return edit(change);
  };
  const apply = async () => {
    await flush();
    if (!state || state.fault) return;
    if (state.changes.length && !model.get("capture_name")) return;
    say("");
    take(await ask("apply"));
  };
  const revert = async () => {
    clearTimeout(timer);
    typed = null;
    await edit({ op: "revert" });
    drawConfig(true);
  };

  // Asked for by a replay that failed for it, and shown from then on: it has to be seen that it is on.
  const anyway = h("input", { type: "checkbox", onchange: () => (model.set("start_anyway", anyway.checked), model.save_changes()) });
  const anywayBox = h("label.check", { title: "A filter that refuses to start counts as failed, and its failure policy says what that means" }, anyway, h("span.cut", "Replay even if a filter does not start"));
  const adderButton = h("button.btn", { type: "button", "aria-expanded": false, onclick: () => openAdder(adder.hidden) }, icon("plus", 14), "Add filter");
  const counted = h("span.chain-count.cut");
  head.append(counted, h("span.muted.wide.cut", "Requests pass from left to right, responses back"), h("span.grow"), anywayBox, adderButton);
  const drawHead = () => {
    const on = state.slots.filter((one) => one.on).length;
    const off = state.slots.length - on;
    fill(counted, h("span.strong", plural(on, "filter")), off ? h("span.muted", ` ${int(off)} switched off`) : null);
    anyway.checked = model.get("start_anyway");
    anywayBox.hidden = !anyway.checked && !model.get("run").refused;
  };
  const openAdder = async (open) => {
    adder.hidden = !open;
    adderButton.setAttribute("aria-expanded", open);
    if (!open) return;
    const known = `fw-modules-${Math.random().toString(36).slice(2, 8)}`;
    const path = h("input", { type: "text", list: known, placeholder: "path/to/filter.wasm", "aria-label": "Path of a module", spellcheck: "false", autocomplete: "off" });
    const options = h("datalist", { id: known });
    const wrong = h("span.del", { role: "alert" });
    const key = Math.random().toString(36).slice(2);
    fill(adder,
      h("span.adder-box", icon("chain", 14), path),
      h("button.btn.primary", { type: "submit" }, "Add"),
      h("button.btn", { type: "button", onclick: () => openAdder(false) }, "Cancel"),
      wrong,
      options,
    );
    adder.onsubmit = async (event) => {
      event.preventDefault();
      await flush();
      wrong.textContent = "";
      const answer = await ask("edit", { op: "add", path: path.value, key });
      if (answer.error) {
        fill(wrong, ...text(answer.error));
        return path.focus();
      }
      chosen = answer.data.slots.at(-1).id;
      adder.hidden = true;
      take(answer);
      return diagram.reveal(chosen);
    };
    adder.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Escape") openAdder(false);
    };
    path.focus();
    const answer = await ask("modules");
    fill(options, ...(answer.data?.paths ?? []).map((one) => h("option", { value: one })));
  };

  const setForm = async (slot, form) => edit({ op: "config", id: slot.id, text: editor.value(), form });
  const drawConfig = (anew = false) => {
    const slot = slotOf(chosen);
    config.hidden = !slot;
    none.hidden = Boolean(slot);
    if (!slot) return;
    const editable = slot.text != null;
    fill(title,
      slot.place == null ? null : ordinal(slot.place, slot.name),
      h("span.strong.cut", { title: plain(slot.name) }, text(slot.name)),
      h("span.muted.cut.grow", "configuration"),
      slot.changes.includes("configuration") ? h("span.chg", "~ changed") : null,
      editable && h("label.form", h("span.sr", "Form of the configuration"), h("select", { onchange: (event) => setForm(slot, event.target.value) }, [["json", "JSON"], ["text", "Plain text"]].map(([id, name]) => h("option", { value: id, selected: slot.form === id }, name)))),
    );
    const typing = !anew && (typed?.id === slot.id || (editor.root.contains(document.activeElement) && editor.shows === slot.id));
    editor.shows = slot.id;
    editor.set({ value: slot.text ?? "", applied: slot.applied ?? "", kind: slot.form, editable, line: slot.verdict.good ? 0 : slot.verdict.line, label: `Configuration of ${plain(slot.name)}`, typing });
    const place = slot.verdict.line ? `Line ${slot.verdict.line}, column ${slot.verdict.column}: ` : "";
    fill(verdict,
      slot.refused && !slot.changes.includes("configuration")
        ? h("span.config-verdict-line.del", icon("error", 14), h("span", text(slot.refused)))
        : h("span.config-verdict-line", { class: slot.verdict.good ? "" : "del" }, icon(slot.verdict.good ? "allowed" : "error", 14, slot.verdict.good ? "add" : ""), h("span", place, text(slot.verdict.words))),
    );
  };

  const drawSettings = () => {
    const slot = slotOf(chosen);
    settings.hidden = !slot;
    if (!slot) return;
    const uid = `fw-set-${slot.id}`;
    if (settings.contains(document.activeElement) && document.activeElement.tagName === "INPUT" && settings.dataset.id === String(slot.id)) return;
    settings.dataset.id = slot.id;
    const { abi, language, sdk, size, sha256, fault } = slot.module;
    const fact = (name, value, mono) => value && h("div.fact-row", h("dt", name), h("dd", { class: mono ? "mono" : "" }, value));
    const root = h("input", { id: `${uid}-root`, type: "text", value: slot.root_id, placeholder: "none", spellcheck: "false", onchange: () => edit({ op: "root_id", id: slot.id, value: root.value }) });
    root.addEventListener("keydown", (event) => event.stopPropagation());
    const focused = settings.contains(document.activeElement) ? document.activeElement.id : "";
    fill(settings,
      h("div.panel-head", h("span.strong.grow", "Filter"), h("button.btn.quiet", { type: "button", onclick: () => edit({ op: "remove", id: slot.id }) }, "Remove")),
      h(
        "div.fields",
        h("label", { for: `${uid}-policy` }, "On failure"),
        h("select", { id: `${uid}-policy`, onchange: (event) => edit({ op: "policy", id: slot.id, value: event.target.value }) }, state.policies.map(([id, name]) => h("option", { value: id, selected: slot.policy === id }, name))),
        h("label", { for: `${uid}-root` }, "Root id"),
        root,
      ),
      h(
        "dl.slot-facts",
        fact("Module", h("span", { title: plain(slot.path) }, text(slot.path)), true),
        fault ? fact("Cannot run", h("span.del", text(fault))) : null,
        fact("ABI", abi && text(abi)),
        fact("Built with", language && text([language, sdk].filter(Boolean).join(", "))),
        fact("Size", size),
        fact("SHA-256", sha256 && h("span", { title: sha256 }, `${sha256.slice(0, 16)}\u2026`), true),
        fact("VM", slot.vm_id && text(slot.vm_id), true),
        fact("Memory", `${int(slot.memory / 1048576)} MiB at most`),
      ),
    );
    if (focused) settings.querySelector(`#${CSS.escape(focused)}`)?.focus();
  };

  const drawRuns = async () => {
    const answer = await ask("runs");
    const kept = answer.data ?? [];
    runs.hidden = !kept.length;
    fill(runs,
      h("div.panel-head", h("span.strong.grow", "Runs"), h("span.muted", `last ${int(kept.length)}`)),
      h(
        "ol.run-list",
        kept.map((one, at) =>
          h(
            "li.run-item",
            h("div.run-line", icon("allowed", 14, "add"), h("span.strong", `Run ${int(one.number)}`), h("span.muted.cut.grow", text(one.words || one.filters.join(" \u2192 "))), at > 0 && h("button.btn.quiet", { type: "button", "aria-label": `Compare run ${kept[0].number} with run ${one.number}`, onclick: () => compare({ number: kept[0].number, with: one.number }) }, "Compare")),
            one.why.length ? h("div.run-why.cut", { title: plain(one.why.join("; ")) }, text(one.why.join("; "))) : null,
            h("div.run-outcomes", Object.entries(one.outcomes).map(([kind, n]) => h("span.run-outcome", chip(kind), h("span.muted", int(n))))),
          ),
        ),
      ),
    );
  };

  const drawFoot = () => {
    const many = state.changes.length;
    const busy = model.get("run").state === "running";
    foot.classList.toggle("fw-idle", !many);
    fill(foot,
      state.fault
        ? h("span.del.cut", { title: plain(state.fault) }, text(state.fault))
        : many
          ? h("span.cut", { title: plain(state.changes.join("; ")) }, h("span.chg.strong", `${plural(many, "change")}, not applied`), " ", h("span.muted", text(state.changes.join("; "))))
          : h("span.muted", "As configured"),
      h("span.grow"),
      many ? h("button.btn", { type: "button", onclick: revert }, "Revert") : null,
      h("button.btn", { type: "button", class: many && !state.fault ? "primary" : "", "aria-disabled": Boolean(state.fault), title: state.fault ? plain(state.fault) : "Ctrl and Enter", onclick: apply }, many ? "Apply and replay" : busy ? "Replay anew" : "Replay", h("span.kbd", { "aria-hidden": "true" }, "Ctrl \u23ce")),
    );
  };

  const draw = () => {
    if (!state) return;
    drawHead();
    diagram.draw(state, chosen);
    drawConfig();
    drawSettings();
    drawFoot();
  };
  const load = async () => {
    fresh = true;
    generation += 1;
    const mine = generation;
    const answer = await ask("chain");
    // What is being edited has its own answer, which is newer than this one.
    if (mine === generation && take(answer)) editor.redraw();
  };
  const shown = () => {
    if (fresh) return editor.redraw();
    drawRuns();
    return load();
  };
  const stale = () => {
    fresh = false;
    if (!el.hidden) shown();
  };
  const onEdited = () => (el.hidden ? (fresh = false) : typed || load());
  model.on("change:edited", onEdited);
  model.on("change:run", onRun);
  const onAnyway = () => state && drawHead();
  model.on("change:start_anyway", onAnyway);
  let last = "";
  function onRun() {
    const { state: now } = model.get("run");
    if (now !== last && now !== "running") stale();
    else if (now !== last && state) drawFoot(), drawHead();
    last = now;
  }
  el.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    apply();
  });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    model.off("change:edited", onEdited);
    model.off("change:run", onRun);
    model.off("change:start_anyway", onAnyway);
  });
  return {
    reload: stale,
    grow() {
      fresh = false;
      if (el.hidden || growing) return;
      // counted anew each time, so not with each of the table's steps
      growing = true;
      load().then(() => setTimeout(() => (growing = false), GROWN_MS));
    },
    show() {},
    shown,
    /** Open the filter at this place of the chain. */
    open(place) {
      const pick = () => {
        chosen = state?.slots.filter((one) => one.on)[place]?.id ?? chosen;
        draw();
      };
      if (state) pick();
      else load().then(pick);
    },
  };
};
