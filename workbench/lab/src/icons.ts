// 16 px, one stroke of 1.3 px each, in the colour of Lab's own file icons.
import { LabIcon } from "@jupyterlab/ui-components";
import { NAME } from "./ids";

const icon = (name: string, path: string): LabIcon =>
  new LabIcon({
    name: `${NAME}:${name}`,
    svgstr:
      '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none">' +
      `<g class="jp-icon3 ${NAME}-stroke" stroke="#616161" stroke-width="1.3" stroke-linejoin="round" stroke-linecap="round">` +
      `<path d="${path}" fill="none"/></g></svg>`,
  });

export const captureIcon = icon("capture", "M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M5.5 3.5v9");
export const filterIcon = icon("filter", "M2.5 3h11L9.4 8v4.4L6.6 14V8z");
export const chainIcon = icon("chain", "M2 5.5h4v5H2zM10 5.5h4v5h-4zM6 8h4");
export const recordIcon = icon(
  "record",
  "M8 2.2a5.8 5.8 0 1 0 0 11.6a5.8 5.8 0 1 0 0-11.6zM8 5.8a2.2 2.2 0 1 0 0 4.4a2.2 2.2 0 1 0 0-4.4z",
);
export const workbenchIcon = icon(
  "workbench",
  "M1.8 4.2h3.4v3.2H1.8zM10.8 4.2h3.4v3.2h-3.4zM5.2 5.8h5.6M2 12.2h8.6M8.4 10l2.2 2.2-2.2 2.2",
);
export const lessonsIcon = icon(
  "lessons",
  "M8 4.2C6.6 3.2 4.6 2.9 2.2 3v9.4c2.4-.1 4.4.2 5.8 1.2c1.4-1 3.4-1.3 5.8-1.2V3c-2.4-.1-4.4.2-5.8 1.2zM8 4.2v9.4",
);
