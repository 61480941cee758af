"""Results to a file."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from reprlib import repr as brief
from typing import IO

from ..errors import ConfigError, ReplayError

__all__ = ["write_file"]


def write_file(path: str | Path, write: Callable[[IO[str]], int]) -> int:
    """Open `path` for ASCII text and give what `write` gives for it; ReplayError if it cannot be written, ConfigError for no path."""
    if not isinstance(path, str | PathLike):
        raise ConfigError(f"{brief(path)} is no path of a file", remedy="Give one as text")
    try:
        with Path(path).open("w", encoding="ascii", newline="\n") as file:
            return write(file)
    except OSError as error:
        raise ReplayError(f"cannot be written: {error.strerror}", where=str(path), remedy="Choose another place") from None
