"""Where the time goes: distributions by callback, hostcall, filter and path, over the capture, and which exchanges are slowest.

All numbers are real nanoseconds, the filter's own time and the host's apart. Made for hundreds of thousands of exchanges: columns are
sorted once, distributions are counted together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ReplayError
from ..trace.records import NONE
from ..trace.trace import Trace
from .calltimes import CallTimes, call_instructions, call_times, counts_instructions
from .facts import Facts
from .paths import path_patterns, request_lines
from .rowfields import Ints
from .timetree import TimeNode, time_tree
from .words import short_name

__all__ = ["BINS", "DIMENSIONS", "Axis", "Dimension", "Slow", "Spread", "TimeGroup", "Timing", "Unit"]

Dimension: TypeAlias = Literal["callbacks", "hostcalls", "filters", "paths"]
DIMENSIONS: tuple[Dimension, ...] = ("callbacks", "hostcalls", "filters", "paths")
Unit: TypeAlias = Literal["time", "fuel"]
Floats: TypeAlias = npt.NDArray[np.float64]

BINS = 60
_MOST_GROUPS = 100
_CURVE_POINTS = 120
_NO_PLACE = -1
_PORTION = 1 << 14
"""Paths that are looked at in one go."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How the times of many calls are distributed. `histogram` counts them in the bins of the dimension's axis, without those of 0."""

    p50: float
    p90: float
    p99: float
    max: float
    sum: int
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TimeGroup:
    """The calls (or, by filter and by path, the exchanges) of one kind. `key` names it within its dimension, `filter` is the place in
    the chain from 0 (-1 for none), `name` the ABI's name or a path's pattern, `start` True for what starts a VM and serves no exchange."""

    key: int
    filter: int
    name: str
    start: bool
    count: int
    own: Spread
    host: Spread
    total: Spread


@dataclass(frozen=True, slots=True)
class Slow:
    """A slow call, or exchange: its exchange, and what it took."""

    exchange: int
    own_ns: int
    host_ns: int


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis of thirds of decades, with ticks at powers of ten."""

    low: float
    high: float

    @classmethod
    def over(cls, *values: npt.NDArray[Any]) -> Axis:
        """One that holds all values above 0, at least a decade long."""
        ends = [(int(each[each > 0].min()), int(each.max())) for each in values if each.any()]
        if not ends:
            return cls(100.0, 1000.0)
        low, high = np.floor(np.log10(min(a for a, _ in ends)) * 3) / 3, np.ceil(np.log10(max(b for _, b in ends)) * 3) / 3
        return cls(float(10**low), float(10 ** max(high, low + 1)))

    @property
    def ticks(self) -> list[float]:
        """Powers of ten within it."""
        exponents = range(int(np.ceil(np.log10(self.low) - 1e-9)), int(np.floor(np.log10(self.high) + 1e-9)) + 1)
        return [10.0**exponent for exponent in exponents]

    def edges(self, bins: int = BINS) -> Floats:
        """Edges of its bins."""
        return np.asarray(np.geomspace(self.low, self.high, bins + 1))

    def bins(self, values: npt.NDArray[Any], bins: int = BINS) -> Ints:
        """The bin of each value; what lies outside counts to the first or last."""
        along = np.log(np.maximum(values, 1).astype(np.float32)) - np.float32(np.log(self.low))
        return np.asarray(np.clip((along * np.float32(bins / np.log(self.high / self.low))).astype(np.int64), 0, bins - 1))


@dataclass(frozen=True)
class _Measured:
    """Times of one dimension: to which group each belongs, and its exchange."""

    group: Ints
    exchange: Ints
    own: npt.NDArray[Any]
    host: npt.NDArray[Any]
    labels: tuple[tuple[int, str, bool], ...]
    """Of each group: the filter's place, the name, whether it is a start."""

    @cached_property
    def total(self) -> Ints:
        return np.asarray(self.own.astype(np.int64) + self.host)

    @cached_property
    def order(self) -> Ints:
        # numpy sorts 16 bits by radix, in a tenth of the time
        return np.asarray(np.argsort(self.group.astype(np.uint16), kind="stable"))

    @cached_property
    def bounds(self) -> Ints:
        return np.searchsorted(self.group[self.order], np.arange(len(self.labels) + 1))

    def places(self, group: int) -> Ints:
        return self.order[self.bounds[group] : self.bounds[group + 1]]


