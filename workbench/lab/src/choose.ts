// The dialogs of a view: which captures, which filters, which kernel.
import { Dialog, showDialog } from "@jupyterlab/apputils";
import type { Contents } from "@jupyterlab/services";
import { FileDialog } from "@jupyterlab/filebrowser";
import { Widget } from "@lumino/widgets";
import type { Surroundings } from "./factory";
import { isCapture, isFilter } from "./ids";
import { type KernelChoice, pythonSpecs, running } from "./kernel";
import { visible } from "./text";

const choose = async (around: Surroundings, title: string, fits: (path: string) => boolean): Promise<string[]> => {
  if (!around.documents) return [];
  const result = await FileDialog.getOpenFiles({
    manager: around.documents,
    title,
    label: "",
    filter: (model: Contents.IModel) => (model.type === "directory" || fits(model.path) ? {} : null),
    ...(around.folder() === null ? {} : { defaultPath: around.folder() as string }),
  });
  const chosen = result.button.accept ? (result.value ?? []) : [];
  return chosen.map((each) => each.path).filter(fits);
};

/** Filters in the order of their names; empty where none was chosen. */
export const chooseFilters = (around: Surroundings): Promise<string[]> =>
  choose(around, around.trans.__("Replay through which filters?"), isFilter);

export const chooseCaptures = (around: Surroundings): Promise<string[]> =>
  choose(around, around.trans.__("Replay which capture?"), isCapture);

/** A new kernel or a running one; null where nothing was chosen. */
export const chooseKernel = async (around: Surroundings, current?: string): Promise<KernelChoice | null> => {
  const { services, trans } = around;
  await services.kernelspecs.ready;
  await services.sessions.refreshRunning();
  const choices: KernelChoice[] = [];
  const body = new Widget();
  const label = document.createElement("label");
  label.textContent = trans.__("Where the view's Python runs");
  const select = document.createElement("select");
  select.className = "jp-mod-styled";
  const group = (title: string, entries: { title: string; choice: KernelChoice }[]) => {
    if (!entries.length) return;
    const node = document.createElement("optgroup");
    node.label = title;
    for (const { title, choice } of entries) {
      const option = document.createElement("option");
      option.value = String(choices.push(choice) - 1);
      option.textContent = visible(title);
      node.append(option);
    }
    select.append(node);
  };
  group(
    trans.__("A kernel of its own, ended with the view"),
    pythonSpecs(services).map(({ name, title }) => ({ title, choice: { own: true, spec: name } })),
  );
  group(
    trans.__("A running kernel, shared"),
    running(services)
      .filter(({ id }) => id !== current)
      .map(({ id, title }) => ({ title, choice: { own: false, id } })),
  );
  label.append(select);
  body.node.append(label);
  const result = await showDialog({
    title: trans.__("Choose a kernel"),
    body,
    focusNodeSelector: "select",
    buttons: choices.length
      ? [Dialog.cancelButton({ label: trans.__("Cancel") }), Dialog.okButton({ label: trans.__("Choose") })]
      : [Dialog.okButton({ label: trans.__("No Python kernel is installed") })],
  });
  return result.button.accept ? (choices[Number(select.value)] ?? null) : null;
};
