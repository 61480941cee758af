"""Two replays side by side: where they part, and what each costs. Exchanges are matched by their number in the capture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..trace.records import Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .connection import Connections, bytes_after
from .facts import Facts, Outcome
from .outcome import Exchanges, body_of, pairs_of
from .prints import FACTORS, prints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Difference", "comparison"]


@dataclass(frozen=True, slots=True)
class Difference:
    """An exchange on which two replays part.

    `parts` names what differs: outcome, status, and of each message headers, trailers, body, or presence (only one side has it).
    """

    exchange: int
    outcome: tuple[str, str]
    status: tuple[int, int]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """One of the two: a name for it, its trace, its facts."""

    name: str
    trace: Trace
    facts: Facts
    capture: Exchanges


class Replayed(Protocol):
    """What is compared: a `workbench.replay.Replay`."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def of_connections(self) -> bool: ...
    @property
    def facts(self) -> Facts: ...

    capture: Any
    trace: Trace


def comparison(a: Replayed, b: Replayed) -> Comparison:
    """Of two replays of one capture; ConfigError for what is none."""
    for each in (a, b):
        if not hasattr(each, "of_connections"):
            raise ConfigError(f"{brief(each)} is no replay", where="compare", remedy="Give two that Chain.replay gave")
    if len(a.facts) and len(b.facts) and a.of_connections != b.of_connections:
        raise ConfigError("one replay is of HTTP exchanges, the other of TCP connections", remedy="Compare two of one kind")
    if a.source != b.source and len(a.capture) != len(b.capture):  # one that was copied or grew is still the same
        captures = " and ".join(f"{each.source or 'one'} of {len(each.capture)}" for each in (a, b))
        raise ConfigError(f"these are of two captures: {captures}", where="compare", remedy="Compare two replays of one capture")
    return Comparison(*(Side(side.name, side.trace, side.facts, cast(Exchanges, side.capture)) for side in (a, b)))


@dataclass(frozen=True)
class Comparison:
    """What `compare` gives: exchanges that differ, those in one replay only, and real times of both.

    `print` it for what differs, `table` for every exchange that does; `differing("status")` gives the numbers of some.
    """

    a: Side
    b: Side

    @cached_property
    def _common(self) -> tuple[list[int], list[int], list[int]]:
        """Exchanges in both, with their places in either's facts."""
        both, left, right = np.intersect1d(self.a.facts.exchange, self.b.facts.exchange, assume_unique=True, return_indices=True)
        return both.tolist(), left.tolist(), right.tolist()

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Exchanges whose outcome or messages differ, in capture order. Real times are no difference."""
        return tuple(self._find())

    def differing(self, word: str) -> npt.NDArray[np.int64]:
        """Numbers of the exchanges that differ in a part, of `query_terms.PARTS`, in capture order."""
        return np.array([one.exchange for one in self.differences if word in _words(one.parts)], np.int64)

    @cached_property
    def words(self) -> Counter[str]:
        """For each word of `query_terms.PARTS` how many exchanges differ in that part."""
        return Counter(word for one in self.differences for word in _words(one.parts))

    @property
    def only(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Exchanges that only one of the two replayed."""
        left, right = self.a.facts.exchange, self.b.facts.exchange
        return tuple(np.setdiff1d(left, right).tolist()), tuple(np.setdiff1d(right, left).tolist())

    def _find(self) -> Iterator[Difference]:
        both, left_at, right_at = (np.array(each, np.int64) for each in self._common)
        mine, theirs = _Messages(self.a.trace, self.a.facts), _Messages(self.b.trace, self.b.facts)
        unlike = np.zeros(len(both), bool)
        for column in ("outcome", "status"):
            unlike |= getattr(self.a.facts, column)[left_at] != getattr(self.b.facts, column)[right_at]
        for _, event in _MESSAGES:
            unlike |= mine.prints[event][left_at] != theirs.prints[event][right_at]
        places = np.flatnonzero(unlike)
        # only these are read: in most comparisons they are few
        for exchange, left, right in zip(*(each[places].tolist() for each in (both, left_at, right_at)), strict=True):
            outcome = tuple(Outcome(int(side.facts.outcome[at])).name.lower() for side, at in ((self.a, left), (self.b, right)))
            status = (int(self.a.facts.status[left]), int(self.b.facts.status[right]))
            parts = [name for name, (x, y) in (("outcome", outcome), ("status", status)) if x != y]
            for name, event in _MESSAGES:
                parts += self._part(name, int(mine.rows[event][left]), int(theirs.rows[event][right]))
            if parts:
                yield Difference(exchange, (outcome[0], outcome[1]), status, tuple(parts))

    def _part(self, name: str, left: int, right: int) -> list[str]:
        """What differs between two messages, by their rows' numbers; -1 for none."""
        if left < 0 or right < 0:
            return [] if left == right else [f"{name} presence"]
        a, b = self.a.trace.row(left), self.b.trace.row(right)
        if a.code == Event.CONNECTION_END:
            return _closes(a, b, cast(Connections, self.a.capture))
        parts = [f"{name} {what}" for at, what in ((0, "headers"), (1, "trailers")) if pairs_of(a.fields[at]) != pairs_of(b.fields[at])]
        if a.a != b.a or (not (a.c and b.c) and body_of(a, self.a.capture) != body_of(b, self.b.capture)):
            parts.append(f"{name} body")
        return parts

    @cached_property
    def table(self) -> pd.DataFrame:
        """The differences as a table, its index the exchange's number."""
        import pandas as pd

        columns = ["exchange", "outcome_a", "outcome_b", "status_a", "status_b", "differs"]
        rows = [(one.exchange, *one.outcome, *one.status, ", ".join(one.parts)) for one in self.differences]
        return pd.DataFrame(rows, columns=pd.Index(columns)).set_index("exchange")

    @cached_property
    def medians(self) -> pd.DataFrame:
        """Median real nanoseconds of an exchange in filters and in the host, over the exchanges of both, and b's share of a's."""
        import pandas as pd

        _, left, right = self._common
        rows = {}
        for name in ("filter_ns", "host_ns"):
            both = getattr(self.a.facts, name)[left], getattr(self.b.facts, name)[right]
            a, b = (float(np.median(values)) if len(values) else float("nan") for values in both)
            rows[name] = (a, b, b / a if a else float("nan"))
        return pd.DataFrame.from_dict(rows, orient="index", columns=["a", "b", "ratio"])

    def __repr__(self) -> str:
        both, only = len(self._common[0]), self.only
        extra = "".join(f", {len(one)} only in {side}" for one, side in zip(only, "ab", strict=True) if one)
        median = "; ".join(
            f"median {name.removesuffix('_ns')} {words.duration(a)} → {words.duration(b)}"
            for name, a, b in self.medians[["a", "b"]].itertuples()
            if a == a and b == b
        )
        names = f"{words.visible(self.a.name)} against {words.visible(self.b.name)}"
        return f"<Comparison of {names}: {len(self.differences)} of {both} exchanges differ{extra}; {median}>"

    def __str__(self) -> str:
        from .compare_text import compare_text

        return compare_text(self)


