import { expect, it } from "vitest";
import { commandOf, wrong } from "../src/mitmdump";

const wanted = { name: "recorded.mitm", port: "8080", upstream: "" };

it("writes a line for a shell", () => {
  expect(commandOf(wanted, "mitmdump")).toBe("mitmdump --listen-host 127.0.0.1 --listen-port 8080 -w recorded.mitm");
  expect(commandOf({ ...wanted, upstream: "http://[::1]:9000" }, "/a b/it's/mitmdump")).toBe(
    "'/a b/it'\\''s/mitmdump' --mode 'reverse:http://[::1]:9000' --listen-host 127.0.0.1 --listen-port 8080 -w recorded.mitm",
  );
  expect(commandOf(wanted, "C:\\Program Files\\mitmdump.exe")).toMatch(
    /^& 'C:\\Program Files\\mitmdump\.exe' --listen/,
  );
});

it("lets nothing through that a shell would take for more", () => {
  expect(wrong(wanted)).toBe(null);
  expect(wrong({ ...wanted, upstream: "https://api.example.com:8443" })).toBe(null);
  for (const name of ["", "-w", "a b", "a;b", "$(x)", "../a", ".a", "a..b", "a\n", "a'"]) {
    expect(wrong({ ...wanted, name })).toBe("name");
  }
  for (const port of ["", "0", "65536", "80a", "-1", "8080;ls"]) expect(wrong({ ...wanted, port })).toBe("port");
  for (const upstream of [
    "example.com",
    "http://",
    "http://a'b",
    "http://a/$(x)",
    "ftp://a",
    "http://a b",
    "http://a\n",
  ]) {
    expect(wrong({ ...wanted, upstream })).toBe("upstream");
  }
});
