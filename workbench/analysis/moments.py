"""One exchange at any of its calls: headers, bodies, trailers, what was read, and how both streams stood.

The state is put together once from the rows, as what each row changed; any moment is then found by bisection. A moment is the state
after a call: after a hostcall answered, and after a callback began, since what a callback does is told by the rows inside it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from ..capture.exchange import Pairs
from ..capture.packing import unpack_pairs
from ..trace.records import FINISHED, INSTEAD, Event, Kind, split_values
from ..trace.trace import Row
from . import words
from .bodies_seen import Body, BodyTracks
from .callouts import Callout, callouts, ends_of
from .calls import MUTATION_PARTS, ExchangeRows, arguments, spelt
from .state import State
from .streams import Span, stream_spans

__all__ = ["Entry", "Moment", "Moments", "PropertyRead", "Slot"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One header or trailer. `was` is its value at the message's start, None for one that a filter added; `seq` the row of the call that
    changed it last, -1 where none did; `gone` is True where that call took it away (the value is then what it was before)."""

    name: bytes
    value: bytes
    was: bytes | None
    seq: int = -1
    gone: bool = False

    @property
    def change(self) -> str:
        """added, removed, changed or, as it came, nothing."""
        if self.gone:
            return "removed"
        return "added" if self.was is None else "changed" if self.was != self.value else ""


@dataclass(frozen=True, slots=True)
class PropertyRead:
    """A property that a filter asked for, or (`written`) set. `result` is by name, `path` with dots, escaped for display."""

    seq: int
    filter: int
    path: str
    value: bytes
    result: str
    written: bool


@dataclass(slots=True)
class Slot(Generic[T]):
    """The values of one thing, and the rows from which on they held."""

    rows: list[int] = field(default_factory=list)
    values: list[T] = field(default_factory=list)

    def put(self, seq: int, value: T) -> None:
        """From row `seq` on it is `value`."""
        if self.rows and self.rows[-1] == seq:
            self.values[-1] = value
        else:
            self.rows.append(seq)
            self.values.append(value)

    def at(self, seq: int) -> T | None:
        """What it was after row `seq`; None before its begin."""
        place = bisect_right(self.rows, seq) - 1
        return self.values[place] if place >= 0 else None

    def changed_by(self, seq: int) -> bool:
        """True where row `seq` itself put a value."""
        place = bisect_right(self.rows, seq) - 1
        return place >= 0 and self.rows[place] == seq


@dataclass(frozen=True)
class Moment:
    """The state of an exchange after row `seq` of the trace.

    `callback` is the row of the callback in which that is, None between callbacks, and `filter` its filter's place in the chain.
    `request_headers`, `request_trailers`, `response_headers` and `response_trailers` are the entries in their order, those taken away at
    the end; None before the message began. Bodies are what the filter that saw them last sees, None before. `request` and `response` are
    the streams' own states. `properties` are those asked for or set so far, the last value of each filter and path. `callouts` are under
    way. `changed` names the parts that this very row changed. Values are data as captured.
    """

    seq: int
    callback: Row | None
    filter: int | None
    request_headers: tuple[Entry, ...] | None
    request_trailers: tuple[Entry, ...] | None
    response_headers: tuple[Entry, ...] | None
    response_trailers: tuple[Entry, ...] | None
    request_body: Body | None
    response_body: Body | None
    request: Span | None
    response: Span | None
    properties: tuple[PropertyRead, ...]
    callouts: tuple[Callout, ...]
    changed: frozenset[str]
    _moments: Moments

    @cached_property
    def shared_data(self) -> dict[tuple[str, bytes], tuple[bytes, int]]:
        """All shared data as of then: value and CAS number by vm_id and key, whichever exchange wrote them."""
        trace, found = self._moments.rows.trace, {}
        for key, data in self._moments.state.data.items():
            held = data.at(self.seq)
            if held is not None:
                found[key] = trace.row(held[0]).fields[1], held[1]
        return found

    @cached_property
    def metrics(self) -> dict[tuple[str, bytes], int]:
        """All metrics as of then by type (Counter, Gauge, Histogram) and name; of a histogram the value recorded last."""
        found = {}
        for metric in self._moments.state.metrics.values():
            value = metric.at(self.seq)
            if value is not None:
                found[metric.type.name, metric.name] = value
        return found

    @cached_property
    def queues(self) -> dict[tuple[str, bytes], int]:
        """How many items each shared queue holds then, by vm_id and name."""
        return {(queue.vm_id, queue.name): queue.at(self.seq) for queue in self._moments.state.queues.values()}


