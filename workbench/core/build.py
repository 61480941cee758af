"""Builds the host core: `python -m workbench.core.build` (needs Rust with the target wasm32-unknown-unknown).

The result, `workbench/host/core.wasm`, is kept in the tree with the hash of its sources inside.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sample_filters.sources import sources_hash, stamp
from sample_filters.toolchain import cargo_build
from workbench.errors import WorkbenchError

__all__ = ["BUILT", "expected_stamp", "main"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILT = ROOT / "workbench" / "host" / "core.wasm"
_TARGET = "wasm32-unknown-unknown"
_FLAGS = "-C link-arg=--import-memory -C link-arg=--export=__stack_pointer -C target-feature=+bulk-memory"


def expected_stamp() -> str:
    """The hash that a build of today's sources carries."""
    return sources_hash([HERE / "Cargo.toml", HERE / "Cargo.lock", *(HERE / "src").rglob("*.rs")], ROOT)


def main() -> int:
    """Build the core, stamp it and put it in its place; 2 where a tool is missing or fails."""
    try:
        built = cargo_build(HERE, _TARGET, flags=_FLAGS) / "workbench_core.wasm"
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    BUILT.write_bytes(stamp(built.read_bytes(), expected_stamp()))
    print(f"{BUILT.relative_to(ROOT)}: {BUILT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
