// The replays that run in the kernels of the page, as their widgets tell the browser: nothing of Python is changed for it.
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { type ISignal, Signal } from "@lumino/signaling";

/** What a workbench says of its replay. */
export interface Run {
  id: string;
  capture: string;
  filters: string[];
  state: "running" | "done" | "failed";
  done: number;
  total: number;
  words: string;
  cancel: () => void;
}

interface State {
  run?: Record<string, unknown>;
  capture_name?: unknown;
  filters?: unknown;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const MOST = 50;

export class Runs {
  readonly changed: ISignal<this, void> = new Signal<this, void>(this);

  /** The latest run of each workbench, newest first. */
  get all(): Run[] {
    return [...this.known.values()].filter((run) => run.state !== null).reverse() as Run[];
  }

  /** Listen to a kernel. */
  watch(kernel: Kernel.IKernelConnection): void {
    if (this.watched.has(kernel)) return;
    this.watched.add(kernel);
    kernel.iopubMessage.connect((_, message) => this.read(kernel, message));
    const gone = () => this.forget(kernel.id);
    kernel.disposed.connect(gone);
    kernel.statusChanged.connect((_, status) => {
      if (["dead", "restarting", "autorestarting"].includes(status)) gone();
    });
  }

  /** Take up what a widget says, where it is a workbench. */
  read(
    kernel: Pick<Kernel.IKernelConnection, "id" | "sendShellMessage" | "clientId" | "username">,
    message: unknown,
  ): void {
    const { header, content } = message as KernelMessage.IIOPubMessage;
    if (!["comm_open", "comm_msg", "comm_close"].includes(header.msg_type)) return;
    const { comm_id: comm, data } = content as { comm_id: string; data?: { state?: State } };
    const key = `${kernel.id}/${comm}`;
    if (header.msg_type === "comm_close") {
      if (this.known.delete(key)) this.tell();
      return;
    }
    const state = data?.state;
    const known = this.known.get(key);
    if (!state || (!known && !(state.run && "state" in state.run))) return;
    const run: Entry = known ?? {
      ...{ id: key, capture: "", filters: [], state: null, done: 0, total: 0, words: "" },
      cancel: () => cancel(kernel, comm),
    };
    if ("capture_name" in state) run.capture = text(state.capture_name);
    if (Array.isArray(state.filters)) run.filters = state.filters.map(text);
    if (state.run) {
      const now = text(state.run.state);
      run.state = now === "running" || now === "done" || now === "failed" ? now : null;
      run.done = number(state.run.done);
      run.total = number(state.run.total);
      run.words = text(state.run.words) || text(state.run.what);
    }
    this.known.delete(key);
    this.known.set(key, run);
    for (const old of [...this.known.keys()].slice(0, -MOST)) this.known.delete(old);
    this.tell();
  }

  private forget(kernel: string): void {
    for (const key of this.known.keys()) if (key.startsWith(`${kernel}/`)) this.known.delete(key);
    this.tell();
  }
  private tell(): void {
    (this.changed as Signal<this, void>).emit();
  }
  private readonly known = new Map<string, Entry>();
  private readonly watched = new WeakSet<Kernel.IKernelConnection>();
}

type Entry = Omit<Run, "state"> & { state: Run["state"] | null };

/** Press the workbench's own Cancel. */
const cancel = (
  kernel: Pick<Kernel.IKernelConnection, "sendShellMessage" | "clientId" | "username">,
  comm: string,
): void => {
  const message = {
    header: {
      msg_id: crypto.randomUUID(),
      msg_type: "comm_msg",
      session: kernel.clientId,
      username: kernel.username,
      date: new Date().toISOString(),
      version: "5.4",
    },
    parent_header: {},
    metadata: {},
    channel: "shell",
    buffers: [],
    content: { comm_id: comm, data: { method: "custom", content: { kind: "cancel", ask: "status bar" } } },
  };
  kernel.sendShellMessage(message as unknown as KernelMessage.IShellMessage, false, true);
};
