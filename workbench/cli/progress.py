"""The bar of a long replay on a terminal."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from typing import IO

__all__ = ["Progress"]


class Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, to: IO[str], title: str, wanted: bool) -> None:
        self._to = to
        self._title = title
        self._on = wanted and to.isatty() and os.environ.get("TERM") != "dumb"
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._on:
            self._to.write("\r\x1b[K")
            self._to.flush()

    @property
    def show(self) -> Callable[[int, int], None] | None:
        """What a replay calls with exchanges done and their number."""
        return self._show if self._on else None

    def _show(self, done: int, total: int) -> None:
        from ..analysis.words import count, duration, shorten, visible

        spent = time.monotonic() - self._started
        rate = done / spent if spent > 0 else 0.0
        filled = 24 * done // total if total else 24
        left = f", {duration((total - done) / rate * 1e9)} left" if rate and done < total else ""
        bar = "█" * filled + "·" * (24 - filled)
        line = f"{shorten(visible(self._title), 30)} [{bar}] {count(done)} of {count(total)}, {count(int(rate))}/s{left}"
        self._to.write("\r\x1b[K" + shorten(line, shutil.get_terminal_size().columns - 1))
        self._to.flush()
