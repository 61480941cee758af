"""What each limit said of each exchange: a row for every counter that was asked, from the best witness there is.

service         the rate-limit service inside says itself which counters it looked at (LIMIT events).
answer          a RateLimitResponse over gRPC tells of limits in its statuses, or in the headers that it asks to be added.
headers         a filter wrote `ratelimit-*` or `x-ratelimit-*` headers, in its local response or on the upstream's.
shared data     a filter that limits in this replay read or wrote a counter there: what can be seen is its key and, where
                the value is one whole number, that number. Falling from write to write it is what remains, rising what was counted.
local response  a filter limited the exchange and nothing tells by which counter.

Of one filter's verdict on one exchange the first that there is counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..capture.packing import unpack_pairs
from ..trace.records import NO_FILTER, NONE, CalloutEnd, CalloutKind, Event, Kind, ResponseSource
from ..trace.trace import Records, Trace
from . import words
from .facts import Facts, Ints, Outcome, field_spans, lookup
from .ratelimit_answers import OVER_LIMIT, Quota, read_answer, read_question, read_quotas

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SOURCES", "VERDICTS", "Limit", "Limits", "deciding", "gather_limits", "limits_table"]

VERDICTS = ("allowed", "limited", "shadow", "unlimited")
"""Of one counter. `shadow`: over its limit, and let pass because the limit is only tried."""
SOURCES = ("service", "answer", "headers", "shared data", "local response")
_ALLOWED, _LIMITED, _SHADOW, _UNLIMITED = range(4)
_SERVICE, _ANSWER, _HEADERS, _SHARED, _LOCAL = range(5)
_RESPONSE_HEADERS = 2
_MOST = (1 << 62) - 1


class Limit(NamedTuple):
    """A limit and one key of it. `owner` is the service's domain, or the name of the filter that keeps the counter itself."""

    owner: str
    name: str
    key: str


@dataclass(frozen=True)
class Limits:
    """One entry for each counter that was asked, in the order of the trace; numbers are -1 where nobody said them.

    `limit` is a place in `limits`; `start` and `end` of the window are virtual nanoseconds since the Unix epoch, `row` the row of the
    trace that shows it.
    """

    limits: tuple[Limit, ...]
    row: Ints
    exchange: Ints
    time: Ints
    filter: Ints
    limit: Ints
    verdict: Ints
    """Places in `VERDICTS`."""
    maximum: Ints
    counter: Ints
    """Hits in the window after this one."""
    remaining: Ints
    hits: Ints
    window_s: Ints
    start: Ints
    end: Ints
    source: Ints
    """Places in `SOURCES`."""

    def __len__(self) -> int:
        return len(self.row)


_COLUMNS = tuple(name for name in Limits.__dataclass_fields__ if name != "limits")


class _Book:
    """Rows on their way to columns."""

    def __init__(self) -> None:
        self.limits: dict[Limit, int] = {}
        self.parts: list[Ints] = []
        self.rows: list[tuple[int, ...]] = []

    def place(self, limit: Limit) -> int:
        return self.limits.setdefault(limit, len(self.limits))

    def add(self, row: int, exchange: int, time: int, filter_: int, limit: int, over: bool, quota: Quota, hits: int, source: int) -> None:
        """One row from what a service or filter told in numbers."""
        maximum, left, reset = quota.maximum, quota.remaining, quota.reset_ns
        counter = max(maximum - left, 0) if maximum >= 0 and left >= 0 else quota.counter
        end = time + reset if reset >= 0 else -1
        start = end - quota.window_s * 10**9 if quota.aligned and end >= 0 and quota.window_s > 0 else -1
        verdict = _LIMITED if over else _ALLOWED
        self.rows.append((row, exchange, time, filter_, limit, verdict, maximum, counter, left, hits, quota.window_s, start, end, source))

    def close(self) -> Limits:
        if self.rows:
            self.parts.append(np.array(self.rows, np.int64))
        table = np.concatenate(self.parts) if self.parts else np.empty((0, len(_COLUMNS)), np.int64)
        table = table[np.argsort(table[:, 0], kind="stable")]
        return Limits(tuple(self.limits), **{name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(_COLUMNS)})


