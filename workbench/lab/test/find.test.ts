import { expect, it } from "vitest";
import { find, type Folders } from "../src/find";

const tree: Record<string, string[]> = {
  "": ["captures/", "filters/", "node_modules/", "z.wasm"],
  captures: ["a.mitm"],
  filters: ["deep/", "b.wasm", "a.wasm"],
  "filters/deep": ["c.wasm"],
  node_modules: ["no.wasm"],
};
const folders: Folders = {
  get: (path: string) => {
    const names = tree[path];
    if (!names) return Promise.reject(new Error("no such folder"));
    const entry = (name: string) => ({
      name: name.replace("/", ""),
      path: (path ? `${path}/` : "") + name.replace("/", ""),
      type: name.endsWith("/") ? "directory" : "file",
    });
    return Promise.resolve({ content: names.map(entry) }) as unknown as ReturnType<Folders["get"]>;
  },
};
const wasm = (path: string) => path.endsWith(".wasm");

it("finds the near ones first and leaves out what tools made", async () => {
  expect(await find(folders, "filters", wasm)).toEqual([
    "filters/a.wasm",
    "filters/b.wasm",
    "z.wasm",
    "filters/deep/c.wasm",
  ]);
});

it("lives with a folder that is gone", async () => {
  expect(await find(folders, "gone", wasm)).toEqual([
    "z.wasm",
    "filters/a.wasm",
    "filters/b.wasm",
    "filters/deep/c.wasm",
  ]);
});

it("ends where folders do not", async () => {
  let asked = 0;
  const endless: Folders = {
    get: (path: string) => {
      asked += 1;
      const content = [{ name: "x", path: `${path}/x${asked}`, type: "directory" }];
      return Promise.resolve({ content }) as unknown as ReturnType<Folders["get"]>;
    },
  };
  expect(await find(endless, "", wasm)).toEqual([]);
  expect(asked).toBeLessThan(100);
});
