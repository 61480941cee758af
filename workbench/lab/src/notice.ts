// What stands above or in place of a view: one thing in words, what to do about it, at most two buttons.
import { LabIcon } from "@jupyterlab/ui-components";
import { Widget } from "@lumino/widgets";
import { NAME } from "./ids";
import { visible } from "./text";

export interface Said {
  what: string;
  remedy?: string;
  /** Something is going on that ends by itself. */
  busy?: boolean;
  actions?: { label: string; act: () => void }[];
}

const trouble = new LabIcon({
  name: `${NAME}:trouble`,
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" ' +
    'stroke-width="1.3" stroke-linejoin="round" stroke-linecap="round"><path d="M8 2.2 14.2 13H1.8zM8 6.3v3.2M8 11.2v.6"/></svg>',
});

const element = (tag: string, name: string, text = ""): HTMLElement => {
  const node = document.createElement(tag);
  node.className = `${NAME}-${name}`;
  node.textContent = text;
  return node;
};

export class Notice extends Widget {
  constructor() {
    super();
    this.addClass(`${NAME}-notice`);
    this.hide();
  }

  say(said: Said | null): void {
    this.setHidden(!said);
    this.node.replaceChildren();
    if (!said) return;
    this.toggleClass("is-busy", !!said.busy);
    this.node.setAttribute("role", said.busy ? "status" : "alert");
    const words = element("div", "words");
    words.append(element("div", "what", visible(said.what)));
    if (said.remedy) words.append(element("div", "remedy", visible(said.remedy)));
    if (said.actions?.length) {
      const actions = element("div", "actions");
      for (const [at, { label, act }] of said.actions.entries()) {
        const button = element("button", "button", label) as HTMLButtonElement;
        button.type = "button";
        button.classList.add("jp-mod-styled", at ? "jp-mod-reject" : "jp-mod-accept");
        button.addEventListener("click", act);
        actions.append(button);
      }
      words.append(actions);
    }
    if (!said.busy) this.node.append(trouble.element({ tag: "span", className: `${NAME}-sign` }));
    this.node.append(words);
  }
}

/** The kernel's name in the toolbar, a button to choose another. */
export class KernelName extends Widget {
  constructor(title: string, act: () => void) {
    super({ node: element("button", "kernel") });
    (this.node as HTMLButtonElement).type = "button";
    this.node.title = title;
    this.node.addEventListener("click", act);
  }
  set(text: string): void {
    this.node.textContent = visible(text);
  }
}