@dataclass
class Moments:
    """Every moment of one exchange. `maps` are its four header maps by number, `bodies` its two bodies, `spans` the states of its request
    and response one after the other, `reads` its properties in the order of the calls, `called` its callouts."""

    rows: ExchangeRows
    state: State
    maps: tuple[Slot[tuple[Entry, ...]], ...]
    bodies: tuple[Slot[Body], Slot[Body]]
    spans: tuple[list[Span], list[Span]]
    reads: list[PropertyRead]
    called: list[Callout]

    @classmethod
    def of(cls, rows: ExchangeRows, state: State, captured: tuple[bytes | None, bytes | None] = (None, None)) -> Moments:
        """Follow the rows of one exchange; `captured` are the bodies of its request and response, where they are known."""
        maps: tuple[Slot[tuple[Entry, ...]], ...] = (Slot(), Slot(), Slot(), Slot())
        bodies: tuple[Slot[Body], Slot[Body]] = (Slot(), Slot())
        reads: list[PropertyRead] = []
        tracks = BodyTracks(rows.trace, captured)
        for row in rows.rows:
            for map_type, entries in _headers(rows, row, maps):
                maps[map_type].put(row.seq, entries)
            for direction, body in tracks.follow(row):
                bodies[direction].put(row.seq, body)
            read = _property(rows, row)
            if read is not None:
                reads.append(read)
        called = list(callouts(rows.trace, rows.hostcalls, ends_of(rows.events)))
        return cls(rows, state, maps, bodies, stream_spans(rows), reads, called)

    def at(self, seq: int) -> Moment:
        """The state after row `seq`: of any row of the trace between the exchange's first and last."""
        inside = self._callback(seq)
        changed = {name for name, slot in zip(MUTATION_PARTS, self.maps, strict=True) if slot.changed_by(seq)}
        changed |= {name for name, slot in zip(("request_body", "response_body"), self.bodies, strict=True) if slot.changed_by(seq)}
        last: dict[tuple[int, str], PropertyRead] = {}
        for read in self.reads:
            if read.seq > seq:
                break
            last[read.filter, read.path] = read
        headers = [slot.at(seq) for slot in self.maps]
        return Moment(
            seq=seq,
            callback=inside,
            filter=inside.filter if inside is not None else None,
            request_headers=headers[0],
            request_trailers=headers[1],
            response_headers=headers[2],
            response_trailers=headers[3],
            request_body=self.bodies[0].at(seq),
            response_body=self.bodies[1].at(seq),
            request=_within(self.spans[0], seq),
            response=_within(self.spans[1], seq),
            properties=tuple(last.values()),
            callouts=tuple(one for one in self.called if _under_way(one, seq)),
            changed=frozenset(changed),
            _moments=self,
        )

    def _callback(self, seq: int) -> Row | None:
        """The callback of this exchange in which row `seq` lies; None for what happens between callbacks."""
        rows = self.rows.rows
        place = bisect_right(rows, seq, key=lambda row: row.seq) - 1
        if place < 0:
            return None
        row = rows[place]
        return row if row.kind == Kind.CALLBACK else self.rows.parent(row)


def _under_way(callout: Callout, seq: int) -> bool:
    return callout.seq <= seq and (seq < callout.end_seq or callout.end_seq < 0) and callout.ended != "refused"


def _within(spans: list[Span], seq: int) -> Span | None:
    place = bisect_right(spans, seq, key=lambda span: span.first) - 1
    return spans[place] if place >= 0 else None


_Maps = tuple[Slot[tuple[Entry, ...]], ...]


def _headers(rows: ExchangeRows, row: Row, maps: _Maps) -> Iterator[tuple[int, tuple[Entry, ...]]]:
    """The header maps that a row began or changed."""
    if row.kind == Kind.EVENT:
        if row.code in (Event.REQUEST, Event.RESPONSE):
            first = 2 * (row.code == Event.RESPONSE)
            for place in (0, 1):
                pairs = _pairs(row, place)
                if pairs or place == 0:
                    yield first + place, tuple(Entry(name, value, value) for name, value in pairs)
        elif row.code == Event.LOCAL_RESPONSE and not row.c:
            yield 2, tuple(Entry(name, value, value) for name, value in _pairs(row, 2))
        elif row.code == Event.MAP and row.a < 4:
            # the host's own word after a callback: what the calls in it were not enough to tell
            slot, pairs = maps[row.a], _pairs(row, 0)
            now = _replaced(slot.values[-1] if slot.values else (), pairs, row.seq)
            if not slot.values or now != slot.values[-1]:
                yield row.a, now
    elif row.kind == Kind.HOSTCALL and row.result == 0 and row.flags & (FINISHED | INSTEAD) == FINISHED:
        change = _CHANGES.get(rows.trace.name(row))
        if change is not None and row.a < 4:
            entries = maps[row.a].values[-1] if maps[row.a].values else ()
            changed = change(rows, row, entries)
            if changed != entries:
                yield row.a, changed


