"""What a trace says of each exchange, as columns: one pass over the rows, no row looked at by itself.

Everything that must be quick on a hundred thousand exchanges (the summary, the table of exchanges, counts by outcome) starts here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..trace.records import INSTEAD, NO_FILTER, NONE, Event, Kind, ResponseSource, Schema
from ..trace.trace import Records, Trace

__all__ = ["MUTATORS", "Facts", "Outcome", "changed_rows", "field_spans", "gather_facts", "lookup", "outcome_of_local", "u32_at"]

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

MUTATORS = (
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_set_header_map_pairs",
    "proxy_set_buffer_bytes",
)
"""Hostcalls that change a message."""

_RESOURCE_EXHAUSTED = 8
_GRPC_DENIALS = (7, 16)  # PermissionDenied, Unauthenticated


class Outcome(IntEnum):
    """What became of an exchange, the weightiest last: a filter that failed outweighs what others did."""

    PASSED = 0
    CHANGED = 1
    LOCAL = 2
    DENIED = 3
    LIMITED = 4
    ERROR = 5


@dataclass(frozen=True)
class Facts:
    """One entry for each exchange of the trace, in the order of capture indexes.

    Row numbers are -1 and statuses 0 where there is none; times are nanoseconds.
    """

    exchange: Ints
    time: Ints
    """Virtual time at which the request arrived."""
    request: Ints
    """Row of the REQUEST event."""
    response: Ints
    """Row of the RESPONSE event."""
    upstream_status: Ints
    downstream: Ints
    """Row of the DOWNSTREAM_RESPONSE event."""
    status: Ints
    """What the client got."""
    local: Ints
    """Row of the local response that took effect."""
    local_status: Ints
    local_grpc: Ints
    local_source: Ints
    local_filter: Ints
    connection: Ints
    """Row of the CONNECTION event, for what is no exchange but a TCP connection."""
    closed: Ints
    """Row of its CONNECTION_END."""
    closer: Ints
    """The filter that closed it."""
    failure: Ints
    """Row of the first failure that hit the exchange."""
    failure_filter: Ints
    changes: Ints
    filter_ns: Ints
    host_ns: Ints
    hostcalls: Ints
    callbacks: Ints
    logs: Ints
    outcome: Ints
    """Numbers of `Outcome`."""
    changed: Ints
    """Row numbers of all hostcalls that changed a message, root contexts' too."""

    def __len__(self) -> int:
        return len(self.exchange)

    def position(self, exchange: int) -> int:
        """Place of an exchange in the columns; KeyError if the trace has nothing of it."""
        at = int(np.searchsorted(self.exchange, exchange))
        if at == len(self.exchange) or self.exchange[at] != exchange:
            raise KeyError(exchange)
        return at


def outcome_of_local(status: int, grpc: int, source: int) -> Outcome:
    """What a local response amounts to; `grpc` is a gRPC status or `NONE`."""
    if source != ResponseSource.FILTER:
        return Outcome.ERROR if source == ResponseSource.FAILURE else Outcome.LOCAL
    if status == 429 or grpc == _RESOURCE_EXHAUSTED:
        return Outcome.LIMITED
    return Outcome.DENIED if status >= 400 or grpc in _GRPC_DENIALS else Outcome.LOCAL


def gather_facts(trace: Trace) -> Facts:
    """Read the whole trace once, segment by segment; memory grows with the exchanges, not with the rows."""
    table = _Table()
    log = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in ("proxy_log", "fd_write"))
    changed = [np.empty(0, np.int64)]
    for first, records, blob in trace.blocks():
        found = changed_rows(trace.schema, records, blob)
        changed.append(found + first)
        _add_segment(table, first, records, log, found)
    columns = table.taken()
    columns["changed"] = np.concatenate(changed)
    _judge(columns)
    return Facts(**columns)


_SMALL = frozenset({
    "upstream_status", "status", "local_status", "local_source", "local_filter", "closer", "failure_filter",
    "changes", "hostcalls", "callbacks", "logs",
})  # fmt: skip


