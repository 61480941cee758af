"""Pages of the flow table: which exchanges match, in which order, and what a row says. Everything is columns; texts are made for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.analysis.brief import briefs
from workbench.analysis.calls import ExchangeRows
from workbench.analysis.decision import decide
from workbench.analysis.facts import Outcome
from workbench.analysis.heads import heads
from workbench.analysis.query import Search
from workbench.analysis.query_terms import OUTCOMES
from workbench.analysis.words import shorten, text
from workbench.capture.exchange import Exchange
from workbench.errors import CaptureError

from .view import Buffers

if TYPE_CHECKING:
    from workbench.analysis.compare import Comparison
    from workbench.replay import Replay

__all__ = ["LARGEST_PAGE", "LAYOUT", "FlowRows", "packed"]

LARGEST_PAGE = 500
_LONGEST_PATH = 1024
_PATIENCE_S = 0.08
"""How long one answer looks on for what matches; the page asks again for the rest."""
_CHUNK = 1 << 16
_SCALED = 1 << 16
"""Exchanges, spread over all, that say how long a bar is."""
_WEIGHT = (Outcome.LIMITED, Outcome.DENIED, Outcome.ERROR, Outcome.CHANGED)
_REFUSED = (Outcome.DENIED, Outcome.LIMITED, Outcome.ERROR)

LAYOUT = (
    ("f8", ("time", "filter_ns", "host_ns")),  # time is milliseconds since the Unix epoch
    ("i4", ("index", "up", "down", "outcome", "hostcalls", "callbacks", "logs", "path_cut", "del", "add", "chg", "more")),
    ("text", ("method", "host", "path", "reason", "name0", "name1", "name2")),
)
"""A page as two buffers: columns one behind the other, then the texts row by row as u32 offsets and UTF-8. `up` and `down` are 0 for
none; `outcome` is a number of `Outcome`; a name has `d`, `a` or `c` before it: removed, added, changed."""

Places = npt.NDArray[np.int32]


@dataclass
class _Asked:
    """One query with its order, and how far its search is."""

    key: tuple[Any, ...]
    search: Search
    decided: int = -1
    places: Places = field(default_factory=lambda: np.empty(0, np.int32))
    facts: dict[str, Any] = field(default_factory=dict)


class FlowRows:
    """The rows of one replay in pages. A query is in the language of `analysis.query`."""

    def __init__(self, replay: Replay, compared: Callable[[], Comparison] | None = None) -> None:
        self._replay = replay
        self.searcher = replay.searcher if compared is None else replay.searching(compared)
        self._facts = replay.facts
        self._asked: _Asked | None = None
        self._ranks: tuple[str, npt.NDArray[np.int32]] = ("", np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self._facts)

    def first(self) -> int:
        """Index of the exchange to show first: the first that a filter refused or changed, else the first of all; -1 without any."""
        for wanted in _WEIGHT:
            found = self._facts.outcome == wanted
            if found.any():
                return int(self._facts.exchange[found.argmax()])
        return int(self._facts.exchange[0]) if len(self) else -1

    def page(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], Buffers]:
        """Answer `{"query", "outcome", "sort", "descending", "first", "count"}`: facts about the match, and the rows as in `LAYOUT`.

        `searched` says of how many exchanges it is known whether they match: while it is less than `total`, ask again.
        """
        asked = self._look(question)
        first = max(0, int(question.get("first", 0)))
        count = min(max(0, int(question.get("count", 0))), LARGEST_PAGE)
        places = asked.places[first : first + count].astype(np.int64)
        head = {"first": first, "count": len(places), "total": len(self), "searched": asked.search.decided, **asked.facts}
        return head, self._packed(places)

    def locate(self, question: Mapping[str, Any]) -> int:
        """Where exchange `index` stands among what matches; -1 if it does not."""
        asked = self._look(question)
        at = self._place(int(question["index"]))
        found = np.flatnonzero(asked.places == at) if at >= 0 else np.empty(0)
        return int(found[0]) if len(found) else -1

    def neighbour(self, question: Mapping[str, Any]) -> tuple[int, int]:
        """The next exchange (`step` 1) or the one before (-1) with the outcome of `index`: its place among what matches, and its index."""
        asked, at = self._look(question), self.locate(question)
        if at < 0:
            return -1, -1
        alike = self._facts.outcome[asked.places] == self._facts.outcome[asked.places[at]]
        found = np.flatnonzero(alike)
        where = int(np.searchsorted(found, at)) + (1 if int(question.get("step", 1)) > 0 else -1)
        if not 0 <= where < len(found):
            return -1, -1
        return int(found[where]), int(self._facts.exchange[asked.places[found[where]]])

    def _place(self, exchange: int) -> int:
        try:
            return self._facts.position(exchange)
        except KeyError:
            return -1

    def _look(self, question: Mapping[str, Any]) -> _Asked:
        """What a question asks for, a little further on where its search is not done. The last one is kept: paging asks the same again."""
        query, outcome, sort = (str(question.get(key, "")) for key in ("query", "outcome", "sort"))
        key = (query, outcome, sort or "index", bool(question.get("descending")))
        asked = self._asked
        if asked is None or asked.key[0] != query:
            asked = _Asked(key, self.searcher.search(query))
        elif asked.key != key:
            asked = _Asked(key, asked.search)
        asked.search.advance(_PATIENCE_S)
        if asked.decided != asked.search.decided:
            asked.decided = asked.search.decided
            hit = np.flatnonzero(asked.search.hit[: asked.decided])
            outcomes = self._facts.outcome[hit]
            if outcome:
                hit = hit[outcomes == OUTCOMES.index(outcome)] if outcome in OUTCOMES else hit[:0]
            asked.places = self._ordered(hit, key[2], key[3])
            numbers = np.bincount(outcomes, minlength=len(OUTCOMES)).tolist()
            counts = {name: number for name, number in zip(OUTCOMES, numbers, strict=True) if number}
            asked.facts = {"matched": len(hit), "outcomes": counts, "scale_ns": self._scale(hit)}
        self._asked = asked
        return asked

    def _ordered(self, hit: npt.NDArray[np.intp], sort: str, descending: bool) -> Places:
        """Equal ones keep the order of the capture, in both directions."""
        if sort == "index":
            return (hit[::-1] if descending else hit).astype(np.int32)
        values = self._sort_values(sort)[hit]
        return hit[np.argsort(-values if descending else values, kind="stable")].astype(np.int32)

    def _sort_values(self, sort: str) -> npt.NDArray[Any]:
        facts = self._facts
        if sort in ("method", "host", "path"):
            if self._ranks[0] != sort:
                self._ranks = (sort, self._ranked({"host": "authority"}.get(sort, sort)))
            return self._ranks[1]
        if sort == "status":
            return facts.status
        if sort == "cost":
            return np.asarray(facts.filter_ns + facts.host_ns)
        known = ("time", "outcome", "changes", "filter_ns", "host_ns", "hostcalls", "callbacks", "logs")
        return np.asarray(getattr(facts, sort) if sort in known else facts.exchange)

    def _ranked(self, name: str) -> npt.NDArray[np.int32]:
        """For each exchange the place of its text among all different texts."""
        codes: dict[bytes, int] = {}
        found = np.empty(len(self), np.int32)
        for first in range(0, len(self), _CHUNK):
            places = np.arange(first, min(first + _CHUNK, len(self)))
            values = heads(self._replay.trace, self._facts, places, (name,))[name]
            found[places] = [codes.setdefault(value, len(codes)) for value in values]
        rank = np.empty(len(codes), np.int32)
        rank[[codes[value] for value in sorted(codes)]] = np.arange(len(codes), dtype=np.int32)
        return rank[found]

    def _scale(self, hit: npt.NDArray[np.intp]) -> int:
        """Time of a full bar: all but the slowest twentieth fit."""
        if not len(hit):
            return 0
        some = hit[:: 1 + len(hit) // _SCALED]
        total = self._facts.filter_ns[some] + self._facts.host_ns[some]
        at = int(0.95 * (len(total) - 1))
        return int(np.partition(total, at)[at])

    def _packed(self, places: npt.NDArray[np.int64]) -> Buffers:
        facts, replay = self._facts, self._replay
        head = heads(replay.trace, facts, places)
        path = [text(value) for value in head["path"]]
        refused = np.isin(facts.outcome[places], _REFUSED)
        exchanges = facts.exchange[places].tolist()
        told = briefs(replay.trace, facts, places)
        up = np.where(facts.response[places] >= 0, facts.upstream_status[places], 0)
        for at in np.flatnonzero((facts.response[places] < 0) & (facts.connection[places] < 0)).tolist():
            up[at] = self._captured_status(exchanges[at])
        columns: dict[str, Any] = {
            "time": facts.time[places] / 1e6,
            "filter_ns": facts.filter_ns[places],
            "host_ns": facts.host_ns[places],
            "index": facts.exchange[places],
            "up": up,
            "down": np.where(facts.downstream[places] >= 0, facts.status[places], 0),
            "outcome": facts.outcome[places],
            "hostcalls": facts.hostcalls[places],
            "callbacks": facts.callbacks[places],
            "logs": facts.logs[places],
            "path_cut": [len(value) > _LONGEST_PATH for value in path],
            "more": [each.more for each in told],
            **{kind: [each.counts.get(kind, 0) for each in told] for kind in ("del", "add", "chg")},
            "method": [shorten(text(value), 64) for value in head["method"]],
            "host": [shorten(text(value), 256) for value in head["authority"]],
            "path": [value[:_LONGEST_PATH] for value in path],
            "reason": [
                self._reason(index) if is_refused and (outcome == Outcome.ERROR or not each.names) else ""
                for index, is_refused, outcome, each in zip(exchanges, refused, facts.outcome[places], told, strict=True)
            ],
            **{f"name{at}": [each.names[at] if at < len(each.names) else "" for each in told] for at in range(3)},
        }
        return packed(columns)

    def _reason(self, exchange: int) -> str:
        return shorten(decide(ExchangeRows.of(self._replay.trace, exchange), self._replay.judges).reason, 200)

    def _captured_status(self, exchange: int) -> int:
        """What the upstream answered when it was captured, for a request that a filter kept from it now; 0 for none."""
        try:
            captured = self._replay.capture[exchange]
        except CaptureError:
            return 0
        response = captured.response if isinstance(captured, Exchange) else None
        return 0 if response is None else response.status


def packed(columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> Buffers:
    """Columns by their names in `LAYOUT`, as the two buffers of a page."""
    numbers = b"".join(np.asarray(columns[name], f"<{kind}").tobytes() for kind, names in LAYOUT[:2] for name in names)
    return Buffers((numbers, _pool(value for row in zip(*(columns[name] for name in LAYOUT[2][1]), strict=True) for value in row)))


def _pool(texts: Iterable[str]) -> bytes:
    parts = [each.encode(errors="backslashreplace") for each in texts]
    offsets = np.zeros(len(parts) + 1, "<u4")
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return offsets.tobytes() + b"".join(parts)
