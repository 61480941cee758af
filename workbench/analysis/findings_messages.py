"""Findings from the messages themselves: a length that does not fit, values that no peer takes, headers that Envoy drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..capture.packing import unpack_pairs
from ..trace.records import NO_FILTER, Event
from ..trace.trace import Trace
from . import words
from .facts import Facts
from .findings import Block, Detector, Finding, Hits, blocks, made
from .rowfields import Bools, Ints, lookup

__all__ = ["detectors"]

_DROPPED = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
"""What Envoy's HTTP/1 codec takes off a message, whoever put it there."""

_LENGTH = b"content-length"
_MOST_HEADERS = 4096
_MOST_DIGITS = 18
_WITHOUT_BODY = (204, 304)
_SAMPLES = 3


def detectors(trace: Trace, facts: Facts) -> list[Detector]:
    """One of each."""
    return [_Lengths(trace), _Values(trace), _Dropped(trace, facts)]


def _values(block: Block, start: Ints, name: bytes) -> tuple[Ints, Ints]:
    """Place and length of the first value of a header, in lists of pairs that begin at these places; length -1 where it is not there."""
    at, length = np.zeros(len(start), np.int64), np.full(len(start), -1, np.int64)
    if not len(start):
        return at, length
    count = np.minimum(block.numbers(start), _MOST_HEADERS)
    for entries in np.unique(count[count > 0]).tolist():
        rows = np.flatnonzero(count == entries)
        sizes = block.table(start[rows] + 4, 2 * entries)
        ends = (start[rows] + 4 + 8 * entries)[:, None] + np.cumsum(sizes, 1)
        row, entry = np.nonzero(sizes[:, ::2] == len(name))
        value = ends[row, 2 * entry]
        same = _equal(block, value - len(name), np.full(len(row), len(name)), name)
        row, entry, value = row[same][::-1], entry[same][::-1], value[same][::-1]  # the first of several is written last, so it stays
        at[rows[row]], length[rows[row]] = value, sizes[row, 2 * entry + 1]
    return at, length


def _decimal(block: Block, at: Ints, length: Ints) -> Ints:
    """Values as numbers; -1 for what is none."""
    number = np.where((length > 0) & (length <= _MOST_DIGITS), 0, -1)
    for digit in range(_MOST_DIGITS):
        left = np.flatnonzero((number >= 0) & (digit < length))
        if not len(left):
            break
        value = block.octets[at[left] + digit].astype(np.int64) - ord("0")
        number[left] = np.where((value >= 0) & (value < 10), number[left] * 10 + value, -1)
    return number


def _fields(block: Block, rows: Ints, number: int) -> tuple[Ints, Ints]:
    """Place and length of one field of each row's blob."""
    at = block.blob[rows]
    for _ in range(number):
        at = at + 4 + block.numbers(at)
    return at + 4, block.numbers(at)


def _names(trace: Trace, *names: str) -> Bools:
    return lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in names)


def _equal(block: Block, at: Ints, length: Ints, value: bytes) -> Bools:
    """Which spans hold exactly these bytes."""
    same: Bools = length == len(value)
    rows = np.flatnonzero(same)
    if len(rows):
        same[rows] = (block.octets[at[rows, None] + np.arange(len(value))] == np.frombuffer(value, np.uint8)).all(1)
    return same


