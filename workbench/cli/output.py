"""Where a command's results go: a page for a terminal, JSON for programs, and the check that their place is one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigError, ReplayError, visible

__all__ = ["check_outputs", "print_notes", "print_page", "write_json"]


def check_outputs(outputs: Mapping[str, str | None], inputs: Iterable[str]) -> None:
    """Say what is wrong with the places that options name for results before time is spent on a replay.

    `outputs` are places by their options, None for none and `-` for standard output; `inputs` are the files that are read.
    """
    read = [Path(each) for each in inputs if Path(each).exists()]
    taken: dict[Path | str, str] = {}
    for option, given in outputs.items():
        if given is None:
            continue
        out = Path(given)
        place = given if given == "-" else out.resolve()
        if place in taken:
            what = "standard output is given twice" if given == "-" else "one file is given twice"
            raise ConfigError(what, where=f"{taken[place]} {given}, {option} {given}", remedy="Write one of them to another file")
        taken[place] = option
        if given != "-" and (not given or out.is_dir() or not out.parent.is_dir()):
            what = "is no name" if not given else "is a folder" if out.is_dir() else "its folder does not exist"
            raise ConfigError(what, where=f"{option} {given}", remedy="Name a file in a folder that exists")
        for each in read:
            if given != "-" and out.exists() and out.samefile(each):
                raise ConfigError("would overwrite what is read", where=f"{option} {given}", remedy="Choose another file")


def write_json(value: Any, option: str, out: str, *, indent: int) -> None:
    """Write a value to the place that `option` names, `-` for standard output; ReplayError where it cannot be written."""
    text = json.dumps(value, indent=indent) + "\n"
    if out == "-":
        sys.stdout.write(text)
        return
    try:
        Path(out).write_text(text, encoding="ascii", newline="\n")
    except OSError as error:
        raise ReplayError(f"cannot be written: {error.strerror}", where=f"{option} {out}", remedy="Choose another place") from None


def print_notes(notes: Iterable[str]) -> None:
    """What the files of the chain say and no replay shows, a line each on standard error."""
    for note in notes:
        print(f"workbench: {visible(note)}", file=sys.stderr)


def print_page(page: Callable[[int, bool], str], to: IO[str]) -> None:
    """Print `page(width, colour)`: as wide as the terminal, in its colours where it has them."""
    width = shutil.get_terminal_size((110, 24)).columns if to.isatty() else 110
    colour = to.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    to.write(page(max(width, 60), colour))
