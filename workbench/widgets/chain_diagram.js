// The chain in execution order: requests run along its top from left to right, responses back along its bottom.
import { fill, h, icon, int, ordinal, plain, plural, text } from "./fw.js";

const WORDS = { limited: "limited", denied: "denied", error: "failed", local: "answered", passed: "closed", changed: "closed" };
const TONES = { limited: "chg", denied: "del", error: "del strong" };

const way = (direction, count, word) => h("div.way", { class: direction }, count == null ? null : h("span.way-n.strong", int(count)), h("span.way-line"), word && h("span.way-word.muted", word));
const gap = (state, at, named) => {
  const [there, back] = [state.requests?.[at], state.responses?.[at]];
  const words = there == null ? "not replayed yet" : `${int(there)} requests forward${back == null ? "" : `, ${int(back)} responses back`}`;
  return h("li.gap", h("div.ways", { role: "img", "aria-label": words, title: words }, way("there", there, named && "requests"), way("back", back, named && "responses")));
};
const end = (name, word, more) => h("li.node.end", h("span.strong", name), h("span.muted", word), more && h("span.muted", more));

const module = (slot) => {
  const { abi, language, size, fault } = slot.module;
  if (fault) return h("span.del", { title: plain(fault) }, text(fault));
  return abi || language ? text([abi && `ABI ${abi}`, language, size].filter(Boolean).join(", ")) : h("span.skeleton.inline");
};
const foot = (slot, counted) => {
  if (!slot.on) return h("span", "switched off");
  if (!counted) return h("span", "not replayed yet");
  const stops = slot.stops.map((one) => h("span", { class: TONES[one.outcome] ?? "" }, `${int(one.count)} ${WORDS[one.outcome] ?? one.outcome}${one.status ? `, ${one.status}` : ""}`));
  const changed = slot.changed > 0 && h("span", `${int(slot.changed)} changed`);
  return stops.length || changed ? [stops.length ? icon("local", 14) : null, stops, changed] : h("span", "passes everything on");
};

/** `on` are what nodes do: select(id), move(id, to), toggle(id, on). Gives {root, draw(state, chosen), focus(id)}. */
export const chainDiagram = (on) => {
  const list = h("ol.diagram", { "aria-label": "Chain, in the order of requests" });
  const root = h("div.diagram-scroll.scroll", { tabindex: -1 }, list);
  let state = null;

  const nodes = () => [...list.querySelectorAll("[data-id]")];
  const step = (slot, by) => {
    const to = state.slots.indexOf(slot) + by;
    if (to >= 0 && to < state.slots.length) on.move(slot.id, to);
  };

  // A drag is the pointer's way over the nodes: where it is let go before the middle of one, the filter comes before it.
  const drag = (event, slot) => {
    const grip = event.currentTarget;
    const from = state.slots.indexOf(slot);
    let to = from;
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
    const move = (moved) => {
      const others = nodes().filter((one) => Number(one.dataset.id) !== slot.id);
      const before = others.filter((one) => {
        const box = one.getBoundingClientRect();
        return moved.clientX > box.left + box.width / 2;
      });
      to = before.length;
      nodes().forEach((one) => one.classList.remove("fw-drop-before", "fw-drop-after"));
      if (to !== from) (to < others.length ? others[to].classList.add("fw-drop-before") : others.at(-1)?.classList.add("fw-drop-after"));
    };
    const done = (last) => {
      grip.removeEventListener("pointermove", move);
      grip.removeEventListener("pointerup", done);
      grip.removeEventListener("pointercancel", done);
      nodes().forEach((one) => one.classList.remove("fw-drop-before", "fw-drop-after"));
      if (last.type === "pointerup" && to !== from) on.move(slot.id, to);
    };
    grip.addEventListener("pointermove", move);
    grip.addEventListener("pointerup", done);
    grip.addEventListener("pointercancel", done);
  };

  const node = (slot, chosen) => {
    const name = plain(slot.name);
    const box = h(
      "li.node",
      { "data-id": slot.id, class: `${slot.id === chosen ? "sel" : ""} ${slot.on ? "" : "off"} ${slot.refused || !slot.verdict.good || slot.module.fault ? "faulty" : ""}` },
      h(
        "div.node-head",
        h("button.node-grip", { type: "button", "aria-label": `Move ${name}: drag, or Alt with left and right`, title: "Drag, or Alt with \u2190 \u2192", onpointerdown: (event) => drag(event, slot) }, icon("grip", 14)),
        slot.place == null ? null : ordinal(slot.place, slot.name),
        h("button.node-name.cut", { type: "button", "aria-pressed": slot.id === chosen, title: name, onclick: () => on.select(slot.id) }, text(slot.name)),
        slot.changes.length ? h("span.chg", { title: slot.changes.join(", "), "aria-label": "changed, not applied" }, "~") : null,
        h("button.switch", { type: "button", role: "switch", "aria-checked": slot.on, "aria-label": `${name} on`, onclick: () => on.toggle(slot.id, !slot.on) }),
      ),
      h(
        "dl.node-facts",
        h("div", h("dt", "Module"), h("dd.mono.cut", { title: plain(slot.path) }, text(slot.file))),
        h("div", h("dt", "Build"), h("dd.cut", module(slot))),
        h("div", h("dt", "On failure"), h("dd.cut", state.policies.find(([id]) => id === slot.policy)?.[1] ?? slot.policy)),
      ),
      h("div.node-foot", foot(slot, state.requests != null)),
    );
    box.addEventListener("click", (event) => !event.target.closest("button") && on.select(slot.id));
    box.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || !event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      step(slot, by);
    });
    return box;
  };

  return {
    root,
    draw(next, chosen) {
      state = next;
      const focused = list.contains(document.activeElement) ? [document.activeElement.closest("[data-id]")?.dataset.id, document.activeElement.className] : null;
      let at = 0;
      const parts = [end("Client", state.requests ? plural(state.requests[0] + state.refused, "request") : "as captured", state.refused ? `${int(state.refused)} refused by the proxy` : ""), gap(state, 0, true)];
      state.slots.forEach((slot) => {
        if (slot.on) at += 1;
        parts.push(node(slot, chosen), gap(state, at, false));
      });
      fill(list, ...parts, end("Upstream", "as captured"));
      if (focused) list.querySelector(`[data-id="${CSS.escape(focused[0] ?? "")}"] .${focused[1].split(" ").find((one) => one.startsWith("fw-"))}`)?.focus();
    },
    reveal: (id) => list.querySelector(`[data-id="${CSS.escape(String(id))}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" }),
  };
};