class _Lengths:
    """Bodies whose content-length says another size, where a filter changed one of the two."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.setters = _names(trace, "proxy_add_header_map_value", "proxy_replace_header_map_value", "proxy_remove_header_map_value")
        self.touched: list[tuple[Ints, Ints]] = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        self.changed = np.zeros(0, bool)
        self.wrong: list[tuple[Ints, ...]] = []

    def look(self, block: Block) -> None:
        bodies = block.events(Event.BODY)
        self._touch(block, bodies, block.a[bodies])
        setters = block.calls(self.setters)
        setters = setters[(block.result[setters] == 0) & ((block.a[setters] == 0) | (block.a[setters] == 2))]
        setters = setters[_equal(block, *_fields(block, setters, 0), _LENGTH)]
        self._touch(block, setters, block.a[setters] >> 1)
        for side, event in enumerate((Event.UPSTREAM_REQUEST, Event.DOWNSTREAM_RESPONSE)):
            rows = block.events(event)
            keys = block.exchange[rows].astype(np.int64) << 1 | side
            rows = (
                rows[self.changed[np.minimum(keys, len(self.changed) - 1)] & (keys < len(self.changed))] if len(self.changed) else rows[:0]
            )
            if event == Event.DOWNSTREAM_RESPONSE:
                status = block.result[rows]
                rows = rows[(block.d[rows] == 0) & (status >= 200) & ~np.isin(status, _WITHOUT_BODY)]
            said = _decimal(block, *_values(block, _fields(block, rows, 0)[0], _LENGTH))
            off = (said >= 0) & (said != block.a[rows])
            rows = rows[off]
            keys = block.exchange[rows].astype(np.int64) << 1 | side
            self.wrong.append((keys, said[off], block.a[rows].astype(np.int64), rows + block.first))

    def _touch(self, block: Block, rows: Ints, side: npt.NDArray[np.uint32]) -> None:
        keys = block.exchange[rows].astype(np.int64) << 1 | side.astype(np.int64)
        self.touched.append((keys, block.filter[rows].astype(np.int64)))
        if len(keys):
            self.changed = np.concatenate((self.changed, np.zeros(max(int(keys.max()) + 1 - len(self.changed), 0), bool)))
            self.changed[keys] = True

    def _heads(self) -> Ints:
        """The exchanges whose method is HEAD: their responses have no body, whatever their length says."""
        heads = [np.empty(0, np.int64)]
        for block in blocks(self.trace):
            rows = block.events(Event.REQUEST)
            method, size = _values(block, _fields(block, rows, 0)[0], b":method")
            heads.append(block.exchange[rows[_equal(block, method, size, b"HEAD")]].astype(np.int64))
        return np.concatenate(heads)

    def findings(self) -> Iterator[Finding]:
        if not any(len(piece[0]) for piece in self.wrong):
            return
        keys, said, sizes, rows = (np.concatenate(column) for column in zip(*self.wrong, strict=True))
        touched, filters = (np.concatenate(column) for column in zip(*self.touched, strict=True))
        order = np.argsort(touched, kind="stable")
        touched, filters = touched[order], filters[order]
        # the last that touched it; none where the capture itself was so
        at = np.searchsorted(touched, keys, "right") - 1
        mine = (at >= 0) & (touched[at] == keys) if len(touched) else np.zeros(len(keys), bool)
        if (keys[mine] & 1).any():
            mine &= (keys & 1 == 0) | ~np.isin(keys >> 1, self._heads())
        keys, said, sizes, rows, place = keys[mine], said[mine], sizes[mine], rows[mine], filters[at[mine]]
        hits = Hits()
        for group in np.unique(place << 2 | (keys & 1) << 1 | (said < sizes)).tolist():
            these = (place << 2 | (keys & 1) << 1 | (said < sizes)) == group
            hits.note(group, (keys[these] >> 1).astype(np.uint32), int(np.flatnonzero(these)[0]))
        for group in hits:
            first = hits.example[group]
            direction = ("request", "response")[group >> 1 & 1]
            does = (
                "the peer reads that much and takes the rest for the next message, or Envoy cuts it"
                if group & 1
                else "the peer waits for bytes that never come, until a timeout"
            )
            yield made(
                self.trace, group >> 2, "content-length", "error",
                f"left a content-length of {said[first]} on a {direction} body of {words.size(int(sizes[first]))}",
                f"Envoy does not mend it: {does}.",
                f"Remove content-length in on_{direction}_headers when the body may change: it then goes out chunked",
                hits.exchanges(group),
            )  # fmt: skip


class _Values:
    """Header values with control characters."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.setters = _names(trace, "proxy_add_header_map_value", "proxy_replace_header_map_value")
        self.hits = Hits()

    def look(self, block: Block) -> None:
        rows = block.calls(self.setters)
        rows = rows[(block.result[rows] == 0) & (block.a[rows] < 4)]
        at, length = _fields(block, rows, 1)
        ends = np.cumsum(length)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - length, length)
        octets = block.octets[np.repeat(at, length) + within]
        bad = ((octets < 0x20) & (octets != 9)) | (octets == 0x7F)
        rows = rows[np.unique(np.searchsorted(ends, np.flatnonzero(bad), "right"))]
        self.hits.add(block, rows, block.filter[rows], block.a[rows])

    def findings(self) -> Iterator[Finding]:
        for place, kind in self.hits:
            row = self.trace.row(self.hits.example[place, kind])
            name, value = (words.excerpt(each, 60) for each in row.fields[:2])
            to_upstream = kind < 2
            effect = "Clients refuse or misread such a response."
            if to_upstream:
                effect = "Envoy answers such a request with 503 and does not send it."
            yield made(
                self.trace, place, "control-characters", "error" if to_upstream else "warning",
                f"gave {name} a value with control characters: {value}", effect,
                "Leave out or encode line ends and other control characters", self.hits.exchanges((place, kind)),
            )  # fmt: skip


class _Dropped:
    """Headers that a filter set and that Envoy takes off again."""

    def __init__(self, trace: Trace, facts: Facts) -> None:
        self.trace, self.facts = trace, facts
        self.setters = _names(trace, "proxy_add_header_map_value", "proxy_replace_header_map_value")
        self.hits = Hits()

    def look(self, block: Block) -> None:
        rows = block.calls(self.setters)
        rows = rows[(block.result[rows] == 0) & ((block.a[rows] == 0) | (block.a[rows] == 2))]
        at, length = _fields(block, rows, 0)
        for number, name in enumerate(_DROPPED):
            mine = rows[_equal(block, at, length, name)]
            self.hits.add(block, mine, block.filter[mine], block.a[mine], np.full(len(mine), number))

    def findings(self) -> Iterator[Finding]:
        for key in self.hits:
            place, kind, number = key
            exchanges = self.hits.exchanges(key)
            if place >= NO_FILTER or not self._gone(exchanges, kind, _DROPPED[number]):
                continue
            yield made(
                self.trace, place, "header-dropped", "warning",
                f"set {_DROPPED[number].decode()}, which does not leave Envoy",
                "Headers of the connection are Envoy's own business: it drops them from what it sends.",
                "Do without it", exchanges,
            )  # fmt: skip

    def _gone(self, exchanges: Ints, kind: int, name: bytes) -> bool:
        """True if the message that left has no such header: a look at the first few says so for all."""
        sent = [headers for each in exchanges[:_SAMPLES].tolist() if (headers := self._sent(each, kind)) is not None]
        return bool(sent) and not any(name in headers for headers in sent)

    def _sent(self, exchange: int, kind: int) -> Sequence[bytes] | None:
        event = Event.UPSTREAM_REQUEST if kind == 0 else Event.DOWNSTREAM_RESPONSE
        for row in self.trace.rows(exchange):
            if row.kind == 3 and row.code == event:
                return [name for name, _ in unpack_pairs(row.fields[0])[0]]
        return None
