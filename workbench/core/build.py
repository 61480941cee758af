"""Builds the host core: `python -m workbench.core.build` (needs Rust with the target wasm32-unknown-unknown).

The result, `workbench/host/core.wasm`, is kept in the tree with the hash of its sources inside.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from sample_filters.sources import sources_hash, stamp
from sample_filters.toolchain import cargo_build
from workbench.errors import WorkbenchError

__all__ = ["CORE", "ROOT", "Crate"]

ROOT = Path(__file__).resolve().parents[2]
_TARGET = "wasm32-unknown-unknown"


@dataclass(frozen=True)
class Crate:
    """A crate `workbench-NAME` in the folder NAME, and where what is built of it is kept."""

    folder: Path
    built: Path
    flags: str

    def expected_stamp(self) -> str:
        """The hash that a build of today's sources carries."""
        return sources_hash([self.folder / "Cargo.toml", self.folder / "Cargo.lock", *(self.folder / "src").rglob("*.rs")], ROOT)

    def build(self) -> int:
        """Build it, stamp it and put it in its place; 2 where a tool is missing or fails."""
        try:
            made = cargo_build(self.folder, _TARGET, flags=self.flags) / f"workbench_{self.folder.name}.wasm"
        except WorkbenchError as error:
            print(error, file=sys.stderr)
            return 2
        self.built.write_bytes(stamp(made.read_bytes(), self.expected_stamp()))
        print(f"{self.built.relative_to(ROOT)}: {self.built.stat().st_size} bytes")
        return 0


CORE = Crate(
    Path(__file__).resolve().parent,
    ROOT / "workbench" / "host" / "core.wasm",
    "-C link-arg=--import-memory -C link-arg=--export=__stack_pointer -C target-feature=+bulk-memory",
)

if __name__ == "__main__":
    raise SystemExit(CORE.build())
