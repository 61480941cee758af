// How the replay goes on: what is done, how quickly, how long it will take; at the end a sentence, and what differs.
import { fill, h, icon, int, text } from "./fw.js";

const rate = (n) => (n >= 100 ? int(n) : String(Number(n.toPrecision(2))));
const left = (seconds) => {
  if (seconds < 60) return `${int(seconds)} s left`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
};

/** `oncancel()` is called by its button. Gives {root, draw(run)}. */
export const runBar = (oncancel) => {
  const part = h("i");
  const meter = h("div.meter", { role: "progressbar", "aria-label": "Replay", "aria-valuemin": 0 }, part);
  const name = h("span.strong");
  const done = h("span.run-done");
  const pace = h("span.muted.run-pace");
  const spoken = h("span.sr", { role: "status" });
  const button = h("button.btn", { type: "button", onclick: () => ((button.textContent = "Cancelling"), oncancel()) });
  const root = h("div.runbar", { hidden: true }, icon("run", 14, "accent"), name, meter, done, pace, button, spoken);
  let number = null;
  let tenth = -1;

  return {
    root,
    draw(run) {
      const running = run.state === "running";
      root.hidden = !running;
      if (!running) {
        if (number != null) spoken.textContent = "";
        number = null;
        tenth = -1;
        return;
      }
      if (number !== run.number) {
        number = run.number;
        fill(button, icon("stop", 14), "Cancel");
      }
      const share = run.total ? run.done / run.total : 0;
      name.textContent = `Run ${int(run.number)}`;
      part.style.width = `${(100 * share).toFixed(1)}%`;
      meter.setAttribute("aria-valuenow", run.done);
      meter.setAttribute("aria-valuemax", run.total);
      fill(done, `${int(run.done)} of ${int(run.total)}`);
      fill(pace, ...text([run.rate ? `${rate(run.rate)} a second` : "", run.left_s ? left(run.left_s) : run.rate ? "" : "starting"].filter(Boolean).join(", ")));
      if (Math.floor(10 * share) !== tenth) {
        tenth = Math.floor(10 * share);
        spoken.textContent = `Replaying, ${tenth * 10} %`;
      }
    },
  };
};
