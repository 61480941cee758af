"""Builds the reader of flow files: `python -m workbench.scan.build` (needs Rust with the target wasm32-unknown-unknown).

The result, `workbench/capture/scan.wasm`, is kept in the tree with the hash of its sources inside.
"""

from __future__ import annotations

from pathlib import Path

from workbench.core.build import ROOT, Crate

__all__ = ["SCAN"]

SCAN = Crate(Path(__file__).resolve().parent, ROOT / "workbench" / "capture" / "scan.wasm", "-C target-feature=-bulk-memory")

if __name__ == "__main__":
    raise SystemExit(SCAN.build())