def gather_limits(trace: Trace, facts: Facts) -> Limits:
    """Read the whole trace once for each kind of witness."""
    book = _Book()
    explained = _explained(trace, book)
    _answered(trace, book, explained)
    known = {(row[1], row[3]) for part in book.parts for row in part[:, :4].tolist()} | {(row[1], row[3]) for row in book.rows}
    _own(trace, facts, book, known)
    return book.close()


def deciding(limits: Limits, exchanges: Ints, filters: Ints) -> Ints:
    """For each exchange and filter the place of the counter that decided: the one that limited, else the one with the least left; -1 for
    none."""
    left = np.where(limits.remaining < 0, _MOST, limits.remaining)
    of = limits.exchange << 8 | limits.filter
    order = np.lexsort((left, limits.verdict != _LIMITED, of))
    found, first = np.unique(of[order], return_index=True)
    if not len(found):
        return np.full(len(exchanges), -1, np.int64)
    wanted = exchanges << 8 | filters
    at = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
    return np.where(found[at] == wanted, order[first[at]], -1)


def limits_table(trace: Trace, limits: Limits) -> pd.DataFrame:
    """One row a counter that was asked for an exchange, in order, its index the row's number in the trace.

    exchange, time, filter, domain (the service's, with its kind where it explains itself; empty where a filter keeps the counter itself),
    limit, key, verdict (allowed, limited, shadow, unlimited), max, counter (after this request), remaining, hits, window_s,
    window_start, resets_at (virtual time, NaT where nobody said), source. Numbers are nullable. Texts are captured data, not escaped.
    """
    import pandas as pd

    names = list(dict.fromkeys(trace.filters))
    kept = np.isin(limits.source, (_SERVICE, _ANSWER))
    which = [limits.limits[place] for place in limits.limit.tolist()]

    def number(values: Ints) -> Any:
        return pd.arrays.IntegerArray(np.maximum(values, 0), values < 0)

    def moment(values: Ints) -> Any:
        return pd.DatetimeIndex(np.where(values < 0, np.datetime64("NaT"), values.astype("datetime64[ns]"))).tz_localize("UTC")

    place = np.array([names.index(name) for name in trace.filters] + [-1], np.int64)
    columns: dict[str, Any] = {
        "exchange": limits.exchange,
        "time": moment(limits.time),
        "filter": pd.Categorical.from_codes(place[np.minimum(limits.filter, len(trace.filters))], pd.Index(names)),
        "domain": pd.Categorical([one.owner if mine else "" for one, mine in zip(which, kept.tolist(), strict=True)]),
        "limit": pd.Categorical([one.name for one in which]),
        "key": pd.Categorical([one.key for one in which]),
        "verdict": pd.Categorical.from_codes(limits.verdict, pd.Index(VERDICTS)),
        **{
            name: number(values) for name, values in (("max", limits.maximum), ("counter", limits.counter), ("remaining", limits.remaining))
        },
        "hits": number(limits.hits),
        "window_s": number(limits.window_s),
        "window_start": moment(limits.start),
        "resets_at": moment(limits.end),
        "source": pd.Categorical.from_codes(limits.source, pd.Index(SOURCES)),
    }
    return pd.DataFrame(columns, index=pd.Index(limits.row, name="row"))


