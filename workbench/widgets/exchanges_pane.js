// The table of exchanges above the details of the selected one, with a splitter between them that remembers its place.
import { h } from "./fw.js";
import { flowTable } from "./flow_table.js";
import { exchangeDetails } from "./exchange_details.js";

const SPLIT = "fw-split";

export const exchangesPane = (model, el, signal, { select, opened, openTab }) => {
  const pane = h("div.split");
  const upper = h("div.upper");
  const lower = h("div.lower");
  const bar = h("div.splitter", { role: "separator", tabindex: 0, "aria-orientation": "horizontal", "aria-label": "Height of the table", "aria-valuemin": 15, "aria-valuemax": 85 });
  pane.append(upper, bar, lower);
  el.append(pane);

  const splitter = (bar) => {
    const set = (percent) => {
      const kept = Math.min(85, Math.max(15, percent));
      pane.style.setProperty("--fw-split", `${kept}%`);
      bar.setAttribute("aria-valuenow", Math.round(kept));
      try {
        localStorage.setItem(SPLIT, String(kept));
      } catch {
        // A page without storage forgets the height, nothing else.
      }
    };
    let stored = null;
    try {
      stored = localStorage.getItem(SPLIT);
    } catch {
      // As above.
    }
    set(Number(stored) || 44);
    bar.addEventListener("pointerdown", (event) => {
      bar.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    bar.addEventListener("pointermove", (event) => {
      if (!bar.hasPointerCapture(event.pointerId)) return;
      const box = pane.getBoundingClientRect();
      set((100 * (event.clientY - box.top)) / box.height);
    });
    bar.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -4, ArrowDown: 4 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      set(Number(bar.getAttribute("aria-valuenow")) + by);
    });
  };

  splitter(bar);
  const details = exchangeDetails(model, lower, signal, { onstep: (by) => table.step(by), onback: () => opened(false) });
  const table = flowTable(model, upper, signal, { onpick: select, onopen: (byKey) => (byKey ? openTab("microscope") : opened(true)) });
  return {
    reload() {
      table.refresh();
      details.show(model.get("selected"));
    },
    grow() {
      table.refresh();
      if (!details.shows()) details.show(model.get("selected"));
    },
    show(index) {
      table.select(index);
      details.show(index);
    },
    shown() {},
    search: table.search,
  };
};
