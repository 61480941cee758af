// The one call that a kernel is asked for, written so that no name can become code.

/** Settings of the extension as its schema has them; Python knows what they mean. */
export type Settings = Readonly<Record<string, unknown>>;

export interface Request {
  /** A name for the view, so that it is found again after the page was loaded anew. */
  view: string;
  kind: "begin" | "capture" | "filter" | "close";
  /** The folder that paths start from, as the server names it; `~` is the home folder. */
  root: string;
  path: string;
  filters: string[];
  settings: Settings;
  /** Show what is there already rather than begin anew. */
  keep: boolean;
}

/** Everything beyond ASCII as an escape of JSON's, which Python's reader of JSON puts together again. */
const ascii = (text: string): string =>
  text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Python code that shows a view: the request is JSON in a string, and a string of JSON is one of Python too. */
export const call = (request: Request): string =>
  `__import__("workbench.documents", fromlist=["show"]).show(${JSON.stringify(ascii(JSON.stringify(request)))})`;

export interface Trouble {
  what: string;
  remedy: string;
  /** The kernel is what is wrong, or where it runs; with the file another kernel would fare no better. */
  kernel: boolean;
}

/** What an exception in the kernel means to a reader. */
export const trouble = (ename: string, evalue: string, __: (text: string) => string): Trouble => {
  if (/^(ModuleNotFound|Import)Error$/.test(ename) && /\bworkbench\b/.test(evalue)) {
    return {
      what: __("This kernel does not have the Filter Workbench."),
      remedy: __("Install wasm-filter-workbench where the kernel runs and restart it, or choose another kernel."),
      kernel: true,
    };
  }
  if (ename === "KeyboardInterrupt") {
    return {
      what: __("The kernel was interrupted before the view was there."),
      remedy: __("Open it again."),
      kernel: true,
    };
  }
  if (!/^(Capture|FilterLoad|Config|Replay|Workbench)Error$/.test(ename)) {
    return { what: `${ename}: ${evalue}`, remedy: "", kernel: true };
  }
  const [what = "", where = "", remedy = ""] = evalue.split("\n");
  return { what: [where, what].filter(Boolean).join(": "), remedy, kernel: ename === "ConfigError" };
};
