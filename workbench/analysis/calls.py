"""Rows read as calls: arguments by name, enumerations as the ABI spells them, bytes as text that is safe to show."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from ..capture.exchange import Pairs
from ..capture.packing import unpack_pairs
from ..trace.records import NONE, Event, Kind, Schema, split_values
from ..trace.trace import Records, Row, Trace
from . import words
from .rowfields import Ints

__all__ = [
    "MUTATION_PARTS",
    "ExchangeRows",
    "LogLine",
    "abi_pairs",
    "arguments",
    "callback_codes",
    "callback_row",
    "connection_ends",
    "log_line",
    "named_arguments",
    "shown",
    "spelt",
]

Argument: TypeAlias = int | bytes

MUTATION_PARTS = ("request_headers", "request_trailers", "response_headers", "response_trailers")
"""Parts of a message by the number of their header map."""

_PRINTED = bytes((9, 10, 13, *range(0x20, 0x100)))
_SHOWN = 4096
"""Bytes of an argument that are ever shown; the whole is in the trace."""

_ENUMERATED: dict[str, tuple[str, ...]] = {
    "map_type": words.MAPS,
    "buffer_type": words.BUFFERS,
    "level": words.LOG_LEVELS,
    "stream_type": words.STREAMS,
    "metric_type": words.METRICS,
    "close_type": words.PEERS,
}
_WIDE = (("value", False), ("offset", True))
"""Numbers of 64 bits, recorded as NAME_low and NAME_high, and whether they have a sign."""


def arguments(trace: Trace, row: Row) -> dict[str, Argument]:
    """The named numbers and bytes of a callback or hostcall; empty for an event."""
    return named_arguments(trace.schema, row.kind, row.code, (row.a, row.b, row.c, row.d), row.fields)


def named_arguments(schema: Schema, kind: int, code: int, numbers: Sequence[int], fields: Sequence[bytes]) -> dict[str, Argument]:
    """The same of a row's kind, code, four numbers and fields."""
    if kind == Kind.CALLBACK:
        return dict(zip(schema.callbacks[code].args, numbers, strict=False))
    if kind != Kind.HOSTCALL:
        return {}
    call = schema.hostcalls[code]
    given: dict[str, Argument] = dict(zip(call.args, numbers, strict=False))
    for name, has_sign in _wide(call.args):
        low, high = given.pop(f"{name}_low"), given.pop(f"{name}_high")
        wide = int(low) | int(high) << 32
        given[name] = wide - (1 << 64) if has_sign and int(high) >> 31 else wide
    given.update(zip(call.fields, fields, strict=False))
    return given


