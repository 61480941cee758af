// What held after a call: both messages, what was read, shared data and metrics. What that very call changed stands out.
import { SIGNS, bytes, h, icon, int, ordinal, plain, plural, text } from "./fw.js";

const MARKS = { added: "add", removed: "del", changed: "chg" };
const SPOKEN = { added: "added ", removed: "removed ", changed: "changed " };
const SHOWN = 6;
const FEW = 9;

/** The last of changes `[[step, value], …]` up to a step; null before the first. */
const upTo = (changes, step) => {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (changes[middle][0] <= step) low = middle + 1;
    else high = middle;
  }
  return low ? changes[low - 1] : null;
};

/** `onmove(step)` goes to another call. Gives {root, draw(data, states, step)}; `states` null while they are fetched. */
export const statePanel = (onmove) => {
  const title = h("h3.strong");
  const of = h("span.muted");
  const button = (name, label, by) => h("button.icon-btn", { type: "button", "aria-label": label, title: label, onclick: () => onmove(now + by) }, icon(name));
  const say = h("div.state-say");
  const body = h("div.state-body.scroll", { role: "group", tabindex: 0, "aria-label": "State" });
  const root = h("aside.state", { "aria-label": "State at this call", "aria-live": "off" }, h("div.state-head", title, of, h("span.grow"), button("left", "One call back", -1), button("right", "One call on", 1)), say, body);
  // What the reader opened or closed; else sections open and close with what the exchange is at.
  const wished = new Map();
  const whole = new Set();
  let now = 0;
  let again = () => {};

  const section = (name, note, open, content) => {
    const shown = wished.get(name) ?? open;
    const toggle = h("button.state-section", { type: "button", "aria-expanded": shown, onclick: () => (wished.set(name, !shown), again(), refocus(name)) }, icon(shown ? "down" : "right", 12), h("span.strong", name), h("span.grow"), h("span.muted", note));
    toggle.dataset.name = name;
    return [toggle, shown ? content() : null];
  };
  const refocus = (name) => [...body.querySelectorAll(".fw-state-section")].find((one) => one.dataset.name === name)?.focus();
  const line = (hot, sign, name, value, tone = "") => h("div.state-line", { class: `${hot ? "hot" : ""} ${tone}` }, h("span.sign", { class: sign ? MARKS[sign] : "" }, sign ? [h("span", { "aria-hidden": "true" }, SIGNS[MARKS[sign]]), h("span.sr", SPOKEN[sign])] : null), h("span.mono.cut.muted", { title: plain(name) }, text(name)), value);
  const mono = (value, kind = "span") => h(`${kind}.mono.cut`, { title: plain(value) }, text(value));

  const header = (entry, step) => {
    const [name, value, change, at, was] = entry;
    const shown = change === "removed" ? h("del.mono.cut", { title: plain(value) }, text(value)) : h("span.mono.cut", { title: plain(was == null ? value : `${was} \u2192 ${value}`) }, text(value));
    return line(at === step, change, name, shown, change === "removed" ? "gone" : "");
  };
  const headers = (name, states, key, step, open) => {
    const held = upTo(states.maps[key], step);
    if (!held) return null;
    const entries = held[1].map((one) => states.entries[one]);
    const changed = entries.filter((one) => one[2]).length;
    const present = entries.filter((one) => one[2] !== "removed").length;
    const same = entries.length - changed;
    const note = `${int(present)} now${changed ? `, ${int(changed)} changed` : ""}`;
    return section(name, note, open, () => {
      const all = whole.has(key) || same <= FEW;
      let left = SHOWN;
      const lines = entries.filter((one) => one[2] || all || left-- > 0).map((one) => header(one, step));
      const more = all ? 0 : same - SHOWN;
      const fold = more > 0 || (same > FEW && whole.has(key));
      return [lines, fold && h("button.state-more", { type: "button", onclick: () => (whole.has(key) ? whole.delete(key) : whole.add(key), again()) }, more > 0 ? `${int(more)} more, unchanged` : "fewer")];
    });
  };
  const bodyOf = (name, states, way, step, data, open) => {
    const held = upTo(states.bodies[way], step);
    if (!held) return null;
    const one = held[1];
    const where = one.held ? "held by the host" : one.passed ? "passed on" : one.end ? "to its end" : "more to come";
    return section(name, `${bytes(one.size)}, ${where}`, open, () => [
      h("div.state-note", h("span.muted", one.passed ? "as it left" : "as seen by "), one.passed ? " " : null, ordinal(one.filter, data.filters[one.filter]), h("span.cut.muted", text(data.filters[one.filter]))),
      h("pre.state-text.mono", { class: held[0] === step ? "hot" : "" }, one.text == null ? h("span.muted", "content not known") : one.text ? [text(one.text), one.cut && h("span.muted", ` \u2026 ${bytes(one.size)} in all`)] : h("span.muted", "empty")),
    ]);
  };

  const properties = (states, step) => {
    const last = new Map();
    for (const read of states.properties) if (read[0] <= step) last.set(`${read[1]} ${read[2]}`, read);
    if (!last.size) return null;
    return section("Properties read", int(last.size), true, () => [...last.values()].map(([at, , path, value, result, written]) => line(at === step, written ? "changed" : "", path, result === "Ok" ? mono(value) : h("span.muted.cut", result))));
  };
  const shared = (states, step) => {
    const held = states.shared.map((one) => [one, upTo(one.held, step)]).filter(([one, value]) => value || one.own);
    if (!held.length) return null;
    const more = states.keys - held.filter(([, value]) => value).length;
    const vms = new Set(states.shared.map((one) => one.vm));
    const value = (one) => (one ? h("span.state-value", mono(one[1]), h("span.muted", `cas ${one[3]}${one[4] == null ? "" : `, #${one[4]}`}`)) : h("span.muted", "not set yet"));
    return section("Shared data", vms.size === 1 && [...vms][0] ? `vm_id ${[...vms][0]}` : plural(states.keys, "key"), true, () => [
      held.map(([one, now]) => line(now?.[0] === step && now[4] == null, "", vms.size > 1 ? `${one.vm} ${one.key}` : one.key, value(now), one.own ? "" : "other")),
      more > 0 && h("div.state-note.muted", `${plural(more, "more key")}, not touched by this exchange`),
    ]);
  };
  const metrics = (states, step) => {
    if (!states.metrics.length) return null;
    const changed = states.metrics.filter((one) => one.own).length;
    return section("Metrics", changed ? `${int(changed)} changed here` : "none changed here", changed > 0, () =>
      states.metrics.map((one) => {
        const [at, value] = upTo(one.held, step) ?? [-1, ""];
        return line(at === step && one.own && one.held[0][0] !== step, "", one.name, h("span.state-value", h("span.mono", value), h("span.muted", one.type.toLowerCase())), one.own ? "" : "other");
      }),
    );
  };

  const stream = (spans, name, data, step) => {
    const span = spans.findLast((one) => one.from <= step);
    if (!span || span.state === "waiting") return h("div.cut", h("span.muted", `${name} not started`));
    const who = span.filter != null && [" ", ordinal(span.filter, data.filters[span.filter]), " ", h("span", text(data.filters[span.filter]))];
    const told = { flowing: "flowing", paused: "paused by", done: name === "Response" ? "with the client" : "with the upstream", answered: span.phase === "failure" ? "answered by the host for" : span.filter == null ? "answered by the proxy" : "answered by", left: "left paused by" }[span.state];
    const lines = [h("div.cut", h("span.muted", `${name} `), h("span.strong", { class: span.state === "paused" || span.state === "left" ? "chg" : "" }, told), who)];
    if (span.state === "paused") {
      const why = [`since call ${int(span.from + 1)}`, span.length ? `for ${span.length}` : "to the end", span.action].filter(Boolean).join(", ");
      lines.push(h("div.cut.muted.state-why", { title: plain(why) }, why));
    }
    return lines;
  };
  const inside = (data, step) => {
    const place = data.names.findLastIndex(([at]) => at <= step);
    const runs = (lane) => data.lanes.findLast(([at]) => at <= lane)?.[1];
    if (place < 0 || (data.levels[step] === "1" && !"cx".includes(data.kinds[step]))) return h("div.muted", "In the host, between callbacks");
    const [at, name] = data.names[place];
    const lane = runs(at);
    return h("div.cut", h("span.muted", "In "), lane >= 0 && [ordinal(lane, data.filters[lane]), " ", h("span", text(data.filters[lane])), " "], h("span.mono", text(name)));
  };
  const waits = (data, step) =>
    data.callouts
      .filter((one) => one.from <= step && (one.to == null || step < one.to) && one.ended !== "refused")
      .slice(0, 3)
      .map((one) => h("div.cut", h("span.muted", "Waits for "), h("span.mono", text(one.name)), one.request && h("span.mono.muted", " ", text(one.request))));

  const draw = (data, states, step) => {
    now = step;
    again = () => draw(data, states, step);
    title.textContent = `State after call ${int(step + 1)}`;
    of.textContent = `of ${int(data.steps)}`;
    say.replaceChildren(...data.spans.flatMap((spans, way) => stream(spans, data.directions[way], data, step)), inside(data, step), ...waits(data, step));
    body.setAttribute("aria-busy", !states);
    if (!states) return;
    const answered = Boolean(upTo(states.maps.response_headers, step));
    const parts = [
      headers("Request headers", states, "request_headers", step, !answered),
      bodyOf("Request body", states, 0, step, data, !answered),
      headers("Request trailers", states, "request_trailers", step, !answered),
      headers("Response headers", states, "response_headers", step, true),
      bodyOf("Response body", states, 1, step, data, true),
      headers("Response trailers", states, "response_trailers", step, true),
      properties(states, step),
      shared(states, step),
      metrics(states, step),
    ];
    const top = body.scrollTop;
    const shown = parts.flat(9).filter(Boolean);
    body.replaceChildren(...(shown.length ? shown : [h("div.state-nothing.muted", "No headers, bodies or shared state so far.")]));
    body.scrollTop = top;
  };
  return { root, draw };
};
