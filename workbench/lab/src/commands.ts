// What can be done from the file browser, the palette and the launcher. Who is asked something, is asked by `actions`.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { IFileBrowserFactory } from "@jupyterlab/filebrowser";
import { ILauncher } from "@jupyterlab/launcher";
import { ISurroundings, type Surroundings } from "./factory";
import { captureIcon, filterIcon, lessonsIcon, recordIcon, workbenchIcon } from "./icons";
import { Command, NAME, isCapture, isFilter } from "./ids";

export const commands: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:commands`,
  description: "Commands of the Filter Workbench: replay, inspect, record, new filter",
  autoStart: true,
  requires: [ISurroundings],
  optional: [IFileBrowserFactory, ICommandPalette, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    around: Surroundings,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
  ) => {
    const { commands } = app;
    const { trans } = around;

    const selected = (fits: (path: string) => boolean): string[] =>
      [...(browsers?.tracker.currentWidget?.selectedItems() ?? [])].map((item) => item.path).filter(fits);
    const open = (path: string, filters?: string[]) =>
      commands.execute(Command.open, { path, ...(filters ? { filters } : {}) });
    const actions = () => import("./actions");
    /** The folder that a new file belongs into: the selected one, or the one that is shown. */
    const folder = (): string => {
      const browser = browsers?.tracker.currentWidget;
      const item = browser && [...browser.selectedItems()].find((each) => each.type === "directory");
      return item ? item.path : (browser?.model.path ?? around.folder() ?? "");
    };

    commands.addCommand(Command.openHere, {
      label: trans.__("Open in workbench"),
      icon: workbenchIcon,
      describedBy: { args: NONE },
      execute: () => Promise.all(selected((path) => isCapture(path) || isFilter(path)).map((path) => open(path))),
    });
    commands.addCommand(Command.inspect, {
      label: trans.__("Inspect filter"),
      icon: filterIcon,
      describedBy: { args: NONE },
      execute: () => Promise.all(selected(isFilter).map((path) => open(path))),
    });
    /** A card of the launcher says what is done; it stands under the workbench's name. */
    const label = (usual: string, onCard: string) => (args: { isLauncher?: unknown }) =>
      args.isLauncher ? onCard : usual;
    commands.addCommand(Command.replay, {
      label: trans.__("Replay through filter…"),
      icon: captureIcon,
      describedBy: { args: NONE },
      execute: async () => (await actions()).replay(around, selected(isCapture), selected(isFilter)),
    });
    commands.addCommand(Command.record, {
      label: label(trans.__("Record to this folder…"), trans.__("Record traffic")),
      caption: trans.__("Record traffic with mitmdump in a terminal"),
      icon: recordIcon,
      describedBy: { args: NONE },
      execute: async () => (await import("./record")).record(around, folder()),
    });
    commands.addCommand(Command.newFilter, {
      label: label(trans.__("New filter from template…"), trans.__("New filter")),
      caption: trans.__("A small filter to begin with, in Rust or WebAssembly text"),
      icon: filterIcon,
      describedBy: { args: NONE },
      execute: async () => (await actions()).newFilter(around, folder()),
    });
    commands.addCommand(Command.workbench, {
      label: label(trans.__("Filter Workbench"), trans.__("Replay a capture")),
      caption: trans.__("Replay a capture through Proxy-Wasm filters"),
      icon: workbenchIcon,
      describedBy: { args: NONE },
      execute: async () => (await actions()).replay(around, [], []),
    });
    commands.addCommand(Command.lessons, {
      label: label(trans.__("Open the lessons"), trans.__("Lessons")),
      caption: trans.__("Notebooks that show how Wasm works in a mesh"),
      icon: lessonsIcon,
      describedBy: { args: NONE },
      execute: async () => (await actions()).lessons(around),
    });

    const category = trans.__("Filter Workbench");
    for (const command of [Command.workbench, Command.replay, Command.record, Command.newFilter, Command.lessons]) {
      palette?.addItem({ command, category });
    }
    for (const [rank, command] of [Command.workbench, Command.record, Command.newFilter, Command.lessons].entries()) {
      launcher?.add({ command, category, rank });
    }
  },
};

const NONE = { type: "object", properties: {} } as const;
