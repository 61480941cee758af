// Decisions: the finding in words, the whole capture with the part that is shown, a lane for each limit and key, and the same as a table.
import { channel, choice, h, icon, int, plural, svg, text } from "./fw.js";
import { decisionLane, lasting, markSign, markTone, markWords } from "./decision_lane.js";
import { decisionTable } from "./decision_table.js";
import { laboratory } from "./laboratory.js";

const LANES = 12;
const STRIP = 34;
const CLOSEST = 2;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
const NAMES = ["allowed", "limited", "shadow", "denied", "error let through", "error refused"];

/** Draws into `el` when first shown; gives {shown, show, reload}. `select(index)` makes a selection, `open(index)` shows the exchange. */
const decisionTimeline = (model, el, signal, { select, open }) => {
  const ask = channel(model, signal, (words) => blank(h("span", words)));
  const view = { query: "", sort: "", first: 0, from: 0, to: 0, lane: null };
  let facts = null;
  let fresh = false;
  let lanes = [];
  let matched = 0;
  let generation = 0;
  let width = 0;

  const say = h("div.dl-sentence.cut", { role: "status" });
  const legend = h("div.dl-legend");
  const query = h("input.dl-query", { type: "search", placeholder: "Key or limit contains", "aria-label": "Show lanes whose key or limit contains", spellcheck: "false", autocomplete: "off" });
  const sort = choice("Order of lanes", [["", "Busiest"], ["limited", "Most limited"]], "", (id) => ((view.sort = id), (view.first = 0), fetchLanes()));
  const place = h("span.muted", { role: "status" });
  const back = h("button.icon-btn", { type: "button", "aria-label": "Lanes before", onclick: () => turn(-1) }, icon("left"));
  const on = h("button.icon-btn", { type: "button", "aria-label": "Lanes after", onclick: () => turn(1) }, icon("right"));
  const whole = h("button.btn", { type: "button", hidden: true, onclick: () => look(0, facts.span_ms) }, "Whole capture");
  const bar = h("div.dl-bar", h("label.dl-box", icon("search", 14), query), sort, h("span.grow"), legend, whole, h("span.dl-pages", place, back, on));
  const strip = h("div.dl-strip", { tabindex: 0, role: "group", "aria-label": "Part of the capture that is shown. Left and right move it, plus and minus change it, 0 shows all" });
  const overview = h("div.dl-overview.chart", h("div.dl-head", h("div.strong.cut", "Whole capture"), h("div.muted.cut.dl-length")), h("div"), strip);
  const list = h("div.dl-lanes.chart", { role: "presentation" });
  const axis = h("div.dl-axis.chart", { "aria-hidden": "true" });
  const bubble = h("div.dl-bubble", { hidden: true, role: "presentation" });
  const upper = h("div.dl-upper.scroll", { tabindex: -1 }, overview, list, axis);
  const lower = h("div.dl-lower");
  const empty = h("div.dl-empty", { hidden: true });
  const tableHead = h("div.dl-tablehead");
  const root = h("div.dl", h("div.dl-top", say), bar, upper, tableHead, lower, bubble, empty);
  el.append(root);

  const table = decisionTable(model, lower, signal, { where: () => ({ lane: view.lane, from_ms: view.from, to_ms: view.to }), pick: (index) => choose(index), open });
  const blank = (...nodes) => {
    empty.hidden = false;
    empty.replaceChildren(h("div.void", ...nodes));
  };
  const choose = (index) => {
    select(index);
    mark(index);
  };
  const mark = (index) => {
    table.mark(index);
    ring(index);
  };
  const ring = async (index) => {
    const here = lanes;
    here.forEach((lane) => lane.mark(index));
    if (index < 0 || !here.some((lane) => lane.binned)) return;
    const answer = await ask("decision_marks", { exchange: index });
    if (here === lanes && index === model.get("selected")) here.forEach((lane) => lane.binned && lane.mark(index, answer.data ?? []));
  };

  const clock = (ms, fine) => {
    const iso = new Date(facts.zero_ms + ms).toISOString();
    return fine ? iso.slice(11, 23) : iso.slice(11, 19);
  };
  const plotWidth = () => Math.max(120, Math.floor(strip.clientWidth));

  const drawStrip = () => {
    const { n, bad } = facts.overview;
    const most = Math.max(1, ...n);
    const wide = width / n.length;
    const bars = (values) => values.map((value, i) => value > 0 && `M${(i * wide).toFixed(1)} ${STRIP}h${Math.max(wide - 0.6, 1).toFixed(1)}v${(-Math.max(2, ((STRIP - 6) * value) / most)).toFixed(1)}H${(i * wide).toFixed(1)}z`).filter(Boolean).join("");
    const px = (ms) => (width * ms) / facts.span_ms;
    const zoomed = view.from > 0 || view.to < facts.span_ms;
    strip.replaceChildren(
      svg(
        "svg",
        { width, height: STRIP, "aria-hidden": "true" },
        svg("path", { class: "dl-bars", d: bars(n) }),
        svg("path", { class: "dl-bars dl-bad", d: bars(bad) }),
        svg("line", { class: "dl-base", x1: 0, x2: width, y1: STRIP - 0.5, y2: STRIP - 0.5 }),
        zoomed && svg("rect", { class: "dl-brush", x: px(view.from), width: Math.max(2, px(view.to - view.from)), y: 0.5, height: STRIP - 1 }),
      ),
    );
    overview.querySelector(".fw-dl-length").textContent = zoomed ? `${lasting(view.to - view.from)} shown` : lasting(facts.span_ms);
    whole.hidden = !zoomed;
  };
  const drawAxis = () => {
    const length = view.to - view.from;
    const step = STEPS.find((one) => length / one <= Math.max(2, width / 110)) ?? 864e5;
    const ticks = [];
    for (let at = Math.ceil((facts.zero_ms + view.from) / step) * step - facts.zero_ms; at <= view.to; at += step) {
      const left = (width * (at - view.from)) / length;
      if (left > 28 && left < width - 34) ticks.push(h("span", { style: `left:${left.toFixed(1)}px` }, clock(at, step < 1000)));
    }
    axis.replaceChildren(h("div.muted", "UTC"), h("div"), h("div.dl-ticks", ticks));
  };

  const over = (words, x, plot) => {
    bubble.hidden = !words;
    if (!words) return;
    bubble.replaceChildren(words);
    const [base, box] = [root.getBoundingClientRect(), plot.getBoundingClientRect()];
    const left = box.left - base.left + x;
    bubble.style.top = `${box.top - base.top - 6}px`;
    bubble.style.left = `${Math.min(Math.max(left, 8), base.width - 8)}px`;
    bubble.style.transform = `translate(${left > base.width / 2 ? "-100%" : "0"}, -50%)`;
  };
  const drawLanes = (found, columns) => {
    over("");
    const focused = list.contains(el.getRootNode().activeElement) ? el.getRootNode().activeElement.closest("[data-lane]")?.dataset.lane : null;
    lanes = found.map((lane) =>
      decisionLane({ ...lane, columns }, [view.from, view.to], width, {
        over,
        pick: choose,
        filter: () => {
          view.lane = view.lane === lane.lane ? null : lane.lane;
          drawTableHead(found);
          press();
          table.reload();
        },
        filtered: view.lane === lane.lane,
        step: async (by) => {
          const answer = await ask("decision_step", { lane: lane.lane, exchange: model.get("selected"), by });
          if (answer.exchange != null) choose(answer.exchange);
        },
      }),
    );
    list.replaceChildren(...lanes.map((lane) => lane.root));
    if (!found.length) list.replaceChildren(h("div.dl-none.muted", "No lane contains that. Shorten the words above."));
    list.querySelector(`[data-lane="${focused}"]`)?.focus();
    ring(model.get("selected"));
    const last = Math.min(view.first + LANES, matched);
    place.textContent = matched > LANES ? `${int(view.first + 1)} to ${int(last)} of ${plural(matched, "lane")}` : matched === facts.lanes ? plural(matched, "lane") : `${int(matched)} of ${plural(facts.lanes, "lane")}`;
    for (const [button, can] of [[back, view.first > 0], [on, last < matched]]) {
      button.hidden = matched <= LANES;
      button.setAttribute("aria-disabled", !can);
    }
    drawTableHead(found);
  };
  const press = () => list.querySelectorAll("[data-lane]").forEach((one) => one.querySelector("button").setAttribute("aria-pressed", Number(one.dataset.lane) === view.lane));
  const drawTableHead = (found) => {
    const lane = found.find((one) => one.lane === view.lane);
    const all = h("button.btn", { type: "button", hidden: view.lane == null, onclick: () => ((view.lane = null), press(), drawTableHead(found), table.reload()) }, "Show every lane");
    tableHead.replaceChildren(
      h("span.strong", "Decisions"),
      view.lane != null ? h("span.mono.cut", text(lane ? lane.title : "one lane")) : h("span.muted", "of every lane"),
      all,
      h("span.grow"),
      table.count,
    );
  };
  const fetchLanes = async () => {
    const mine = ++generation;
    width = plotWidth();
    drawStrip();
    drawAxis();
    const columns = Math.ceil(width / CLOSEST);
    const answer = await ask("decision_lanes", { query: view.query, sort: view.sort, first: view.first, count: LANES, from_ms: view.from, to_ms: view.to, width: columns });
    if (mine !== generation) return;
    if (answer.error) return blank(h("span", text(answer.error)));
    matched = answer.matched;
    drawLanes(answer.data, columns);
  };
  const turn = (by) => {
    const first = view.first + by * LANES;
    if (first < 0 || first >= matched) return;
    view.first = first;
    fetchLanes();
  };
  let later = 0;
  const look = (from, to) => {
    const length = Math.min(Math.max(to - from, 1), facts.span_ms);
    view.from = Math.min(Math.max(0, from), facts.span_ms - length);
    view.to = view.from + length;
    drawStrip();
    drawAxis();
    clearTimeout(later);
    later = setTimeout(() => (fetchLanes(), table.reload()), 60);
  };

  let held = null;
  const msAt = (event) => (facts.span_ms * Math.min(Math.max(event.clientX - strip.getBoundingClientRect().left, 0), width)) / width;
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    const ms = msAt(event);
    const inside = view.to - view.from < facts.span_ms && ms > view.from && ms < view.to;
    held = { ms, inside, from: view.from, to: view.to };
  });
  strip.addEventListener("pointermove", (event) => {
    if (!held || !strip.hasPointerCapture(event.pointerId)) return;
    const ms = msAt(event);
    if (held.inside) look(held.from + ms - held.ms, held.to + ms - held.ms);
    else if (Math.abs(ms - held.ms) > (4 * facts.span_ms) / width) look(Math.min(ms, held.ms), Math.max(ms, held.ms));
  });
  strip.addEventListener("pointerup", () => (held = null));
  strip.addEventListener("dblclick", () => look(0, facts.span_ms));
  strip.addEventListener("keydown", (event) => {
    const [length, middle] = [view.to - view.from, (view.from + view.to) / 2];
    const shifted = { ArrowLeft: -0.25, ArrowRight: 0.25 }[event.key];
    const grown = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (shifted) look(view.from + shifted * length, view.to + shifted * length);
    else if (grown) look(middle - (grown * length) / 2, middle + (grown * length) / 2);
    else if (event.key === "0" || event.key === "Escape") look(0, facts.span_ms);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const lane = event.target.closest("[data-lane]");
    if (event.key === "Enter" && event.target === lane) return open(model.get("selected"));
    if (!by || event.target !== lane) return;
    event.preventDefault();
    (by > 0 ? lane.nextElementSibling : lane.previousElementSibling)?.focus();
  });
  let typing = 0;
  query.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => ((view.query = query.value), (view.first = 0), fetchLanes()), 120);
  });

  const waiting = () =>
    list.replaceChildren(...[58, 44, 66, 52].map((width) => h("div.dl-lane", { "aria-busy": "true" }, h("div.dl-head", h("div.skeleton", { style: "width:70%" })), h("div"), h("div.dl-waiting", h("div.skeleton", { style: `width:${width}%` })))));
  const load = async () => {
    const late = setTimeout(waiting, 150);
    const answer = await ask("decisions");
    clearTimeout(late);
    if (answer.error) return blank(h("span", text(answer.error)));
    facts = answer.data;
    Object.assign(view, { first: 0, from: 0, to: facts.span_ms, lane: null });
    if (!facts.lanes) return blank(h("span.strong", "No filter decided on a request here"), h("span", "Lanes appear once a filter limits, denies or counts requests: its local responses, rate-limit headers, shared data and answers of rate-limit services are what tells."));
    empty.hidden = true;
    say.replaceChildren(...text(facts.sentence));
    say.title = facts.sentence;
    legend.replaceChildren(...NAMES.map((name, at) => facts.decided[name] > 0 && h("span", { class: markTone(at) }, markSign(at), int(facts.decided[name]), " ", markWords(at))).filter(Boolean));
    await fetchLanes();
    table.reload();
  };
  const shown = () => {
    if (fresh) {
      if (facts?.lanes && plotWidth() !== width) fetchLanes();
      return;
    }
    fresh = true;
    load();
  };
  let resizing = 0;
  const sizes = new ResizeObserver(() => {
    if (!facts?.lanes || !strip.clientWidth || plotWidth() === width) return;
    clearTimeout(resizing);
    resizing = setTimeout(fetchLanes, 60);
  });
  sizes.observe(strip);
  signal.addEventListener("abort", () => (sizes.disconnect(), [later, typing, resizing].forEach(clearTimeout)));
  return {
    shown,
    show: mark,
    /** `now` also where it is out of sight. */
    reload(now = false) {
      fresh = false;
      if (now || el.checkVisibility()) shown();
    },
  };
};

