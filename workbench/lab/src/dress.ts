// Items of Lab's list of running kernels in the clothes of a view.
import type { IRunningSessions } from "@jupyterlab/running";
import type { LabIcon } from "@jupyterlab/ui-components";

/** Lab's mark for a session below its kernel. */
const SESSION_CLASS = "jp-mod-kernel-widget";

type Item = IRunningSessions.IRunningItem;

/** What stands in the place of Lab's own item for a session. */
export interface Shown {
  icon: LabIcon;
  label: string;
  open: () => void;
  shutdown: () => void;
}

/** `item` as Lab made it, with what `of` knows of its kernel; those of a kernel that `of` does not know stay as they are. */
export const dressed = (item: Item, of: (kernel: string) => Shown | null): Item => {
  const shown = item.context && item.className?.includes(SESSION_CLASS) ? of(item.context) : null;
  if (shown) {
    return Object.assign(Object.create(item) as Item, {
      icon: () => shown.icon,
      label: () => shown.label,
      open: shown.open,
      shutdown: shown.shutdown,
    });
  }
  const { children } = item;
  if (!children?.length) return item;
  // kept as the prototype: what Lab made has methods of its own
  return Object.create(item, { children: { value: children.map((each) => dressed(each, of)) } }) as Item;
};
