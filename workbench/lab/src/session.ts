// The side panel and the status bar. Until a workbench replays something or the panel is opened, only this listens.
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { IStateDB } from "@jupyterlab/statedb";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Panel } from "@lumino/widgets";
import { ISurroundings, type Surroundings } from "./factory";
import { workbenchIcon } from "./icons";
import { NAME } from "./ids";
import type { Runs } from "./runs";

/** A box whose content is fetched when it is first seen. */
class LatePanel extends Panel {
  constructor(private readonly fill: () => Promise<void>) {
    super();
  }
  private filled = false;
  protected override onBeforeShow(): void {
    if (this.filled) return;
    this.filled = true;
    void this.fill();
  }
}

export const session: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:session`,
  description: "The Filter Workbench's side panel, and the running replay in the status bar",
  autoStart: true,
  requires: [ISurroundings],
  optional: [INotebookTracker, IStatusBar, IStateDB, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    around: Surroundings,
    notebooks: INotebookTracker | null,
    statusbar: IStatusBar | null,
    states: IStateDB | null,
    restorer: ILayoutRestorer | null,
  ) => {
    let runs: Promise<Runs> | null = null;
    const made = (): Promise<Runs> =>
      (runs ??= (async () => {
        const [{ Runs }, { RunStatus }] = await Promise.all([import("./runs"), import("./status")]);
        const all = new Runs();
        statusbar?.registerStatusItem(`${NAME}:replay`, {
          item: new RunStatus(all, around.trans),
          align: "left",
          rank: 100,
        });
        return all;
      })());

    const seen = new WeakSet<Kernel.IKernelConnection>();
    const listen = (kernel: Kernel.IKernelConnection | null | undefined) => {
      if (!kernel || seen.has(kernel)) return;
      seen.add(kernel);
      const early: KernelMessage.IIOPubMessage[] = [];
      const first = (_: unknown, message: KernelMessage.IIOPubMessage) => {
        if (!early.length && !isRun(message)) return;
        // What is said while the rest is fetched counts too, be it of the run or of its name.
        if (early.push(message) > 1) return;
        void made().then((all) => {
          kernel.iopubMessage.disconnect(first);
          all.watch(kernel);
          for (const each of early) all.read(kernel, each);
        });
      };
      kernel.iopubMessage.connect(first);
    };
    around.connected.connect((_, kernel) => listen(kernel));
    notebooks?.widgetAdded.connect((_, panel) => {
      listen(panel.sessionContext.session?.kernel);
      panel.sessionContext.kernelChanged.connect((_, change) => listen(change.newValue));
    });

    const panel = new LatePanel(async () => {
      const { SidePanel } = await import("./panel");
      panel.addWidget(new SidePanel(around, await made(), states));
    });
    panel.id = `${NAME}-panel`;
    panel.title.icon = workbenchIcon;
    panel.title.caption = around.trans.__("Filter Workbench");
    panel.node.setAttribute("role", "region");
    panel.node.setAttribute("aria-label", around.trans.__("Filter Workbench: captures, filters, chains, runs"));
    panel.addClass(`${NAME}-late`);
    app.shell.add(panel, "left", { rank: 300 });
    restorer?.add(panel, panel.id);
  },
};

/** Whether a message is of a widget that tells how a replay goes. */
const isRun = (message: KernelMessage.IIOPubMessage): boolean => {
  if (message.header.msg_type !== "comm_open" && message.header.msg_type !== "comm_msg") return false;
  const { data } = message.content as { data?: { state?: { run?: unknown } } };
  return typeof data?.state?.run === "object";
};
