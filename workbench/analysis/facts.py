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

__all__ = ["MUTATORS", "Facts", "Outcome", "changed_rows", "field_spans", "gather_facts", "lookup", "outcome_of_local"]

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
    exchanges = _exchanges(trace)
    n = len(exchanges)
    place = np.full(int(exchanges[-1]) + 1 if n else 0, -1, np.int64)
    place[exchanges] = np.arange(n)
    columns: dict[str, Ints] = {name: np.zeros(n, np.int64) for name in Facts.__dataclass_fields__}
    for _, name, _ in _EVENTS:
        columns[name][:] = -1
    for name in ("local_filter", "failure_filter", "closer"):
        columns[name][:] = NO_FILTER
    columns["local_grpc"][:] = NONE
    columns["exchange"] = exchanges
    log = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in ("proxy_log", "fd_write"))
    changed = [np.empty(0, np.int64)]
    for first, records, blob in trace.blocks():
        found = changed_rows(trace.schema, records, blob)
        changed.append(found + first)
        _add_segment(columns, place, first, records, log[records["code"]], found)
    columns["changed"] = np.concatenate(changed)
    _judge(columns)
    return Facts(**columns)


def lookup(codes: Iterable[int]) -> Bools:
    """A table that says of each code whether it is one of `codes`: quicker than a search in millions of rows."""
    table = np.zeros(256, bool)
    table[[code for code in codes if code < 256]] = True
    return table


def _exchanges(trace: Trace) -> Ints:
    seen = np.zeros(0, bool)
    for _, records in trace.segments():
        found = records["exchange"][records["exchange"] != NONE]
        if len(found):
            seen = np.concatenate((seen, np.zeros(max(int(found.max()) + 1 - len(seen), 0), bool)))
            seen[found] = True
    return np.flatnonzero(seen)


def _add_segment(columns: dict[str, Ints], place: Ints, first: int, records: Records, log: Bools, changed: Ints) -> None:
    mine = records["exchange"] != NONE
    at = np.full(len(records), -1, np.int64)
    at[mine] = place[records["exchange"][mine]]
    n = len(columns["exchange"])

    def total(rows: Bools, values: npt.NDArray[Any] | None = None) -> Ints:
        weights = None if values is None else values[rows].astype(np.float64)
        return np.bincount(at[rows], weights, n).astype(np.int64)

    callback = (records["kind"] == Kind.CALLBACK) & mine
    hostcall = (records["kind"] == Kind.HOSTCALL) & mine
    host = np.minimum(records["other_ns"], records["ns"])
    columns["callbacks"] += total(callback)
    columns["hostcalls"] += total(hostcall)
    columns["logs"] += total(hostcall & log)
    columns["host_ns"] += total(callback, host)
    columns["filter_ns"] += total(callback, records["ns"] - host)
    changed = changed[mine[changed]]
    columns["changes"] += np.bincount(at[changed], None, n)

    events = np.flatnonzero((records["kind"] == Kind.EVENT) & mine)
    for event, row_column, sources in _EVENTS:
        rows = events[records["code"][events] == event]
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
    for at in np.flatnonzero(columns["local"] >= 0):
        status, grpc, source = (int(columns[name][at]) for name in ("local_status", "local_grpc", "local_source"))
        outcome[at] = outcome_of_local(status, grpc, source)
    outcome[columns["closer"] != NO_FILTER] = Outcome.DENIED
    outcome[columns["failure"] >= 0] = Outcome.ERROR
    columns["outcome"] = outcome


def changed_rows(schema: Schema, records: Records, blob: memoryview) -> Ints:
    """Places in `records` of the hostcalls that changed a message: answered Ok, and something is different after (see `changes`)."""
    octets = np.frombuffer(blob, np.uint8)
    found = [np.empty(0, np.int64)]
    for code, call in enumerate(schema.hostcalls):
        if call.name not in MUTATORS:
            continue
        done = (records["result"] == 0) & (records["flags"] & INSTEAD == 0)
        rows = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & (records["code"] == code) & done)
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
        size = sum(octets[safe + i].astype(np.int64) << (8 * i) for i in range(4)) if len(rows) else np.empty(0, np.int64)
        size = np.where(there, np.minimum(size, end - at - 4), 0)
        spans.append((np.where(there, at + 4, 0), size))
        at = np.where(there, at + 4 + size, at)
    return spans


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