/** The timeline as a pane of the dashboard, the laboratory beside it. A setting tried there can be taken to the chain. */
export const decisionsPane = (model, el, signal, { select, choose, openTab }) => {
  const ask = channel(model, signal);
  const [main, side] = [h("div.dl-main"), h("div.dl-side")];
  el.append(h("div.dl-pane", main, side));
  const apply = async (filter, config, replay) => {
    const { data } = await ask("chain");
    const slot = data?.slots.find((one) => one.name === filter);
    if (!slot) return;
    await ask("edit", { op: "config", id: slot.id, text: config, form: "json" });
    if (replay) ask("apply");
    else openTab("chain");
  };
  const timeline = decisionTimeline(model, main, signal, { select, open: choose });
  const lab = laboratory(model, side, signal, { apply });
  return {
    shown: () => (timeline.shown(), lab.shown()),
    show: timeline.show,
    reload: () => (timeline.reload(), lab.reload()),
  };
};

/** The timeline on its own: the selection is the trait `selected`. */
export const decisionTimelineView = (model, el, signal) => {
  el.classList.add("fw-alone");
  const select = (index) => {
    model.set("selected", index);
    model.save_changes();
  };
  const drawn = decisionTimeline(model, el, signal, { select, open: select });
  const follow = () => drawn.show(model.get("selected"));
  const reload = () => drawn.reload(true);
  model.on("change:selected", follow);
  model.on("change:revision", reload);
  signal.addEventListener("abort", () => (model.off("change:selected", follow), model.off("change:revision", reload)));
  drawn.shown();
};
