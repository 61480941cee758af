"""Where requests of a capture went, as a column: the trace does not say it, so it is kept of every exchange that a search has read."""

from __future__ import annotations

import numpy as np

from ..capture.connection import Connection
from ..capture.exchange import Exchange
from .query_capture import hosts
from .query_heads import UNKNOWN, Verdicts
from .query_pattern import Pattern
from .rowfields import Ints

__all__ = ["Hosts"]

_UNREAD, _NONE = -1, -2
_MOST = 1 << 16
"""Different hosts that are kept; of an exchange with yet another one nothing is."""


class Hosts:
    """Hosts of the exchanges of one replay, by their places in the facts."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._codes = np.empty(0, np.int32)
        self._named: dict[tuple[str, ...], int] = {}

    def note(self, place: int, exchange: Exchange | Connection | None) -> None:
        """Keep where an exchange went, or that it is none."""
        if not len(self._codes):
            self._codes = np.full(self._size, _UNREAD, np.int32)  # not before it is needed
        code = _NONE
        if isinstance(exchange, Exchange):
            named = hosts(exchange)
            code = self._named.get(named, _UNREAD)
            if code == _UNREAD and len(self._named) < _MOST:
                code = self._named[named] = len(self._named)
        self._codes[place] = code

    def unread(self, places: Ints) -> Ints:
        """Those of `places` of which nothing is known."""
        return places[self._codes[places] == _UNREAD] if len(self._codes) else places

    def verdicts(self, pattern: Pattern, places: Ints) -> Verdicts:
        """Whether a host of each of `places` has the pattern in it; UNKNOWN where nothing is known."""
        if not len(places):
            return np.zeros(0, np.int8)
        codes = self._codes[places]
        hits = np.array([any(map(pattern.search, each)) for each in self._named] or [False], np.int8)
        return np.where(codes >= 0, hits[np.maximum(codes, 0)], np.where(codes == _UNREAD, np.int8(UNKNOWN), np.int8(0)))
