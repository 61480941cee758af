// One lane of the decision timeline: requests as marks, the counter as steps against its limit, windows shaded.
import { h, int, plain, plural, share, svg, text } from "./fw.js";

const MARKS = ["allowed", "limited", "shadow", "denied", "let through", "refused"];
const BARE = 48;
const TALL = 86;
const MARKS_AT = 18;
const BASE = 14;
const NEAR = 9;

/** What a mark says, by its number. */
export const markWords = (mark) => MARKS[mark] ?? "";
/** The colour's class for a mark. */
export const markTone = (mark) => ["add", "chg", "chg", "del", "chg", "del"][mark] ?? "muted";
const SHAPES = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (x, y, r) => `M${x - r} ${y - r}l${2 * r} ${2 * r}M${x + r} ${y - r}l${-2 * r} ${2 * r}`,
  (x, y, r) => `M${x - r} ${y - r}l${2 * r} ${2 * r}M${x + r} ${y - r}l${-2 * r} ${2 * r}M${x - r - 1} ${y}h${2 * r + 2}`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - r - 1}l${r + 1} ${2 * r + 1}h${-2 * r - 2}z`,
  (x, y, r) => `M${x} ${y + r + 1}l${r + 1} ${-2 * r - 1}h${-2 * r - 2}z`,
];
/** A mark alone, as it is drawn in the lanes: for legends and tables. */
export const markSign = (mark) => svg("svg", { class: `dl-sign dl-m${mark}`, width: 10, height: 10, viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("path", { d: SHAPES[mark](5, 5, 3) }));

/** Time as it is said of a mark: 4.6 s, 820 ms. */
export const lasting = (ms) => (ms < 1 ? `${Number(ms.toPrecision(2))} ms` : ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${Number((ms / 1000).toPrecision(3))} s` : ms < 3.6e6 ? `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s` : `${Number((ms / 3.6e6).toPrecision(3))} h`);

const said = (max, { e, t, m, c, r }) => {
  const taken = c >= 0 ? `, ${int(c)}${max >= 0 ? ` of ${int(max)}` : ""} taken` : "";
  const reset = r >= 0 && r > t ? `, resets in ${lasting(r - t)}` : "";
  return `#${e} ${markWords(m)}${taken}${reset}`;
};
const markAt = (lane, at) => ({ e: lane.e[at], t: lane.t[at], m: lane.m[at], c: lane.c[at], r: lane.r[at] });

/** Steps of the counter: it holds from its request on, until the window ends or the next request is counted. */
const steps = (lane, x, y, right) => {
  const path = [];
  let [level, until] = lane.before ?? [0, -1];
  path.push(`M${x(null)} ${y(level)}`);
  lane.t.forEach((t, at) => {
    if (lane.c[at] < 0) return;
    if (level > 0 && until >= 0 && until <= t) path.push(`H${x(until)}V${y(0)}`);
    path.push(`H${x(t)}V${y(lane.c[at])}`);
    level = lane.c[at];
    until = lane.r[at];
  });
  if (level > 0 && until >= 0 && x(until) < right) path.push(`H${x(until)}V${y(0)}`);
  path.push(`H${right}`);
  return path.join("");
};

const binnedSteps = (bins, x, y, right) => {
  const path = [`M0 ${y(0)}`];
  bins.x.forEach((column, at) => {
    if (bins.high[at] < 0) return;
    path.push(`H${x(column)}V${y(bins.high[at])}`, `H${x(column + 1)}V${y(bins.last[at])}`);
  });
  return `${path.join("")}H${right}`;
};

/** Draws a lane as Python gave it. `range` is [from, to] in milliseconds, `width` that of the plot. `over(words, x)` is told what the
 * pointer is on, or nothing; `pick(index)` which exchange was clicked. Gives {root, mark(index), size}. */
