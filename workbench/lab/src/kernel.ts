// The kernel behind a view: one of its own, which ends with it, or a running one, which is none of its business to end.
import type { Kernel, ServiceManager } from "@jupyterlab/services";
import type { TranslationBundle } from "@jupyterlab/translation";
import { UUID } from "@lumino/coreutils";
import type { IDisposable } from "@lumino/disposable";
import { type ISignal, Signal } from "@lumino/signaling";
import { SESSION, nameOf } from "./ids";

/** Which kernel: `own` tells whether it was started for the view, `id` names a running one, `spec` a kind to start. */
export interface KernelChoice {
  own: boolean;
  id?: string;
  spec?: string;
}

/** What is so of the kernel; the last three are the ends of it. */
export type State = "starting" | "ready" | "busy" | "lost" | "dead" | "restarted" | "gone";

const ENDS: readonly State[] = ["dead", "restarted", "gone"];

export class KernelLink implements IDisposable {
  private constructor(
    readonly kernel: Kernel.IKernelConnection,
    readonly choice: KernelChoice,
    /** The server's session, where it ends with the view. */
    private readonly session: string | null,
    private readonly services: ServiceManager.IManager,
  ) {
    this.current = kernel.status === "busy" ? "busy" : "ready";
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.connectionStatusChanged.connect(this.onConnection, this);
    kernel.disposed.connect(this.onGone, this);
    services.kernels.runningChanged.connect(this.onRunning, this);
  }

  /** Connect to a running kernel, or start one in the folder of `path`. Throws where there is no such kernel. */
  static async open(
    services: ServiceManager.IManager,
    path: string,
    choice: KernelChoice,
    trans: TranslationBundle,
  ): Promise<KernelLink> {
    if (choice.id) {
      const model = await services.kernels.findById(choice.id);
      if (!model) throw new Error(trans.__("that kernel is not running"));
      const session = [...services.sessions.running()].find((each) => each.kernel?.id === choice.id);
      const own = choice.own && session?.type === SESSION;
      const kernel = services.kernels.connectTo({ model, handleComms: true });
      return new KernelLink(kernel, { own, id: model.id, spec: model.name }, own ? session.id : null, services);
    }
    await services.kernelspecs.ready;
    const spec = choice.spec ?? pythonSpecs(services)[0]?.name;
    if (!spec) throw new Error(trans.__("no Python kernel is installed"));
    const session = await services.sessions.startNew(
      {
        path: ownPath(path, UUID.uuid4().slice(0, 8)),
        name: nameOf(path),
        type: SESSION,
        kernel: { name: spec },
      },
      { kernelConnectionOptions: { handleComms: true } },
    );
    const { id, kernel } = session;
    if (!kernel) throw new Error(trans.__("the kernel did not start"));
    return new KernelLink(kernel, { own: true, id: kernel.id, spec }, id, services);
  }

  get state(): State {
    return this.current;
  }
  readonly changed: ISignal<this, State> = new Signal<this, State>(this);
  isDisposed = false;

  /** Leave the kernel; one of our own is ended. */
  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    Signal.clearData(this);
    if (this.session && this.current !== "gone") this.services.sessions.shutdown(this.session).catch(() => undefined);
    this.kernel.dispose();
  }

  private current: State;
  private set(state: State): void {
    if (this.isDisposed || this.current === state || ENDS.includes(this.current)) return;
    this.current = state;
    (this.changed as Signal<this, State>).emit(state);
  }
  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === "dead") this.set("dead");
    else if (status === "autorestarting") this.set("dead");
    else if (status === "restarting" || status === "starting") this.set("restarted");
    else if (status === "busy") this.set("busy");
    else if (status === "idle") this.set("ready");
  }
  private onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === "disconnected") this.set("lost");
    else if (status === "connected") this.set("ready");
  }
  private onGone(): void {
    this.set("gone");
  }
  private onRunning(_: unknown, models: Kernel.IModel[]): void {
    if (!models.some((each) => each.id === this.kernel.id)) this.set("gone");
  }
}

/**
 * A path that is of one view only, and still leads to the file: two views of a file have a kernel each, the server knows a session by
 * its path, and Lab's list of running kernels opens that path.
 */
const ownPath = (path: string, id: string): string => {
  const at = path.lastIndexOf("/") + 1;
  return `${path.slice(0, at)}.${id}/../${path.slice(at)}`;
};

/** The kinds of Python kernels, the default one first. */
export const pythonSpecs = (services: ServiceManager.IManager): { name: string; title: string }[] => {
  const specs = services.kernelspecs.specs;
  const found = Object.values(specs?.kernelspecs ?? {}).filter((spec) => spec?.language.toLowerCase() === "python");
  return found
    .map((spec) => ({ name: spec?.name ?? "", title: spec?.display_name ?? "" }))
    .sort((a, b) => Number(b.name === specs?.default) - Number(a.name === specs?.default));
};

/** Running kernels that a view could be attached to: those of notebooks, consoles and other views. */
export const running = (services: ServiceManager.IManager): { id: string; title: string }[] => {
  const python = new Set(pythonSpecs(services).map((spec) => spec.name));
  const found: { id: string; title: string }[] = [];
  for (const session of services.sessions.running()) {
    const kernel = session.kernel;
    if (kernel && python.has(kernel.name) && !found.some((each) => each.id === kernel.id)) {
      found.push({ id: kernel.id, title: session.name || session.path });
    }
  }
  return found;
};
