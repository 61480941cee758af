// Names that more than one file, or a test, has to spell the same way.

/** The extension, in Lab's list and before the colon of everything it registers. */
export const NAME = "filter-workbench";
/** The widget factory, as "Open With" shows it. */
export const FACTORY = "Filter Workbench";
/** The model factory of documents whose content stays on the disk. */
export const MODEL = `${NAME}-handle`;

/** The type of the sessions that the kernels of views have. */
export const SESSION = NAME;

export const FileType = {
  capture: `${NAME}-capture`,
  har: `${NAME}-har`,
  filter: `${NAME}-filter`,
} as const;

export const Command = {
  open: `${NAME}:open`,
  openHere: `${NAME}:open-here`,
  inspect: `${NAME}:inspect`,
  replay: `${NAME}:replay`,
  record: `${NAME}:record`,
  newFilter: `${NAME}:new-filter`,
  workbench: `${NAME}:workbench`,
  lessons: `${NAME}:lessons`,
} as const;

const CAPTURES = [".mitm", ".flow", ".flows"];
const HAR = [".har"];
const FILTERS = [".wasm"];
export const EXTENSIONS = { capture: CAPTURES, har: HAR, filter: FILTERS };

const ends = (path: string, extensions: string[]): boolean =>
  extensions.some((extension) => path.toLowerCase().endsWith(extension));
export const isCapture = (path: string): boolean => ends(path, CAPTURES) || ends(path, HAR);
export const isFilter = (path: string): boolean => ends(path, FILTERS);

export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
/** A filter as the views call it. */
export const stem = (path: string): string => nameOf(path).replace(/\.wasm$/i, "");
