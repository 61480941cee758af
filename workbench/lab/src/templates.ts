// The beginnings of a filter: small, whole, and built with one line that their README says.
import type { TranslationBundle } from "@jupyterlab/translation";

export interface Template {
  title: (trans: TranslationBundle) => string;
  /** Path to content; `NAME` stands for the filter's name. */
  files: Record<string, string>;
}

const RUST: Template = {
  title: () => "Rust",
  files: {
    "Cargo.toml": `[package]
name = "NAME"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
log = "0.4"
proxy-wasm = "0.2"
`,
    "src/lib.rs": `use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Filter) });
}}

struct Filter;

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        log::info!("request for {path}");
        self.add_http_request_header("x-filter", "NAME");
        Action::Continue
    }
}
`,
    "README.md": `# NAME

A Proxy-Wasm filter in Rust: it logs the path of each request and adds the header \`x-filter\`.

Build it in this folder (once: \`rustup target add wasm32-wasip1\`):

    cargo build --release --target wasm32-wasip1

The filter is \`target/wasm32-wasip1/release/NAME.wasm\`. Double-click it to look into it, then press "Try on a capture…".
`,
  },
};

const BUILD = `from pathlib import Path

import wasmtime
import workbench as wb

Path("NAME.wasm").write_bytes(wasmtime.wat2wasm(Path("NAME.wat").read_text()))
wb.Filter("NAME.wasm").inspect()`;

const notebook = (source: string): string =>
  JSON.stringify({
    cells: [{ cell_type: "code", execution_count: null, id: "build", metadata: {}, outputs: [], source }],
    metadata: { kernelspec: { display_name: "Python 3", language: "python", name: "python3" } },
    nbformat: 4,
    nbformat_minor: 5,
  });

const WAT: Template = {
  title: (trans) => trans.__("WebAssembly text, built without a toolchain"),
  files: {
    "NAME.wat": `(module
  (import "env" "proxy_add_header_map_value"
    (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "x-filter")
  (data (i32.const 32) "NAME")
  (global $free (mut i32) (i32.const 1024))

  (func (export "proxy_abi_version_0_2_1"))
  ;; The host puts what it hands over into memory that this gives; nothing here is big enough to be given back.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.add (global.get $free) (local.get $size)))
    (local.get $at))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))

  ;; Adds x-filter to the request's headers (map 0) and lets it go on (action 0).
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $add (i32.const 0) (i32.const 16) (i32.const 8) (i32.const 32) (i32.const LENGTH)))
    (i32.const 0)))
`,
    "build.ipynb": notebook(BUILD),
    "README.md": `# NAME

A Proxy-Wasm filter in WebAssembly text: it adds the header \`x-filter\` to each request.

Run \`build.ipynb\`: it makes \`NAME.wasm\` of \`NAME.wat\` and shows what is in it. Run it again when you have changed the text.

Then double-click \`NAME.wasm\` to look into it, and press "Try on a capture…".
`,
  },
};

export const TEMPLATES: [Template, ...Template[]] = [RUST, WAT];

/** The files of a template for a filter called `name`, which is ASCII. */
export const filesOf = (template: Template, name: string): [string, string][] =>
  Object.entries(template.files).map(([path, content]) => [
    path.replaceAll("NAME", name),
    content.replaceAll("NAME", name).replaceAll("LENGTH", String(name.length)),
  ]);
