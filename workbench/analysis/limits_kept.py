"""Counters that filters keep themselves: told by headers, else by shared data, else by the local response alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..capture.packing import unpack_pairs
from ..trace.records import NO_FILTER, NONE, Event, ResponseSource
from ..trace.trace import Trace
from . import words
from .facts import Facts, Outcome
from .limits import HEADERS, LOCAL, SHARED, Limit
from .limits_rows import LimitRows, calls, fields_of
from .ratelimit_answers import Quota, read_quotas
from .rowfields import lookup
from .selections import events

__all__ = ["add_kept"]

_RESPONSE_HEADERS = 2


def add_kept(trace: Trace, facts: Facts, book: LimitRows, known: set[tuple[int, int]]) -> None:
    """Counters that filters keep themselves: told by headers, else by shared data, else by the local response alone."""
    told = _told(trace)
    limited = facts.outcome == Outcome.LIMITED
    over = set(zip(facts.exchange[limited].tolist(), facts.local_filter[limited].tolist(), strict=True))
    limiters = {filter_ for _, filter_ in over}
    keepers = {filter_ for _, filter_ in told} | limiters
    counters = _Counters.of(trace, keepers)
    times = dict(zip(facts.exchange.tolist(), facts.time.tolist(), strict=True))
    names = (*trace.filters, *([""] * (NO_FILTER + 1 - len(trace.filters))))
    for pair in {**dict.fromkeys(told), **dict.fromkeys(counters.asked), **dict.fromkeys(over)}:
        exchange, filter_ = pair
        if pair in known or filter_ == NO_FILTER or (pair not in told and filter_ not in limiters):
            continue
        seq, key = counters.asked.get(pair, (-1, ""))
        source = HEADERS if pair in told else SHARED if seq >= 0 else LOCAL
        seq, quotas = told.get(pair, (seq, (counters.quota(pair),)))
        if seq < 0:
            seq = int(facts.local[facts.position(exchange)])
        for quota in quotas:
            limit = book.place(Limit(names[filter_], quota.name, key))
            book.add(seq, exchange, times[exchange], filter_, limit, pair in over, quota, 1, source)


def _told(trace: Trace) -> dict[tuple[int, int], tuple[int, tuple[Quota, ...]]]:
    """What each filter wrote into rate-limit headers of each exchange, by exchange and filter, and the row that shows it."""
    told: dict[tuple[int, int], tuple[int, tuple[Quota, ...]]] = {}
    for seq, exchange, filter_, quotas in _local_quotas(trace):
        told.setdefault((exchange, filter_), (seq, quotas))
    written: dict[tuple[int, int], tuple[int, dict[bytes, bytes]]] = {}
    for name in ("proxy_add_header_map_value", "proxy_replace_header_map_value"):
        for seq, exchange, filter_, (header, value) in calls(trace, name, ("name", "value"), map_type=_RESPONSE_HEADERS):
            if b"atelimit-" in header.lower():
                written.setdefault((exchange, filter_), (seq, {}))[1].setdefault(header, value)
    for pair, (seq, headers) in written.items():
        quotas = _read_headers(tuple(headers.items()))
        if quotas:
            told.setdefault(pair, (seq, quotas))
    return told


def _local_quotas(trace: Trace) -> Iterator[tuple[int, int, int, tuple[Quota, ...]]]:
    for first, rows, blob, at in events(trace, Event.LOCAL_RESPONSE):
        kept = (rows["c"][at] == 0) & (rows["b"][at] == ResponseSource.FILTER)
        at = at[kept & (rows["exchange"][at] != NONE)]
        for seq, exchange, filter_, (pairs,) in fields_of(first, rows, blob, at, [2], 3):
            quotas = _read_pairs(pairs)
            if quotas:
                yield seq, exchange, filter_, quotas


@lru_cache(maxsize=4096)
def _read_pairs(field: bytes) -> tuple[Quota, ...]:
    return _read_headers(unpack_pairs(field)[0]) if field else ()


@lru_cache(maxsize=4096)
def _read_headers(pairs: tuple[tuple[bytes, bytes], ...]) -> tuple[Quota, ...]:
    return tuple(read_quotas((words.text(name), words.text(value)) for name, value in pairs))


@dataclass
class _Counters:
    """Which shared data a filter asked for an exchange, and what it wrote there where that is a whole number."""

    asked: dict[tuple[int, int], tuple[int, str]]
    wrote: dict[tuple[int, int], int]
    trends: dict[str, int]
    """By key: below 0 where the number falls more often than it rises."""

    @classmethod
    def of(cls, trace: Trace, filters: Iterable[int]) -> _Counters:
        keepers = lookup(filters)
        asked: dict[tuple[int, int], tuple[int, str]] = {}
        for seq, exchange, filter_, (key,) in calls(trace, "proxy_get_shared_data", ("key",), may_fail=True):
            if keepers[filter_]:
                asked.setdefault((exchange, filter_), (seq, words.text(key)))
        wrote: dict[tuple[int, int], int] = {}
        last: dict[str, int] = {}
        trend: dict[str, int] = {}
        for seq, exchange, filter_, (key, value) in calls(trace, "proxy_set_shared_data", ("key", "value")):
            if not keepers[filter_]:
                continue
            name = words.text(key)
            _, first = asked.setdefault((exchange, filter_), (seq, name))
            if name != first or len(value) not in (4, 8):
                continue
            number = int.from_bytes(value, "little")
            step = number - last.get(name, number)
            trend[name] = trend.get(name, 0) + (step > 0) - (step < 0)
            last[name] = number
            if number <= 0xFFFFFFFF:
                wrote[exchange, filter_] = number
        return cls(asked, wrote, {name: sum_ for name, sum_ in trend.items() if sum_})

    def quota(self, pair: tuple[int, int]) -> Quota:
        """What can be seen of the counter that a filter asked for an exchange."""
        name = self.asked.get(pair, (-1, ""))[1]
        if pair not in self.wrote or name not in self.trends:
            return Quota("")
        return Quota("", remaining=self.wrote[pair]) if self.trends[name] < 0 else Quota("", counter=self.wrote[pair])
