"""Builds the host core: `python workbench/core/build.py` (needs Rust with the target wasm32-unknown-unknown).

The result, `workbench/host/core.wasm`, is kept in the tree with the hash of its sources inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from sample_filters.sources import sources_hash, stamp  # noqa: E402

TARGET = "wasm32-unknown-unknown"
FLAGS = "-C link-arg=--import-memory -C link-arg=--export=__stack_pointer -C target-feature=+bulk-memory"
BUILT = ROOT / "workbench" / "host" / "core.wasm"


def sources() -> list[Path]:
    """The files that make the core what it is."""
    return [HERE / "Cargo.toml", HERE / "Cargo.lock", *sorted((HERE / "src").rglob("*.rs"))]


def main() -> None:
    cargo = "cargo-wasm" if shutil.which("cargo-wasm") else "cargo"
    flags = f"{os.environ.get('RUSTFLAGS', '')} {FLAGS}".strip()
    subprocess.run([cargo, "build", "--release", "--target", TARGET], cwd=HERE, check=True, env={**os.environ, "RUSTFLAGS": flags})
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
    built = (target / TARGET / "release" / "workbench_core.wasm").read_bytes()
    BUILT.write_bytes(stamp(built, sources_hash(sources(), ROOT)))
    print(f"{BUILT.relative_to(ROOT)}: {BUILT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
