import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { call, type Request, trouble } from "../src/python";

const request = (path: string): Request => ({
  view: "v",
  kind: "capture",
  root: "~",
  path,
  filters: [],
  settings: {},
  keep: false,
});

const NAMES = [
  "captures/toystore.mitm",
  `a'b"c\\d\n");import os#.mitm`,
  "caf\u00e9 \u{1f600} \u202e.mitm",
  "\u2028\u2029\u0000.mitm",
  "{x}%s${y}.mitm",
];

describe("the call", () => {
  it("is ASCII on one line, whatever the name", () => {
    for (const name of NAMES) expect(call(request(name))).toMatch(/^[\x20-\x7e]*$/);
  });

  it("is read by Python as the very request, and as nothing else", () => {
    const code = NAMES.map((name) => call(request(name)));
    const check =
      "import ast, json, sys\n" +
      "for code in json.load(sys.stdin):\n" +
      "    tree = ast.parse(code, mode='eval').body\n" +
      "    assert isinstance(tree, ast.Call) and len(tree.args) == 1 and not tree.keywords\n" +
      "    print(json.dumps(json.loads(ast.literal_eval(tree.args[0]))['path']))\n";
    const read = execFileSync("python3", ["-c", check], { input: JSON.stringify(code), encoding: "utf-8" });
    expect(
      read
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(NAMES);
  });
});

describe("trouble", () => {
  const say = (text: string) => text;
  it("tells a kernel without the package from a broken one", () => {
    expect(trouble("ModuleNotFoundError", "No module named 'workbench'", say).what).toContain("does not have");
    expect(trouble("ModuleNotFoundError", "No module named 'yaml'", say).what).toBe(
      "ModuleNotFoundError: No module named 'yaml'",
    );
  });
  it("takes the workbench's own errors apart, and knows whether another kernel would help", () => {
    expect(trouble("CaptureError", "the file is empty\na.mitm\nRecord one", say)).toEqual({
      what: "a.mitm: the file is empty",
      remedy: "Record one",
      kernel: false,
    });
    expect(trouble("ConfigError", "the kernel does not see this file\na.mitm\n", say)).toMatchObject({ kernel: true });
    expect(trouble("WorkbenchError", "all on one line", say)).toMatchObject({ what: "all on one line", remedy: "" });
  });
});
