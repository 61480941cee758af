// Captures and filters as documents: their file types, their view, and its return after the page was loaded anew.
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { WidgetTracker } from "@jupyterlab/apputils";
import { IDocumentManager } from "@jupyterlab/docmanager";
import { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { Signal } from "@lumino/signaling";
import {
  type FilterWorkbenchDocument,
  FilterWorkbenchFactory,
  ISurroundings,
  type Surroundings,
  type ViewState,
} from "./factory";
import { HandleModelFactory } from "./handle";
import { captureIcon, filterIcon, workbenchIcon } from "./icons";
import { Command, EXTENSIONS, FACTORY, FileType, MODEL, NAME } from "./ids";
import type { Settings } from "./python";

const PLUGIN = `${NAME}:documents`;

export const documents: JupyterFrontEndPlugin<Surroundings> = {
  id: PLUGIN,
  description: "Opens captures and Proxy-Wasm filters in the Filter Workbench",
  autoStart: true,
  provides: ISurroundings,
  requires: [IRenderMimeRegistry, IDocumentManager],
  optional: [ILayoutRestorer, ISettingRegistry, ITranslator, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    manager: IDocumentManager,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
    browser: IDefaultFileBrowser | null,
  ) => {
    const trans = (translator ?? nullTranslator).load("filter_workbench");
    const { commands, docRegistry } = app;

    let settings: Settings = {};
    void registry
      ?.load(PLUGIN)
      .then((loaded) => {
        const read = () => (settings = loaded.composite as Settings);
        loaded.changed.connect(read);
        read();
      })
      .catch((error: unknown) => console.warn(`The settings of ${NAME} could not be read: ${String(error)}`));

    const type = (
      name: string,
      displayName: string,
      extensions: string[],
      mimeType: string,
      icon: typeof captureIcon,
    ) =>
      docRegistry.addFileType({
        name,
        displayName,
        extensions,
        mimeTypes: [mimeType],
        contentType: "file",
        fileFormat: "base64",
        icon,
      });
    type(
      FileType.capture,
      trans.__("Captured traffic"),
      EXTENSIONS.capture,
      "application/vnd.mitmproxy.flow",
      captureIcon,
    );
    type(FileType.har, trans.__("HTTP archive"), EXTENSIONS.har, "application/vnd.http-archive+json", captureIcon);
    type(FileType.filter, trans.__("Proxy-Wasm filter"), EXTENSIONS.filter, "application/wasm", filterIcon);

    const tracker = new WidgetTracker<FilterWorkbenchDocument>({ namespace: NAME });
    const around: Surroundings = {
      services: app.serviceManager,
      rendermime,
      commands,
      trans,
      documents: manager,
      folder: () => browser?.model.path ?? null,
      settings: () => settings,
      viewOf: (kernel) => tracker.find((each) => each.content.state.kernel?.id === kernel),
      connected: new Signal({}),
    };
    const kinds = Object.values(FileType);
    const factory = new FilterWorkbenchFactory(
      {
        name: FACTORY,
        label: trans.__("Filter Workbench"),
        modelName: MODEL,
        fileTypes: kinds,
        defaultFor: kinds,
        readOnly: true,
      },
      around,
    );
    docRegistry.addModelFactory(new HandleModelFactory());
    docRegistry.addWidgetFactory(factory);

    factory.widgetCreated.connect((_, document) => {
      void tracker.add(document);
      const save = () => void tracker.save(document);
      document.context.pathChanged.connect(save);
      document.content.stateChanged.connect(save);
    });

    commands.addCommand(Command.open, {
      label: trans.__("Open in workbench"),
      icon: workbenchIcon,
      describedBy: { args: OPEN_ARGUMENTS },
      // Not to be waited for until the document is ready: while Lab restores its layout, documents wait for that.
      execute: (args) => {
        const { path, filters, beside, ...state } = args as unknown as OpenArguments;
        const ref = tracker.currentWidget?.id;
        const options = { ...(ref && beside ? { ref, mode: "split-right" as const } : {}) };
        const known = tracker.find((each) => each.context.path === path);
        const document = (known ?? manager.open(path, FACTORY, undefined, options)) as
          FilterWorkbenchDocument | undefined;
        if (!document) return;
        if (known) app.shell.activateById(known.id);
        else document.content.state = { ...state, ...(filters ? { filters } : {}) };
        if (known && filters) void document.content.opened.promise.then((view) => view.replay(filters));
      },
    });

    void restorer?.restore(tracker, {
      command: Command.open,
      args: (document) =>
        ({ path: document.context.path, ...document.content.state }) as unknown as ReadonlyPartialJSONObject,
      name: (document) => document.context.path,
    });
    return around;
  },
};

interface OpenArguments extends ViewState {
  path: string;
  /** Beside the view that is current. */
  beside?: boolean;
}

const OPEN_ARGUMENTS = {
  type: "object",
  properties: {
    path: { type: "string", description: "A capture or a filter, from the server's root" },
    filters: {
      type: "array",
      items: { type: "string" },
      description: "Filters that the capture is replayed through, in order",
    },
    beside: { type: "boolean", description: "Beside the view that is current" },
  },
  required: ["path"],
} as const;
