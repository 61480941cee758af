// All calls of an exchange on one strip: a lane a filter, callouts hung on their calls, both streams below, and the playhead.
import { h, ordinal, plain, svg } from "./fw.js";

const LANES = 4;
const ROW = 19;
const TOP = 18;
const LETTER = 6.1;
const MOST_CALLOUT_ROWS = 3;
// Of marks that share a pixel the weightiest is drawn.
const WEIGHT = { r: 1, l: 2, k: 3, w: 4, s: 5, x: 6 };

const short = (label, room) => {
  const most = Math.floor(room / LETTER);
  return label.length <= most ? label : most > 6 ? `${label.slice(0, most - 1)}\u2026` : "";
};
const at = (runs, step) => {
  let low = 0;
  let high = runs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (runs[middle][0] <= step) low = middle;
    else high = middle - 1;
  }
  return runs[low]?.[1] ?? 0;
};
/** The value of runs `[[from, value], …]` at a step. */
export const valueAt = at;

/** Where each step begins and ends along an axis of `width` pixels: by call, by virtual time, or by real cost. */
const places = (data, axis, width) => {
  const n = data.steps;
  const from = new Float64Array(n);
  const size = new Float64Array(n);
  if (axis === "time") {
    let run = 0;
    for (let i = 0; i < n; i += 1) {
      while (run + 1 < data.clocks.length && data.clocks[run + 1][0] <= i) run += 1;
      from[i] = data.clocks[run][1];
    }
  } else if (axis === "cost") {
    let sum = 0;
    for (let i = 0; i < n; ) {
      let end = i + 1;
      while (end < n && data.levels[end] !== "1") end += 1;
      from[i] = sum;
      if (data.kinds[i] === "c" || data.kinds[i] === "x") {
        // How a callback's own time lies between its calls is not measured: it is shared out evenly.
        let calls = 0;
        let count = 0;
        for (let j = i + 1; j < end; j += 1) if (data.levels[j] === "2" && data.costs[j]) ((calls += data.costs[j]), (count += 1));
        const gap = Math.max(0, data.costs[i] - calls) / (count + 1);
        let along = sum + gap;
        for (let j = i + 1; j < end; j += 1) {
          from[j] = along;
          size[j] = data.levels[j] === "2" ? data.costs[j] : 0;
          if (size[j]) along += size[j] + gap;
        }
        sum += Math.max(data.costs[i], calls);
      } else for (let j = i; j < end; j += 1) from[j] = sum;
      i = end;
    }
    size.total = sum;
  }
  const total = axis === "cost" ? size.total : axis === "time" ? from[n - 1] : 0;
  // What happens at one instant stands side by side, so each step has a little room of its own.
  const own = total > 0 ? Math.min(0.55, (n * 7) / width) : 1;
  const slot = (own * width) / n;
  const left = new Float64Array(n);
  const right = new Float64Array(n);
  for (let i = 0; i < n; i += 1) {
    left[i] = i * slot + (total > 0 ? ((1 - own) * width * from[i]) / total : 0);
    right[i] = Math.min(width, left[i] + slot + (total > 0 ? ((1 - own) * width * size[i]) / total : 0));
  }
  return { left, right, slot };
};

const mark = (kind, x, top, wide, box, slot) => {
  const middle = top + box / 2;
  if (kind === "l") return svg("circle", { class: "m-log", cx: x, cy: middle, r: Math.min(3.2, Math.max(1, slot * 0.42)) });
  if (kind === "x") return svg("path", { class: "m-refused", d: `M${x - 4} ${middle - 4}l8 8m0-8l-8 8` });
  if (kind === "s") return svg("rect", { class: "m-ends", x: x - wide / 2, y: top + 2, width: wide, height: box - 4 });
  const tall = kind === "r" ? 5 : 0.62 * box;
  return svg("rect", { class: kind === "r" ? "m-read" : "m-write", x: x - wide / 2, y: top + box - 1 - tall, width: wide, height: tall });
};

const words = (span, way, data) => {
  const who = span.filter == null ? "" : ` by ${span.filter + 1} ${plain(data.filters[span.filter])}`;
  if (span.state === "paused") return [`paused${who}${span.action ? `, ${span.action}` : ""}${span.length ? `, ${span.length}` : ", to the end"}`, `paused${span.length ? `, ${span.length}` : ""}`];
  if (span.state === "answered") return [span.phase === "failure" ? `answered by the host for${who.replace(" by", "")}` : `answered locally${who}`, "answered"];
  if (span.state === "left") return [`left paused${who}`, "left paused"];
  if (span.state === "waiting") return ["not started", ""];
  if (span.state === "done") return [way ? "client has it" : "upstream has it", ""];
  return ["", ""];
};

