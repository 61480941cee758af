"""Redaction: a replay whose views show no values of headers that hold secrets.

A value gives way to a text of the same length, the same one wherever the value stands, so that sizes, keys and differences stay what they
are. It is hidden in both messages and every call and event of the trace, whatever its length; from eight characters on also wherever a
filter said it again, as a word of its own: in logs, shared data, counters' keys, calls to services. Bodies, URLs and the bytes of TCP
connections are left as they are, and so is what a filter made of a value, for instance the user's name out of `Basic …`.
"""

from __future__ import annotations

import re
import secrets
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..capture.exchange import Exchange, Pairs
from ..errors import ConfigError
from ..trace.records import Event, Kind, Schema
from ..trace.trace import Trace
from .facts import FactsGatherer

__all__ = ["SECRET_HEADERS", "RedactedCapture", "Redaction", "placeholder"]

SECRET_HEADERS = (
    *("authorization", "proxy-authorization", "cookie", "set-cookie"),
    *("x-api-key", "x-auth-token", "x-csrf-token", "x-amz-security-token"),
)
"""Headers that commonly hold secrets."""

_KEY = secrets.token_bytes(16)
"""Of this process: a placeholder tells nobody else which value it stands for."""
_MARKED, _NAMED = 8, 15
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_WORD = re.compile(rb"[0-9A-Za-z_.-]{8,}")
_COOKIE, _SET_COOKIE = b"cookie", b"set-cookie"
_ENDS = b"._-"

_PAIRS: dict[int, tuple[int, ...]] = {
    Event.REQUEST: (0, 1),
    Event.RESPONSE: (0, 1),
    Event.MAP: (0,),
    Event.UPSTREAM_REQUEST: (0, 1),
    Event.DOWNSTREAM_RESPONSE: (0, 1),
    Event.LOCAL_RESPONSE: (2,),
    Event.CALLOUT: (1, 3),
    Event.CALLOUT_PART: (1, 3),
}
"""Event -> its fields that are header maps."""
_BODIES: dict[int, tuple[int, ...]] = {
    Event.BODY: (0,),
    Event.UPSTREAM_REQUEST: (2,),
    Event.DOWNSTREAM_RESPONSE: (2,),
    Event.LOCAL_RESPONSE: (1,),
    Event.CONNECTION_END: (0, 1),
}
"""Event -> its fields that are bodies of the exchange, or bytes of the connection."""
_MAPS = ("headers", "trailers", "metadata")
_BODY_CALLS = {"proxy_set_buffer_bytes": (0,), "proxy_send_local_response": (1,)}

Span = tuple[int, int]


def placeholder(value: bytes) -> bytes:
    """What stands in place of a value: as long as it, and the same for the same value as long as this process runs."""
    size = len(value)
    if size < _MARKED:
        return b"*" * size
    mark = blake2b(value, key=_KEY, digest_size=2).hexdigest()
    return (f"[redacted {mark}]" if size >= _NAMED else f"[{mark}]").encode().ljust(size, b"*")


