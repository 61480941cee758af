"""Builds the JupyterLab extension: `python -m workbench.lab.build` (needs Node and npm).

The result, `workbench/labextension/`, is kept in the tree with the hash of its sources beside it: users need no Node.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sample_filters.sources import sources_hash

from .catalogue import CATALOGUE, catalogue

__all__ = ["BUILT", "STAMP", "expected_stamp", "main"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILT = ROOT / "workbench" / "labextension"
STAMP = BUILT / "sources.sha256"
_SOURCES = ("src", "style", "schema")
_FILES = ("package.json", "package-lock.json", "tsconfig.json", "install.json")


def expected_stamp() -> str:
    """The hash that a build of today's sources carries."""
    files = [path for folder in _SOURCES for path in (HERE / folder).rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sources_hash([*files, *(HERE / name for name in _FILES)], ROOT)


def main() -> int:
    """Build the extension and stamp it; 2 where a tool is missing or fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    npm, builder = shutil.which("npm"), shutil.which("jupyter-builder", path=path)
    if npm is None or builder is None:
        missing = "npm" if npm is None else "jupyter-builder, which comes with JupyterLab 4.6"
        print(f"the extension needs {missing} to be built; install it. What is in the tree works without", file=sys.stderr)
        return 2
    steps = [
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        [npm, "exec", "--offline", "--", "tsc"],
        [builder, "build", "."],
    ]
    shutil.rmtree(HERE / "lib", ignore_errors=True)
    for step in steps:
        if done := subprocess.run(step, cwd=HERE).returncode:
            print(f"{' '.join(step)} ended with {done}", file=sys.stderr)
            return 2
    shutil.copy(HERE / "install.json", BUILT)
    CATALOGUE.parent.mkdir(exist_ok=True)
    CATALOGUE.write_text(catalogue(), encoding="utf-8")
    STAMP.write_text(expected_stamp() + "\n", encoding="ascii")
    size = sum(path.stat().st_size for path in BUILT.rglob("*") if path.is_file())
    print(f"{BUILT.relative_to(ROOT)}: {size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
