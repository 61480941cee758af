// A dialog that says why nothing was done.
import { Dialog, showErrorMessage } from "@jupyterlab/apputils";
import type { Surroundings } from "./factory";

/** Lab labels the buttons of these dialogs in English by itself. */
export const closing = ({ trans }: Pick<Surroundings, "trans">): Dialog.IButton =>
  Dialog.okButton({ label: trans.__("Close") });

/** Say what was not done, and why. */
export const refuse = (around: Pick<Surroundings, "trans">, title: string, why: string | Error): Promise<void> =>
  showErrorMessage(title, why, [closing(around)]);
