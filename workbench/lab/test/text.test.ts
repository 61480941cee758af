import { expect, it } from "vitest";
import { isCapture, isFilter } from "../src/ids";
import { visible } from "../src/text";

it("shows what cannot be seen", () => {
  expect(visible("a\u202eb\n\u0000\u{e0041}")).toBe("a\\u202eb\\x0a\\x00\\U000e0041");
  expect(visible("<img src=x> é 日本")).toBe("<img src=x> é 日本");
});

it("knows files by their ends", () => {
  expect(["a.mitm", "b.FLOW", "c.flows", "d.har", "e.wasm", "f.mitm.txt"].map((path) => isCapture(path))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
  expect(isFilter("x/y.wasm") && !isFilter("y.wat")).toBe(true);
});
