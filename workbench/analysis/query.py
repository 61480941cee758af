"""The exchanges of a replay that a query asks for: `~m POST & ~outcome limited`. The words are in `query_terms`.

What the trace says is answered by columns; the captured exchange is read only where the rest of a query leaves it open, and a search
can be carried on bit by bit, so that a view need not wait for the end of a large capture.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from ..capture.connection import Connection
from ..capture.exchange import Exchange
from ..errors import CaptureError
from ..trace.trace import Trace
from .facts import Bools, Facts, Ints
from .heads import heads
from .query_capture import ASKS, pretty_url
from .query_syntax import All, Either, Node, Not, Term, parse_query
from .query_trace import MASKS, mask

__all__ = ["Search", "Searcher"]

_KEPT_MASKS = 24
_KEPT_TEXTS = 1 << 16
_KEPT_BYTES = 16 << 20
_CHUNKS = (1 << 22, 1 << 12, 1 << 8)
"""Exchanges that are looked at in one go, by what the query needs: the trace's columns, its heads, the capture."""


class Captured(Protocol):
    """What a search needs of a capture: its exchanges or connections by their index."""

    def __getitem__(self, index: int, /) -> Exchange | Connection: ...
    def __len__(self) -> int: ...


class Searcher:
    """Answers queries about one replay, and keeps what the last ones found out about the trace."""

    def __init__(self, trace: Trace, capture: Captured, facts: Facts) -> None:
        self.trace, self.capture, self.facts = trace, capture, facts
        self._masks: OrderedDict[Term, Bools] = OrderedDict()

    def search(self, query: str) -> Search:
        """Begin a search; QueryError where the query is wrong."""
        return Search(self, parse_query(query))

    def mask(self, term: Term) -> Bools:
        """One entry an exchange for a term that the trace alone answers."""
        found = self._masks.get(term)
        if found is None:
            found = self._masks[term] = mask(term, self.trace, self.facts)
            if len(self._masks) > _KEPT_MASKS:
                self._masks.popitem(last=False)
        self._masks.move_to_end(term)
        return found


class Search:
    """One query on its way through the exchanges: `hit` tells of the first `decided` whether they match, in capture order."""

    def __init__(self, searcher: Searcher, tree: Node) -> None:
        self._of = searcher
        self._tree = tree
        self._cost = _cost(tree)
        self._known: dict[Term, dict[Any, bool | None]] = {}
        self.hit = np.zeros(len(searcher.facts), bool)
        self.decided = 0

    @property
    def done(self) -> bool:
        """True when every exchange was looked at."""
        return self.decided >= len(self.hit)

    def advance(self, seconds: float | None = None) -> bool:
        """Go on for about so long, without a limit to the end; gives `done`."""
        until = None if seconds is None else time.monotonic() + seconds
        size = _CHUNKS[self._cost]
        while not self.done:
            places = np.arange(self.decided, min(self.decided + size, len(self.hit)))
            self.hit[places] = self._holds(self._tree, places, _Chunk(self._of, places))
            self.decided += len(places)
            if until is not None and time.monotonic() > until:
                break
        return self.done

    def _holds(self, node: Node, places: Ints, chunk: _Chunk) -> Bools:
        """Whether `node` holds for each of `places`; the dearer parts are asked only where the cheaper leave it open."""
        if isinstance(node, Not):
            return ~self._holds(node.inner, places, chunk)
        if isinstance(node, All | Either):
            all_must = isinstance(node, All)
            found = np.full(len(places), all_must)
            for part in sorted(node.parts, key=_cost):
                left = np.flatnonzero(found == all_must)
                if len(left):
                    found[left] = self._holds(part, places[left], chunk)
            return found
        if node.name in MASKS:
            return self._of.mask(node)[places]
        found = np.zeros(len(places), bool)
        left = places
        if node.name in _BY_HEADS:
            verdicts = list(_BY_HEADS[node.name](node.value, chunk, places, self._known.setdefault(node, {})))
            found[:] = [verdict is True for verdict in verdicts]
            left = places[[verdict is None for verdict in verdicts]]
        if len(left):
            ask = ASKS[node.name]
            found[np.searchsorted(places, left)] = [
                exchange is not None and ask(exchange, node.value) for exchange in map(chunk.captured, left.tolist())
            ]
        return found


