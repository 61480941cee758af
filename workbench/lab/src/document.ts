// The view of a capture or a filter: asks its kernel to show it, draws what comes, and says what is so where nothing comes.
import { PageConfig } from "@jupyterlab/coreutils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import { OutputAreaModel, SimplifiedOutputArea } from "@jupyterlab/outputarea";
import { KernelMessage } from "@jupyterlab/services";
import { Toolbar, ToolbarButton, refreshIcon, runIcon } from "@jupyterlab/ui-components";
import { UUID } from "@lumino/coreutils";
import type { IDisposable } from "@lumino/disposable";
import { PanelLayout } from "@lumino/widgets";
import { chooseCaptures, chooseFilters, chooseKernel } from "./choose";
import type { FilterWorkbenchDocument, Surroundings } from "./factory";
import { Command, isFilter } from "./ids";
import { type KernelChoice, KernelLink, type State, pythonSpecs } from "./kernel";
import { KernelName, Notice, type Said } from "./notice";
import { type Request, call, trouble } from "./python";
import { drawWidgets } from "./widgets";
import "../style/document.css";

const SLOW_MS = 1500;

export class DocumentView {
  constructor(
    private readonly host: FilterWorkbenchDocument,
    private readonly context: DocumentRegistry.Context,
    private readonly around: Surroundings,
  ) {
    const { trans } = around;
    const box = host.content;
    this.notice = new Notice();
    const layout = (box.layout = new PanelLayout());
    layout.addWidget(this.notice);
    this.kernelName = new KernelName(trans.__("Choose the kernel of this view"), () => void this.changeKernel());
    const filter = isFilter(context.path);
    host.toolbar.addItem(
      "replay",
      new ToolbarButton({
        icon: runIcon,
        label: filter ? trans.__("Try on a capture…") : trans.__("Replay through filter…"),
        tooltip: filter
          ? trans.__("Replay a capture through this filter")
          : trans.__("Choose the filters of the chain"),
        onClick: () => void (filter ? this.tryOnCapture() : this.replayThrough()),
      }),
    );
    host.toolbar.addItem(
      "reload",
      new ToolbarButton({
        icon: refreshIcon,
        tooltip: trans.__("Read the files again"),
        onClick: () => void this.show(false),
      }),
    );
    host.toolbar.addItem("spacer", Toolbar.createSpacerItem());
    host.toolbar.addItem("kernel", this.kernelName);
    host.disposed.connect(() => this.dispose());
  }

  /** Connect as the state of the document says, and show. */
  async start(): Promise<void> {
    await this.context.ready;
    const { kernel } = this.host.content.state;
    await this.connect(kernel ?? { own: true }, true);
  }

  /** Replay the capture through these filters. */
  async replay(filters: string[]): Promise<void> {
    this.keep({ filters });
    if (this.link) await this.show(false);
  }

  private readonly notice: Notice;
  private readonly kernelName: KernelName;
  private link: KernelLink | null = null;
  private manager: IDisposable | null = null;
  private area: SimplifiedOutputArea | null = null;
  private asked = 0;
  private lost = false;

  private keep(change: FilterWorkbenchDocument["content"]["state"]): void {
    this.host.content.state = { ...this.host.content.state, ...change };
    this.host.content.stateChanged.emit();
  }

  private async connect(choice: KernelChoice, again = false): Promise<void> {
    const { services, trans } = this.around;
    this.leave();
    const asked = ++this.asked;
    this.say({ busy: true, what: choice.id ? trans.__("Connecting to the kernel…") : trans.__("Starting a kernel…") });
    this.kernelName.set(choice.id ? trans.__("Connecting") : trans.__("Starting"));
    try {
      const link = await KernelLink.open(services, this.context.localPath, choice, trans);
      if (this.host.isDisposed || asked !== this.asked) return link.dispose();
      this.link = link;
    } catch (error) {
      if (this.host.isDisposed || asked !== this.asked) return;
      // A page that is loaded anew may find that its kernel has ended since.
      if (again && choice.id && choice.own) return this.connect({ own: true });
      this.kernelName.set(trans.__("No kernel"));
      this.say({
        what: trans.__(
          "There is no kernel behind this view: %1.",
          error instanceof Error ? error.message : String(error),
        ),
        remedy: pythonSpecs(services).length
          ? trans.__("Start a new one, or choose one that runs.")
          : trans.__("Install one with the workbench in it: pip install ipykernel wasm-filter-workbench"),
        actions: this.ways(),
      });
      return;
    }
    const link = this.link;
    this.around.connected.emit(link.kernel);
    this.keep({ kernel: link.choice });
    const rendermime = this.around.rendermime.clone();
    this.area = new SimplifiedOutputArea({ model: new OutputAreaModel({ trusted: true }), rendermime });
    this.area.addClass("filter-workbench-output");
    (this.host.content.layout as PanelLayout).addWidget(this.area);
    link.changed.connect((_, state) => this.onState(state));
    const title = pythonSpecs(services).find((spec) => spec.name === link.choice.spec)?.title ?? link.kernel.name;
    this.kernelName.set(link.choice.own ? title : trans.__("%1, shared", title));
    await this.show(again);
  }

