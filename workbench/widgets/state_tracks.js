// State over time: a track for each key, metric, queue, ticks and memory on the capture's clock, and the selected exchange through all.
import { channel, h, icon, int, plain, plural, svg, text } from "./fw.js";

const HEIGHT = 54;
const TOP = 11;
const FLOOR = 46;
const LETTER = 6.1;
const TYPING = 180;
const GROWN = 1200;
const PAD = 8;

const clockOf = (ms) => new Date(ms).toISOString().slice(11, 23);
/** Round steps of time, in milliseconds. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 12e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
const ticksOf = (head, width) => {
  const most = Math.max(2, Math.floor(width / 110));
  const step = STEPS.find((one) => head.length_ms / one <= most) ?? 864e5 * Math.ceil(head.length_ms / most / 864e5);
  const found = [];
  for (let at = Math.ceil(head.start_ms / step) * step; at <= head.start_ms + head.length_ms; at += step) found.push([at - head.start_ms, clockOf(at).slice(0, step < 1000 ? 12 : 8)]);
  return found;
};

const cross = (x, y) => svg("path", { class: "tr-cross", d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` });

const figure = (track, head, width) => {
  const x = (ms) => (ms / head.length_ms) * (width - 2 * PAD) + PAD;
  const y = (value) => FLOOR - ((value - track.low) / (track.high - track.low)) * (FLOOR - TOP);
  const parts = [svg("line", { class: "tr-floor", x1: 0, x2: width, y1: FLOOR + 0.5, y2: FLOOR + 0.5 })];
  if (track.dots) parts.push(...track.points.map(([ms, value]) => svg("circle", { class: "tr-dot", cx: x(ms).toFixed(1), cy: y(value).toFixed(1), r: 2 })));
  else if (track.steps && track.points.length) {
    let path = "";
    let last = track.kind === "memory" || track.kind === "shared data" ? null : track.low;
    if (last != null) path = `M${PAD} ${y(last).toFixed(1)}`;
    for (const [ms, value] of track.points) {
      path += last == null ? `M${x(ms).toFixed(1)} ${y(value).toFixed(1)}` : `H${x(ms).toFixed(1)}V${y(value).toFixed(1)}`;
      last = value;
    }
    parts.push(svg("path", { class: "tr-line", d: `${path}H${width - PAD}` }));
  } else if (track.steps) parts.push(svg("path", { class: "tr-line", d: `M${PAD} ${y(track.low)}H${width - PAD}` }));
  else {
    const seen = new Set();
    for (const [ms] of track.points) {
      const at = Math.round(x(ms));
      if (seen.has(at)) continue;
      seen.add(at);
      parts.push(svg("rect", { class: track.kind === "ticks" ? "tr-tick" : "tr-mark", x: at - 1, y: track.kind === "ticks" ? FLOOR - 12 : 22, width: track.kind === "ticks" ? 1.2 : 2, height: track.kind === "ticks" ? 12 : 14 }));
    }
  }
  // Refusals and failures with their words, as far as there is room.
  const middle = track.steps ? TOP + 1 : 29;
  const marks = [...track.refused.map((one) => [one, "CasMismatch"]), ...track.failed.map((one) => [one, one[5]])].sort((a, b) => a[0][0] - b[0][0]);
  const places = marks.map(([[ms]]) => x(ms));
  marks.forEach(([[, , exchange], word], i) => {
    const here = places[i];
    const label = `${word}${exchange < 0 ? "" : `, #${exchange}`}`;
    const wide = label.length * LETTER + 14;
    const right = here + wide < (places[i + 1] ?? width) - 4;
    if (right || here - wide > (places[i - 1] ?? 0) + 6) {
      const from = right ? here + 8 : here - wide + 6;
      parts.push(svg("rect", { class: "tr-under", x: from - 1, y: middle - 6, width: wide - 12, height: 12 }), svg("text", { class: "tr-word", x: from, y: middle + 4 }, label));
      // the next word may not lie on this one
      places[i] = right ? here + wide : here;
    }
    parts.push(cross(Number(here.toFixed(1)), middle));
  });
  return svg("svg", { class: "tr-svg", width, height: HEIGHT, "aria-hidden": "true" }, parts);
};

/** Draws into `el`; gives {show, shown, reload}. `onselect(index)` for a click on an event, `onopen(row)` to look at its call. */
const stateTracks = (model, el, signal, { onselect = () => {}, onopen = null } = {}) => {
  const ask = channel(model, signal, (words) => body.replaceChildren(h("div.void", h("span", words))));
  const field = h("input", { type: "search", role: "searchbox", placeholder: "Find a track", "aria-label": "Find a track", spellcheck: "false", autocomplete: "off" });
  const tally = h("span.muted", { role: "status" });
  const chosen = h("span.tr-chosen");
  const bar = h("div.tr-head", h("span.strong", "State over time"), h("span.muted.cut.tr-say", "on the capture's clock, UTC"), h("span.grow"), chosen, tally, h("div.tr-find", icon("search", 14), field));
  const cursor = h("div.tr-cursor", { hidden: true });
  const list = h("div.tr-list");
  const bare = h("div.hint", { hidden: true }, "No filter wrote shared data, counted a metric, used a queue or had a tick: only memory is left to show.");
  const sheet = h("div.tr-sheet", list, bare, cursor);
  const body = h("div.tr-body.scroll.chart", sheet);
  const axis = h("div.tr-axis.chart", { "aria-hidden": "true" });
  const tip = h("div.tr-tip", { hidden: true });
  const root = h("section.tracks", { "aria-label": "State over time" }, bar, body, axis, tip);
  el.append(root);
  let head = null;
  let tracks = [];
  let visible = false;
  let stale = true;
  let wanted = 0;
  let asking = false;
  let when = null;
  let typing = 0;
  let growing = 0;
  let at = null; // the event that keys are at: [track, event]

  const width = () => Math.max(60, root.clientWidth - label() - ending() - (body.offsetWidth - body.clientWidth));
  const label = () => parseFloat(getComputedStyle(root).getPropertyValue("--fw-tr-label")) || 188;
  const ending = () => parseFloat(getComputedStyle(root).getPropertyValue("--fw-tr-end")) || 96;
  const along = (ms) => label() + PAD + (ms / head.length_ms) * (width() - 2 * PAD);
  const events = (track) => [...track.points.map((one) => [...one, ""]), ...track.refused.map((one) => [...one, "CasMismatch"]), ...track.failed].sort((a, b) => a[3] - b[3]);

  const spoken = (track, event) => {
    if (!event) return `${plain(track.name)}, ${track.kind}, ${plain(track.note)}, at the end ${plain(track.end)}`;
    const [ms, , exchange, , value, word] = event;
    return `${clockOf(head.start_ms + ms)}${word ? `, ${word}` : ""}${value ? `, ${plain(value)}` : ""}${exchange < 0 ? "" : `, exchange ${exchange}`}`;
  };
  const point = (row, track, event) => {
    tip.hidden = !event;
    for (const one of list.querySelectorAll(".fw-tr-at")) one.remove();
    if (!event) return;
    const [ms, value, exchange, , words, word] = event;
    const x = (ms / head.length_ms) * (width() - 2 * PAD) + PAD;
    const y = track.steps && value != null ? FLOOR - ((value - track.low) / (track.high - track.low)) * (FLOOR - TOP) : track.kind === "ticks" ? FLOOR - 6 : track.steps ? TOP + 1 : 29;
    row.querySelector(".fw-tr-figure").append(h("i.tr-at", { style: `left:${x}px;top:${y}px` }));
    tip.replaceChildren(h("span.num", clockOf(head.start_ms + ms)), word && h("span.del", word), words && h("span.mono.cut", text(words)), exchange >= 0 && h("span.muted", `#${exchange}`));
    const box = row.getBoundingClientRect();
    const whole = root.getBoundingClientRect();
    const from = label() + x;
    const above = box.top - whole.top - 24;
    tip.style.top = `${above > body.offsetTop - 10 ? above : box.bottom - whole.top + 2}px`;
    tip.style.left = `${Math.min(Math.max(4, from - tip.offsetWidth / 2), whole.width - tip.offsetWidth - 4)}px`;
  };
  const choose = (event) => {
    if (event && event[2] >= 0) onselect(event[2]);
  };

  const make = (track, place) => {
    const facts = h("div.tr-label", h("div.mono.cut", { title: plain(track.name) }, text(track.name)), h("div.muted.cut", { title: plain(track.note) }, `${track.kind}${track.vm ? ` of ${track.vm}` : ""}${track.note === "on_tick" || track.kind === "memory" ? "" : `, ${track.note}`}`));
    const drawing = h("div.tr-figure", figure(track, head, width()));
    const end = h("div.tr-end.mono.cut", { title: plain(track.end) }, text(track.end));
    const row = h("div.tr-row", { role: "listitem", tabindex: place ? -1 : 0, "data-track": place, "aria-label": spoken(track) }, facts, drawing, end);
    const all = events(track);
    const nearest = (event) => {
      const ms = ((event.clientX - drawing.getBoundingClientRect().left - PAD) / (width() - 2 * PAD)) * head.length_ms;
      let low = 0;
      let high = all.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (all[middle][0] < ms) low = middle + 1;
        else high = middle;
      }
      return low > 0 && ms - all[low - 1][0] < all[low][0] - ms ? low - 1 : low;
    };
    const go = (to) => {
      if (!all.length) return;
      const kept = Math.min(Math.max(to, 0), all.length - 1);
      at = [place, kept];
      point(row, track, all[kept]);
      row.setAttribute("aria-label", `${spoken(track)}. Event ${kept + 1} of ${all.length}: ${spoken(track, all[kept])}`);
    };
    row.addEventListener("pointermove", (event) => all.length && event.target.closest(".fw-tr-figure") && point(row, track, all[nearest(event)]));
    row.addEventListener("pointerleave", () => point(row, track, at?.[0] === place ? all[at[1]] : null));
    row.addEventListener("click", (event) => {
      focus(place);
      if (!all.length || !event.target.closest(".fw-tr-figure")) return;
      go(nearest(event));
      choose(all[at[1]]);
    });
    row.addEventListener("dblclick", () => at?.[0] === place && onopen?.(all[at[1]][3]));
    row.addEventListener("blur", () => ((at = null), point(row, track, null)));
    row.addEventListener("keydown", (event) => {
      const now = at?.[0] === place ? at[1] : null;
      if (event.key === "ArrowRight") go(now == null ? 0 : now + 1);
      else if (event.key === "ArrowLeft") go(now == null ? all.length - 1 : now - 1);
      else if (event.key === "Enter" && now != null) event.shiftKey || !onopen ? choose(all[now]) : onopen(all[now][3]);
      else if (event.key === " " && now != null) choose(all[now]);
      else if (event.key === "ArrowDown") focus(place + 1);
      else if (event.key === "ArrowUp") focus(place - 1);
      else if (event.key === "Home") focus(0);
      else if (event.key === "End") focus(tracks.length - 1);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return row;
  };
  const focus = (place) => {
    const row = list.children[Math.min(Math.max(place, 0), list.children.length - 1)];
    if (!row?.dataset.track) return;
    for (const one of list.children) one.tabIndex = one === row ? 0 : -1;
    row.focus({ preventScroll: false });
    if (place >= list.children.length - 3) more();
  };

  const drawAxis = () => {
    if (!head) return;
    const marks = ticksOf(head, width());
    axis.replaceChildren(...marks.map(([ms, word]) => h("span", { style: `left:${along(ms)}px` }, word)));
    drawCursor();
  };
  const drawCursor = () => {
    cursor.hidden = when == null || !tracks.length;
    chosen.replaceChildren(...(cursor.hidden ? [] : [h("i", { "aria-hidden": "true" }), ` #${model.get("selected")}`]));
    if (!cursor.hidden) cursor.style.left = `${along(when)}px`;
  };
  // A list without items is none, to those who are read it.
  const fill = (isList, ...kids) => {
    bare.hidden = true;
    if (isList) list.setAttribute("role", "list"), list.setAttribute("aria-label", "Tracks");
    else list.removeAttribute("role"), list.removeAttribute("aria-label");
    list.replaceChildren(...kids);
  };
  const draw = () => {
    fill(true, ...tracks.map(make));
    bare.hidden = field.value !== "" || tracks.some((track) => track.kind !== "memory");
    sheet.classList.toggle("fw-none", !tracks.length);
    drawAxis();
  };
  const nothing = () => {
    fill(false, h("div.void", field.value ? h("span", "No track matches.") : [h("span.strong", "The filters kept nothing"), h("span", "No filter wrote shared data, counted a metric, used a queue or had a tick.")]));
    cursor.hidden = true;
    axis.replaceChildren();
  };

  const load = async () => {
    stale = false;
    const number = (wanted += 1);
    const slow = setTimeout(() => fill(false, h("div.loading", { "aria-busy": "true" }, [70, 45, 60, 30].map((share) => h("div.skeleton", { style: `width:${share}%` })))), 150);
    const answer = await ask("tracks", { text: field.value, first: 0 });
    clearTimeout(slow);
    if (number !== wanted) return;
    tip.hidden = true;
    if (answer.error) return fill(false, h("div.void", h("span", text(answer.error))));
    head = answer;
    tracks = answer.data;
    tally.textContent = head.total === head.all ? plural(head.all, "track") : `${int(head.total)} of ${int(head.all)} tracks`;
    if (!tracks.length) return nothing();
    body.scrollTop = 0;
    draw();
    locate();
  };
  const more = async () => {
    if (asking || !head || tracks.length >= head.total) return;
    asking = true;
    const number = wanted;
    const answer = await ask("tracks", { text: field.value, first: tracks.length });
    asking = false;
    if (number !== wanted || answer.error || answer.first !== tracks.length) return;
    list.append(...answer.data.map((track, place) => make(track, tracks.length + place)));
    tracks = [...tracks, ...answer.data];
  };
  const locate = async () => {
    const index = model.get("selected");
    const answer = index < 0 ? { error: "none" } : await ask("when", { index });
    if (index !== model.get("selected")) return;
    when = answer.error ? null : answer.at;
    if (head) drawCursor();
  };

  field.addEventListener("input", () => (clearTimeout(typing), (typing = setTimeout(load, TYPING))));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    field.value = "";
    load();
    event.stopPropagation();
  });
  body.addEventListener("scroll", () => {
    tip.hidden = true;
    if (body.scrollTop + body.clientHeight > body.scrollHeight - 6 * HEIGHT) more();
  });
  let wide = 0;
  const sizes = new ResizeObserver(() => {
    if (!tracks.length || root.clientWidth === wide) return;
    wide = root.clientWidth;
    draw();
  });
  sizes.observe(root);
  signal.addEventListener("abort", () => (sizes.disconnect(), clearTimeout(typing), clearTimeout(growing)));

  return {
    show() {
      if (visible && !stale) locate();
    },
    shown() {
      visible = true;
      if (stale) load();
      else locate();
    },
    reload() {
      stale = true;
      if (visible && !el.hidden) load();
    },
    // While a replay goes on the tracks wait until no more comes for a while: to draw them reads all of the trace.
    grow() {
      stale = true;
      clearTimeout(growing);
      growing = setTimeout(() => visible && !el.hidden && load(), GROWN);
    },
  };
};

/** The tracks as a pane of the dashboard: a click selects the exchange, Enter opens the call in the microscope. */
export const statePane = (model, el, signal, { select }) =>
  stateTracks(model, el, signal, {
    onselect: select,
    onopen: (row) => {
      model.set("call", row);
      model.save_changes();
    },
  });

/** The tracks on their own. */
export const stateTracksView = (model, el, signal) => {
  el.classList.add("fw-alone");
  const tracks = stateTracks(model, el, signal, {
    onselect: (index) => {
      model.set("selected", index);
      model.save_changes();
    },
  });
  tracks.shown();
  const follow = () => tracks.show();
  const afresh = () => tracks.reload();
  model.on("change:selected", follow);
  model.on("change:revision", afresh);
  model.on("change:grown", tracks.grow);
  signal.addEventListener("abort", () => (model.off("change:selected", follow), model.off("change:revision", afresh), model.off("change:grown", tracks.grow)));
};
