// The side panel: what the folders hold, the chains of the session, and how its replays go.
import type { IStateDB } from "@jupyterlab/statedb";
import { LabIcon, closeIcon, refreshIcon, runIcon } from "@jupyterlab/ui-components";
import type { ReadonlyPartialJSONValue } from "@lumino/coreutils";
import { Widget } from "@lumino/widgets";
import { type Chain, added, readChains, without } from "./chains";
import { chooseCaptures } from "./choose";
import type { Surroundings } from "./factory";
import { find } from "./find";
import { captureIcon, chainIcon, filterIcon, workbenchIcon } from "./icons";
import { Command, NAME, isCapture, isFilter, nameOf, stem } from "./ids";
import type { Run, Runs } from "./runs";
import { visible } from "./text";
import "../style/panel.css";

const STATE = `${NAME}:chains`;
const DRAGGED = "application/x-filter-workbench-filter";

const h = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  name: string,
  ...kids: (Node | string)[]
): HTMLElementTagNameMap[Tag] => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...kids);
  return node;
};

export class SidePanel extends Widget {
  constructor(
    private readonly around: Surroundings,
    private readonly runs: Runs,
    private readonly states: IStateDB | null,
  ) {
    super();
    this.addClass("filter-workbench-panel");
    const { trans } = around;
    this.node.append(
      this.section(trans.__("Captures"), this.captures, [refreshIcon, trans.__("Look again"), () => void this.look()]),
      this.section(trans.__("Filters"), this.filters),
      this.section(trans.__("Chains"), this.chainList),
      this.section(trans.__("Runs"), this.runList),
    );
    runs.changed.connect(this.drawRuns, this);
    this.drawRuns();
    this.drawChains();
    void this.restore();
    void this.look();
  }

  override dispose(): void {
    this.runs.changed.disconnect(this.drawRuns, this);
    super.dispose();
  }

  private section(title: string, list: HTMLElement, action?: [LabIcon, string, () => void]): HTMLElement {
    const head = h("div", "filter-workbench-head", h("h3", "", title));
    if (action) head.append(this.button(...action));
    list.setAttribute("role", "list");
    list.setAttribute("aria-label", title);
    return h("section", "", head, list);
  }

  private button(icon: LabIcon, title: string, act: () => void): HTMLButtonElement {
    const node = h("button", "filter-workbench-icon", icon.element({ tag: "span" }));
    node.type = "button";
    node.title = title;
    node.setAttribute("aria-label", title);
    node.addEventListener("click", (event) => {
      event.stopPropagation();
      act();
    });
    return node;
  }

  /** A row: icon, name, one fact at the right. */
  private row(icon: LabIcon, name: string, title: string, fact: string, act: (() => void) | null): HTMLElement {
    const label = h("span", "filter-workbench-label", visible(name));
    const inner = [icon.element({ tag: "span" }), label, h("span", "filter-workbench-fact", visible(fact))];
    const main = act ? h("button", "filter-workbench-main", ...inner) : h("div", "filter-workbench-main", ...inner);
    if (act) main.addEventListener("click", act);
    main.title = visible(title);
    const row = h("div", "filter-workbench-row", main);
    row.setAttribute("role", "listitem");
    return row;
  }

  private empty(list: HTMLElement, words: string): void {
    list.replaceChildren(h("div", "filter-workbench-empty", words));
  }

  private async look(): Promise<void> {
    const { trans, services, commands } = this.around;
    const found = await find(
      services.contents,
      this.around.folder() ?? "",
      (path) => isCapture(path) || isFilter(path),
    );
    if (this.isDisposed) return;
    const open = (path: string) => () => void commands.execute(Command.open, { path });
    const folder = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const rows = (fits: (path: string) => boolean, icon: LabIcon) =>
      found.filter(fits).map((path) => {
        const row = this.row(icon, nameOf(path), path, folder(path), open(path));
        if (isFilter(path)) this.draggable(row, path);
        return row;
      });
    this.captures.replaceChildren(...rows(isCapture, captureIcon));
    this.filters.replaceChildren(...rows(isFilter, filterIcon));
    if (!this.captures.childElementCount)
      this.empty(this.captures, trans.__("No .mitm, .flow or .flows in the folders here."));
    if (!this.filters.childElementCount) this.empty(this.filters, trans.__("No .wasm in the folders here."));
  }

  private draggable(row: HTMLElement, path: string): void {
    row.draggable = true;
    row.addEventListener("dragstart", (event) => event.dataTransfer?.setData(DRAGGED, path));
    const { trans } = this.around;
    row.append(
      this.button(chainIcon, trans.__("Add to a chain"), () => this.setChains(added(this.chains, this.last, path))),
    );
  }

  private drawChains(): void {
    const { trans } = this.around;
    const rows = this.chains.map((chain, at) => {
      const row = this.row(chainIcon, chain.filters.map(stem).join(" → "), chain.filters.join("\n"), "", null);
      row.append(
        this.button(runIcon, trans.__("Replay a capture through this chain"), () => void this.replay(chain)),
        this.button(closeIcon, trans.__("Remove the chain"), () => this.setChains(without(this.chains, at))),
      );
      this.target(row, at);
      return row;
    });
    const blank = h("div", "filter-workbench-drop", trans.__("Drop a filter here to begin a chain"));
    this.target(blank, -1);
    this.chainList.replaceChildren(...rows, blank);
  }

  private target(node: HTMLElement, at: number): void {
    const over = (on: boolean) => node.classList.toggle("is-over", on);
    node.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes(DRAGGED)) return;
      event.preventDefault();
      over(true);
    });
    node.addEventListener("dragleave", () => over(false));
    node.addEventListener("drop", (event) => {
      over(false);
      const path = event.dataTransfer?.getData(DRAGGED);
      if (!path) return;
      event.preventDefault();
      this.setChains(added(this.chains, at, path));
    });
  }

  private async replay(chain: Chain): Promise<void> {
    const [path] = await chooseCaptures(this.around);
    if (path) await this.around.commands.execute(Command.open, { path, filters: chain.filters });
  }

  private setChains(chains: Chain[]): void {
    this.chains = chains;
    this.last = chains.length - 1;
    void this.states?.save(STATE, chains as unknown as ReadonlyPartialJSONValue);
    this.drawChains();
  }

  private async restore(): Promise<void> {
    this.chains = readChains(await this.states?.fetch(STATE));
    if (!this.isDisposed) this.drawChains();
  }

  private drawRuns(): void {
    const { trans } = this.around;
    const words = (run: Run): string =>
      run.state === "running"
        ? trans.__("%1 of %2", String(run.done), String(run.total))
        : run.state === "failed"
          ? trans.__("failed")
          : run.words;
    const rows = this.runs.all.map((run) => {
      const through = run.filters.join(" → ") || trans.__("no filter");
      const row = this.row(workbenchIcon, run.capture, `${run.capture} → ${through}\n${run.words}`, words(run), null);
      row.classList.add("is-run");
      row.classList.toggle("is-failed", run.state === "failed");
      if (run.state === "running") row.append(this.button(closeIcon, trans.__("Cancel the replay"), run.cancel));
      return row;
    });
    this.runList.replaceChildren(...rows);
    if (!rows.length) this.empty(this.runList, trans.__("Nothing was replayed on this page yet."));
  }

  private readonly captures = h("div", "");
  private readonly filters = h("div", "");
  private readonly chainList = h("div", "");
  private readonly runList = h("div", "");
  private chains: Chain[] = [];
  private last = -1;
}
