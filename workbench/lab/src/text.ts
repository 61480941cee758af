// Names and messages from outside as text that can do no harm on the page.

const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Control, bidi and other invisible characters as escapes, as every view of the workbench shows them. */
export const visible = (value: string): string =>
  value.replace(UNSAFE, (char) => {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
