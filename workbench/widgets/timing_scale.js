// What the parts of the Timing view share: the logarithmic axis, its marks, and one line of words under the pointer.
import { duration, h } from "./fw.js";

const three = (n) => String(Number(n.toPrecision(3)));
const instructions = (n) => (n < 999.5 ? String(Math.round(n)) : n < 999.5e3 ? `${three(n / 1e3)} k` : n < 999.5e6 ? `${three(n / 1e6)} M` : `${three(n / 1e9)} G`);
/** How numbers of a unit are spelt: real time, or instructions executed. */
export const spelling = (unit) => (unit === "fuel" ? instructions : duration);

/** Where a time stands on an axis, 0 to 1. */
export const along = (axis, ns) => Math.min(1, Math.max(0, Math.log(ns / axis.from_ns) / Math.log(axis.to_ns / axis.from_ns)));
export const percent = (x) => `${(100 * x).toFixed(2)}%`;

/** Ticks of an axis as labels above it; those at its ends stay inside, and what comes too near to another is left out, sooner where the
 * view is narrow. `also` are marks of one's own, each `{ ns, label, title }`, which come first. */
export const tickLabels = (axis, say, also = []) => {
  const marks = [...also, ...axis.ticks.map((ns) => ({ ns, label: say(ns) }))];
  const [wide, narrow] = [[], []];
  const free = (taken, at, apart) => taken.every((other) => Math.abs(other - at) > apart) && taken.push(at);
  return marks.map(({ ns, label, title }) => {
    const at = along(axis, ns);
    const ends = at < 0.08 ? "first" : at > 0.92 ? "final" : "";
    // where the middle of the label comes to stand
    const middle = at + ({ first: 0.07, final: -0.07 }[ends] ?? 0);
    if (!free(wide, middle, 0.14)) return null;
    return h("span", { style: `left:${percent(at)}`, class: free(narrow, middle, 0.36) ? ends : `${ends} on-wide`, title }, label);
  });
};

const BAR = 0.92; // of a bin: a hair of space between bars, so that they read as bars
/** The outline of a histogram as a CSS polygon, `up` from the bottom edge or down from the top one. The bins take the axis from `low` on.
 * A single slow call stays visible beside a thousand quick ones. */
export const outline = (bins, axis, most, up) => {
  const begin = along(axis, axis.low);
  const wide = (1 - begin) / bins.length;
  const base = up ? 100 : 0;
  const points = [`${percent(begin)} ${base}%`];
  bins.forEach((n, i) => {
    const tall = n > 0 ? Math.max(9, (100 * n) / most) : 0;
    const y = (up ? 100 - tall : tall).toFixed(1);
    const left = begin + i * wide;
    points.push(`${percent(left)} ${base}%`, `${percent(left)} ${y}%`, `${percent(left + wide * BAR)} ${y}%`, `${percent(left + wide * BAR)} ${base}%`);
  });
  points.push(`100% ${base}%`);
  return `polygon(${points.join(",")})`;
};

/** Colours as the theme has them now: a canvas knows no variables. */
export const palette = (el, names) => {
  const probe = h("span", { hidden: true });
  el.append(probe);
  const found = {};
  for (const name of names) {
    probe.style.color = `var(--fw-${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
};