def _explained(trace: Trace, book: _Book) -> set[int]:
    """LIMIT events; gives the hostcalls that they explain."""
    asked: set[int] = set()
    known: dict[bytes, int] = {}
    for first, rows, blob in trace.blocks():
        at = np.flatnonzero((rows["kind"] == Kind.EVENT) & (rows["code"] == Event.LIMIT) & (rows["exchange"] != NONE))
        if not len(at):
            continue
        octets = np.frombuffer(blob, np.uint8)
        (_, _), (_, _), (key, key_size), (window, window_size), (flags, flags_size) = field_spans(octets, rows, at, 5)
        groups = np.empty(len(at), np.int64)
        begins = rows["blob"][at].astype(np.int64)
        for place, (start, end) in enumerate(zip(begins.tolist(), (key + key_size).tolist(), strict=True)):
            text = bytes(blob[start:end])
            if text not in known:
                known[text] = book.place(_named(text))
            groups[place] = known[text]
        whole = window_size == 16
        ends = np.full((len(at), 2), -1, np.int64)
        if whole.any():
            said = octets[window[whole][:, None] + np.arange(16)].view("<u8")
            ends[whole] = np.where(said > 0, np.minimum(said, _MOST).astype(np.int64), -1)
        over = rows["result"][at] == OVER_LIMIT
        maximum, counter = rows["a"][at].astype(np.int64), rows["b"][at].astype(np.int64)
        verdict = np.where(over, _LIMITED, _ALLOWED)
        for place in np.flatnonzero(flags_size > 0).tolist():
            flag = bytes(blob[flags[place] : flags[place] + flags_size[place]])
            if b"shadow" in flag and over[place]:
                verdict[place] = _SHADOW
            if b"unlimited" in flag:
                verdict[place], maximum[place] = _UNLIMITED, -1
        window_s = rows["d"][at].astype(np.int64)
        columns = (
            at + first, rows["exchange"][at], rows["time"][at], rows["filter"][at], groups, verdict, maximum, counter,
            np.where(maximum >= 0, np.maximum(maximum - counter, 0), -1), rows["c"][at], np.where(window_s > 0, window_s, -1),
            ends[:, 0], ends[:, 1], np.full(len(at), _SERVICE),
        )  # fmt: skip
        book.parts.append(np.stack([column.astype(np.int64) for column in columns], axis=1))
        asked.update(rows["parent"][at].tolist())
    return asked


def _named(text: bytes) -> Limit:
    parts: list[str] = []
    at = 0
    while at + 4 <= len(text) and len(parts) < 3:
        size = int.from_bytes(text[at : at + 4], "little")
        parts.append(words.text(text[at + 4 : at + 4 + size]))
        at += 4 + size
    return Limit(*(*parts, "", "", "")[:3])


def _answered(trace: Trace, book: _Book, explained: set[int]) -> None:
    """RateLimitResponses to calls that no LIMIT event explains."""
    calls = _questions(trace, explained)
    if not calls:
        return
    for first, rows, blob in trace.blocks():
        kept = (rows["kind"] == Kind.EVENT) & (rows["code"] == Event.CALLOUT) & (rows["b"] == CalloutKind.UNARY)
        at = np.flatnonzero(kept & (rows["c"] == CalloutEnd.ANSWERED) & (rows["result"] == 0) & (rows["exchange"] != NONE))
        _, _, (start, size), _ = field_spans(np.frombuffer(blob, np.uint8), rows, at, 4)
        columns = (at + first, rows["parent"][at], rows["exchange"][at], rows["time"][at], start, size)
        for seq, parent, exchange, time, begin, length in zip(*(column.tolist() for column in columns), strict=True):
            if parent not in calls:
                continue
            filter_, message = calls[parent]
            asked, said = read_question(message), read_answer(bytes(blob[begin : begin + length]))
            if asked is None or said is None or said.code == 0:
                continue
            every = "; ".join(asked.descriptors)
            for quota in said.quotas or (Quota("", over=said.code == OVER_LIMIT),):
                key = asked.descriptors[quota.descriptor] if 0 <= quota.descriptor < len(asked.descriptors) else every
                limit = book.place(Limit(asked.domain, quota.name, key))
                shadow = quota.over and said.code != OVER_LIMIT
                book.add(seq, exchange, time, filter_, limit, quota.over, quota, asked.hits, _ANSWER)
                if shadow:
                    book.rows[-1] = (*book.rows[-1][:5], _SHADOW, *book.rows[-1][6:])


def _questions(trace: Trace, explained: set[int]) -> dict[int, tuple[int, bytes]]:
    """Filter and message of each gRPC call to a rate-limit service, by its row."""
    found: dict[int, tuple[int, bytes]] = {}
    for seq, _, filter_, (_, service, _, _, message) in _calls(
        trace, "proxy_grpc_call", ("upstream", "service", "method", "metadata", "message")
    ):
        if seq not in explained and b"RateLimitService" in service:
            found[seq] = (filter_, message)
    return found