def _pairs(row: Row, place: int) -> Pairs:
    return unpack_pairs(row.fields[place])[0] if len(row.fields) > place else ()


def _named(rows: ExchangeRows, row: Row, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """After a call that changed the values of one name: they take the places that the name had, further ones come last.

    One that replaces takes all of the name away and puts one behind the others, as Envoy does.
    """
    given = arguments(rows.trace, row)
    name, after = given.get("name", b""), given.get("after", b"")
    if not isinstance(name, bytes) or not isinstance(after, bytes):
        return entries
    name, values = name.lower(), split_values(after)
    if name == b"host" and row.a == 0:
        name = b":authority"
    mine = [entry for entry in entries if entry.name == name and not entry.gone]
    if rows.trace.name(row) == "proxy_replace_header_map_value" and [entry.value for entry in mine] != values:
        rest = [entry for entry in entries if entry not in mine]
        rest += [_gone(entry, row.seq) for entry in mine[1:] if entry.was is not None]
        now = [_set(mine[0], values[0], row.seq)] if mine and values else []
        now += [_come_back(rest, name, value, row.seq) for value in values[len(now) :]]
        return _put([entry for entry in rest if not entry.gone], now, [entry for entry in rest if entry.gone])
    left = iter(values)
    kept: list[Entry] = []
    gone: list[Entry] = []
    for entry in entries:
        if entry.gone or entry.name != name:
            (gone if entry.gone else kept).append(entry)
            continue
        value = next(left, None)
        if value is not None:
            kept.append(_set(entry, value, row.seq))
        elif entry.was is not None:
            gone.append(_gone(entry, row.seq))
    return _put(kept, [_come_back(gone, name, value, row.seq) for value in left], gone)


def _put(kept: list[Entry], new: list[Entry], gone: list[Entry]) -> tuple[Entry, ...]:
    """New entries come behind the others, pseudo headers behind the other pseudo headers; what is gone comes last."""
    at = len(kept)
    if new and new[0].name.startswith(b":"):
        at = next((place for place, entry in enumerate(kept) if not entry.name.startswith(b":")), at)
    return (*kept[:at], *new, *kept[at:], *gone)


def _gone(entry: Entry, seq: int) -> Entry:
    return Entry(entry.name, entry.value, entry.was, seq, True)


def _set(entry: Entry, value: bytes, seq: int) -> Entry:
    return entry if entry.value == value else Entry(entry.name, value, entry.was, seq)


def _come_back(entries: list[Entry], name: bytes, value: bytes, seq: int) -> Entry:
    """A value that is put back in place of one that is gone counts as changed, or as it was, not as added."""
    for entry in entries:
        if entry.gone and entry.name == name:
            entries.remove(entry)
            return Entry(name, value, entry.was, seq)
    return Entry(name, value, None, seq)


def _replaced(entries: tuple[Entry, ...], pairs: Pairs, seq: int) -> tuple[Entry, ...]:
    """After the whole map was replaced: each new entry goes on with the next old one of its name."""
    before: dict[bytes, list[Entry]] = {}
    gone = []
    for entry in entries:
        if entry.gone:
            gone.append(entry)
        else:
            before.setdefault(entry.name, []).append(entry)
    now = []
    for name, value in pairs:
        known = before.get(name)
        now.append(_set(known.pop(0), value, seq) if known else _come_back(gone, name, value, seq))
    gone += [_gone(left, seq) for some in before.values() for left in some if left.was is not None]
    return (*now, *gone)


def _whole(rows: ExchangeRows, row: Row, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    after = arguments(rows.trace, row).get("after", b"")
    return _replaced(entries, unpack_pairs(after)[0], row.seq) if isinstance(after, bytes) and after else entries


_CHANGES: dict[str, Callable[[ExchangeRows, Row, tuple[Entry, ...]], tuple[Entry, ...]]] = {
    "proxy_add_header_map_value": _named,
    "proxy_replace_header_map_value": _named,
    "proxy_remove_header_map_value": _named,
    "proxy_set_header_map_pairs": _whole,
}


def _property(rows: ExchangeRows, row: Row) -> PropertyRead | None:
    if row.kind != Kind.HOSTCALL:
        return None
    name = rows.trace.name(row)
    if name not in ("proxy_get_property", "proxy_set_property"):
        return None
    path, value = (*row.fields, b"", b"")[:2]
    return PropertyRead(row.seq, row.filter, spelt("path", path), value, words.result(name, row.result), name == "proxy_set_property")