class Timing:
    """The times of one replay; everything is made when it is first asked for, and kept.

    `unit` is time, or fuel for a replay that counted instructions: then every number of nanoseconds is one of instructions, which are
    all the filters' own. Raises `ReplayError` where they were not counted.
    """

    def __init__(self, trace: Trace, facts: Facts, unit: Unit = "time") -> None:
        self._trace = trace
        self._facts = facts
        self.unit = unit
        if unit == "fuel" and not self.counted:
            raise ReplayError("no instructions were counted", remedy="Replay with fuel=True")
        self._measured: dict[Dimension, _Measured] = {}
        self._groups: dict[Dimension, tuple[tuple[TimeGroup, ...], Axis]] = {}

    @cached_property
    def calls(self) -> tuple[CallTimes, CallTimes]:
        """Callbacks and hostcalls as columns."""
        return call_times(self._trace) if self.unit == "time" else call_instructions(self._trace)

    @cached_property
    def counted(self) -> bool:
        """True where the replay counted instructions."""
        return counts_instructions(self._trace)

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the chain's filters."""
        return self._trace.filters

    @cached_property
    def exchange(self) -> Ints:
        """The exchanges, in order; `own`, `host` and `time` follow it."""
        return self._facts.exchange

    @property
    def time(self) -> Ints:
        """Virtual time at which each exchange's request arrived, nanoseconds since the epoch."""
        return self._facts.time

    @property
    def outcome(self) -> Ints:
        """What became of each, as numbers of `facts.Outcome`."""
        return self._facts.outcome

    @cached_property
    def _place(self) -> Ints:
        """Place among the exchanges of each exchange index."""
        place = np.full(int(self.exchange[-1]) + 1 if len(self.exchange) else 0, _NO_PLACE, np.int64)
        place[self.exchange] = np.arange(len(self.exchange))
        return place

    @cached_property
    def _by_filter(self) -> tuple[Ints, Ints, Ints]:
        """Own time, host time and calls of each exchange in each filter, one row an exchange."""
        callbacks = self.calls[0]
        n, width = len(self.exchange), max(1, len(self.filters))
        served = callbacks.exchange != NONE
        at = self._place[callbacks.exchange[served]] * width + callbacks.filter[served]
        weights = (callbacks.own[served], callbacks.host[served], None)
        own, host, calls = (np.bincount(at, weight, n * width).astype(np.int64).reshape(n, width) for weight in weights)
        return own, host, calls

    @cached_property
    def own(self) -> Ints:
        """Own time of all filters for each exchange."""
        return np.asarray(self._by_filter[0].sum(axis=1))

    @cached_property
    def host(self) -> Ints:
        """The host's time for each exchange."""
        return np.asarray(self._by_filter[1].sum(axis=1))

    def groups(self, dimension: Dimension) -> tuple[TimeGroup, ...]:
        """The distributions of a dimension: callbacks and hostcalls by filter in the chain's order and then in that of the first call,
        filters in the chain's order, paths with the most time first. 100 at most: of paths the last one holds all others."""
        return self._distributed(dimension)[0]

    def axis(self, dimension: Dimension) -> Axis:
        """The axis that all histograms of a dimension share."""
        return self._distributed(dimension)[1]

    def slowest(self, dimension: Dimension, key: int, most: int = 10) -> list[Slow]:
        """The exchanges with the slowest calls of a group, each once, the slowest first; KeyError for a group that is not there."""
        measured, places = self._of(dimension, key)
        places = places[measured.exchange[places] != NONE]
        found: dict[int, Slow] = {}
        taken = min(len(places), 64 * most)
        if taken:
            total = measured.total[places]
            tops = np.argpartition(total, -taken)[-taken:]
            for place in places[tops[np.argsort(-total[tops], kind="stable")]].tolist():
                index = int(measured.exchange[place])
                found.setdefault(index, Slow(index, int(measured.own[place]), int(measured.host[place])))
        return list(found.values())[:most]

    def curves(self, dimension: Dimension, key: int) -> dict[str, tuple[list[float], list[float]]]:
        """Empirical distribution functions of a group: for own, host and total, times in order and the share of calls within them.

        At most 240 points each, the tail in full detail; KeyError for a group that is not there."""
        measured, places = self._of(dimension, key)
        values = {"own": measured.own[places], "host": measured.host[places], "total": measured.total[places]}
        return {name: _curve(each) for name, each in values.items()}

    @cached_property
    def tree(self) -> TimeNode:
        """The time by filter, callback and hostcall."""
        return time_tree(self._trace, self.calls)

    @cached_property
    def request_lines(self) -> tuple[list[bytes], list[bytes]]:
        """Method and path of each exchange as it arrived."""
        return request_lines(self._trace, self._facts)

    def _of(self, dimension: Dimension, key: int) -> tuple[_Measured, Ints]:
        measured = self._measure(dimension)
        if not 0 <= key < len(measured.labels):
            raise KeyError(key)
        return measured, measured.places(key)

    def _measure(self, dimension: Dimension) -> _Measured:
        if dimension not in self._measured:
            makers = {"callbacks": self._callbacks, "hostcalls": self._hostcalls, "filters": self._filters, "paths": self._paths}
            self._measured[dimension] = makers[dimension]()
        return self._measured[dimension]

    def _callbacks(self) -> _Measured:
        return _by_code(self.calls[0], [call.name for call in self._trace.schema.callbacks])

    def _hostcalls(self) -> _Measured:
        return _by_code(self.calls[1], [call.name for call in self._trace.schema.hostcalls])

    def _filters(self) -> _Measured:
        own, host, calls = self._by_filter
        place, group = np.nonzero(calls)
        labels = tuple((at, name, False) for at, name in enumerate(self.filters))
        return _Measured(group, self.exchange[place], own[place, group], host[place, group], labels)

    def _paths(self) -> _Measured:
        own, host = self.own, self.host
        _, paths = self.request_lines
        known: dict[str, int] = {}
        portions = (path_patterns(paths[first : first + _PORTION]) for first in range(0, len(paths), _PORTION))
        patterns = (each for portion in portions for each in portion)
        group = np.fromiter((known.setdefault(each, len(known)) for each in patterns), np.int64, len(paths))
        if self._facts.request.max(initial=-1) < 0:  # TCP connections have no paths
            known, own, host, group = {}, own[:0], host[:0], group[:0]
        total = np.bincount(group, own + host, len(known))
        order = np.argsort(-total, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        names = list(known)
        labels = [(-1, names[at], False) for at in order.tolist()]
        if len(labels) > _MOST_GROUPS:
            rank = np.minimum(rank, _MOST_GROUPS - 1)
            labels = [*labels[: _MOST_GROUPS - 1], (-1, f"{len(labels) - _MOST_GROUPS + 1} other paths", False)]
        return _Measured(rank[group], self.exchange[: len(group)], own, host, tuple(labels))

    def _distributed(self, dimension: Dimension) -> tuple[tuple[TimeGroup, ...], Axis]:
        if dimension not in self._groups:
            measured = self._measure(dimension)
            axis = Axis.over(measured.own, measured.host)
            spreads = [_spreads(measured, values, axis) for values in (measured.own, measured.host, measured.total)]
            found = [
                TimeGroup(key, label[0], label[1], label[2], int(measured.bounds[key + 1] - measured.bounds[key]), *spread)
                for key, (label, *spread) in enumerate(zip(measured.labels, *spreads, strict=True))
            ]
            self._groups[dimension] = (tuple(each for each in found if each.count), axis)
        return self._groups[dimension]


def _by_code(calls: CallTimes, names: Sequence[str]) -> _Measured:
    """Calls grouped by filter, whether they start a VM, and code; groups in the order of the first call within each filter."""
    keys = (calls.filter.astype(np.int64) << 9) | (calls.start.astype(np.int64) << 8) | calls.code
    # a table in place of a search: keys are small numbers
    first = np.full(1 << 17, len(calls), np.int64)
    first[keys[::-1]] = np.arange(len(calls) - 1, -1, -1)
    kinds = np.flatnonzero(first < len(calls))
    kinds = kinds[np.lexsort((first[kinds], kinds >> 9))]
    group = np.zeros(1 << 17, np.int64)
    group[kinds] = np.arange(len(kinds))
    labels = tuple((key >> 9, short_name(names[key & 0xFF]), bool(key & 0x100)) for key in kinds.tolist())
    return _Measured(group[keys], calls.exchange.astype(np.int64), calls.own, calls.host, labels)


def _spreads(measured: _Measured, values: npt.NDArray[Any], axis: Axis) -> list[Spread]:
    n = len(measured.labels)
    seen = values > 0
    counted = np.bincount(measured.group[seen] * BINS + axis.bins(values[seen]), None, n * BINS).reshape(n, BINS).tolist()
    found = []
    for key in range(n):
        mine = values[measured.places(key)].astype(np.float64)
        p50, p90, p99, most = np.quantile(mine, (0.5, 0.9, 0.99, 1.0)).tolist() if len(mine) else (0.0, 0.0, 0.0, 0.0)
        found.append(Spread(p50, p90, p99, most, int(mine.sum()), tuple(counted[key])))
    return found


def _curve(values: npt.NDArray[Any]) -> tuple[list[float], list[float]]:
    ordered = np.sort(values).astype(np.float64)
    n = len(ordered)
    if not n:
        return [], []
    # evenly through the body, ever closer towards the slowest
    at = np.concatenate((np.linspace(0, n - 1, _CURVE_POINTS), n - np.geomspace(1, n, _CURVE_POINTS)))
    places = np.unique(np.clip(at.round(), 0, n - 1).astype(np.int64))
    return ordered[places].tolist(), ((places + 1) / n).tolist()
