// Lab's list of running kernels: one behind a view has the view's icon, says what it shows, leads back to it and can be ended there.
import { type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { PathExt } from "@jupyterlab/coreutils";
import { IRunningSessionManagers, type IRunningSessions } from "@jupyterlab/running";
import { type Shown, dressed } from "./dress";
import { ISurroundings, type Surroundings } from "./factory";
import { captureIcon, filterIcon } from "./icons";
import { Command, NAME, SESSION, isFilter, nameOf, stem } from "./ids";
import { visible } from "./text";

export const running: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:running`,
  description: "Shows the Filter Workbench's views in the list of running kernels",
  autoStart: true,
  requires: [ISurroundings],
  // Notebook 7 has no such list
  optional: [IRunningSessionManagers],
  activate: (app: JupyterFrontEnd, around: Surroundings, managers: IRunningSessionManagers | null) => {
    if (!managers) return;
    const { sessions } = around.services;
    const shownAs = (kernel: string): Shown | null => {
      const session = [...sessions.running()].find((each) => each.type === SESSION && each.kernel?.id === kernel);
      if (!session) return null;
      const path = PathExt.normalize(session.path);
      const view = around.viewOf(kernel);
      const filters = view?.content.state.filters ?? [];
      return {
        icon: isFilter(path) ? filterIcon : captureIcon,
        label: visible([nameOf(path), filters.map(stem).join(", ")].filter(Boolean).join(" → ")),
        open: () => {
          if (view) app.shell.activateById(view.id);
          else void around.commands.execute(Command.open, { path, kernel: { own: true, id: kernel } });
        },
        shutdown: () => void sessions.shutdown(session.id).catch(() => undefined),
      };
    };
    const dress = (manager: IRunningSessions.IManager) => {
      const told = manager.running.bind(manager);
      manager.running = (options) => told(options).map((item) => dressed(item, shownAs));
    };
    managers.items().forEach(dress);
    managers.added.connect((_, manager) => dress(manager));
  },
};