class _Chunk:
    """Some exchanges in a row, and what was read of them."""

    def __init__(self, of: Searcher, places: Ints) -> None:
        self._of = of
        self._first = int(places[0]) if len(places) else 0
        self._places = places
        self._heads: dict[str, list[bytes]] = {}
        self._kept: dict[int, Exchange | Connection | None] = {}
        self._room = _KEPT_BYTES

    def head(self, name: str, places: Ints) -> list[bytes]:
        """Values of one of `heads.HEADS`."""
        if name not in self._heads:
            self._heads = heads(self._of.trace, self._of.facts, self._places)
        values = self._heads[name]
        return [values[place - self._first] for place in places.tolist()]

    def is_http(self, places: Ints) -> list[bool]:
        """False for a TCP connection."""
        return list((self._of.facts.connection[places] < 0).tolist())

    def captured_status(self, places: Ints) -> list[int]:
        """What the upstream had answered, 0 where the trace does not say."""
        facts = self._of.facts
        return list(np.where(facts.response[places] >= 0, facts.upstream_status[places], 0).tolist())

    def captured(self, place: int) -> Exchange | Connection | None:
        """The captured exchange, None where the file is damaged there."""
        if place in self._kept:
            return self._kept[place]
        try:
            found = self._of.capture[int(self._of.facts.exchange[place])]
        except (CaptureError, IndexError):
            found = None
        size = len(found.request.body) + len(found.response.body if found.response else b"") if isinstance(found, Exchange) else 1 << 16
        if size < self._room:
            self._room -= size + 2048
            self._kept[place] = found
        return found


Verdicts = Iterator[bool | None]
"""True and False, and None where the trace does not tell."""


def _by_method(pattern: Any, chunk: _Chunk, places: Ints, known: dict[Any, bool | None]) -> Verdicts:
    for method, http in zip(chunk.head("method", places), chunk.is_http(places), strict=True):
        found = known.get(method)
        if found is None and http:
            found = pattern.search(method) is not None
            if len(known) < _KEPT_TEXTS:
                known[method] = found
        yield http and found


def _by_url(pattern: Any, chunk: _Chunk, places: Ints, known: dict[Any, bool | None]) -> Verdicts:
    """By the authority and path that the first filter was shown, under either scheme: where that matters, the capture is asked."""
    beginnings: dict[bytes, list[str]] = {}
    pairs = zip(chunk.head("authority", places), chunk.head("path", places), strict=True)
    for key, http in zip(pairs, chunk.is_http(places), strict=True):
        authority, path = key
        if not http:
            yield False
        elif path[:1] != b"/" or not authority or len(path) < 2:  # an empty path is shown as /
            yield None
        elif key in known:
            yield known[key]
        else:
            ends = beginnings.get(authority)
            if ends is None:
                said = authority.decode(errors="surrogateescape")
                ends = beginnings[authority] = [pretty_url(scheme, said, "") for scheme in ("http", "https")]
            rest = path.decode(errors="surrogateescape")
            one, other = (pattern.search(begin + rest) is not None for begin in ends)
            found = one if one == other else None
            if len(known) < _KEPT_TEXTS:
                known[key] = found
            yield found


def _by_status(code: Any, chunk: _Chunk, places: Ints, _: dict[Any, bool | None]) -> Verdicts:
    return (None if not status else status == code for status in chunk.captured_status(places))


def _by_response(_: Any, chunk: _Chunk, places: Ints, __: dict[Any, bool | None]) -> Verdicts:
    return (True if status else None for status in chunk.captured_status(places))


def _by_no_response(_: Any, chunk: _Chunk, places: Ints, __: dict[Any, bool | None]) -> Verdicts:
    return (False if status else None for status in chunk.captured_status(places))


_BY_HEADS: dict[str, Callable[[Any, _Chunk, Ints, dict[Any, bool | None]], Verdicts]] = {
    "m": _by_method,
    "u": _by_url,
    "c": _by_status,
    "s": _by_response,
    "q": _by_no_response,
}
"""Terms on the capture that the trace answers for most exchanges."""


def _cost(node: Node) -> int:
    """0 where the trace's columns answer, 1 where heads are read, 2 where the capture is."""
    if isinstance(node, Term):
        return 0 if node.name in MASKS else 1 if node.name in _BY_HEADS else 2
    if isinstance(node, Not):
        return _cost(node.inner)
    return max(map(_cost, node.parts))
