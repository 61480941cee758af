"""Where a command's results go: a page for a terminal, JSON for programs, and the check that their place is one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigError, ReplayError

__all__ = ["check_output", "print_page", "write_json"]


def check_output(option: str, out: Path, capture: Path) -> None:
    """Say what is wrong with the place that `option` names for results before time is spent on a replay."""
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else "its folder does not exist"
        raise ConfigError(what, where=f"{option} {out}", remedy="Name a file in a folder that exists")
    if out.exists() and capture.exists() and out.samefile(capture):
        raise ConfigError("would overwrite the capture", where=f"{option} {out}", remedy="Choose another file")


def write_json(value: Any, option: str, out: str, *, indent: int) -> None:
    """Write a value to the place that `option` names, `-` for standard output; ReplayError where it cannot be written."""
    text = json.dumps(value, indent=indent) + "\n"
    if out == "-":
        sys.stdout.write(text)
        return
    try:
        Path(out).write_text(text, encoding="ascii", newline="\n")
    except OSError as error:
        raise ReplayError(f"cannot be written: {error.strerror}", where=f"{option} {out}", remedy="Choose another place") from error


def print_page(page: Callable[[int, bool], str], to: IO[str]) -> None:
    """Print `page(width, colour)`: as wide as the terminal, in its colours where it has them."""
    width = shutil.get_terminal_size((110, 24)).columns if to.isatty() else 110
    colour = to.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    to.write(page(max(width, 60), colour))