/** `onmove(step)` is called while a hand is on the strip. Gives {root, load(data, axis), place(step, words), hits(steps)}. */
export const callStrip = (onmove, signal) => {
  const labels = h("div.strip-labels");
  const canvas = h("div.strip-canvas");
  const hitLayer = h("div.strip-hits");
  const future = h("div.strip-future");
  const band = h("div.strip-band");
  const head = h("div.strip-head", { role: "slider", tabindex: 0, "aria-label": "Call", "aria-valuemin": 1 }, svg("svg", { width: 13, height: 14, viewBox: "0 0 13 14", "aria-hidden": "true" }, svg("path", { d: "M.5.5h12v7.2l-6 5.8-6-5.8z" })), h("i"));
  const track = h("div.strip-track", canvas, hitLayer, future, band, head);
  const root = h("div.strip.chart", labels, track);
  let data = null;
  let axis = "call";
  let laid = null;
  let step = 0;
  let found = [];
  const hatch = `fw-hatch-${Math.random().toString(36).slice(2)}`;

  const draw = () => {
    const width = track.clientWidth;
    if (!data?.steps || width < 40) return;
    laid = places(data, axis, width);
    const { left, right } = laid;
    const wide = Math.max(1, Math.min(3, laid.slot - 1));
    const parts = [];
    const names = [h("div.strip-clock")];
    const seen = new Set();
    for (let i = 0; i < data.steps; i += 1) {
      const lane = at(data.lanes, i);
      if (lane >= 0 && data.kinds[i] !== "o") seen.add(lane);
      if (seen.size === data.filters.length) break;
    }
    const lanes = [...seen].sort((a, b) => a - b);
    const [high, tall] = lanes.length > LANES ? [31, 14] : [38, 20];
    const top = new Map(lanes.map((lane, row) => [lane, TOP + (row + 1) * high - tall]));
    for (const lane of lanes) {
      names.push(h("div.strip-lane", { style: `height:${high}px` }, ordinal(lane, data.filters[lane]), h("span.cut", { title: plain(data.filters[lane]) }, plain(data.filters[lane]))));
      parts.push(svg("line", { class: "base", x1: 0, x2: width, y1: top.get(lane) + tall + 0.5, y2: top.get(lane) + tall + 0.5 }));
    }
    // Callbacks: a box from the callback to the last of its calls, its name above where there is room.
    const boxes = data.names.map(([from, name], place) => {
      let end = from + 1;
      const next = data.names[place + 1]?.[0] ?? data.steps;
      while (end < next && data.levels[end] !== "1") end += 1;
      return { from, name, lane: at(data.lanes, from), x: left[from], end: Math.max(right[end - 1], right[from]) };
    });
    const nextIn = new Map();
    for (let place = boxes.length - 1; place >= 0; place -= 1) {
      const box = boxes[place];
      box.room = (nextIn.get(box.lane) ?? width) - box.x;
      nextIn.set(box.lane, box.x);
    }
    const drawn = new Map();
    for (const box of boxes) {
      const y = top.get(box.lane);
      if (y == null) continue;
      const pixel = Math.floor(box.end);
      if (drawn.get(box.lane) === pixel && box.end - box.x < 1) continue;
      drawn.set(box.lane, pixel);
      parts.push(svg("rect", { class: data.kinds[box.from] === "x" ? "box failed" : "box", x: (box.x + 0.5).toFixed(1), y: y + 0.5, width: Math.max(1, box.end - box.x - 1.5).toFixed(1), height: tall - 1, rx: box.end - box.x > 6 ? 1.5 : 0 }));
      const label = short(box.name, box.room - 10);
      if (label && (label === box.name || box.room > 70)) parts.push(svg("text", { x: box.x + 1, y: y - 5, class: "t" }, label));
    }
    // Hostcalls and logs.
    const best = new Map();
    for (let i = 0; i < data.steps; i += 1) {
      const kind = data.kinds[i];
      const lane = at(data.lanes, i);
      if (data.levels[i] === "1" || !(kind in WEIGHT) || !top.has(lane)) continue;
      const x = (left[i] + right[i]) / 2;
      const key = lane * 1e5 + Math.round(x / Math.max(1, wide));
      if ((WEIGHT[best.get(key)?.kind] ?? 0) < WEIGHT[kind]) best.set(key, { kind, x, lane });
    }
    for (const { kind, x, lane } of best.values()) parts.push(mark(kind, Number(x.toFixed(1)), top.get(lane), kind === "s" ? Math.max(wide, 2) : wide, tall, laid.slot));
    let y = TOP + lanes.length * high + 4;
    names.push(h("div", { style: "height:4px" }));
    // Callouts, as many rows as overlap.
    if (data.callouts.length) {
      const ends = [];
      for (const one of data.callouts.slice(0, 300)) {
        const x = (left[one.from] + right[one.from]) / 2;
        const to = one.to == null ? width : Math.max(left[one.to], x + 6);
        let row = ends.findIndex((end) => end <= x);
        if (row < 0) row = ends.length < MOST_CALLOUT_ROWS ? ends.length : MOST_CALLOUT_ROWS - 1;
        const label = `${one.name}${one.request ? ` ${one.request}` : ""} \u2192 ${one.words}`;
        const room = width - to - 6;
        const inside = room < Math.min(label.length * LETTER, 120);
        ends[row] = inside ? to : to + 6 + Math.min(room, label.length * LETTER);
        const up = y + 4 + row * ROW;
        const lane = top.get(one.filter);
        if (lane != null) parts.push(svg("path", { class: "hang", d: `M${x.toFixed(1)} ${lane + tall}V${up + 7}` }));
        parts.push(svg("rect", { class: one.good ? "callout" : "callout failed", x: x.toFixed(1), y: up + 0.5, width: Math.max(4, to - x - 1).toFixed(1), height: 13, fill: `url(#${hatch})` }));
        const shown = plain(short(label, inside ? to - x - 10 : room));
        if (inside && shown) parts.push(svg("rect", { class: "under", x: x + 4, y: up + 2, width: Math.min(to - x - 8, shown.length * LETTER + 4), height: 10 }));
        if (shown) parts.push(svg("text", { class: one.good ? "t" : "t del", x: (inside ? x + 6 : to + 5).toFixed(1), y: up + 11 }, shown));
      }
      names.push(h("div.strip-row.strip-callouts", { style: `height:${4 + ends.length * ROW}px` }, "callouts"));
      y += 4 + ends.length * ROW;
    }
    // Both streams.
    data.spans.forEach((spans, way) => {
      names.push(h("div.strip-row", data.directions[way].toLowerCase()));
      for (const span of spans) {
        if (span.from >= data.steps) continue;
        const a = left[span.from];
        const b = span.to >= data.steps ? width : left[span.to];
        if (b - a < 0.5) continue;
        const [long, brief] = words(span, way, data);
        const label = long.length * LETTER + 10 <= b - a ? long : short(brief, b - a - 8);
        const w = Math.max(1, b - a - 1).toFixed(1);
        if (span.state === "flowing") parts.push(svg("rect", { class: "flow", x: a.toFixed(1), y: y + 8, width: w, height: 3 }));
        else parts.push(svg("rect", { class: `span ${span.state}`, x: (a + 0.5).toFixed(1), y: y + 2.5, width: w, height: 14, rx: 1.5 }));
        if (label) parts.push(svg("text", { x: a + 5, y: y + 13.5, class: span.state === "paused" || span.state === "left" ? "t chg" : "t" }, label));
      }
      y += ROW;
    });
    // The clock where it moves on, as far as there is room.
    let free = 0;
    for (const [from, ns] of data.clocks) {
      const x = left[from];
      const label = ns < 1e10 ? `${ns ? "+" : ""}${(ns / 1e6).toFixed(3)} ms` : `+${(ns / 1e9).toFixed(3)} s`;
      if (x < free || x + label.length * LETTER > width) continue;
      parts.push(svg("line", { class: "tick", x1: x + 0.5, x2: x + 0.5, y1: 12, y2: TOP - 1 }), svg("text", { class: "t", x: x + 3, y: 11 }, label));
      free = x + label.length * LETTER + 14;
    }
    const height = y + 6;
    labels.replaceChildren(...names);
    const pattern = svg("pattern", { id: hatch, width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "rotate(25)" }, svg("rect", { class: "hatch-back", width: 4, height: 4 }), svg("rect", { class: "hatch-line", width: 1.2, height: 4 }));
    canvas.replaceChildren(svg("svg", { class: "strip-svg", width, height, "aria-hidden": "true" }, svg("defs", pattern), parts));
    root.style.setProperty("--fw-strip", `${height}px`);
    drawHits();
    place(step);
  };

  const drawHits = () => {
    const pixels = new Set(found.map((one) => Math.round((laid.left[one] + laid.right[one]) / 2)));
    hitLayer.replaceChildren(...[...pixels].slice(0, 2000).map((x) => h("i", { style: `left:${x}px` })));
  };

  const place = (now, spoken) => {
    step = now;
    head.setAttribute("aria-valuenow", now + 1);
    if (spoken != null) head.setAttribute("aria-valuetext", spoken);
    if (!laid || now >= laid.left.length) return;
    const a = laid.left[now];
    const w = Math.max(1, laid.right[now] - a);
    band.style.transform = `translateX(${a}px)`;
    band.style.width = `${w}px`;
    head.style.transform = `translateX(${a + w / 2}px)`;
    future.style.transform = `translateX(${a + w}px)`;
  };

  const under = (event) => {
    const x = event.clientX - track.getBoundingClientRect().left;
    let low = 0;
    let high = laid.left.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (laid.right[middle] < x) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  track.addEventListener("pointerdown", (event) => {
    if (!laid || event.button) return;
    track.setPointerCapture(event.pointerId);
    head.focus({ preventScroll: true });
    event.preventDefault();
    onmove(under(event));
  });
  track.addEventListener("pointermove", (event) => {
    if (track.hasPointerCapture(event.pointerId)) onmove(under(event));
  });
  const sizes = new ResizeObserver(() => draw());
  sizes.observe(track);
  signal.addEventListener("abort", () => sizes.disconnect());

  return {
    root,
    load(next, by) {
      data = next;
      axis = by;
      laid = null;
      found = [];
      head.setAttribute("aria-valuemax", next.steps);
      draw();
    },
    place,
    hits(steps) {
      found = steps;
      if (laid) drawHits();
    },
  };
};
