import { expect, it } from "vitest";
import { added, readChains, without } from "../src/chains";
import { Runs } from "../src/runs";

const sent: unknown[] = [];
const kernel = {
  id: "k",
  clientId: "c",
  username: "",
  sendShellMessage: (message: unknown) => sent.push(message),
} as unknown as Parameters<Runs["read"]>[0];
const say = (runs: Runs, type: string, comm: string, state?: object) =>
  runs.read(kernel, { header: { msg_type: type }, content: { comm_id: comm, data: { state } } });

it("follows a workbench from its beginning to its end", () => {
  const runs = new Runs();
  say(runs, "comm_open", "a", { run: { state: "idle" }, capture_name: "", filters: [] });
  expect(runs.all).toEqual([]);
  say(runs, "comm_msg", "a", { capture_name: "a.mitm", filters: ["x", "y"] });
  say(runs, "comm_msg", "a", { run: { state: "running", done: 3, total: 10 } });
  expect(runs.all[0]).toMatchObject({ capture: "a.mitm", filters: ["x", "y"], state: "running", done: 3, total: 10 });
  runs.all[0]?.cancel();
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ content: { comm_id: "a", data: { method: "custom", content: { kind: "cancel" } } } });
  say(runs, "comm_msg", "a", { run: { state: "done", words: "10 of 10 in 1 s" } });
  expect(runs.all[0]).toMatchObject({ state: "done", words: "10 of 10 in 1 s" });
  say(runs, "comm_close", "a");
  expect(runs.all).toEqual([]);
});

it("is not moved by other widgets, nor by what is no state", () => {
  const runs = new Runs();
  say(runs, "comm_open", "b", { value: 3 });
  say(runs, "comm_msg", "b", { run: { other: 1 } });
  say(runs, "comm_msg", "b", { run: { state: ["running"], done: "many" } });
  runs.read(kernel, { header: { msg_type: "stream" }, content: {} });
  expect(runs.all).toEqual([]);
});

it("keeps chains, as far as they are some", () => {
  const chains = added(added(added([], -1, "a.wasm"), 0, "b.wasm"), 7, "c.wasm");
  expect(chains).toEqual([{ filters: ["a.wasm", "b.wasm"] }, { filters: ["c.wasm"] }]);
  expect(without(chains, 0)).toEqual([{ filters: ["c.wasm"] }]);
  expect(readChains(JSON.parse(JSON.stringify(chains)))).toEqual(chains);
  for (const kept of [undefined, null, 3, "x", [null, 1, { filters: 2 }, { filters: [1] }]])
    expect(readChains(kept)).toEqual([]);
});
