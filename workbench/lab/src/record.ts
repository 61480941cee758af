// Recording into a folder: mitmdump in a terminal, where it is seen and stopped.
import { Dialog, showDialog } from "@jupyterlab/apputils";
import type { ServiceManager, Terminal } from "@jupyterlab/services";
import { Widget } from "@lumino/widgets";
import type { Surroundings } from "./factory";
import { namesIn } from "./find";
import { pythonSpecs } from "./kernel";
import { type Wanted, commandOf, wrong } from "./mitmdump";
import { refuse } from "./refusal";
import { visible } from "./text";
import "../style/record.css";

/** Ask what to record, and begin. */
export const record = async (around: Surroundings, folder: string): Promise<void> => {
  const { trans, services, commands } = around;
  if (!commands.hasCommand("terminal:create-new")) {
    return refuse(
      around,
      trans.__("Nothing was recorded"),
      trans.__(
        "This server has no terminals. Run this where they are: %1",
        "mitmdump --listen-host 127.0.0.1 -w recorded.mitm",
      ),
    );
  }
  const wanted = await ask(around, folder);
  if (!wanted) return;
  const found = await findTool(services);
  if (found === "") {
    return refuse(
      around,
      trans.__("Nothing was recorded"),
      trans.__("mitmdump is not installed beside the kernels' Python: pip install mitmproxy"),
    );
  }
  const terminal = (await commands.execute("terminal:create-new", { cwd: folder })) as {
    content: { session: Terminal.ITerminalConnection };
  };
  const { session } = terminal.content;
  await prompt(session);
  session.send({ type: "stdin", content: [`${commandOf(wanted, found ?? "mitmdump")}\r`] });
};

/** Ask until the answer can be recorded or is none; what was typed stays, with a sentence at what cannot be. */
const ask = async (around: Surroundings, folder: string): Promise<Wanted | null> => {
  const { trans, services } = around;
  const said: Record<keyof Wanted, string> = {
    name: trans.__("Letters, digits, dots and dashes make a name."),
    port: trans.__("A port is a number from 1 to 65535."),
    upstream: trans.__("An upstream is written like http://127.0.0.1:9000."),
  };
  let wanted: Wanted = { name: freeName(await namesIn(services.contents, folder)), port: "8080", upstream: "" };
  let trouble: Trouble | null = null;
  for (;;) {
    const asked = await showDialog({
      title: trans.__("Record to %1", visible(folder) || "/"),
      body: new RecordForm(around, wanted, trouble),
      focusNodeSelector: `input[name=${trouble?.field ?? "name"}]`,
      buttons: [Dialog.cancelButton({ label: trans.__("Cancel") }), Dialog.okButton({ label: trans.__("Record") })],
    });
    if (!asked.button.accept || !asked.value) return null;
    wanted = asked.value;
    const field = wrong(wanted);
    if (field) trouble = { field, why: said[field] };
    else if ((await namesIn(services.contents, folder)).has(wanted.name))
      trouble = { field: "name", why: trans.__("%1 is there already.", wanted.name) };
    else return wanted;
  }
};

interface Trouble {
  field: keyof Wanted;
  why: string;
}

const PATIENCE_MS = 3000;

/** Wait until the shell says something: what is typed before its prompt would be seen twice. */
const prompt = (session: Terminal.ITerminalConnection): Promise<void> =>
  new Promise((done) => {
    const heard = () => {
      clearTimeout(late);
      session.messageReceived.disconnect(heard);
      done();
    };
    const late = setTimeout(heard, PATIENCE_MS);
    session.messageReceived.connect(heard);
  });

class RecordForm extends Widget implements Dialog.IBodyWidget<Wanted> {
  constructor({ trans }: Surroundings, wanted: Wanted, trouble: Trouble | null) {
    super();
    this.addClass("filter-workbench-form");
    const why = (field: keyof Wanted) => (trouble?.field === field ? trouble.why : "");
    this.name = this.field("name", trans.__("File"), wanted.name, why("name"));
    this.port = this.field("port", trans.__("Port on 127.0.0.1"), wanted.port, why("port"));
    this.upstream = this.field("upstream", trans.__("Upstream"), wanted.upstream, why("upstream"));
    this.upstream.placeholder = trans.__("none: a proxy for any");
    const note = document.createElement("p");
    note.className = "filter-workbench-form-note";
    note.textContent = trans.__(
      "Send requests to the port: with an upstream as if it were that service, else with the port set as proxy. Ctrl-C in the terminal ends the recording.",
    );
    this.node.append(note);
  }

  getValue(): Wanted {
    return { name: this.name.value.trim(), port: this.port.value.trim(), upstream: this.upstream.value.trim() };
  }

  private field(name: keyof Wanted, label: string, value: string, why: string): HTMLInputElement {
    const row = document.createElement("label");
    const words = document.createElement("span");
    words.textContent = label;
    const input = document.createElement("input");
    input.className = "jp-mod-styled";
    input.name = name;
    input.value = value;
    input.spellcheck = false;
    row.append(words, input);
    this.node.append(row);
    if (why) {
      const said = document.createElement("p");
      said.id = `filter-workbench-form-${name}`;
      said.className = "filter-workbench-form-wrong";
      said.setAttribute("role", "alert");
      said.textContent = why;
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", said.id);
      row.after(said);
    }
    return input;
  }
  private readonly name: HTMLInputElement;
  private readonly port: HTMLInputElement;
  private readonly upstream: HTMLInputElement;
}

/** recorded.mitm, or the first recorded-2.mitm, -3 … that is not there. */
const freeName = (taken: Set<string>): string => {
  let name = "recorded.mitm";
  for (let number = 2; taken.has(name); number++) name = `recorded-${number}.mitm`;
  return name;
};

const WHERE = `(lambda o, s, y: s.which("mitmdump", path=o.path.dirname(y.executable)) or s.which("mitmdump") or "")(*map(__import__, ("os", "shutil", "sys")))`;

/** Where mitmdump is: a terminal's shell often does not look where the kernels' Python is. Empty for nowhere, null where no kernel tells. */
const findTool = async (services: ServiceManager.IManager): Promise<string | null> => {
  try {
    await services.kernelspecs.ready;
    const spec = pythonSpecs(services)[0]?.name;
    if (!spec) return null;
    const kernel = await services.kernels.startNew({ name: spec });
    try {
      const future = kernel.requestExecute({
        code: "",
        silent: true,
        store_history: false,
        user_expressions: { tool: `__import__("json").dumps(${WHERE})` },
      });
      const content = (await future.done).content as {
        user_expressions?: { tool?: { data?: Record<string, string> } };
      };
      // what is shown is Python's way to write a JSON text that holds no quotes of its own kind
      const shown = content.user_expressions?.tool?.data?.["text/plain"] ?? "";
      return JSON.parse(shown.slice(1, -1).replaceAll("\\\\", "\\")) as string;
    } finally {
      await kernel.shutdown().catch(() => undefined);
      kernel.dispose();
    }
  } catch {
    return null;
  }
};
