"""Two replays side by side: where they part, and what each costs. Exchanges are matched by their number in the capture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from ..trace.records import Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .connection import Connections, bytes_after
from .facts import Facts, Outcome
from .outcome import Exchanges, body_of, pairs_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Difference"]


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


@dataclass(frozen=True)
class Comparison:
    """What `compare` gives: exchanges that differ, those in one replay only, and real times of both."""

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

    @property
    def only(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Exchanges that only one of the two replayed."""
        left, right = self.a.facts.exchange, self.b.facts.exchange
        return tuple(np.setdiff1d(left, right).tolist()), tuple(np.setdiff1d(right, left).tolist())

    def _find(self) -> Iterator[Difference]:
        mine, theirs = _messages(self.a.trace), _messages(self.b.trace)
        for exchange, left, right in zip(*self._common, strict=True):
            outcome = tuple(Outcome(int(side.facts.outcome[at])).name.lower() for side, at in ((self.a, left), (self.b, right)))
            status = (int(self.a.facts.status[left]), int(self.b.facts.status[right]))
            parts = [name for name, (x, y) in (("outcome", outcome), ("status", status)) if x != y]
            for name, event in _MESSAGES:
                parts += self._part(name, mine.get((exchange, event)), theirs.get((exchange, event)))
            if parts:
                yield Difference(exchange, (outcome[0], outcome[1]), status, tuple(parts))

    def _part(self, name: str, left: int | None, right: int | None) -> list[str]:
        """What differs between two messages, by their rows' numbers."""
        if left is None or right is None:
            return [] if left is right else [f"{name} presence"]
        a, b = self.a.trace.row(left), self.b.trace.row(right)
        if a.code == Event.CONNECTION_END:
            return _closes(a, b, cast(Connections, self.a.capture))
        parts = [f"{name} {what}" for at, what in ((0, "headers"), (2, "trailers")) if pairs_of(a.fields[at]) != pairs_of(b.fields[at])]
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


_MESSAGES = (
    ("upstream request", Event.UPSTREAM_REQUEST),
    ("downstream response", Event.DOWNSTREAM_RESPONSE),
    ("connection", Event.CONNECTION_END),
)


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


def _messages(trace: Trace) -> dict[tuple[int, int], int]:
    """Row numbers of what went out, by exchange and event."""
    found: dict[tuple[int, int], int] = {}
    for first, records in trace.segments():
        at = np.flatnonzero((records["kind"] == Kind.EVENT) & np.isin(records["code"], [event for _, event in _MESSAGES]))
        for row, exchange, code in zip(at.tolist(), records["exchange"][at].tolist(), records["code"][at].tolist(), strict=True):
            found[exchange, code] = first + row
    return found
