// Captures and filters among the server's files, found by walking its folders: near ones first, and not for ever.
import type { Contents } from "@jupyterlab/services";

const MOST_FOLDERS = 60;
const MOST_FILES = 200;
/** Folders that hold what tools made of other files, or packages. */
const SKIPPED = /^(\..*|node_modules|__pycache__|deps|build|venv|site-packages)$/;

export type Folders = Pick<Contents.IManager, "get">;

/** Paths of files that fit, those of `from` first, then by depth from the root. */
export const find = async (contents: Folders, from: string, fits: (path: string) => boolean): Promise<string[]> => {
  const found = new Set<string>();
  const seen = new Set<string>();
  const queue = [from, ""];
  while (queue.length && seen.size < MOST_FOLDERS && found.size < MOST_FILES) {
    const folder = queue.shift() ?? "";
    if (seen.has(folder)) continue;
    seen.add(folder);
    const model = await contents.get(folder, { type: "directory", content: true }).catch(() => null);
    const entries = ((model?.content ?? []) as Contents.IModel[]).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.type === "directory") {
        if (!SKIPPED.test(entry.name)) queue.push(entry.path);
      } else if (fits(entry.path)) {
        found.add(entry.path);
      }
    }
  }
  return [...found];
};

/** What a folder holds, by name. Asking for a file that is not there would be an error in the browser's console. */
export const namesIn = async (contents: Folders, folder: string): Promise<Set<string>> => {
  const model = await contents.get(folder, { type: "directory", content: true });
  return new Set((model.content as Contents.IModel[]).map((each) => each.name));
};
