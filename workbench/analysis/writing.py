"""Results to a file, and how far that is."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from reprlib import repr as brief
from time import monotonic
from typing import IO

from ..errors import ConfigError, ReplayError

__all__ = ["Report", "write_file"]

_PROGRESS_S = 0.1


def write_file(path: str | Path, write: Callable[[IO[str]], int]) -> int:
    """Open `path` for ASCII text and give what `write` gives for it; ReplayError if it cannot be written, ConfigError for no path."""
    if not isinstance(path, str | PathLike):
        raise ConfigError(f"{brief(path)} is no path of a file", remedy="Give one as text")
    try:
        with Path(path).open("w", encoding="ascii", newline="\n") as file:
            return write(file)
    except OSError as error:
        raise ReplayError(f"cannot be written: {error.strerror}", where=str(path), remedy="Choose another place") from None


class Report:
    """Tells `progress`, where there is one, how much is written of `total`, at most ten times a second."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._reported = monotonic()

    def reached(self, done: int) -> None:
        """So much is written now."""
        if self._progress is not None and (now := monotonic()) - self._reported >= _PROGRESS_S:
            self._reported = now
            self._progress(done, self._total)