def _calls(
    trace: Trace, name: str, wanted: tuple[str, ...], *, may_fail: bool = False, map_type: int | None = None
) -> Iterator[tuple[int, int, int, list[bytes]]]:
    """Row, exchange, filter and some of the fields of each call of one hostcall for an exchange, of header maps those of one type."""
    code = next((code for code, call in enumerate(trace.schema.hostcalls) if call.name == name), None)
    if code is None:
        return
    known = trace.schema.hostcalls[code].fields
    for first, rows, blob in trace.blocks():
        kept = (rows["kind"] == Kind.HOSTCALL) & (rows["code"] == code) & (rows["exchange"] != NONE)
        if not may_fail:
            kept &= rows["result"] == 0
        if map_type is not None:
            kept &= rows["a"] == map_type
        at = np.flatnonzero(kept)
        if len(at):
            yield from _fields(first, rows, blob, at, [known.index(each) for each in wanted], len(known))


def _fields(
    first: int, rows: Records, blob: memoryview, at: Ints, places: list[int], count: int
) -> Iterator[tuple[int, int, int, list[bytes]]]:
    found = field_spans(np.frombuffer(blob, np.uint8), rows, at, count)
    pairs = [(found[place][0].tolist(), (found[place][0] + found[place][1]).tolist()) for place in places]
    cells = zip(*([bytes(blob[start:end]) for start, end in zip(*pair, strict=True)] for pair in pairs), strict=True)
    for seq, exchange, filter_, cell in zip(
        (at + first).tolist(), rows["exchange"][at].tolist(), rows["filter"][at].tolist(), cells, strict=True
    ):
        yield seq, exchange, filter_, list(cell)


def _own(trace: Trace, facts: Facts, book: _Book, known: set[tuple[int, int]]) -> None:
    """Counters that filters keep themselves: told by headers, else by shared data, else by the local response alone."""
    told: dict[tuple[int, int], tuple[int, tuple[Quota, ...]]] = {}
    for seq, exchange, filter_, quotas in _local_quotas(trace):
        told.setdefault((exchange, filter_), (seq, quotas))
    written: dict[tuple[int, int], tuple[int, dict[bytes, bytes]]] = {}
    for name in ("proxy_add_header_map_value", "proxy_replace_header_map_value"):
        for seq, exchange, filter_, (header, value) in _calls(trace, name, ("name", "value"), map_type=_RESPONSE_HEADERS):
            if b"atelimit-" in header.lower():
                written.setdefault((exchange, filter_), (seq, {}))[1].setdefault(header, value)
    for pair, (seq, headers) in written.items():
        quotas = _read_headers(tuple(headers.items()))
        if quotas:
            told.setdefault(pair, (seq, quotas))
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
        source, quotas = _SHARED if seq >= 0 else _LOCAL, (counters.quota(pair),)
        if pair in told:
            (seq, quotas), source = told[pair], _HEADERS
        if seq < 0:
            seq = int(facts.local[facts.position(exchange)])
        for quota in quotas:
            limit = book.place(Limit(names[filter_], quota.name, key))
            book.add(seq, exchange, times[exchange], filter_, limit, pair in over, quota, 1, source)


def _local_quotas(trace: Trace) -> Iterator[tuple[int, int, int, tuple[Quota, ...]]]:
    for first, rows, blob in trace.blocks():
        kept = (rows["kind"] == Kind.EVENT) & (rows["code"] == Event.LOCAL_RESPONSE) & (rows["c"] == 0)
        at = np.flatnonzero(kept & (rows["b"] == ResponseSource.FILTER) & (rows["exchange"] != NONE))
        for seq, exchange, filter_, (pairs,) in _fields(first, rows, blob, at, [2], 3):
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
        for seq, exchange, filter_, (key,) in _calls(trace, "proxy_get_shared_data", ("key",), may_fail=True):
            if keepers[filter_]:
                asked.setdefault((exchange, filter_), (seq, words.text(key)))
        wrote: dict[tuple[int, int], int] = {}
        last: dict[str, int] = {}
        trend: dict[str, int] = {}
        for seq, exchange, filter_, (key, value) in _calls(trace, "proxy_set_shared_data", ("key", "value")):
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
