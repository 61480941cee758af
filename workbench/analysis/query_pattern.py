"""Patterns of queries: Python's regular expressions, each with an end.

What is searched is captured, so it may be made to be slow: `user.*name` on a body of nothing but `user` takes hours. `re` knows no end
and cannot be stopped from another thread; the package regex takes the same patterns and a time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import QueryError

__all__ = ["Pattern"]

_ONE_S, _ALL_S = 2.0, 10.0
"""How long one text may take, and all slow ones of a query together, beyond what their length explains."""
_BYTES_A_SECOND = 10_000_000
"""Less than is searched in a second where nothing is tried twice."""
_FAST_S = 0.001
_REPEATS = re.compile(r"[*+?{]")
_GROUP_REPEATED = re.compile(r"\)[*+?{]")
_MOST_STEPS = 1 << 18
"""What `re` may be left to do: where no group is repeated, a text of n characters takes n to the number of repeats and one, at the most."""
_MORE = re.compile(r"\\.|\{(?!\d+(?:,\d*)?\}|,\d*\})|\[:", re.DOTALL)
"""What regex would take for more than `re` does: a brace that is no number of times (fuzzy matching), `[:` (classes by name); and, to be
passed over, what a backslash stands before."""


@dataclass(frozen=True)
class Pattern:
    """A pattern as it stands in `query` from character `at` to before `end`; re.error for what is none, and as `re.compile` else."""

    pattern: str | bytes
    flags: int
    query: str = field(compare=False)
    at: int = field(compare=False)
    end: int = field(compare=False)
    search: Callable[[Any], object] = field(init=False, compare=False, repr=False)
    """A match or None, as of `re`. Raises QueryError for texts on which the pattern takes too long."""

    def __post_init__(self) -> None:
        plain = re.compile(self.pattern, self.flags)
        text = self.pattern if isinstance(self.pattern, str) else self.pattern.decode()
        # without repeats the text is gone through once, and `re` is the quicker of the two
        repeats = len(_REPEATS.findall(text))
        object.__setattr__(self, "search", self._ending(text, plain, repeats) if repeats else plain.search)

    def _ending(self, text: str, plain: re.Pattern[Any], repeats: int) -> Callable[[Any], object]:
        import regex

        try:
            meant = _MORE.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}" if found[0][0] != "\\" else found[0], text)
            compiled = regex.compile(meant if isinstance(self.pattern, str) else meant.encode(), plain.flags & ~re.DEBUG | regex.VERSION0)
        except regex.error:
            return plain.search  # taken by `re` alone
        loose = plain.flags & re.VERBOSE  # what repeats a group may stand far from it
        harmless = 0 if loose or _GROUP_REPEATED.search(text) else int(_MOST_STEPS ** (1 / (repeats + 1)))
        spent = 0.0

        def search(text: str | bytes) -> object:
            nonlocal spent
            if len(text) <= harmless:
                return plain.search(text)
            usual, begun = len(text) / _BYTES_A_SECOND, time.perf_counter()
            try:
                found = compiled.search(text, timeout=_ONE_S + usual)
            except TimeoutError:
                raise self._endless() from None
            over = time.perf_counter() - begun - usual
            if over > _FAST_S:
                spent += over
                if spent > _ALL_S:
                    spent = 0.0
                    raise self._endless()
            return found

        return search

    def _endless(self) -> QueryError:
        remedy = "Say less of what may be repeated: [^ ]* in place of .*, or a plain text"
        return QueryError("the pattern takes too long on what was captured", self.query, self.at, self.end, remedy)