_MESSAGES = (
    ("upstream request", Event.UPSTREAM_REQUEST),
    ("downstream response", Event.DOWNSTREAM_RESPONSE),
    ("connection", Event.CONNECTION_END),
)


@lru_cache(maxsize=1024)
def _words(parts: tuple[str, ...]) -> frozenset[str]:
    """The words of `query_terms.PARTS` for a difference's parts, such as `upstream request headers`."""
    return frozenset[str]().union(*map(_words_of, parts))


def _words_of(part: str) -> frozenset[str]:
    if part.startswith(("connection", "bytes")):
        return frozenset(("any", "connection", part.rpartition(" ")[2]))
    _, _, what = part.rpartition(" ")
    message = "request" if part.startswith("upstream request") else "response"
    return frozenset(("any", what) if part == what else ("any", message, what, f"{message}_{what}"))


def _closes(a: Row, b: Row, captured: Connections) -> list[str]:
    """What differs between the ends of a connection."""
    parts = ["connection close"] if (a.result, a.d) != (b.result, b.d) else []
    for way, name in enumerate(("upstream", "client")):
        if (a.a, a.b)[way] != (b.a, b.b)[way]:
            parts.append(f"bytes to the {name}")
        elif not (a.c & b.c) >> way & 1:
            connection = captured[a.exchange]
            if bytes_after(connection, a, way) != bytes_after(connection, b, way):
                parts.append(f"bytes to the {name}")
    return parts


class _Messages:
    """What went out, by the exchanges' places in the facts: for each event the row's number (-1: none), and a print of what it says."""

    def __init__(self, trace: Trace, facts: Facts) -> None:
        self.rows = {event: np.full(len(facts), -1, np.int64) for _, event in _MESSAGES}
        self.prints = {event: np.zeros(len(facts), np.uint64) for _, event in _MESSAGES}
        for first, records, blob in trace.blocks():
            for event, rows in self.rows.items():
                at = np.flatnonzero((records["kind"] == Kind.EVENT) & (records["code"] == event))
                place = np.searchsorted(facts.exchange, records["exchange"][at])
                rows[place] = at + first
                self.prints[event][place] = _prints(records[at], np.frombuffer(blob, np.uint8))


def _prints(records: npt.NDArray[np.void], octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """A number of 64 bits for each row, never 0: rows that say the same have the same, others have another."""
    found = prints(octets, records["blob"].astype(np.int64), records["blob_len"].astype(np.int64))
    for factor, column in zip(FACTORS, ("result", "a", "b", "c", "d"), strict=False):
        found += records[column].astype(np.uint32).astype(np.uint64) * factor
    return found | np.uint64(1)
