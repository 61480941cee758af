// What the commands do: they ask, then open something.
import { InputDialog, showDialog } from "@jupyterlab/apputils";
import { PathExt } from "@jupyterlab/coreutils";
import { chooseCaptures, chooseFilters } from "./choose";
import type { Surroundings } from "./factory";
import { namesIn } from "./find";
import { Command } from "./ids";
import { closing, refuse } from "./refusal";
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

const BROWSE = "filebrowser:go-to-path";

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
    pattern: "[a-z][a-z0-9_]*",
    required: true,
    okLabel: trans.__("Create"),
    cancelLabel: trans.__("Cancel"),
  });
  const name = named.button.accept ? named.value?.trim() : null;
  if (!name) return;
  const place = PathExt.join(folder, name);
  const taken = (await namesIn(services.contents, folder)).has(name);
  if (!/^[a-z][a-z0-9_]*$/.test(name) || taken) {
    const why = taken ? trans.__("%1 is there already.", name) : trans.__("Small letters, digits and _ make a name.");
    return refuse(around, trans.__("No filter was made"), why);
  }
  const { contents } = services;
  try {
    const template = TEMPLATES.find((each) => each.title(trans) === kind.value) ?? TEMPLATES[0];
    await contents.save(place, { type: "directory" });
    const made = new Set([""]);
    for (const [path, content] of filesOf(template, name)) {
      const inner = PathExt.dirname(path);
      if (!made.has(inner)) await contents.save(PathExt.join(place, inner), { type: "directory" });
      made.add(inner);
      await contents.save(PathExt.join(place, path), { type: "file", format: "text", content });
    }
    if (commands.hasCommand(BROWSE)) await commands.execute(BROWSE, { path: place });
    // as a page to read, where there is a view for it
    const opener = commands.hasCommand("markdownviewer:open") ? "markdownviewer:open" : "docmanager:open";
    await commands.execute(opener, { path: PathExt.join(place, "README.md") });
  } catch (error) {
    const why = error instanceof Error ? error : String(error);
    await refuse(around, trans.__("The filter was not made whole"), why);
  }
};

/** Open the first lesson, where the folder of notebooks is. */
export const lessons = async (around: Surroundings): Promise<void> => {
  const { trans, commands, services } = around;
  const [folder, name] = ["notebooks", "00_tour.ipynb"];
  const here = (await namesIn(services.contents, "")).has(folder);
  if (here && (await namesIn(services.contents, folder)).has(name)) {
    await commands.execute("docmanager:open", { path: PathExt.join(folder, name) });
    return;
  }
  await showDialog({
    title: trans.__("The lessons are not here"),
    body: trans.__("They lie in the folder notebooks of the project. Start JupyterLab there, or run: make run"),
    buttons: [closing(around)],
  });
};
