import type { LabIcon } from "@jupyterlab/ui-components";
import { expect, it, vi } from "vitest";
import { dressed } from "../src/dress";

type Item = Parameters<typeof dressed>[0];
const icon = { name: "ours" } as LabIcon;
const lab = { name: "Lab's" } as LabIcon;

class Kernel {
  className = "jp-mod-kernel";
  context = "k";
  icon = () => lab;
  label() {
    return `${this.children.length} below`;
  }
  get children(): Item[] {
    return ["k", "other"].map((context) => ({
      className: "jp-mod-kernel-widget",
      context,
      icon: () => lab,
      label: () => context,
      name: () => context,
    }));
  }
}

it("dresses what is below the kernel of a view, and nothing else", () => {
  const shutdown = vi.fn();
  const of = (kernel: string) =>
    kernel === "k" ? { icon, label: "a.mitm → x", open: () => undefined, shutdown } : null;
  const item = dressed(new Kernel(), of);
  expect([item.label(), item.icon?.()]).toEqual(["2 below", lab]);
  const [ours, other] = item.children ?? [];
  expect([ours?.label(), ours?.icon?.(), (ours as { name?: () => string }).name?.()]).toEqual([
    "a.mitm → x",
    icon,
    "k",
  ]);
  ours?.shutdown?.();
  expect(shutdown).toHaveBeenCalledOnce();
  expect([other?.label(), other?.icon?.(), other?.shutdown]).toEqual(["other", lab, undefined]);
});
