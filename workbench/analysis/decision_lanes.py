"""Decisions along the capture's clock: a lane for each limit and key, its requests as marks, its counter as steps.

A decision that no counter explains (a denied request, an error) lies in a lane of its filter. What is many is binned, so that a page
of lanes is small however long the capture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from . import words
from .facts import Facts
from .limits import Limit, Limits
from .rowfields import Ints

__all__ = ["MARKS", "Lane", "Lanes", "lanes_of", "short_keys"]

MARKS = ("allowed", "limited", "shadow", "denied", "error let through", "error refused")
"""What a mark says, by its number."""
_ALLOWED, _LIMITED = 0, 1
_FROM_LIMIT = np.array([0, 1, 2, 0])
"""Numbers of marks by the numbers of `limits.VERDICTS`."""
_MOST_MARKS = 1500
"""Marks of one lane that are drawn one by one."""
_MOST_WINDOWS = 600
_LONGEST_KEY = 300


@dataclass(frozen=True)
class Lane:
    """One limit and key, or the decisions of one filter that no counter explains. Its marks are those from `first` to before `last`."""

    limit: Limit
    label: str
    """The key without what all keys of this limit begin with."""
    first: int
    last: int
    maximum: int
    window_s: int
    counts: tuple[int, ...]
    """How many marks say what, in the order of `MARKS`."""

    @property
    def title(self) -> str:
        """What to call it: its key, else the limit, else who decides."""
        return self.label or self.limit.name or self.limit.owner or "every request"

    @property
    def subject(self) -> str:
        """How large the limit is, where known, and what it is called."""
        name = (self.limit.name or self.limit.owner) if self.label else self.limit.owner if self.limit.name else ""
        size = f"{words.count(self.maximum)} per {words.duration(self.window_s * 1e9)}" if self.maximum >= 0 and self.window_s > 0 else ""
        size = size or (f"at most {words.count(self.maximum)}" if self.maximum >= 0 else "")
        return ", ".join(part for part in (size, name) if part)


@dataclass(frozen=True)
class Lanes:
    """All lanes, and their marks sorted by lane and time; times in virtual nanoseconds, numbers -1 where nobody said them."""

    lanes: tuple[Lane, ...]
    exchange: Ints
    time: Ints
    mark: Ints
    counter: Ints
    maximum: Ints
    start: Ints
    end: Ints
    decided: Counter[str] = field(default_factory=Counter)
    """How many exchanges had which verdict."""

    def __len__(self) -> int:
        return len(self.lanes)

    @property
    def span(self) -> tuple[int, int]:
        """First and last moment, at least a millisecond apart."""
        if not len(self.time):
            return 0, 10**6
        return int(self.time.min()), int(max(self.time.max(), self.time.min() + 10**6))

    @cached_property
    def by_time(self) -> Ints:
        """The marks in order of time."""
        return np.lexsort((self.exchange, self.time))

    @cached_property
    def lane_of(self) -> Ints:
        """The lane of each mark."""
        return np.repeat(np.arange(len(self.lanes)), [lane.last - lane.first for lane in self.lanes])

    def sentence(self) -> str:
        """The finding in words."""
        total = self.decided.total()
        if not total:
            return "No filter limited, denied or counted a request."
        said = []
        limited = self.decided["limited"]
        hit = sorted((lane for lane in self.lanes if lane.counts[_LIMITED]), key=lambda lane: -lane.counts[_LIMITED])
        if limited:
            names = list(dict.fromkeys(lane.limit.name or lane.limit.owner for lane in hit))
            by = f" by {words.visible(names[0])}" if names else ""
            by += f" and {words.count(len(names) - 1)} more" if len(names) > 1 else ""
            worst = hit[0] if len(hit) > 1 else None
            tail = f", worst {words.visible(worst.title)} with {words.count(worst.counts[_LIMITED])} of {_marks(worst)}" if worst else ""
            said.append(f"{words.count(limited)} of {words.count(total)} decided requests limited{by}{tail}")
        else:
            said.append(f"None of {words.count(total)} decided requests limited")
        for name in ("denied", "error let through", "error refused"):
            if number := self.decided[name]:
                said.append(f"{words.count(number)} {name if number == 1 else name.replace('error', 'errors')}")
        return "; ".join(said) + "."

    def found(self, query: str, sort: str) -> list[int]:
        """The lanes whose names contain every word of `query`; by `limited` or, else, by how many requests they have."""
        wanted = query.lower().split()
        names = (" ".join((*lane.limit, lane.title)).lower() for lane in self.lanes)
        hits = [place for place, name in enumerate(names) if all(word in name for word in wanted)]
        by = (lambda place: (-sum(self.lanes[place].counts[1:]), place)) if sort == "limited" else (lambda place: place)
        return sorted(hits, key=by)

    def drawn(self, place: int, since: int, until: int, width: int) -> dict[str, Any]:
        """What one lane draws between two moments: its marks one by one or, where they are too many, binned in `width` columns.

        Times are milliseconds from `span`'s first. `before` is the counter that holds at `since` and when it falls.
        """
        lane, zero = self.lanes[place], self.span[0]
        first, last = (lane.first + int(at) for at in np.searchsorted(self.time[lane.first : lane.last], (since, until + 1)))
        found = {"windows": self._windows(first, last, since, until), "before": self._before(lane, first)}
        if last - first <= _MOST_MARKS:
            mine = slice(first, last)
            columns = (("e", self.exchange), ("m", self.mark), ("c", self.counter))
            ends = np.where(self.end[mine] < 0, -1, self.end[mine] - zero)
            return {**found, "t": _ms(self.time[mine] - zero), **{name: one[mine].tolist() for name, one in columns}, "r": _ms(ends)}
        return {**found, "bins": self._bins(first, last, since, until, width)}

    def _bins(self, first: int, last: int, since: int, until: int, width: int) -> dict[str, list[Any]]:
        mine = slice(first, last)
        column = (self.time[mine] - since) * width // max(until - since + 1, 1)
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        bad = self.mark[mine] != _ALLOWED
        total = np.diff(np.append(starts, len(column)))
        # whom a click on the bin selects: the first that was not simply allowed, else the first
        speaks = np.minimum.reduceat(np.where(bad, np.arange(len(column)), len(column)), starts)
        speaks = np.where(speaks < len(column), speaks, starts)
        return {
            "x": column[starts].tolist(),
            "n": total.tolist(),
            "bad": np.add.reduceat(bad.astype(np.int64), starts).tolist(),
            "high": np.maximum.reduceat(self.counter[mine], starts).tolist(),
            "last": self.counter[mine][np.append(starts[1:], len(column)) - 1].tolist(),
            "e": self.exchange[mine][speaks].tolist(),
            "m": self.mark[mine][speaks].tolist(),
        }

    def _before(self, lane: Lane, first: int) -> list[float] | None:
        if first == lane.first or self.counter[first - 1] < 0:
            return None
        end = self.end[first - 1]
        return [int(self.counter[first - 1]), float(end - self.span[0]) / 1e6 if end >= 0 else -1]

    def _windows(self, first: int, last: int, since: int, until: int) -> list[list[float]]:
        pairs = np.stack((self.start[first:last], self.end[first:last]), axis=1)
        pairs = np.unique(pairs[(pairs >= 0).all(axis=1)], axis=0)
        if len(pairs) > _MOST_WINDOWS:
            return []
        return [[float(edge - self.span[0]) / 1e6 for edge in pair] for pair in np.clip(pairs, since, until).tolist()]

    def overview(self, bins: int) -> dict[str, list[int]]:
        """How many requests were decided in each part of the capture, and how many of them not simply allowed. A request counts once."""
        since, until = self.span
        order = np.lexsort((self.mark == _ALLOWED, self.exchange))
        once = order[np.unique(self.exchange[order], return_index=True)[1]]
        column = (self.time[once] - since) * bins // (until - since + 1)
        bad = self.mark[once] != _ALLOWED
        return {"n": np.bincount(column, minlength=bins).tolist(), "bad": np.bincount(column[bad], minlength=bins).tolist()}

    def rows(self, place: int | None, since: int, until: int) -> Ints:
        """The marks between two moments in order of time, of one lane or of all."""
        if place is None:
            times = self.time[self.by_time]
            return self.by_time[np.searchsorted(times, since) : np.searchsorted(times, until, "right")]
        lane = self.lanes[place]
        first, last = (lane.first + int(at) for at in np.searchsorted(self.time[lane.first : lane.last], (since, until + 1)))
        return np.arange(first, last)

    def marks_of(self, exchange: int) -> list[dict[str, Any]]:
        """The marks of one exchange, each with its lane; times as in `drawn`."""
        zero = self.span[0]
        return [
            {
                "lane": int(self.lane_of[at]),
                "t": float(self.time[at] - zero) / 1e6,
                "m": int(self.mark[at]),
                "c": int(self.counter[at]),
                "r": float(self.end[at] - zero) / 1e6 if self.end[at] >= 0 else -1,
            }
            for at in np.flatnonzero(self.exchange == exchange).tolist()
        ]

    def step(self, place: int, exchange: int, by: int) -> int:
        """The exchange that comes `by` marks after another in a lane; from one that is not in it, the nearest in time."""
        lane = self.lanes[place]
        mine = self.exchange[lane.first : lane.last]
        at = np.flatnonzero(mine == exchange)
        if len(at):
            return int(mine[min(max(int(at[0]) + by, 0), len(mine) - 1)])
        there = np.flatnonzero(self.exchange == exchange)
        moment = self.time[there[0]] if len(there) else self.span[0]
        return int(mine[min(int(np.searchsorted(self.time[lane.first : lane.last], moment)), len(mine) - 1)])


def _ms(ns: Ints) -> list[float]:
    return [round(value, 3) if value >= 0 else -1 for value in (ns / 1e6).tolist()]


def _marks(lane: Lane) -> str:
    return words.count(lane.last - lane.first)


def lanes_of(facts: Facts, limits: Limits, verdicts: Iterable[tuple[int, str, int]], filters: Sequence[str]) -> Lanes:
    """Lay out every decision (`decision.all_verdicts`); the busiest lane comes first."""
    decided: Counter[str] = Counter()
    places = {limit: place for place, limit in enumerate(limits.limits)}
    columns = _once(_gathered(facts, limits, _counted(verdicts, decided), filters, places))
    sizes = np.bincount(columns["lane"], minlength=len(places))
    rank = np.empty(len(places), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(places))
    order = np.lexsort((columns["exchange"], columns["time"], rank[columns["lane"]]))
    columns = {name: values[order] for name, values in columns.items()}
    lane, window = columns.pop("lane"), columns.pop("window")
    names = tuple(places)
    labels = _labels(names)
    edges = np.flatnonzero(np.diff(lane, prepend=-1)).tolist()
    found = []
    for first, last in pairwise((*edges, len(lane))):
        limit = names[int(lane[first])]
        counts = tuple(np.bincount(columns["mark"][first:last], minlength=len(MARKS)).tolist())
        maximum, longest = (int(values[first:last].max()) for values in (columns["maximum"], window))
        found.append(Lane(limit, labels[limit], first, last, maximum, longest, counts))
    return Lanes(tuple(found), **columns, decided=decided)


def _counted(verdicts: Iterable[tuple[int, str, int]], decided: Counter[str]) -> Iterator[tuple[int, str, int]]:
    for one in verdicts:
        decided[one[1]] += 1
        yield one


def _gathered(
    facts: Facts, limits: Limits, verdicts: Iterable[tuple[int, str, int]], filters: Sequence[str], places: dict[Limit, int]
) -> dict[str, Ints]:
    """A mark for each counter, and one for each decision that no counter explains, whose lane is put among `places`."""
    of = limits.exchange << 8 | limits.filter
    explained = set(of.tolist())
    bare: list[tuple[int, int, int]] = []
    failed: list[tuple[int, int]] = []
    for exchange, verdict, place in verdicts:
        if exchange << 8 | place not in explained:
            name = filters[place] if place < len(filters) else ""
            bare.append((exchange, MARKS.index(verdict), places.setdefault(Limit(name, "", ""), len(places))))
        elif verdict.startswith("error"):
            # the service counted, and its answer was of no use
            failed.append((exchange << 8 | place, MARKS.index(verdict)))
    mark = _FROM_LIMIT[limits.verdict]
    if failed:
        pairs = np.array(sorted(failed), np.int64)
        at = np.minimum(np.searchsorted(pairs[:, 0], of), len(pairs) - 1)
        mark = np.where(pairs[at, 0] == of, pairs[at, 1], mark)
    more = np.array(bare, np.int64).reshape(-1, 3)
    none = np.full(len(more), -1, np.int64)
    time = facts.time[np.searchsorted(facts.exchange, more[:, 0])]
    pairs_of = {
        "lane": (limits.limit, more[:, 2]),
        "exchange": (limits.exchange, more[:, 0]),
        "time": (limits.time, time),
        "mark": (mark, more[:, 1]),
        "counter": (limits.counter, none),
        "maximum": (limits.maximum, none),
        "start": (limits.start, none),
        "end": (limits.end, none),
        "window": (limits.window_s, none),
    }
    return {name: np.concatenate(pair) for name, pair in pairs_of.items()}


def _once(columns: dict[str, Ints]) -> dict[str, Ints]:
    """A request is one mark in a lane, however often its counter was asked (first checked, later reported): what it was told last, and
    limited if it ever was."""
    order = np.lexsort((columns["time"], columns["lane"], columns["exchange"]))
    lane, exchange = columns["lane"][order], columns["exchange"][order]
    first = np.flatnonzero((np.diff(exchange, prepend=-1) != 0) | (np.diff(lane, prepend=-1) != 0))
    if len(first) == len(order):
        return columns
    last = np.append(first[1:], len(order)) - 1
    kept = {name: values[order[last]] for name, values in columns.items()}
    kept["mark"] = np.maximum.reduceat(columns["mark"][order], first)
    return kept


def _labels(limits: Sequence[Limit]) -> dict[Limit, str]:
    """Each limit's key, told apart from those of the same limit."""
    groups: dict[tuple[str, str], list[Limit]] = {}
    for limit in limits:
        groups.setdefault((limit.owner, limit.name), []).append(limit)
    labels: dict[Limit, str] = {}
    for group in groups.values():
        labels.update(zip(group, short_keys([limit.key for limit in group]), strict=True))
    return labels


def short_keys(keys: Sequence[str]) -> list[str]:
    """Keys for display: bounded, and without what all that are not empty begin with, cut where a word begins."""
    given = [key for key in keys if key]
    cut = 0
    if len(given) > 1:
        # what the first and the last in order share, all share
        ends = zip(min(given), max(given), strict=False)
        common = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], ends))
        cut = max(common.rfind(mark) for mark in " =/,:") + 1
    return [words.shorten(key[cut:] or key, _LONGEST_KEY) for key in keys]
