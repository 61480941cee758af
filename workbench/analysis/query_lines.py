"""One pattern in many texts at once: they are searched as the lines of one text, where that is sure to find the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .query_pattern import Pattern
from .rowfields import Bools

__all__ = ["LinePattern"]

_SAFE = re.compile(
    r"""(?: [A-Za-z0-9\ /_:=&%,;@~!\#<>"'`.^$|-]  # a sign for itself, any but an end of line, bounds of a line, choice
    | \( | \)
    | \\ [!-/:-@\[-`{-~dwb]                    # a sign for itself; digits, word characters and their bounds
    | \[ [A-Za-z0-9/_.:=&%-]+ \]               # some of what is printed
    )+""",
    re.VERBOSE,
)
"""Patterns of which no part can match an end of line, so that none is found across two lines; nor is there a repeat, so that the time for
all is that for their length."""


class LinePattern:
    """A pattern for texts in UTF-8, in which other bytes are surrogates."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._lines: re.Pattern[bytes] | None = None
        if isinstance(pattern.pattern, str) and _SAFE.fullmatch(pattern.pattern):
            # the rest of a line goes with its first match: one is enough
            self._lines = re.compile(b"(?:" + pattern.pattern.encode() + b").*", re.MULTILINE | pattern.flags & re.IGNORECASE)

    def found(self, texts: Sequence[bytes]) -> Bools:
        """For each text whether the pattern is in it."""
        if self._lines is None or not texts:
            return self._one_by_one(texts)
        joined = b"\n".join(texts)
        if not joined.isascii() or joined.count(b"\n") >= len(texts):
            # what has an end of line in it is no line; beyond ASCII bytes are no characters
            odd = np.fromiter((not text.isascii() or b"\n" in text for text in texts), bool, len(texts))
            found = np.zeros(len(texts), bool)
            found[odd] = self._one_by_one([texts[at] for at in np.flatnonzero(odd).tolist()])
            found[~odd] = self.found([texts[at] for at in np.flatnonzero(~odd).tolist()])
            return found
        found = np.zeros(len(texts), bool)
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        at = np.fromiter((match.start() for match in self._lines.finditer(joined)), np.int64)
        found[np.searchsorted(ends, at, "right")] = True
        return found

    def _one_by_one(self, texts: Sequence[bytes]) -> Bools:
        search = self._pattern.search
        return np.fromiter((search(text.decode(errors="surrogateescape")) is not None for text in texts), bool, len(texts))
