// Live widgets outside a notebook. The one file that leans on how jupyterlab-manager works: it makes a widget manager for a
// document, found by the id of the document's kernel. What it looks at of a document is made up here from a kernel alone.
import { registerWidgetManager } from "@jupyter-widgets/jupyterlab-manager";
import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { Kernel } from "@jupyterlab/services";
import { UUID } from "@lumino/coreutils";
import type { IDisposable } from "@lumino/disposable";
import { Signal } from "@lumino/signaling";

/**
 * Make `rendermime`, a registry of the view's own, draw the widgets of a kernel.
 *
 * The manager belongs to the view: under the kernel's own id it would be shared with a notebook of that kernel, and end with
 * whichever is closed first.
 */
export const drawWidgets = (kernel: Kernel.IKernelConnection, rendermime: IRenderMimeRegistry): IDisposable => {
  // A notebook's other comms are for its own connection: one without a known target would be closed by this one.
  const targets = kernel as unknown as { _targetRegistry?: Record<string, unknown> };
  targets._targetRegistry = new Proxy(targets._targetRegistry ?? {}, {
    get: (registry, name) => (Reflect.get(registry, name) as unknown) ?? (() => undefined),
  });
  const view = UUID.uuid4();
  const own = new Proxy(kernel, {
    get(target, name) {
      if (name === "id") return `${target.id}/${view}`;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value as () => unknown).bind(target) : value;
    },
  });
  const of = {};
  const context = {
    sessionContext: {
      ready: Promise.resolve(),
      session: { kernel: own },
      kernelChanged: new Signal(of),
      statusChanged: kernel.statusChanged,
      connectionStatusChanged: kernel.connectionStatusChanged,
    },
    saveState: new Signal(of),
    model: { getMetadata: () => undefined, dirty: false },
    urlResolver: null,
  };
  type Context = Parameters<typeof registerWidgetManager>[0];
  return registerWidgetManager(context as unknown as Context, rendermime, [][Symbol.iterator]());
};