  private async show(keep: boolean): Promise<void> {
    const { link, area } = this;
    if (!link || !area) return this.connect({ own: true });
    const { trans } = this.around;
    const asked = ++this.asked;
    const info = await link.kernel.info;
    if (asked !== this.asked) return;
    if (info.language_info.name !== "python") {
      return this.say({
        what: trans.__("This kernel runs %1; the view needs Python.", info.language_info.name),
        remedy: trans.__("Choose another kernel."),
        actions: this.ways(),
      });
    }
    this.say({
      busy: true,
      what: isFilter(this.context.path) ? trans.__("Looking into the filter…") : trans.__("Opening the capture…"),
    });
    const patience = setTimeout(() => {
      if (link.state === "busy" && !link.choice.own && asked === this.asked) {
        this.say({ busy: true, what: trans.__("The kernel is busy with a cell; the view opens when that is done.") });
      }
    }, SLOW_MS);
    const state = this.host.content.state;
    if (!state.view) this.keep({ view: UUID.uuid4() });
    let shown = false;
    const draw = (message: KernelMessage.IIOPubMessage) => {
      if (asked !== this.asked || !KernelMessage.isDisplayDataMsg(message)) return;
      if (!shown) area.model.clear();
      shown = true;
      area.model.add({ ...message.content, output_type: "display_data" });
      this.say(null);
    };
    try {
      // The kernel has to know widgets before a manager asks for them, else it says so to every page that is connected.
      let reply = this.manager ? null : await this.ask(link, "begin", keep);
      if (asked !== this.asked) return;
      if (reply?.status !== "error") {
        this.manager ??= drawWidgets(link.kernel, area.rendermime);
        reply = await this.ask(link, isFilter(this.context.path) ? "filter" : "capture", keep, draw);
      }
      if (asked !== this.asked) return;
      if (reply?.status === "error") {
        const { kernel, ...said } = trouble(reply.ename, reply.evalue, (text) => trans.__(text));
        const again = { label: trans.__("Read again"), act: () => void this.show(false) };
        this.say({ ...said, actions: kernel ? this.ways() : [again] });
      } else if (!shown) {
        this.say({ what: trans.__("The kernel gave nothing to show."), actions: this.ways() });
      }
    } catch {
      // The kernel went away; its state says how.
    } finally {
      clearTimeout(patience);
    }
  }

  private async ask(
    link: KernelLink,
    kind: Request["kind"],
    keep: boolean,
    draw: (message: KernelMessage.IIOPubMessage) => void = () => undefined,
  ): Promise<KernelMessage.IExecuteReplyMsg["content"] | null> {
    const future = link.kernel.requestExecute({
      code: call(this.request(kind, keep)),
      store_history: false,
      allow_stdin: false,
      stop_on_error: false,
    });
    future.onIOPub = draw;
    return (await future.done)?.content ?? null;
  }

  private request(kind: Request["kind"], keep: boolean): Request {
    const { view, filters } = this.host.content.state;
    return {
      view: view ?? "",
      kind,
      root: PageConfig.getOption("serverRoot"),
      path: this.context.localPath,
      filters: filters ?? [],
      settings: this.around.settings(),
      keep,
    };
  }

  private onState(state: State): void {
    const { trans } = this.around;
    const ends: Partial<Record<State, string>> = {
      dead: trans.__("The kernel died. What is shown here no longer answers."),
      restarted: trans.__("The kernel died or was restarted, and runs anew. What is shown here no longer answers."),
      gone: trans.__("The kernel was shut down. What is shown here no longer answers."),
    };
    if (state === "lost") {
      this.lost = true;
      this.say({ busy: true, what: trans.__("The connection to the kernel is lost; trying to get it back…") });
      return;
    }
    const what = ends[state];
    if (!what) {
      if (this.lost) this.say(null);
      this.lost = false;
      return;
    }
    this.asked += 1;
    this.kernelName.set(trans.__("No kernel"));
    this.say({
      what,
      remedy: state === "restarted" ? trans.__("Open it again.") : trans.__("Open it in another kernel."),
      actions: this.ways(state === "restarted" && !this.link?.choice.own ? this.link?.choice : undefined),
    });
  }

  /** What to do where the view has no kernel to speak of. */
  private ways(again?: KernelChoice): Said["actions"] {
    const { trans } = this.around;
    return [
      again
        ? { label: trans.__("Open again"), act: () => void this.connect(again) }
        : { label: trans.__("Start a new kernel"), act: () => void this.connect({ own: true }) },
      { label: trans.__("Choose a kernel…"), act: () => void this.changeKernel() },
    ];
  }

  private async changeKernel(): Promise<void> {
    const choice = await chooseKernel(this.around, this.link?.kernel.id);
    if (choice) await this.connect(choice);
  }

  private async replayThrough(): Promise<void> {
    const filters = await chooseFilters(this.around);
    if (filters.length) await this.replay(filters);
  }

  private async tryOnCapture(): Promise<void> {
    const [path] = await chooseCaptures(this.around);
    if (path) await this.around.commands.execute(Command.open, { path, filters: [this.context.path] });
  }

  private say(said: Said | null): void {
    this.notice.say(said);
    this.host.content.toggleClass("filter-workbench-is-over", !!said && !said.busy);
  }

  /** Let the kernel forget the view, and leave it. */
  private leave(): void {
    const { link } = this;
    if (link && !link.choice.own && ["ready", "busy"].includes(link.state)) {
      link.kernel.requestExecute({ code: call(this.request("close", false)), silent: true, store_history: false });
    }
    this.link = null;
    this.area?.dispose();
    this.area = null;
    this.manager?.dispose();
    this.manager = null;
    link?.dispose();
  }

  private dispose(): void {
    this.asked += 1;
    this.leave();
  }
}
