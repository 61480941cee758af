// What the commands do: they ask, then open something.
import { Dialog, InputDialog, showDialog, showErrorMessage } from "@jupyterlab/apputils";
import { PathExt } from "@jupyterlab/coreutils";
import { chooseCaptures, chooseFilters } from "./choose";
import type { Surroundings } from "./factory";
import { Command } from "./ids";
import { TEMPLATES, filesOf } from "./templates";

/** Replay captures through filters; what is not selected is asked for. Without an answer nothing is opened. */
export const replay = async (around: Surroundings, captures: string[], filters: string[]): Promise<void> => {
  const of = captures.length ? captures : await chooseCaptures(around);
  if (!of.length) return;
  const through = filters.length ? filters : await chooseFilters(around);
  if (!through.length && captures.length) return;
  for (const path of of) {
    await around.commands.execute(Command.open, { path, filters: through });
  }
};

/** A name that no shell and no file system takes for something else. */
const PLAIN = /^[A-Za-z0-9][\w-]*(\.[\w-]+)*$/;

/** Record into a folder: mitmdump in a terminal, where it is seen and stopped. */
export const record = async (around: Surroundings, folder: string): Promise<void> => {
  const { trans, services, commands } = around;
  if (!commands.hasCommand("terminal:create-new")) {
    return showErrorMessage(
      trans.__("Nothing was recorded"),
      trans.__(
        "This server has no terminals. Run this where they are: %1",
        "mitmdump --listen-host 127.0.0.1 -w recorded.mitm",
      ),
      [closing(around)],
    );
  }
  const named = await InputDialog.getText({
    title: trans.__("Record to %1", folder || "/"),
    label: trans.__("File. Send traffic through the proxy 127.0.0.1:8080; Ctrl-C in the terminal ends the recording."),
    text: "recorded.mitm",
    okLabel: trans.__("Record"),
    cancelLabel: trans.__("Cancel"),
  });
  const name = named.button.accept ? named.value?.trim() : null;
  if (!name) return;
  const taken = await exists(around, PathExt.join(folder, name));
  if (!PLAIN.test(name) || taken) {
    const why = taken
      ? trans.__("%1 is there already.", name)
      : trans.__("Letters, digits, dots and dashes make a name.");
    return showErrorMessage(trans.__("Nothing was recorded"), why, [closing(around)]);
  }
  const terminal = (await commands.execute("terminal:create-new", { cwd: folder })) as {
    content: { session: { send: (message: { type: "stdin"; content: string[] }) => void } };
  };
  await services.terminals.ready;
  terminal.content.session.send({
    type: "stdin",
    content: [`mitmdump --listen-host 127.0.0.1 --listen-port 8080 -w ${name}\r`],
  });
};

/** Write a template's files into a new folder and show it. */
export const newFilter = async (around: Surroundings, folder: string): Promise<void> => {
  const { trans, services, commands } = around;
  const kind = await InputDialog.getItem({
    title: trans.__("New filter"),
    label: trans.__("Written in"),
    items: TEMPLATES.map((each) => each.title(trans)),
    okLabel: trans.__("Next"),
    cancelLabel: trans.__("Cancel"),
  });
  if (!kind.button.accept) return;
  const named = await InputDialog.getText({
    title: trans.__("New filter in %1", folder || "/"),
    label: trans.__("Name: small letters, digits and _"),
    text: "my_filter",
    okLabel: trans.__("Create"),
    cancelLabel: trans.__("Cancel"),
  });
  const name = named.button.accept ? named.value?.trim() : null;
  if (!name) return;
  const place = PathExt.join(folder, name);
  const taken = await exists(around, place);
  if (!/^[a-z][a-z0-9_]*$/.test(name) || taken) {
    const why = taken ? trans.__("%1 is there already.", name) : trans.__("Small letters, digits and _ make a name.");
    return showErrorMessage(trans.__("No filter was made"), why, [closing(around)]);
  }
  const { contents } = services;
  try {
    const template = TEMPLATES.find((each) => each.title(trans) === kind.value) ?? TEMPLATES[0];
    for (const [path, content] of filesOf(template, name)) {
      await folders(around, PathExt.join(place, PathExt.dirname(path)));
      await contents.save(PathExt.join(place, path), { type: "file", format: "text", content });
    }
    await commands.execute("docmanager:open", { path: PathExt.join(place, "README.md") });
  } catch (error) {
    const why = error instanceof Error ? error : String(error);
    await showErrorMessage(trans.__("The filter was not made whole"), why, [closing(around)]);
  }
};

/** Open the first lesson, where the folder of notebooks is. */
export const lessons = async (around: Surroundings): Promise<void> => {
  const { trans, commands } = around;
  const path = "notebooks/00_tour.ipynb";
  if (await exists(around, path)) {
    await commands.execute("docmanager:open", { path });
    return;
  }
  await showDialog({
    title: trans.__("The lessons are not here"),
    body: trans.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),
    buttons: [closing(around)],
  });
};

const exists = (around: Surroundings, path: string): Promise<boolean> =>
  around.services.contents.get(path, { content: false }).then(
    () => true,
    () => false,
  );

/** Lab labels the buttons of these dialogs in English by itself. */
const closing = ({ trans }: Surroundings): Dialog.IButton => Dialog.okButton({ label: trans.__("Close") });

/** Make a folder and those above it. */
const folders = async (around: Surroundings, path: string): Promise<void> => {
  if (!path || path === "." || (await exists(around, path))) return;
  await folders(around, PathExt.dirname(path));
  await around.services.contents.save(path, { type: "directory" });
};