export const decisionLane = (lane, range, width, { pick, over, step, filter, filtered }) => {
  const [from, to] = range;
  const { bins } = lane;
  const counted = lane.max >= 0 || (bins ? bins.high : lane.c).some((c) => c >= 0) || lane.before;
  const tall = counted ? TALL : BARE;
  const top = Math.max(lane.max, ...(bins ? bins.high : lane.c), 1);
  const floor = tall - BASE;
  const at = (ms) => (ms == null ? 0 : Math.min(width, Math.max(0, (width * (ms - from)) / (to - from))));
  const x = (ms) => at(ms).toFixed(1);
  const y = (value) => (floor - ((floor - 36) * Math.min(value, top)) / top).toFixed(1);
  const column = (one) => ((one * width) / lane.columns).toFixed(1);
  const places = bins ? bins.x.map((one) => ((one + 0.5) * width) / lane.columns) : lane.t.map(at);

  const shapes = SHAPES.map(() => []);
  if (!bins) lane.t.forEach((t, i) => shapes[lane.m[i]].push(SHAPES[lane.m[i]](Number(x(t)), MARKS_AT, 3)));
  const most = bins ? Math.max(...bins.n) : 0;
  const bars = (value) => bins.x.map((one, i) => value(i) > 0 && `M${column(one)} 28h${Math.max(width / lane.columns, 1).toFixed(1)}v${(-Math.max(1.5, (22 * value(i)) / most)).toFixed(1)}H${column(one)}z`).filter(Boolean).join("");

  const figure = svg(
    "svg",
    { class: "dl-figure", width, height: tall, "aria-hidden": "true" },
    lane.windows.map(([start, end], i) => at(end) - at(start) > 3 && svg("rect", { class: i % 2 ? "dl-window" : "dl-window dl-odd", x: x(start), y: 0, width: (at(end) - at(start)).toFixed(1), height: tall })),
    counted && svg("line", { class: "dl-base", x1: 0, x2: width, y1: y(0), y2: y(0) }),
    counted && svg("path", { class: "dl-steps", d: bins ? binnedSteps(bins, column, y, width) : steps(lane, x, y, width) }),
    counted && lane.max >= 0 && svg("line", { class: "dl-limit", x1: 0, x2: width, y1: y(lane.max), y2: y(lane.max) }),
    bins ? [svg("path", { class: "dl-bars", d: bars((i) => bins.n[i]) }), svg("path", { class: "dl-bars dl-bad", d: bars((i) => bins.bad[i]) })] : shapes.map((paths, mark) => paths.length > 0 && svg("path", { class: `dl-m${mark}`, d: paths.join("") })),
    svg("g", { class: "dl-chosen" }),
  );
  const chosen = figure.querySelector(".fw-dl-chosen");

  const nearest = (px) => {
    let best = -1;
    for (let i = 0, gap = NEAR; i < places.length; i++) {
      const away = Math.abs(places[i] - px);
      if (away <= gap) [best, gap] = [i, away];
    }
    return best;
  };
  const tell = (i) => (bins ? `${plural(bins.n[i], "request")}${bins.bad[i] ? `, ${int(bins.bad[i])} not allowed` : ", all allowed"}` : said(lane.max, markAt(lane, i)));
  const plot = h("div.dl-plot", figure);
  plot.addEventListener("pointermove", (event) => {
    const i = nearest(event.clientX - plot.getBoundingClientRect().left);
    plot.style.cursor = i < 0 ? "" : "pointer";
    over(i < 0 ? "" : tell(i), i < 0 ? 0 : places[i], plot);
  });
  plot.addEventListener("pointerleave", () => over(""));
  plot.addEventListener("click", (event) => {
    const i = nearest(event.clientX - plot.getBoundingClientRect().left);
    if (i >= 0) pick(bins ? bins.e[i] : lane.e[i]);
  });

  const bad = lane.counts.map((n, mark) => [n, mark]).filter(([n, mark]) => mark > 0 && n > 0);
  const words = bad.map(([n, mark]) => h("span", { class: markTone(mark) }, `${int(n)} ${markWords(mark)}`));
  const head = h(
    "div.dl-head",
    h("button.dl-name.cut", { type: "button", "aria-pressed": filtered, title: `${plain(lane.key || lane.title)}\nShow only these in the table`, onclick: filter }, h("span.mono.strong", text(lane.title))),
    h("div.muted.cut.dl-subject", { title: plain(lane.subject) }, text(lane.subject)),
    h("div.muted.cut", plural(lane.total, "request")),
    h("div.dl-counts", words, bad.length === 1 && lane.total >= 10 && h("span.muted", share(bad[0][0] / lane.total))),
  );
  const scale = h("div.dl-scale", { "aria-hidden": "true" }, counted && lane.max >= 0 && h("span.chg", { style: `top:${y(lane.max)}px` }, int(lane.max)), counted && h("span", { style: `top:${y(0)}px` }, "0"));
  const spoken = `${lane.title}: ${plural(lane.total, "request")}${bad.map(([n, mark]) => `, ${int(n)} ${markWords(mark)}`).join("")}${lane.subject ? `, ${lane.subject}` : ""}. Left and right step through them.`;
  const root = h("div.dl-lane", { role: "group", tabindex: 0, "aria-label": plain(spoken), "data-lane": lane.lane }, head, scale, plot);
  root.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target !== root) return;
    event.preventDefault();
    step(event.shiftKey ? 10 * by : by);
  });

  /** Ring the selected exchange, and say what it is. Of binned requests `known` are those marks of it that Python told. */
  const mark = (index, known = []) => {
    chosen.replaceChildren();
    const i = bins ? -1 : lane.e.indexOf(index);
    const one = i >= 0 ? markAt(lane, i) : known.find((each) => each.lane === lane.lane && each.t >= from && each.t <= to);
    root.classList.toggle("fw-dl-has", one != null);
    if (!one) return;
    const cx = at(one.t);
    chosen.append(svg("line", { x1: cx, x2: cx, y1: 0, y2: tall }), svg("circle", { cx, cy: MARKS_AT, r: 6.5 }));
    const label = said(lane.max, { ...one, e: index });
    const left = cx > width - 6.2 * label.length - 24;
    chosen.append(svg("text", { x: left ? cx - 10 : cx + 10, y: counted ? MARKS_AT + 34 : MARKS_AT + 20, "text-anchor": left ? "end" : "start" }, label));
  };
  return { root, mark, binned: bins != null };
};
