"""Compilers as the builds call them, for the sample filters and the core alike; nothing of this machine stays in the result."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from workbench.errors import WorkbenchError

__all__ = ["cargo_build", "run_tool"]


def run_tool(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a compiler in `folder`. Raises WorkbenchError where it is missing or fails."""
    if shutil.which(command[0]) is None:
        raise WorkbenchError(f"`{command[0]}` is not on PATH", where=folder.name, remedy="Install it, CONTRIBUTING.md says which")
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise WorkbenchError(f"`{' '.join(command)}` gave {done.returncode}", where=folder.name, remedy="Its own words are above")


def cargo_build(folder: Path, target: str, *arguments: str, flags: str = "") -> Path:
    """Build the crate in `folder` for a wasm `target`, in release mode; gives the folder of the results.

    `cargo-wasm`, where there is one, builds the standard library along with the crate; elsewhere cargo needs the target installed.
    """
    built = Path(os.environ.get("CARGO_TARGET_DIR", folder / "target"))
    all_flags = " ".join(filter(None, [*_remapped(), flags, os.environ.get("RUSTFLAGS", "")]))
    cargo = "cargo-wasm" if shutil.which("cargo-wasm") else "cargo"
    command = [cargo, "build", "--release", "--locked", "--target", target, *arguments]
    run_tool(command, folder, {"RUSTFLAGS": all_flags, "CARGO_TARGET_DIR": str(built)})
    return built / target / "release"


def _remapped() -> list[str]:
    """Panic messages name source files: these would name folders of this machine, and where its packages came from."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    folders = {str(home): "/cargo", "/usr/lib/rustlib/src/rust": "/rust"}
    # of several prefixes that fit, the last one given holds
    folders |= {str(source): "/crates" for source in sorted(home.glob("registry/src/*"))}
    return [f"--remap-path-prefix={path}={shown}" for path, shown in folders.items()]
