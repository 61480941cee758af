"""How far the exchanges of a replay went along the chain: what crossed each gap, and what each filter answered itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..trace.records import NO_FILTER, NONE, Event, Kind, ResponseSource
from ..trace.trace import Trace
from .facts import Facts, Outcome
from .rowfields import Ints, lookup

__all__ = ["Passage", "Stop", "passage"]


@dataclass(frozen=True, slots=True)
class Stop:
    """So many exchanges ended alike at one filter: the outcome's name, and the status that the client got (0: none)."""

    outcome: str
    status: int
    count: int


@dataclass(frozen=True)
class Passage:
    """Of a chain of n filters there are n + 1 gaps: 0 is between the client and the first filter, n between the last one and the upstream.

    `requests` and `responses` are how many crossed each gap, `refused` how many the proxy answered before any filter, `changed` on how
    many exchanges each filter changed something, `stops` what each one answered or failed on. Of TCP connections no responses are
    counted.
    """

    requests: tuple[int, ...]
    responses: tuple[int, ...]
    changed: tuple[int, ...]
    stops: tuple[tuple[Stop, ...], ...]
    refused: int = 0

    def grouped(self, firsts: Sequence[int]) -> Passage:
        """The same of groups of filters that follow each other, by the place of the first of each group."""
        gaps = [*firsts, len(self.stops)]
        parts = [range(begin, end) for begin, end in pairwise(gaps)]
        return Passage(
            requests=tuple(self.requests[gap] for gap in gaps),
            responses=tuple(self.responses[gap] for gap in gaps) if self.responses else (),
            changed=tuple(sum(self.changed[place] for place in part) for part in parts),
            stops=tuple(tuple(stop for place in part for stop in self.stops[place]) for part in parts),
            refused=self.refused,
        )


def passage(trace: Trace, facts: Facts) -> Passage:
    """Read the trace once, by columns."""
    n = len(trace.filters)
    reached, last = _reach(trace, facts)
    by_proxy = (facts.local >= 0) & (facts.local_source == ResponseSource.PROXY)
    refused = by_proxy & ~reached & (last < 0)
    last = np.maximum(last, 0)
    by_filter = (facts.local >= 0) & (facts.local_source != ResponseSource.PROXY)
    whose = np.where(facts.local_filter != NO_FILTER, facts.local_filter, facts.failure_filter)
    whose = np.where(whose == NO_FILTER, last, whose)
    tcp = bool((facts.connection >= 0).any())
    ended = np.where(reached | tcp, n, np.where(by_filter | (facts.failure >= 0), whose, last))
    ended[refused] = -1
    origin = np.where(by_filter, whose, n)
    from_upstream = (facts.response >= 0) | by_proxy
    responses = [int(((facts.downstream >= 0) & ~refused & ((origin >= gap) | from_upstream)).sum()) for gap in range(n + 1)]
    return Passage(
        requests=tuple(int((ended >= gap).sum()) for gap in range(n + 1)),
        responses=() if tcp else tuple(responses),
        changed=_changed(trace, facts, n),
        stops=tuple(_stops(facts, place) for place in range(n)),
        refused=int(refused.sum()),
    )


def _reach(trace: Trace, facts: Facts) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Of each exchange, whether the upstream got its request, and the last filter that was shown any of the request, -1 for none."""
    reached, last = np.zeros(len(facts), bool), np.full(len(facts), -1, np.int64)
    shown = lookup(code for code, callback in enumerate(trace.schema.callbacks) if callback.name.startswith("proxy_on_request_"))
    for _, records in trace.segments():
        mine = records["exchange"] != NONE
        sent = mine & (records["kind"] == Kind.EVENT) & (records["code"] == Event.UPSTREAM_REQUEST)
        reached[np.searchsorted(facts.exchange, records["exchange"][sent])] = True
        calls = mine & (records["kind"] == Kind.CALLBACK) & shown[records["code"]]
        np.maximum.at(last, np.searchsorted(facts.exchange, records["exchange"][calls]), records["filter"][calls].astype(np.int64))
    return reached, last


def _changed(trace: Trace, facts: Facts, filters: int) -> tuple[int, ...]:
    pairs = [np.empty(0, np.int64)]
    for first, records in trace.segments():
        begin, end = np.searchsorted(facts.changed, (first, first + len(records)))
        rows = records[facts.changed[begin:end] - first]
        rows = rows[rows["exchange"] != NONE]
        pairs.append(np.unique(rows["exchange"].astype(np.int64) << 8 | rows["filter"]))
    return tuple(np.bincount(np.unique(np.concatenate(pairs)) & 0xFF, minlength=256)[:filters].tolist())


def _stops(facts: Facts, place: int) -> tuple[Stop, ...]:
    local = (facts.local >= 0) & (facts.local_filter == place)
    failed = (facts.failure >= 0) & (facts.failure_filter == place)
    mine = local | failed | ((facts.closed >= 0) & (facts.closer == place))
    kinds, counts = np.unique(np.stack((facts.outcome[mine], facts.status[mine])), axis=1, return_counts=True)
    found = [Stop(Outcome(outcome).name.lower(), status, n) for (outcome, status), n in zip(kinds.T.tolist(), counts.tolist(), strict=True)]
    return tuple(sorted(found, key=lambda one: (-one.count, one.outcome, one.status)))
