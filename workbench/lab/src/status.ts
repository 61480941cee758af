// The status bar's word on the replay that runs, with a way to stop it.
import type { TranslationBundle } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import type { Runs } from "./runs";
import { visible } from "./text";
import "../style/status.css";

const SHOWN_MS = 6000;
const TELL_MS = 100;

export class RunStatus extends Widget {
  constructor(
    private readonly runs: Runs,
    private readonly trans: TranslationBundle,
  ) {
    super();
    this.addClass("filter-workbench-status");
    this.words = document.createElement("span");
    this.words.setAttribute("role", "status");
    this.meter = document.createElement("progress");
    this.meter.setAttribute("aria-label", trans.__("Replay"));
    this.stop = document.createElement("button");
    this.stop.type = "button";
    this.stop.textContent = trans.__("Cancel");
    this.stop.title = trans.__("Stop the replay; what was done is kept");
    this.stop.addEventListener("click", () => this.running()?.cancel());
    this.node.append(this.words, this.meter, this.stop);
    runs.changed.connect(this.later, this);
    this.draw();
  }

  override dispose(): void {
    this.runs.changed.disconnect(this.later, this);
    super.dispose();
  }

  private running() {
    return this.runs.all.find((run) => run.state === "running");
  }

  private later(): void {
    this.timer ??= window.setTimeout(() => {
      this.timer = undefined;
      if (!this.isDisposed) this.draw();
    }, TELL_MS);
  }

  private draw(): void {
    const run = this.running();
    this.node.hidden = !run && !this.ending;
    this.meter.hidden = this.stop.hidden = !run;
    if (run) {
      this.ending = true;
      this.meter.max = run.total || 1;
      this.meter.value = run.done;
      this.words.textContent = this.trans.__(
        "Replaying %1: %2 of %3",
        visible(run.capture),
        String(run.done),
        String(run.total),
      );
    } else if (this.ending) {
      // It ends as a sentence, which stays for a moment.
      const words = this.runs.all[0]?.words;
      if (!words) {
        // its kernel is gone
        this.ending = false;
        this.node.hidden = true;
        return;
      }
      this.words.textContent = this.trans.__("Replay: %1", visible(words));
      window.clearTimeout(this.quiet);
      this.quiet = window.setTimeout(() => {
        this.ending = false;
        if (!this.isDisposed) this.node.hidden = !this.running();
      }, SHOWN_MS);
    }
  }

  private readonly words: HTMLSpanElement;
  private readonly meter: HTMLProgressElement;
  private readonly stop: HTMLButtonElement;
  private timer: number | undefined;
  private quiet: number | undefined;
  private ending = false;
}
