// Each exchange's time over the capture: the filters' in one strip, the host's in another, on one logarithmic axis and one clock.
import { channel, h, int, plain, plural, text } from "./fw.js";
import { along, palette, spelling } from "./timing_scale.js";

const LEFT = 56;
const RIGHT = 12;
const STRIP = 118;
const GAP = 12;
const BELOW = 22;
const NEAR = 12;
const COLOURS = ["accent", "host", "text", "muted", "line", "line-soft", "surface", "del", "host-soft"];
const ANSWERED = new Set(["local", "denied", "limited"]);

const twoDigits = (n, places = 2) => String(n).padStart(places, "0");
const clock = (ms, fine) => {
  const at = new Date(ms);
  const seconds = `${twoDigits(at.getUTCHours())}:${twoDigits(at.getUTCMinutes())}:${twoDigits(at.getUTCSeconds())}`;
  return fine ? `${seconds}.${twoDigits(at.getUTCMilliseconds(), 3)}` : seconds;
};
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
const timeTicks = (begin, end, most) => {
  const step = STEPS.find((one) => (end - begin) / one <= most) ?? 864e5;
  const found = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) found.push(at);
  return { at: found, fine: step < 1000 };
};

/** `timingCapture(model, signal, { select, choose })` gives its root, `load()` and `mark()`, which draws another selection. */
export const timingCapture = (model, signal, { select, choose }) => {
  const ask = channel(model, signal);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const tip = h("div.plot-tip", { hidden: true });
  const legend = h("span.legend");
  const plot = h("div.capture-plot.chart", { tabindex: 0, role: "slider", "aria-label": "Exchanges over the capture", "aria-valuemin": 0 }, canvas, tip);
  const root = h("section.timing-part", h("div.section", h("span.strong", "Over the capture"), h("span.muted.cut", "time of each exchange by when it came (UTC)"), h("span.grow"), legend), plot);
  let data = null;
  let places = [];
  let unit = "time";
  let say = spelling(unit);
  let hovered = -1;

  const amounts = (i) => (unit === "time" ? `${say(data.points.own[i])} in the filters, ${say(data.points.host[i])} in the host` : `${say(data.points.own[i])} instructions`);
  const at = () => data.points.exchange.indexOf(model.get("selected"));
  const words = (i) => {
    const { points } = data;
    return `#${int(points.exchange[i])} ${plain(points.request[i])}: ${amounts(i)}, ${points.outcome[i]}, at ${clock(points.ms[i], true)}`;
  };

  const strip = (context, colours, key, top, label) => {
    const { axis, begin_ms: begin, end_ms: end, points, cells } = data;
    const wide = canvas.clientWidth - LEFT - RIGHT;
    const x = (ms) => LEFT + (wide * (ms - begin)) / (end - begin);
    const y = (ns) => top + STRIP - STRIP * along(axis, ns);
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const ns of axis.ticks) {
      context.strokeStyle = colours["line-soft"];
      context.beginPath();
      context.moveTo(LEFT, Math.round(y(ns)) + 0.5);
      context.lineTo(LEFT + wide, Math.round(y(ns)) + 0.5);
      context.stroke();
      context.fillStyle = colours.muted;
      context.fillText(say(ns), LEFT - 8, y(ns));
    }
    const colour = key === "own" ? colours.accent : colours.host;
    if (cells) {
      const most = Math.log(1 + Math.max(1, ...cells[key]));
      const [w, tall] = [wide / cells.columns, STRIP / cells.rows];
      context.fillStyle = colour;
      cells[key].forEach((n, i) => {
        if (!n) return;
        const [column, row] = [Math.floor(i / cells.rows), i % cells.rows];
        context.globalAlpha = 0.16 + (0.84 * Math.log(1 + n)) / most;
        context.fillRect(LEFT + column * w, top + STRIP - (row + 1) * tall, Math.ceil(w), Math.ceil(tall));
      });
      context.globalAlpha = 1;
    }
    const chosen = at();
    points.exchange.forEach((index, i) => {
      if (!points[key][i]) return;
      const [px, py] = [x(points.ms[i]), y(points[key][i])];
      places.push([px, py, i]);
      const failed = points.outcome[i] === "error";
      context.strokeStyle = context.fillStyle = failed ? colours.del : cells ? colours.text : colour;
      context.lineWidth = failed ? 1.8 : 1.3;
      context.beginPath();
      if (failed) {
        context.moveTo(px - 3.5, py - 3.5);
        context.lineTo(px + 3.5, py + 3.5);
        context.moveTo(px + 3.5, py - 3.5);
        context.lineTo(px - 3.5, py + 3.5);
        context.stroke();
      } else if (ANSWERED.has(points.outcome[i])) {
        context.rect(px - 2.5, py - 2.5, 5, 5);
        context.stroke();
      } else if (cells) {
        context.arc(px, py, 1.4, 0, 7);
        context.fill();
      } else {
        context.globalAlpha = 0.85;
        context.arc(px, py, 2.4, 0, 7);
        context.fill();
        context.globalAlpha = 1;
      }
      if (i === hovered || i === chosen) {
        context.strokeStyle = colours.text;
        context.lineWidth = 1.5;
        context.beginPath();
        context.arc(px, py, 6, 0, 7);
        context.stroke();
      }
    });
    context.fillStyle = colours.surface;
    context.textAlign = "left";
    context.textBaseline = "top";
    const size = context.measureText(label).width;
    context.globalAlpha = 0.85;
    context.fillRect(LEFT + 2, top, size + 8, 17);
    context.globalAlpha = 1;
    context.fillStyle = colours.text;
    context.fillText(label, LEFT + 6, top + 3);
    return x;
  };

  const draw = () => {
    const wide = plot.clientWidth;
    if (!data || !wide) return;
    const ratio = window.devicePixelRatio || 1;
    const strips = unit === "time" ? 2 : 1;
    const tall = 8 + strips * STRIP + (strips - 1) * GAP + BELOW;
    canvas.style.height = `${tall}px`;
    [canvas.width, canvas.height] = [Math.round(wide * ratio), Math.round(tall * ratio)];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colours = palette(plot, COLOURS);
    context.font = `11px ${getComputedStyle(plot).fontFamily}`;
    places = [];
    const x = strip(context, colours, "own", 8, unit === "time" ? "Filters" : "Filters, instructions");
    if (unit === "time") strip(context, colours, "host", 8 + STRIP + GAP, "Host");
    const base = 8 + strips * STRIP + (strips - 1) * GAP;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(LEFT, base + 0.5);
    context.lineTo(wide - RIGHT, base + 0.5);
    context.stroke();
    const ticks = timeTicks(data.begin_ms, data.end_ms, Math.max(2, (wide - LEFT - RIGHT) / 110));
    context.fillStyle = colours.muted;
    context.textBaseline = "top";
    for (const ms of ticks.at) {
      const near = x(ms);
      context.textAlign = near < LEFT + 26 ? "left" : near > wide - RIGHT - 30 ? "right" : "center";
      context.fillText(clock(ms, ticks.fine), near, base + 6);
    }
    const chosen = at();
    if (chosen >= 0) {
      context.strokeStyle = colours.text;
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(Math.round(x(data.points.ms[chosen])) + 0.5, 8);
      context.lineTo(Math.round(x(data.points.ms[chosen])) + 0.5, base);
      context.stroke();
      context.setLineDash([]);
    }
    plot.setAttribute("aria-valuemax", data.points.exchange.length - 1);
    plot.setAttribute("aria-valuenow", Math.max(0, chosen));
    plot.setAttribute("aria-valuetext", chosen >= 0 ? words(chosen) : "none of these is selected");
  };

  const show = (i, px, py) => {
    tip.hidden = i < 0;
    if (i < 0) return;
    const { points } = data;
    tip.replaceChildren(
      h("div", h("span.strong", `#${int(points.exchange[i])}`), " ", h("span.mono", text(points.request[i]))),
      h("div.muted", h("span.key-f"), `${say(points.own[i])} `, unit === "time" && h("span.key-h"), `${unit === "time" ? say(points.host[i]) : "instructions"} · ${points.outcome[i]} · ${clock(points.ms[i], true)}`),
    );
    const left = Math.min(px + 12, plot.clientWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(4, py - tip.offsetHeight - 10)}px`;
  };
  const nearest = (event) => {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let [found, least] = [-1, NEAR * NEAR];
    for (const [x, y, i] of places) {
      const far = (x - px) ** 2 + (y - py) ** 2;
      if (far < least) [found, least] = [i, far];
    }
    return [found, px, py];
  };
  const hover = (i, px = 0, py = 0) => {
    if (i !== hovered) {
      hovered = i;
      draw();
    }
    show(i, px, py);
  };
  plot.addEventListener("pointermove", (event) => data && hover(...nearest(event)));
  plot.addEventListener("pointerleave", () => hover(-1));
  plot.addEventListener("click", (event) => {
    const [i] = nearest(event);
    if (i >= 0) select(data.points.exchange[i]);
  });
  plot.addEventListener("dblclick", (event) => {
    const [i] = nearest(event);
    if (i >= 0) choose?.(data.points.exchange[i]);
  });
  plot.addEventListener("keydown", (event) => {
    if (!data) return;
    const last = data.points.exchange.length - 1;
    const here = at();
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: last }[event.key];
    if (to == null && (event.key !== "Enter" || here < 0)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") return choose?.(data.points.exchange[here]);
    select(data.points.exchange[Math.min(last, Math.max(0, to))]);
  });

  const sized = new ResizeObserver(() => draw());
  sized.observe(plot);
  const themed = new MutationObserver(() => draw());
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  signal.addEventListener("abort", () => (sized.disconnect(), themed.disconnect()));

  const load = async (inUnit) => {
    const answer = await ask("timing", { part: "capture", unit: inUnit });
    if (answer.error) return;
    [data, unit, say] = [answer.data, inUnit, spelling(inUnit)];
    hovered = -1;
    root.hidden = !data.exchanges;
    const seen = new Set(data.points.outcome);
    legend.replaceChildren(
      ...[
        data.cells ? h("span", `darker: more of ${plural(data.exchanges, "exchange")}; dots: the slowest of each moment`) : h("span", h("i.dot"), "went through"),
        [...seen].some((one) => ANSWERED.has(one)) && h("span", h("i.square"), "answered by a filter"),
        seen.has("error") && h("span.del", "✕ error"),
      ].filter(Boolean),
    );
    draw();
  };
  return { root, load, mark: draw };
};
