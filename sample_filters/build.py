"""Builds the sample filters: `python -m sample_filters.build [NAME ...]` from the project's root; all of them without a name.

Needs Go 1.24 for `add_header`, Rust with the target wasm32-wasip1 for `basic_auth`, `body_rewrite`, `rls_shim` and `token_bucket`, and the
wasmtime package for `trace_every_call`. Only who changes a filter needs them: what was built is kept beside the sources.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sample_filters.sources import source_files, sources_hash, stamp
from sample_filters.toolchain import cargo_build, run_tool
from workbench.errors import WorkbenchError

__all__ = ["FILTERS", "HERE", "build", "built_path", "expected_stamp", "main"]

HERE = Path(__file__).parent
_SHARED_RUST = ("Cargo.toml", "Cargo.lock", "local_response/Cargo.toml", "local_response/src/lib.rs")
_RUST_TARGET = "wasm32-wasip1"


def built_path(name: str) -> Path:
    """Where the filter's `.wasm` lies."""
    return HERE / name / f"{name}.wasm"


def expected_stamp(name: str) -> str:
    """The hash that a build of today's sources carries; that of a Rust filter covers what the workspace shares too."""
    paths = source_files(HERE / name)
    if FILTERS[name] is _rust:
        paths += [HERE / shared for shared in _SHARED_RUST]
    return sources_hash(paths, HERE)


def build(name: str) -> Path:
    """Build one filter, stamp it and put it in its place. Raises WorkbenchError where a tool is missing or fails."""
    value = expected_stamp(name)
    wasm = stamp(FILTERS[name](name), value)
    place = built_path(name)
    place.write_bytes(wasm)
    return place


def _go(name: str) -> bytes:
    folder = HERE / name
    output = HERE / "target" / f"{name}.wasm"
    output.parent.mkdir(exist_ok=True)
    command = ["go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags=-w", "-o", str(output), "."]
    run_tool(command, folder, {"GOOS": "wasip1", "GOARCH": "wasm"})
    return output.read_bytes()


def _rust(name: str) -> bytes:
    return (cargo_build(HERE, _RUST_TARGET, "-p", name) / f"{name}.wasm").read_bytes()


def _wat(name: str) -> bytes:
    import wasmtime

    try:
        return bytes(wasmtime.wat2wasm((HERE / name / f"{name}.wat").read_text(encoding="utf-8")))
    except wasmtime.WasmtimeError as error:
        raise WorkbenchError(str(error), where=f"{name}/{name}.wat") from error


FILTERS: dict[str, Callable[[str], bytes]] = {
    "add_header": _go,
    "basic_auth": _rust,
    "body_rewrite": _rust,
    "rls_shim": _rust,
    "token_bucket": _rust,
    "trace_every_call": _wat,
}
"""Every sample filter and how it is built."""


def main(names: list[str]) -> int:
    """Build what is named, or everything; 2 for a name or a tool that is not there."""
    unknown = sorted(set(names) - FILTERS.keys())
    if unknown:
        print(f"no such filter: {', '.join(unknown)}; there are {', '.join(FILTERS)}", file=sys.stderr)
        return 2
    for name in names or FILTERS:
        try:
            place = build(name)
        except WorkbenchError as error:
            print(error, file=sys.stderr)
            return 2
        print(f"{name:18} {place.stat().st_size:>9,} bytes  {expected_stamp(name)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