class _Table:
    """The columns by exchange number, longer than needed while they grow."""

    def __init__(self) -> None:
        names = set(Facts.__dataclass_fields__) - {"exchange", "changed"}
        fill = {name: -1 for _, name, _ in _EVENTS} | dict.fromkeys(("local_filter", "failure_filter", "closer"), NO_FILTER)
        self._fill = {name: fill.get(name, 0) for name in names} | {"local_grpc": NONE}
        # millions of exchanges are kept: what is no row, time or u32 needs four bytes
        self.columns: dict[str, Any] = {name: np.empty(0, np.int32 if name in _SMALL else np.int64) for name in names}
        self.seen = np.zeros(0, bool)

    def reach(self, size: int) -> None:
        """Have room for exchanges up to before `size`."""
        more = max(size, 2 * len(self.seen), 1024) - len(self.seen)
        if size > len(self.seen):
            self.seen = np.concatenate((self.seen, np.zeros(more, bool)))
            for name, column in self.columns.items():
                self.columns[name] = np.concatenate((column, np.full(more, self._fill[name], column.dtype)))

    def taken(self) -> dict[str, Ints]:
        """The columns with only the exchanges that are there."""
        exchanges = np.flatnonzero(self.seen)
        n = len(exchanges)
        dense = n == 0 or int(exchanges[-1]) == n - 1
        spare = len(self.seen) > n + n // 8
        taken = {"exchange": exchanges}
        for name in list(self.columns):
            column = self.columns.pop(name)  # one by one, so that they are never all there twice
            taken[name] = column[exchanges] if not dense else column[:n].copy() if spare else column[:n]
        return taken


def lookup(codes: Iterable[int]) -> Bools:
    """A table that says of each code whether it is one of `codes`: quicker than a search in millions of rows."""
    table = np.zeros(256, bool)
    table[[code for code in codes if code < 256]] = True
    return table


def _add_segment(table: _Table, first: int, records: Records, log: Bools, changed: Ints) -> None:
    kind, code, exchange = (np.ascontiguousarray(records[name]) for name in ("kind", "code", "exchange"))
    rows = np.flatnonzero(exchange != NONE)
    at = exchange.astype(np.int64)
    if not len(rows):
        return
    # a segment has rows of few of all exchanges, side by side: only these columns' parts are touched
    low, high = int(at[rows].min()), int(at[rows].max()) + 1
    table.reach(high)
    table.seen[at[rows]] = True
    columns = table.columns

    def add(name: str, rows: Ints, values: npt.NDArray[Any] | None = None) -> None:
        weights = None if values is None else values.astype(np.float64)
        columns[name][low:high] += np.bincount(at[rows] - low, weights, high - low).astype(columns[name].dtype)

    callback = rows[kind[rows] == Kind.CALLBACK]
    hostcall = rows[kind[rows] == Kind.HOSTCALL]
    whole = records["ns"][callback]
    host = np.minimum(records["other_ns"][callback], whole)
    add("callbacks", callback)
    add("hostcalls", hostcall)
    add("logs", hostcall[log[code[hostcall]]])
    add("host_ns", callback, host)
    add("filter_ns", callback, whole - host)
    add("changes", changed[exchange[changed] != NONE])

    events = rows[kind[rows] == Kind.EVENT]
    for event, row_column, sources in _EVENTS:
        rows = events[code[events] == event]
        if event == Event.LOCAL_RESPONSE:
            rows = rows[records["c"][rows] == 0]
        rows = rows[columns[row_column][at[rows]] < 0][::-1]  # the first of several is written last, so it stays
        columns[row_column][at[rows]] = rows + first
        for column, source in sources:
            columns[column][at[rows]] = records[source][rows]


_EVENTS: tuple[tuple[Event, str, tuple[tuple[str, str], ...]], ...] = (
    (Event.REQUEST, "request", (("time", "time"),)),
    (Event.RESPONSE, "response", (("upstream_status", "result"),)),
    (Event.DOWNSTREAM_RESPONSE, "downstream", (("status", "result"),)),
    (
        Event.LOCAL_RESPONSE,
        "local",
        (("local_status", "result"), ("local_grpc", "a"), ("local_source", "b"), ("local_filter", "filter")),
    ),
    (Event.CONNECTION, "connection", (("time", "time"),)),
    (Event.CONNECTION_END, "closed", (("closer", "filter"),)),
    (Event.FAILURE, "failure", (("failure_filter", "filter"),)),
)
"""For each event: the column that takes its row number, and which of the row's columns go where."""


