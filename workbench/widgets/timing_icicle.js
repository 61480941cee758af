// Where the time goes: width is time, from all exchanges down to the filter's own code and each hostcall.
import { h, int, plain, share, text } from "./fw.js";
import { percent, spelling } from "./timing_scale.js";

const ROW = 26;
const NARROWEST = 0.0008;
const LEAST_FOR_TEXT = 52; // pixels

const title = (node) => ({ all: "All", traffic: "Exchanges and ticks", start: "Starting the filters", filter: `${node.filter + 1} ${node.name}` })[node.kind] ?? node.name;

/** `timingIcicle(signal)` gives its root and `show(tree)`. */
export const timingIcicle = (signal) => {
  const heading = h("span.strong");
  const told = h("span.muted.cut.icicle-say");
  const back = h("button.btn", { type: "button", hidden: true, onclick: () => zoom(path.slice(0, -1)) }, "Zoom out");
  const rows = h("div.icicle-rows.chart", { role: "tree", "aria-label": "Where the time goes" });
  const root = h("section.timing-part.icicle", h("div.section", heading, told, h("span.grow"), back), rows);
  let tree = null;
  let unit = "time";
  let say = spelling(unit);
  let path = [];
  let current = "";
  let resting = "";

  const node = (steps) => steps.reduce((at, step) => at?.children[step], tree);
  const words = (steps, one) => {
    const whole = tree.ns || 1;
    const parent = steps.length ? node(steps.slice(0, -1)) : null;
    const times = one.kind === "own" || one.kind === "hostcall" || unit === "fuel" ? "" : `, ${say(one.ns - one.host_ns)} in the filter and ${say(one.host_ns)} in the host`;
    const calls = ["own", "all", "traffic", "start"].includes(one.kind) ? "" : `, ${int(one.count)} ${one.kind === "hostcall" ? "hostcalls" : "calls"}`;
    const inside = parent && parent.kind !== "all" && parent.ns ? `, ${share(one.ns / parent.ns)} of ${title(parent)}` : "";
    return `${title(one)}: ${say(one.ns)}${times}${calls}, ${share(one.ns / whole)} of all${inside}`;
  };

  const draw = (focus = false) => {
    const boxes = [];
    const room = rows.clientWidth || 1000;
    const put = (one, steps, left, wide, level) => {
      if (wide < NARROWEST) return;
      const id = steps.join(".");
      const label = `${title(one)}, ${say(one.ns)}${level && wide * room > 180 && tree.ns ? `, ${share(one.ns / tree.ns)}` : ""}`;
      boxes.push(
        h(
          "div.part",
          {
            class: `${one.kind}${steps.length < path.length ? " above" : ""}`,
            role: "treeitem",
            tabindex: -1,
            "data-at": id,
            "aria-level": steps.length + 1,
            "aria-label": plain(words(steps, one)),
            "aria-expanded": one.children.length ? String(steps.length <= path.length) : null,
            "aria-selected": id === path.join("."),
            title: plain(words(steps, one)),
            style: `left:${percent(left)};width:calc(${percent(wide)} - 1px);top:${level * ROW}px`,
          },
          h("span.cut", wide * room < LEAST_FOR_TEXT ? "" : text(label)),
        ),
      );
      if (steps.length < path.length) return put(one.children[path[steps.length]], path.slice(0, steps.length + 1), 0, 1, level + 1);
      let at = left;
      one.children.forEach((child, i) => {
        const width = one.ns ? (wide * child.ns) / one.ns : 0;
        put(child, [...steps, i], at, width, level + 1);
        at += width;
      });
    };
    put(tree, [], 0, 1, 0);
    const depth = Math.max(...boxes.map((box) => Number(box.style.top.replace("px", "")) / ROW)) + 1;
    rows.style.height = `${depth * ROW - 1}px`;
    rows.replaceChildren(...boxes);
    back.hidden = !path.length;
    told.textContent = resting;
    const at = boxes.find((box) => box.dataset.at === current) ?? boxes.find((box) => box.dataset.at === path.join(".")) ?? boxes[0];
    at.tabIndex = 0;
    if (focus) at.focus();
  };

  const steps = (box) => (box.dataset.at === "" ? [] : box.dataset.at.split(".").map(Number));
  const zoom = (to, focus = false) => {
    path = node(to).children.length ? to : to.slice(0, -1);
    current = to.join(".");
    draw(focus);
  };
  const over = (event) => {
    const box = event.target.closest?.(".fw-part");
    told.textContent = box ? plain(words(steps(box), node(steps(box)))) : resting;
  };
  rows.addEventListener("pointerover", over);
  rows.addEventListener("pointerleave", () => (told.textContent = resting));
  rows.addEventListener("focusin", over);
  rows.addEventListener("click", (event) => {
    const box = event.target.closest(".fw-part");
    if (box) zoom(steps(box), true);
  });
  rows.addEventListener("keydown", (event) => {
    const box = event.target.closest(".fw-part");
    if (!box) return;
    const here = steps(box);
    const all = [...rows.children];
    const go = (to) => all.find((one) => one.dataset.at === to?.join("."));
    const beside = (step) => {
      const level = all.filter((one) => one.style.top === box.style.top);
      return level[level.indexOf(box) + step];
    };
    let target = null;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") target = beside(event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "ArrowUp") target = here.length ? go(here.slice(0, -1)) : null;
    else if (event.key === "ArrowDown") target = all.find((one) => one.dataset.at.startsWith(here.length ? `${box.dataset.at}.` : "") && steps(one).length === here.length + 1);
    else if (event.key === "Enter" || event.key === " ") zoom(here, true);
    else if (event.key === "Escape" && path.length) zoom(path.slice(0, -1), true);
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (!target) return;
    current = target.dataset.at;
    all.forEach((one) => (one.tabIndex = one === target ? 0 : -1));
    target.focus();
  });

  let drawn = 0;
  const sized = new ResizeObserver(() => {
    if (tree?.ns && rows.clientWidth !== drawn) draw(rows.contains(document.activeElement));
    drawn = rows.clientWidth;
  });
  sized.observe(rows);
  signal.addEventListener("abort", () => sized.disconnect());

  const show = (data, inUnit) => {
    [tree, unit, say] = [data, inUnit, spelling(inUnit)];
    heading.textContent = unit === "time" ? "Where the time goes" : "Where the instructions go";
    resting = unit === "time" ? "filter, callback, then its own code and the hostcalls; width is time, click to zoom" : "filter, then callback; width is instructions, click to zoom";
    // what starts the filters happens once, and would leave little room for the rest
    const traffic = tree.children.findIndex((child) => child.kind === "traffic");
    [path, current] = [tree.children.length > 1 && traffic >= 0 ? [traffic] : [], ""];
    root.hidden = !tree.ns;
    if (tree.ns) draw();
  };
  return { root, show };
};
