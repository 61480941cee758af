// The dialogs of a view: which captures, which filters, which kernel.
import { Dialog, showDialog } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";
import "../style/choose.css";
import type { Surroundings } from "./factory";
import { find } from "./find";
import { isCapture, isFilter } from "./ids";
import { type KernelChoice, pythonSpecs, running } from "./kernel";
import { visible } from "./text";

const element = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  name: string,
  text = "",
): HTMLElementTagNameMap[Tag] => {
  const node = document.createElement(tag);
  node.className = `filter-workbench-${name}`;
  node.textContent = text;
  return node;
};

/** Ask for some of the server's files; they are given in the order in which they were chosen. */
const choose = async (
  around: Surroundings,
  title: string,
  none: string,
  several: boolean,
  fits: (path: string) => boolean,
): Promise<string[]> => {
  const { trans, services } = around;
  const found = await find(services.contents, around.folder() ?? "", fits);
  const chosen: string[] = [];
  const body = new Widget();
  body.addClass("filter-workbench-choose");
  const places = new Map<string, HTMLElement>();
  for (const path of found) {
    const label = element("label", "choice");
    const box = element("input", "mark");
    box.type = several ? "checkbox" : "radio";
    box.name = "filter-workbench-choice";
    const place = element("span", "place");
    places.set(path, place);
    const at = path.lastIndexOf("/") + 1;
    const name = element("span", "name", visible(path.slice(at)));
    const folder = element("span", "folder", visible(path.slice(0, at)));
    label.title = visible(path);
    label.append(box, name, folder, place);
    box.addEventListener("change", () => {
      if (!several) chosen.length = 0;
      const was = chosen.indexOf(path);
      if (was >= 0) chosen.splice(was, 1);
      else chosen.push(path);
      for (const [each, node] of places) {
        node.textContent = several && chosen.includes(each) ? String(chosen.indexOf(each) + 1) : "";
      }
    });
    body.node.append(label);
  }
  if (!found.length) body.node.append(element("div", "none", none));
  const result = await showDialog({
    title,
    body,
    ...(found.length ? { focusNodeSelector: "input" } : {}),
    buttons: found.length
      ? [Dialog.cancelButton({ label: trans.__("Cancel") }), Dialog.okButton({ label: trans.__("Choose") })]
      : [Dialog.cancelButton({ label: trans.__("Close") })],
  });
  return result.button.accept ? chosen : [];
};

/** Filters in the order of the chain; empty where none was chosen. */
export const chooseFilters = ({ trans, ...rest }: Surroundings): Promise<string[]> =>
  choose(
    { trans, ...rest },
    trans.__("Replay through which filters, in which order?"),
    trans.__("There is no .wasm file in the folders here."),
    true,
    isFilter,
  );

export const chooseCaptures = ({ trans, ...rest }: Surroundings): Promise<string[]> =>
  choose(
    { trans, ...rest },
    trans.__("Replay which capture?"),
    trans.__("There is no capture in the folders here: .mitm, .flow, .flows, .har."),
    false,
    isCapture,
  );

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