def _judge(columns: dict[str, Ints]) -> None:
    outcome = np.where(columns["changes"] > 0, Outcome.CHANGED, Outcome.PASSED).astype(np.int64)
    answered = np.flatnonzero(columns["local"] >= 0)
    kinds = columns["local_grpc"][answered] | np.int64(1 << 32) * columns["local_source"][answered]
    kinds |= np.int64(1 << 40) * columns["local_status"][answered]
    for kind in np.unique(kinds).tolist():  # few differ among many
        outcome[answered[kinds == kind]] = outcome_of_local(kind >> 40, kind & NONE, kind >> 32 & 0xFF)
    outcome[columns["closer"] != NO_FILTER] = Outcome.DENIED
    outcome[columns["failure"] >= 0] = Outcome.ERROR
    columns["outcome"] = outcome.astype(np.int8)


def changed_rows(schema: Schema, records: Records, blob: memoryview) -> Ints:
    """Places in `records` of the hostcalls that changed a message: answered Ok, and something is different after (see `changes`)."""
    octets = np.frombuffer(blob, np.uint8)
    found = [np.empty(0, np.int64)]
    meant = lookup(code for code, call in enumerate(schema.hostcalls) if call.name in MUTATORS)
    may = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & meant[records["code"]])
    may = may[(records["result"][may] == 0) & (records["flags"][may] & INSTEAD == 0)]
    codes = records["code"][may]
    for code in np.unique(codes).tolist():
        call, rows = schema.hostcalls[code], may[codes == code]
        spans = field_spans(octets, records, rows, len(call.fields))
        if call.name == "proxy_set_buffer_bytes":
            numbers = {name: records["abcd"[place]][rows].astype(np.int64) for place, name in enumerate(call.args)}
            dropped = np.where(numbers["start"] == 0, np.minimum(numbers["size"], numbers["size_before"]), 0)
            found.append(rows[(numbers["buffer_type"] < 4) & ((dropped > 0) | (spans[0][1] > 0))])
        else:
            rows, spans = _in_message(records, rows, spans)
            before, after = spans[call.fields.index("before")], spans[call.fields.index("after")]
            found.append(rows[_differ(octets, before, after)])
    return np.sort(np.concatenate(found))


def _in_message(records: Records, rows: Ints, spans: list[tuple[Ints, Ints]]) -> tuple[Ints, list[tuple[Ints, Ints]]]:
    """Only what concerns the four maps of a message, not those of a callout's answer."""
    mine = records["a"][rows] < 4
    return rows[mine], [(start[mine], size[mine]) for start, size in spans]


def field_spans(octets: npt.NDArray[np.uint8], records: Records, rows: Ints, fields: int) -> list[tuple[Ints, Ints]]:
    """Start and length of each field of each row's blob, without a loop over rows. A field that is missing has length 0."""
    at = records["blob"][rows].astype(np.int64)
    end = at + records["blob_len"][rows]
    spans = []
    for _ in range(fields):
        there = at + 4 <= end
        safe = np.where(there, at, 0)
        size = np.where(there, np.minimum(u32_at(octets, safe), end - at - 4), 0)
        spans.append((np.where(there, at + 4, 0), size))
        at = np.where(there, at + 4 + size, at)
    return spans


def u32_at(octets: npt.NDArray[np.uint8], at: Ints) -> Ints:
    """The little-endian numbers of four bytes at any places of a blob."""
    if not len(at):
        return np.empty(0, np.int64)
    # a number begins at each byte: they overlap, and none is copied
    numbers: npt.NDArray[np.uint32] = np.ndarray((len(octets) - 3,), "<u4", octets.data, 0, (1,))
    return numbers[at].astype(np.int64)


def _differ(octets: npt.NDArray[np.uint8], before: tuple[Ints, Ints], after: tuple[Ints, Ints]) -> Bools:
    (start, size), (other, other_size) = before, after
    differ = size != other_size
    same = np.flatnonzero(~differ & (size > 0))
    ends = np.cumsum(size[same])
    if len(same):
        within = np.arange(ends[-1]) - np.repeat(ends - size[same], size[same])
        unequal = octets[np.repeat(start[same], size[same]) + within] != octets[np.repeat(other[same], size[same]) + within]
        differ[same] = np.logical_or.reduceat(unequal, ends - size[same])
    return np.asarray(differ, bool)
