// The laboratory: a setting to move, one big sentence, the share that is limited against the limit, and the keys that it hits.
import { channel, h, icon, int, plain, plural, share, svg, text } from "./fw.js";

const ALGORITHMS = [["fixed", "fixed window, clock"], ["first", "fixed window, first hit"], ["log", "sliding window, log"], ["counter", "sliding window, counter"], ["bucket", "token bucket"], ["gcra", "GCRA"]];
const KEYS = [["limit", "the limit's own"], ["all", "one for all"], ["method", "method"], ["host", "host"], ["path", "path"], ["client", "client address"], ["connection", "connection"], ["header:", "header"], ["query:", "query parameter"]];
const BUDGETS = { shared: "one for all", "per worker": "one each", divided: "one, divided" };
const WINDOWS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 86400];
const TALL = 144;
const PAD = { left: 40, right: 10, top: 10, bottom: 22 };
const PATIENCE = 80;

const seconds = (s) => (s < 1 ? `${Number((1000 * s).toPrecision(3))} ms` : s < 60 ? `${Number(s.toPrecision(3))} s` : s < 3600 ? `${Number((s / 60).toPrecision(3))} min` : `${Number((s / 3600).toPrecision(3))} h`);

/** Shares against the limit; `pick(limit)` is told of a click on it. */
const figure = (data, setting, result, width, pick) => {
  const [low, high] = [data.limits[0], data.limits.at(-1)];
  const values = [...data.shared, ...(data.strictest ?? []), result.total ? result.limited / result.total : 0];
  const steps = [0.04, 0.08, 0.2, 0.4, 0.8, 1];
  const top = steps.find((one) => one >= Math.max(...values)) ?? 1;
  const right = width - PAD.right;
  const floor = TALL - PAD.bottom;
  const x = (limit) => PAD.left + ((right - PAD.left) * (limit - low)) / Math.max(high - low, 1);
  const y = (value) => floor - ((floor - PAD.top) * value) / top;
  const line = (points) => points.map((value, i) => `${i ? "L" : "M"}${x(data.limits[i]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const band = data.strictest && `${line(data.strictest)}${data.laxest.map((_, i) => data.laxest.length - 1 - i).map((i) => `L${x(data.limits[i]).toFixed(1)} ${y(data.laxest[i]).toFixed(1)}`).join("")}Z`;
  const at = Math.min(Math.max(setting.limit, low), high);
  const now = result.total ? result.limited / result.total : 0;
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 1e5, 1e6].find((one) => (high - low) / one <= 6) ?? 1e9;
  const ticks = Array.from({ length: 8 }, (_, i) => Math.ceil(low / every) * every + i * every).filter((one) => one <= high);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
  const words = (value) => `${Math.round(100 * value)}\u202f%`;
  const root = svg(
    "svg",
    { class: "lab-figure", width, height: TALL, role: "img", "aria-label": `Limited share against the limit: from ${share(data.shared[0])} at ${int(low)} to ${share(data.shared.at(-1))} at ${int(high)}` },
    grid.map((value) => [svg("line", { class: "lab-grid", x1: PAD.left, x2: right, y1: y(value), y2: y(value) }), svg("text", { class: "lab-tick", x: PAD.left - 6, y: y(value) + 4, "text-anchor": "end" }, words(value))]),
    ticks.map((limit) => svg("text", { class: "lab-tick", x: x(limit), y: TALL - 6, "text-anchor": "middle" }, int(limit))),
    band && svg("path", { class: "lab-band", d: band }),
    svg("path", { class: "lab-line", d: line(data.shared) }),
    svg("line", { class: "lab-at", x1: x(at), x2: x(at), y1: PAD.top, y2: floor }),
    svg("circle", { class: "lab-now", cx: x(at), cy: y(Math.min(now, top)), r: 4 }),
  );
  root.addEventListener("click", (event) => {
    const part = (event.clientX - root.getBoundingClientRect().left - PAD.left) / (right - PAD.left);
    pick(Math.max(0, Math.round(low + part * (high - low))));
  });
  return root;
};

/** Draws into `el` when first shown; gives {shown, reload}. `apply(filter, config, replay)` takes a changed configuration to the chain. */
export const laboratory = (model, el, signal, { apply = null } = {}) => {
  const uid = `lab${Math.random().toString(36).slice(2, 8)}`;
  const ask = channel(model, signal, (words) => fault(words));
  let start = null;
  let setting = null;
  let curve = null;
  let result = null;
  let fresh = false;
  let round = 0;
  let timer = 0;

  const state = h("span.muted.lab-state", { role: "status" });
  const reset = h("button.btn", { type: "button", hidden: true, onclick: () => ((setting = { ...start.setting, key: start.key }), put(), changed()) }, "Reset");
  const fold = h("button.icon-btn.lab-fold", { type: "button", "aria-label": "Laboratory controls", "aria-expanded": "false", onclick: () => fold.setAttribute("aria-expanded", root.classList.toggle("fw-lab-open")) }, icon("down"));
  const head = h("div.lab-head", h("span.strong", "Laboratory"), state, h("span.grow"), h("span.lab-brief.strong"), reset, fold);

  const row = (name, ...inputs) => h("div.lab-row", h("label", { for: inputs[0].id }, name), ...inputs);
  const slider = (name, min, max, change, words) => {
    const range = h("input", { type: "range", min, max, step: 1, id: `${uid}-${name}` });
    const number = h("output", { for: range.id });
    range.addEventListener("input", () => {
      change(Number(range.value));
      put();
      changed();
    });
    return { range, number, words };
  };
  const select = (name, options, change) => {
    const node = h("select", { id: `${uid}-${name}` }, options.map(([value, label]) => h("option", { value }, label)));
    node.addEventListener("change", () => (change(node.value), put(), changed()));
    return node;
  };
  const limit = slider("limit", 0, 100, (value) => (setting.limit = value));
  const limitBox = h("input.lab-number", { type: "number", min: 0, max: 1e9, step: 1, "aria-label": "Limit, as a number" });
  // not on change: Lab takes the Enter that would end it
  limitBox.addEventListener("input", () => {
    const value = Number(limitBox.value);
    if (limitBox.value === "" || !Number.isFinite(value)) return;
    setting.limit = Math.min(1e9, Math.max(0, Math.round(value)));
    put(limitBox);
    changed();
  });
  limitBox.addEventListener("blur", () => setting && put());
  const window_ = slider("window", 0, WINDOWS.length - 1, (value) => (setting.window_s = WINDOWS[value]));
  const burst = slider("burst", 1, 100, (value) => (setting.burst = value));
  const workers = slider("workers", 1, 16, (value) => {
    // one worker has nothing to share; of several the budgets are what makes a difference
    if (setting.workers === 1 && value > 1 && setting.budgets === "shared") setting.budgets = "per worker";
    setting.workers = value;
  });
  const algorithm = select("algorithm", ALGORITHMS, (value) => ((setting.algorithm = value), (setting.burst = null)));
  const key = select("key", KEYS, (value) => (setting.key = value.endsWith(":") ? value + (named.value.trim() || { "header:": "x-user", "query:": "user" }[value]) : value));
  const named = h("input.lab-name", { type: "text", hidden: true, "aria-label": "Name of the header or query parameter", spellcheck: "false" });
  let typed = 0;
  named.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => named.value.trim() && ((setting.key = key.value + named.value.trim()), changed()), 400);
  });
  const spread = select("spread", [["round robin", "round robin"], ["by connection", "by connection"], ["random", "random"]], (value) => (setting.spread = value));
  const budgets = select("budgets", Object.entries(BUDGETS), (value) => (setting.budgets = value));
  const [burstRow, spreadRow, budgetsRow] = [row("Burst", burst.range, burst.number), row("Spread", spread), row("Budgets", budgets)];
  const controls = h("div.lab-controls", row("Limit", limit.range, limitBox), row("Window", window_.range, window_.number), row("Algorithm", algorithm), burstRow, row("Key", key, named), row("Workers", workers.range, workers.number), spreadRow, budgetsRow);

  const big = h("div.lab-big");
  const about = h("div.muted.lab-about");
  const spoken = h("div.sr", { role: "status" });
  const plot = h("div.lab-plot.chart");
  const keys = h("div.lab-keys");
  const actions = h("div.lab-actions");
  const said = h("div.lab-said", { role: "status" });
  const body = h("div.lab-body.scroll", { tabindex: 0, "aria-label": "What the setting does" }, h("div.lab-result", big, about), plot, keys);
  const root = h("section.lab", { "aria-label": "Laboratory" }, head, controls, body, apply ? actions : null, said, spoken);
  el.append(root);
  const brief = head.querySelector(".fw-lab-brief");

  const fault = (words) => said.replaceChildren(h("div.banner.is-error", { role: "alert" }, icon("error", 16, "del"), h("div", text(words))));
  const same = () => start && ["limit", "window_s", "algorithm", "burst", "workers", "spread", "budgets", "key"].every((one) => (one === "key" ? start.key : start.setting[one]) === setting[one]);

  /** The setting into the controls, but for the one that is being typed in. */
  const put = (typing = null) => {
    limit.range.max = Math.max(20, 4 * (start?.setting.limit ?? 5), setting.limit);
    limit.range.value = setting.limit;
    if (typing !== limitBox) limitBox.value = setting.limit;
    const near = WINDOWS.reduce((best, one, i) => (Math.abs(Math.log(one / setting.window_s)) < Math.abs(Math.log(WINDOWS[best] / setting.window_s)) ? i : best), 0);
    window_.range.value = near;
    window_.number.textContent = seconds(setting.window_s);
    window_.range.setAttribute("aria-valuetext", seconds(setting.window_s));
    algorithm.value = setting.algorithm;
    const bucket = setting.algorithm === "bucket" || setting.algorithm === "gcra";
    burstRow.hidden = !bucket;
    const level = setting.burst ?? (setting.algorithm === "gcra" ? 1 : Math.max(setting.limit, 1));
    burst.range.max = Math.max(20, 2 * setting.limit, level);
    burst.range.value = level;
    burst.number.textContent = int(level);
    const kind = setting.key.includes(":") ? setting.key.slice(0, setting.key.indexOf(":") + 1) : setting.key;
    key.value = kind;
    named.hidden = !kind.endsWith(":");
    if (!named.hidden) named.value = setting.key.slice(kind.length);
    workers.range.value = setting.workers;
    workers.number.textContent = int(setting.workers);
    spreadRow.hidden = budgetsRow.hidden = setting.workers === 1;
    spread.value = setting.spread;
    budgets.value = setting.budgets;
  };

  let told = 0;
  const speak = (words) => {
    clearTimeout(told);
    told = setTimeout(() => (spoken.textContent = words), 500);
  };
  const drawResult = () => {
    const { limited, total, recorded, strictest, laxest } = result;
    const sentence = `${int(limited)} of ${int(total)} limited`;
    big.textContent = sentence;
    brief.textContent = sentence;
    const wide = strictest !== laxest;
    about.replaceChildren(
      start.asked ? `Recorded run: ${int(recorded)}` : `Share: ${share(total ? limited / total : 0)}`,
      wide ? `; ${int(setting.workers)} workers with ${setting.budgets === "divided" ? "a part each" : "a budget each"}: ${int(laxest)} to ${int(strictest)}` : start.configured && same() ? `; agrees on ${int(start.agree)} of ${int(start.requests)}` : "",
    );
    speak(`${sentence}${wide ? `, ${int(laxest)} to ${int(strictest)} with ${int(setting.workers)} workers` : ""}`);
    state.title = state.textContent = same() ? (start.configured ? "as configured" : "no limit is known, an example") : "changed, not applied";
    reset.hidden = same();
    const head_ = h("div.lab-key.lab-keyhead", { role: "row" }, ["Key", "Requests", "Limited", "Share"].map((name, i) => h("span", { role: "columnheader", class: i ? "num" : "" }, name)));
    const lines = result.keys.map((one) =>
      h("div.lab-key", { role: "row" }, h("span.cut", { role: "cell", class: one.key ? "mono" : "muted", title: plain(one.key) }, one.key ? text(one.key) : result.all_keys > 1 ? "none" : "every request"), h("span.num", { role: "cell" }, int(one.total)), h("span.num", { role: "cell", class: one.limited ? "chg" : "muted" }, int(one.limited)), h("span.num.muted", { role: "cell" }, one.total < 10 ? "" : share(one.limited / one.total))),
    );
    const more = result.all_keys - result.keys.length;
    keys.replaceChildren(h("div", { role: "table", "aria-label": "Limited requests by key" }, head_, lines), more > 0 ? h("div.muted.lab-more", `${plural(more, "more key", "more keys")}, less limited`) : "");
  };
  const drawCurve = () => {
    if (!curve || !result) return;
    const width = Math.max(180, Math.floor(plot.clientWidth) - 24);
    const words = curve.strictest ? [h("i.lab-swatch"), "any spread", h("i.lab-stroke"), "one shared budget"] : ["Limited share against the limit"];
    plot.replaceChildren(h("div.muted.lab-caption", words), figure(curve, setting, result, width, (value) => ((setting.limit = value), put(), changed())));
  };
  const question = () => ({ ...setting, spreads: undefined, all_budgets: undefined });

  // The hand is quicker than a long capture: one question is on its way, and the newest setting is asked next.
  let busy = false;
  let again = false;
  const attempt = async () => {
    if (busy) return void (again = true);
    busy = true;
    again = false;
    const mine = round;
    const answer = await ask("laboratory_try", question());
    busy = false;
    if (mine !== round) return;
    if (answer.error) fault(answer.error);
    else {
      said.replaceChildren();
      result = answer.data;
      drawResult();
      drawCurve();
    }
    if (again) attempt();
  };
  const bend = async () => {
    const mine = round;
    const asked = JSON.stringify(question());
    const answer = await ask("laboratory_curve", question());
    if (mine !== round || answer.error || asked !== JSON.stringify(question())) return;
    curve = answer.data;
    drawCurve();
  };
  const changed = () => {
    attempt();
    clearTimeout(timer);
    timer = setTimeout(bend, PATIENCE);
  };
  const take = async (replay) => {
    const answer = await ask("laboratory_proposal", question());
    if (answer.error) return fault(answer.error);
    said.replaceChildren();
    apply(answer.data.filter, answer.data.config, replay);
  };
  actions.append(h("button.btn", { type: "button", onclick: () => take(false) }, "Apply to chain"), h("button.btn", { type: "button", onclick: () => take(true) }, "Replay real module"));

  const load = async () => {
    round += 1;
    busy = false;
    const answer = await ask("laboratory");
    if (answer.error) return fault(answer.error);
    // beside the lanes of TCP connections there is nothing to try
    el.hidden = apply != null && !answer.data.requests;
    controls.hidden = actions.hidden = !answer.data.requests;
    if (!answer.data.requests) return body.replaceChildren(h("div.void", h("span.strong", "No request to try a limit on"), h("span", "The laboratory counts HTTP requests.")));
    body.replaceChildren(h("div.lab-result", big, about), plot, keys);
    start = answer.data;
    setting = { ...start.setting, key: start.key };
    key.querySelector("option[value=limit]").hidden = !start.told;
    actions.hidden = !start.configured || !apply;
    curve = null;
    put();
    changed();
  };
  const sizes = new ResizeObserver(() => drawCurve());
  sizes.observe(plot);
  signal.addEventListener("abort", () => (sizes.disconnect(), [timer, told, typed].forEach(clearTimeout)));
  return {
    shown() {
      if (fresh) return;
      fresh = true;
      load();
    },
    reload(now = false) {
      fresh = false;
      if (now || el.checkVisibility()) this.shown();
    },
  };
};

/** The laboratory on its own. */
export const laboratoryView = (model, el, signal) => {
  el.classList.add("fw-alone");
  const drawn = laboratory(model, el, signal);
  const reload = () => drawn.reload(true);
  model.on("change:revision", reload);
  signal.addEventListener("abort", () => model.off("change:revision", reload));
  drawn.shown();
};