@lru_cache(maxsize=256)
def _wide(names: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Those of `_WIDE` that these arguments have."""
    return tuple((name, has_sign) for name, has_sign in _WIDE if {f"{name}_low", f"{name}_high"} <= {*names})


def spelt(name: str, value: Argument, call: str = "") -> str:
    """One argument of `call` in words: an enumeration by name, lists, bytes as text where they are text, else in hexadecimal."""
    if isinstance(value, int):
        if name in _ENUMERATED:
            return words.enumerated(_ENUMERATED[name], value)
        if name == "grpc_status":
            return "none" if value == NONE else words.grpc_status(value)
        if name == "end_of_stream":
            return "true" if value else "false"
        return str(value)
    if name in ("headers", "metadata", "trailers") or (name in ("before", "after") and call == "proxy_set_header_map_pairs"):
        return _pair_text(value)
    if name in ("before", "after"):
        return "[" + ", ".join(f'"{shown(part)}"' for part in split_values(value)) + "]"
    if name == "path":
        return shown(value.rstrip(b"\0").replace(b"\0", b"."))
    return f'"{shown(value)}"' if _is_text(value) else f"0x{value[:32].hex()}{'…' if len(value) > 32 else ''}"


def abi_pairs(field: bytes) -> Pairs | None:
    """A pair list in the trace's form or in the ABI's (a NUL behind each part); None where it is neither."""
    if len(field) < 4:
        return None if field else ()
    count = int.from_bytes(field[:4], "little")
    if 4 + 8 * count > len(field):
        return None
    sizes = struct.unpack_from(f"<{2 * count}I", field, 4)
    gap = {0: 0, 2 * count: 1}.get(len(field) - 4 - 8 * count - sum(sizes))
    if gap is None:
        return None
    parts, at = [], 4 + 8 * count
    for size in sizes:
        parts.append(field[at : at + size])
        at += size + gap
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def _pair_text(field: bytes) -> str:
    pairs = abi_pairs(field)
    if pairs is None:
        return f"0x{field[:32].hex()}{'…' if len(field) > 32 else ''}"
    return "{" + ", ".join(f'"{shown(name)}": "{shown(value)}"' for name, value in pairs) + "}"


def _is_text(value: bytes) -> bool:
    """True for what a person would call text: no control characters but white space, whether UTF-8 or latin-1."""
    return not value[:_SHOWN].translate(None, _PRINTED)


def shown(value: bytes) -> str:
    """Captured bytes for display: decoded, bounded, and nothing in them acts."""
    if len(value) <= _SHOWN and value.isascii() and (plain := value.decode()).isprintable():
        return plain
    cut = value[:_SHOWN]
    tail = f"… {words.size(len(value))} in all" if len(value) > _SHOWN else ""
    return words.visible(words.text(cut) if not tail else cut.decode(errors="ignore")) + tail


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a filter wrote: through `proxy_log`, or to its standard output or error."""

    seq: int
    time: int
    exchange: int
    filter: str | None
    callback: str
    level: str
    message: str


def log_line(trace: Trace, row: Row, callback: str) -> LogLine | None:
    """The log line that a row is; None for any other row. File descriptor 1 is info and 2 error, as in Envoy."""
    if row.kind != Kind.HOSTCALL:
        return None
    name = trace.schema.hostcalls[row.code].name
    if name not in ("proxy_log", "fd_write"):
        return None
    given = arguments(trace, row)
    message = given.get("message", b"")
    if row.result != 0 or not isinstance(message, bytes) or (not message and name == "fd_write"):
        return None
    level = words.enumerated(words.LOG_LEVELS, row.a) if name == "proxy_log" else "error" if row.a == 2 else "info"
    return LogLine(row.seq, row.time, row.exchange, trace.filter_name(row), callback, level, words.text(message))


def connection_ends(event: Row) -> tuple[str, str]:
    """Addresses of the client and of the upstream (else of the proxy) in a CONNECTION event, empty where the capture has none."""
    pairs = dict(unpack_pairs(event.fields[0])[0]) if event.fields else {}
    client, upstream, here = (words.text(pairs.get(name + b"\0address", b"")) for name in (b"source", b"upstream", b"destination"))
    return client, upstream or here


def callback_row(trace: Trace, row: Row, known: dict[int, Row] | None = None) -> Row | None:
    """The callback in which a row came about, None where it belongs to none; `known` keeps rows that were read before.

    What a filter's allocator calls lies inside a hostcall, which lies inside the callback.
    """
    known = {} if known is None else known
    at, found = row.parent, None
    while at != NONE and at < len(trace):
        found = known[at] if at in known else trace.row(at)
        known[at] = found
        if found.kind == Kind.CALLBACK:
            return found
        at = found.parent if found.parent < at else NONE
    return None


def callback_codes(trace: Trace, first: int, records: Records, at: Ints) -> Ints:
    """Code of the callback that each row at `at` of a segment belongs to, 255 for none; almost always it lies in the same segment."""
    inside = records["parent"][at].astype(np.int64) - first
    here = (inside >= 0) & (inside < len(records))
    here[here] = records["kind"][inside[here]] == Kind.CALLBACK
    codes = np.full(len(at), 255, np.int64)
    codes[here] = records["code"][inside[here]]
    for place in np.flatnonzero(~here & (records["parent"][at] != NONE)).tolist():
        found = callback_row(trace, trace.row(first + int(at[place])))
        codes[place] = found.code if found is not None else 255
    return codes


@dataclass
class ExchangeRows:
    """The rows of one exchange, and the callbacks that they belong to, also those of root contexts."""

    trace: Trace
    index: int
    rows: list[Row]
    callbacks: list[tuple[str, Row]]
    """Callbacks with their names, in order."""
    hostcalls: list[tuple[str, Row]]
    """Hostcalls with their names, in order."""
    events: list[Row]
    _parents: dict[int, Row]

    @classmethod
    def of(cls, trace: Trace, index: int) -> ExchangeRows:
        """Read the rows of exchange `index`; none if the trace has nothing of it."""
        found = cls(trace, index, trace.rows(index), [], [], [], {})
        schema = trace.schema
        for row in found.rows:
            if row.kind == Kind.HOSTCALL:
                found.hostcalls.append((schema.hostcalls[row.code].name, row))
            elif row.kind == Kind.CALLBACK:
                found.callbacks.append((schema.callbacks[row.code].name, row))
                found._parents[row.seq] = row
            else:
                found.events.append(row)
        return found

    def parent(self, row: Row) -> Row | None:
        """The callback in which a row came about."""
        return callback_row(self.trace, row, self._parents)

    def callback(self, row: Row) -> str:
        """Name of that callback without `proxy_`, or of the row itself if it is one; empty where there is none."""
        found = row if row.kind == Kind.CALLBACK else self.parent(row)
        return words.short_name(self.trace.name(found)) if found is not None else ""

    def all(self, event: Event) -> Iterator[Row]:
        """The events of one kind, in order."""
        return (row for row in self.events if row.code == event)

    def event(self, event: Event) -> Row | None:
        """The first event of one kind."""
        return next(self.all(event), None)

    def local_response(self) -> Row | None:
        """The local response that took effect."""
        return next((row for row in self.all(Event.LOCAL_RESPONSE) if not row.c), None)

    def failure(self) -> Row | None:
        """The failure that hit the exchange first."""
        return self.event(Event.FAILURE)
