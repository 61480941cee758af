// The document of a capture or a filter: an empty box that fetches its content when it is first shown.
import { ABCWidgetFactory, DocumentRegistry, DocumentWidget } from "@jupyterlab/docregistry";
import type { Kernel, ServiceManager } from "@jupyterlab/services";
import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { TranslationBundle } from "@jupyterlab/translation";
import type { IDocumentManager } from "@jupyterlab/docmanager";
import { PromiseDelegate, Token } from "@lumino/coreutils";
import type { CommandRegistry } from "@lumino/commands";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import type { DocumentView } from "./document";
import { captureIcon, filterIcon } from "./icons";
import { NAME, isFilter } from "./ids";
import type { KernelChoice } from "./kernel";
import type { Settings } from "./python";

/** What a view needs of Lab. */
export interface Surroundings {
  services: ServiceManager.IManager;
  rendermime: IRenderMimeRegistry;
  commands: CommandRegistry;
  trans: TranslationBundle;
  documents: IDocumentManager | null;
  /** The folder of the file browser, where there is one. */
  folder: () => string | null;
  settings: () => Settings;
  /** The view that a kernel is behind, where it is open on this page. */
  viewOf: (kernel: string) => FilterWorkbenchDocument | undefined;
  /** Called with each kernel that a view connects to. */
  connected: Signal<unknown, Kernel.IKernelConnection>;
}

export const ISurroundings = new Token<Surroundings>(
  `${NAME}:ISurroundings`,
  "What the Filter Workbench's views stand on",
);

/** What a view needs besides its path to come back as it was: kept in the workspace. */
export interface ViewState {
  view?: string;
  filters?: string[];
  kernel?: KernelChoice;
}

export class DocumentBox extends Widget {
  readonly opened = new PromiseDelegate<DocumentView>();

  constructor(
    private readonly context: DocumentRegistry.Context,
    private readonly surroundings: Surroundings,
  ) {
    super();
    this.addClass("filter-workbench-box");
  }

  /** The document around this box, with its toolbar. */
  host: FilterWorkbenchDocument | null = null;
  /** What the view is to be opened with; set before it is first shown, later changed by the view. */
  state: ViewState = {};
  readonly stateChanged = new Signal<this, void>(this);

  protected override onAfterShow(): void {
    void this.open();
  }

  protected override onAfterAttach(): void {
    if (this.isVisible) void this.open();
  }

  private started = false;
  private async open(): Promise<void> {
    if (this.started) return;
    this.started = true;
    try {
      const { DocumentView } = await import("./document");
      if (this.isDisposed || !this.host) return;
      const view = new DocumentView(this.host, this.context, this.surroundings);
      this.opened.resolve(view);
      await view.start();
    } catch (error) {
      this.node.textContent = this.surroundings.trans.__("This view could not be loaded: %1", String(error));
    }
  }
}

export class FilterWorkbenchDocument extends DocumentWidget<DocumentBox> {}

export class FilterWorkbenchFactory extends ABCWidgetFactory<FilterWorkbenchDocument> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<FilterWorkbenchDocument>,
    private readonly surroundings: Surroundings,
  ) {
    super(options);
  }

  protected override createNewWidget(context: DocumentRegistry.Context): FilterWorkbenchDocument {
    // Saving is no mistake here, it only has nothing to do; a checkpoint would be a copy of the whole file.
    context.save = () => Promise.resolve();
    context.createCheckpoint = () => Promise.resolve({ id: "", last_modified: "" });
    const content = new DocumentBox(context, this.surroundings);
    const document = new FilterWorkbenchDocument({ content, context });
    content.host = document;
    document.addClass("filter-workbench-document");
    document.title.icon = isFilter(context.path) ? filterIcon : captureIcon;
    return document;
  }
}