class Redaction:
    """Hides the values of some headers: of one capture, and of one trace that may grow.

    `names` are headers, in any case. Raises `ConfigError` for what is no header's name.
    """

    def __init__(self, names: Iterable[str] = SECRET_HEADERS) -> None:
        given = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        wrong = [name for name in given if not (isinstance(name, str) and _NAME.fullmatch(name))]
        if wrong:
            raise ConfigError(f"{wrong[0]!r} is no header's name", where="redaction", remedy="Give names such as authorization, cookie")
        self.names = tuple(given)
        self._names = frozenset(name.lower().encode() for name in given)
        self._words: set[bytes] = set()
        self._hidden_rows: set[int] = set()
        self._done = 0
        self._trace: Trace | None = None
        self.gatherer: FactsGatherer | None = None
        """Of the facts of that trace."""

    def exchange(self, exchange: Exchange) -> Exchange:
        """An exchange with those values hidden."""
        request, response = exchange.request, exchange.response
        return replace(
            exchange,
            request=replace(request, headers=self._pairs(request.headers), trailers=self._pairs(request.trailers)),
            response=response and replace(response, headers=self._pairs(response.headers), trailers=self._pairs(response.trailers)),
        )

    def _pairs(self, pairs: Pairs) -> Pairs:
        return tuple((name, placeholder(value) if name.lower() in self._names else value) for name, value in pairs)

    def capture(self, capture: Any) -> Any:
        """A capture of such exchanges; TCP connections have no headers and stay what they are."""
        return capture if getattr(capture, "connections", None) is capture else RedactedCapture(capture, self)

    def trace(self, trace: Trace) -> Trace:
        """The trace with those values hidden. A trace that was seen before may have grown since: only what is new is looked at."""
        if self._trace is None:
            self._trace = Trace(trace.schema, trace.filters, trace.in_memory)
        for number, (first, records, blob) in enumerate(trace.blocks()):
            if number < self._done:
                continue
            self._trace.append(np.ascontiguousarray(records).view(np.uint8).data, self._hidden(trace.schema, first, records, blob))
            self._done = number + 1
        return replace(self._trace.snapshot(), complete=trace.complete)

    def _hidden(self, schema: Schema, first: int, records: Any, blob: memoryview) -> bytes:
        data = bytearray(blob)
        rows = _Rows(schema, first, records, data)
        # most rows name no such header and cost nothing
        for at in rows.at(self._mentions(data.lower())):
            for begin, end, name in self._values(rows, at):
                value = bytes(data[begin:end])
                data[begin:end] = placeholder(value)
                self._learn(name, value)
                self._hidden_rows.add(first + at)
        self._changed_by_hand(rows, data)
        if self._words:
            for match in _WORD.finditer(bytes(data)):
                self._repeated(rows, data, match)
        return bytes(data)

    def _mentions(self, lowered: bytearray) -> list[int]:
        """Where one of the names stands, in order: one search a name is quicker than one pattern of all."""
        found = []
        for name in self._names:
            at = lowered.find(name)
            while at >= 0:
                found.append(at)
                at = lowered.find(name, at + 1)
        return sorted(found)

    def _values(self, rows: _Rows, at: int) -> Iterator[tuple[int, int, bytes]]:
        """Where values of these headers stand in a row, each with its header's name in lower case."""
        data, spans = rows.data, rows.fields(at)
        kind, code = rows.kinds[at], rows.codes[at]
        if kind == Kind.EVENT:
            for place in _PAIRS.get(code, ()):
                if place < len(spans):
                    yield from self._in_pairs(data, spans[place])
        elif kind == Kind.HOSTCALL:
            call = rows.schema.hostcalls[code]
            fields = dict(zip(call.fields, spans, strict=False))
            maps = call.fields if call.name == "proxy_set_header_map_pairs" else _MAPS
            for name in maps:
                if name in fields:
                    yield from self._in_pairs(data, fields[name])
            if call.name.endswith("_header_map_value"):
                wanted = bytes(data[slice(*fields["name"])]).lower()
            elif call.name.endswith("_property"):
                path = bytes(data[slice(*fields["path"])]).lower().strip(b"\0").split(b"\0")
                wanted = path[-1] if len(path) > 1 and path[-2] in (b"headers", b"trailers") else b""
            else:
                return
            if wanted not in self._names:
                return
            if "value" in fields:
                yield (*fields["value"], wanted)
            for name in ("before", "after"):
                if name in fields:
                    for begin, end in _split(data, *fields[name]):
                        yield begin, end, wanted

    def _in_pairs(self, data: bytearray, span: Span) -> Iterator[tuple[int, int, bytes]]:
        begin, end = span
        if end - begin < 4:
            return
        count = int.from_bytes(data[begin : begin + 4], "little")
        if 8 * count > end - begin - 4:
            return
        sizes = np.frombuffer(bytes(data[begin + 4 : begin + 4 + 8 * count]), "<u4").tolist()
        at = begin + 4 + 8 * count
        for name_size, size in zip(sizes[::2], sizes[1::2], strict=True):
            name, at = bytes(data[at : at + name_size]).lower(), at + name_size
            if at + size > end:
                return
            if name in self._names:
                yield at, at + size, name
            at += size

    def _changed_by_hand(self, rows: _Rows, data: bytearray) -> None:
        """What a user's function changed of a call whose value is hidden: it does not name the header again."""
        if not self._hidden_rows:
            return
        changed = (rows.records["kind"] == Kind.EVENT) & (rows.records["code"] == Event.INTERCEPTED)
        for at in np.flatnonzero(changed).tolist():
            if int(rows.records["a"][at]) in self._hidden_rows:
                for place, (begin, end) in enumerate(rows.fields(at)):
                    if place % 3:
                        data[begin:end] = placeholder(bytes(data[begin:end]))

    def _learn(self, name: bytes, value: bytes) -> None:
        """The words of a value that are as secret as the whole of it: not a scheme, not the name of a cookie."""
        if name == _COOKIE:
            parts = [pair.partition(b"=")[2] for pair in value.split(b";")]
        elif name == _SET_COOKIE:
            parts = [value.partition(b";")[0].partition(b"=")[2]]
        else:
            parts = [value.partition(b" ")[2] or value]
        self._words.update(word.strip(_ENDS) for part in parts for word in _WORD.findall(part))

    def _repeated(self, rows: _Rows, data: bytearray, match: re.Match[bytes]) -> None:
        word = match[0].strip(_ENDS)
        if word not in self._words:
            return
        begin = match.start() + match[0].index(word)
        for at in rows.at([begin]):
            if not any(low <= begin < high for low, high in rows.bodies(at)):
                data[begin : begin + len(word)] = placeholder(word)


