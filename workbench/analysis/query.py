"""The exchanges of a replay that a query asks for: `~m POST & ~outcome limited`. The words are in `query_terms`.

What the trace says is answered by columns; the captured exchange is read only where the rest of a query leaves it open, and a search
can be carried on bit by bit, so that a view need not wait for the end of a large capture.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from reprlib import repr as brief
from typing import Protocol

import numpy as np

from ..capture.connection import Connection
from ..capture.exchange import Exchange
from ..errors import CaptureError, ConfigError, QueryError, WorkbenchError
from ..trace.trace import Trace
from .compare import Comparison
from .facts import Facts
from .query_capture import ASKS
from .query_heads import BY_HEADS, UNKNOWN, YES
from .query_hosts import Hosts
from .query_pattern import Pattern
from .query_syntax import All, Either, Node, Not, Term, parse_query, terms
from .query_trace import MASKS, mask
from .rowfields import Bools, Ints

__all__ = ["Search", "Searcher"]

_KEPT_MASKS = 24
_DIFFERS = re.compile(r"~differs\b(?:\s+\w+)?")
_KEPT_BYTES = 16 << 20
_CHUNKS = (1 << 22, 1 << 14, 1 << 8)
"""Exchanges that are looked at in one go, by what the query needs: the trace's columns, its heads, the capture."""


class Captured(Protocol):
    """What a search needs of a capture: its exchanges or connections by their index."""

    def __getitem__(self, index: int, /) -> Exchange | Connection: ...
    def __len__(self) -> int: ...


class Searcher:
    """Answers queries about one replay, and keeps what the last ones found out about the trace."""

    def __init__(self, trace: Trace, capture: Captured, facts: Facts, compared: Callable[[], Comparison] | None = None) -> None:
        self.trace, self.capture, self.facts = trace, capture, facts
        self._compared = compared
        self._masks: OrderedDict[Term, Bools] = OrderedDict()
        self.hosts = Hosts(len(facts))

    def search(self, query: str) -> Search:
        """Begin a search; QueryError where the query is wrong, or asks what differs and there is no run to compare with."""
        if not isinstance(query, str):
            raise ConfigError(f"{brief(query)} is no query", remedy="Give text, such as '~m POST & ~outcome limited'")
        tree = parse_query(query)
        self.check(query)
        return Search(self, tree)

    def check(self, query: str) -> None:
        """QueryError where a query that is right cannot be answered here."""
        asked = _DIFFERS.search(query)
        if asked is None or not any(term.name == "differs" for term in terms(parse_query(query))):
            return
        try:
            self._comparison()
        except WorkbenchError as error:
            raise QueryError(error.what, query, asked.start(), asked.end(), error.remedy) from None

    def _comparison(self) -> Comparison:
        if self._compared is None:
            raise WorkbenchError(
                "there is no run to compare with", remedy="Ask in a Workbench with two runs, or give `where` the other replay"
            )
        return self._compared()

    def mask(self, term: Term) -> Bools:
        """One entry an exchange for a term that the trace alone answers."""
        found = self._masks.get(term)
        if found is None:
            found = self._masks[term] = self._differs(str(term.value)) if term.name == "differs" else mask(term, self.trace, self.facts)
            if len(self._masks) > _KEPT_MASKS:
                self._masks.popitem(last=False)
        self._masks.move_to_end(term)
        return found

    def _differs(self, part: str) -> Bools:
        return np.isin(self.facts.exchange, self._comparison().differing(part), assume_unique=True)


class Search:
    """One query on its way through the exchanges: `hit` tells of the first `decided` whether they match, in capture order."""

    def __init__(self, searcher: Searcher, tree: Node) -> None:
        self._of = searcher
        self._tree = tree
        self._cost = _cost(tree)
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
            self.hit[places] = self._holds(self._tree, places, _Chunk(self._of))
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
        if node.name in MASKS or node.name == "differs":
            return self._of.mask(node)[places]
        found = np.zeros(len(places), bool)
        left = places
        if node.name in BY_HEADS:
            verdicts = BY_HEADS[node.name](node.value, self._of.trace, self._of.facts, places)
            found[:] = verdicts == YES
            left = places[verdicts == UNKNOWN]
        if node.name == "d" and isinstance(node.value, Pattern):
            hosts = self._of.hosts
            for place in hosts.unread(left).tolist():
                chunk.captured(place)
            verdicts = hosts.verdicts(node.value, left)
            found[np.searchsorted(places, left[verdicts == YES])] = True
            left = left[verdicts == UNKNOWN]
        if len(left):
            ask = ASKS[node.name]
            found[np.searchsorted(places, left)] = [
                exchange is not None and ask(exchange, node.value) for exchange in map(chunk.captured, left.tolist())
            ]
        return found


class _Chunk:
    """Some exchanges in a row, and what was read of them."""

    def __init__(self, of: Searcher) -> None:
        self._of = of
        self._kept: dict[int, Exchange | Connection | None] = {}
        self._room = _KEPT_BYTES

    def captured(self, place: int) -> Exchange | Connection | None:
        """The captured exchange, None where the file is damaged there."""
        if place in self._kept:
            return self._kept[place]
        try:
            found = self._of.capture[int(self._of.facts.exchange[place])]
        except (CaptureError, IndexError):
            found = None
        self._of.hosts.note(place, found)
        size = len(found.request.body) + len(found.response.body if found.response else b"") if isinstance(found, Exchange) else 1 << 16
        if size < self._room:
            self._room -= size + 2048
            self._kept[place] = found
        return found


def _cost(node: Node) -> int:
    """0 where the trace's columns answer, 1 where heads are read, 2 where the capture is."""
    if isinstance(node, Term):
        return 0 if node.name in MASKS or node.name == "differs" else 1 if node.name in BY_HEADS else 2
    if isinstance(node, Not):
        return _cost(node.inner)
    return max(map(_cost, node.parts))
