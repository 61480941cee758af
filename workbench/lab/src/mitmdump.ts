// The line that records, and what may stand in it: it is typed into a shell.

export interface Wanted {
  name: string;
  port: string;
  /** Where a reverse proxy sends what it gets; empty for a proxy that clients are told of. */
  upstream: string;
}

/** A name that no shell and no file system takes for something else. */
const NAME = /^[A-Za-z0-9][\w-]*(\.[\w-]+)*$/;
const UPSTREAM = /^https?:\/\/([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/** The field that cannot be, null where all can. */
export const wrong = ({ name, port, upstream }: Wanted): keyof Wanted | null => {
  if (!NAME.test(name)) return "name";
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) return "port";
  return upstream && !UPSTREAM.test(upstream) ? "upstream" : null;
};

/** The line for a shell: of Windows where the tool's path is one of Windows. */
export const commandOf = ({ name, port, upstream }: Wanted, tool: string): string => {
  const plain = /^[\w./-]+$/.test(tool);
  const shell = /^[A-Za-z]:\\/.test(tool) ? `& '${tool.replaceAll("'", "''")}'` : `'${tool.replaceAll("'", `'\\''`)}'`;
  const mode = upstream ? [`--mode`, `'reverse:${upstream}'`] : [];
  return [plain ? tool : shell, ...mode, "--listen-host 127.0.0.1 --listen-port", port, "-w", name].join(" ");
};