class RedactedCapture:
    """A capture whose exchanges have values hidden, for analysis; it cannot be replayed."""

    def __init__(self, capture: Any, redaction: Redaction) -> None:
        self.path: Path | str = getattr(capture, "path", "")
        self.whole = capture
        self.redaction = redaction

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(getattr(self.whole, "problems", ()))

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int) -> Exchange:
        return self.redaction.exchange(self.whole[index])


class _Rows:
    """The rows of one segment by the places of their blobs."""

    def __init__(self, schema: Schema, first: int, records: Any, data: bytearray) -> None:
        self.schema, self.first, self.records, self.data = schema, first, records, data
        self.kinds: list[int] = records["kind"].tolist()
        self.codes: list[int] = records["code"].tolist()
        held = np.flatnonzero(records["blob_len"])
        self._order = held[np.argsort(records["blob"][held], kind="stable")].tolist()
        self._begins = records["blob"][self._order].tolist()
        self._sizes = records["blob_len"][self._order].tolist()

    def at(self, places: Iterable[int]) -> Iterator[int]:
        """The rows in whose blobs these places are, each once where places come in order."""
        last = -1
        for place in places:
            here = bisect_right(self._begins, place) - 1
            if here >= 0 and here != last and place < self._begins[here] + self._sizes[here]:
                last = here
                yield self._order[here]

    def fields(self, at: int) -> list[Span]:
        begin = int(self.records["blob"][at])
        return _split(self.data, begin, begin + int(self.records["blob_len"][at]))

    def bodies(self, at: int) -> list[Span]:
        code = self.codes[at]
        if self.kinds[at] == Kind.EVENT:
            places = _BODIES.get(code, ())
        else:
            places = _BODY_CALLS.get(self.schema.hostcalls[code].name, ()) if self.kinds[at] == Kind.HOSTCALL else ()
        spans = self.fields(at) if places else []
        return [spans[place] for place in places if place < len(spans)]


def _split(data: bytearray, at: int, end: int) -> list[Span]:
    """Where the fields of a blob, or the values of a list, begin and end."""
    spans = []
    while at + 4 <= end:
        size = int.from_bytes(data[at : at + 4], "little")
        spans.append((at + 4, min(at + 4 + size, end)))
        at += 4 + size
    return spans
