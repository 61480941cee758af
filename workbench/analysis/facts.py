"""What a trace says of each exchange, as columns: one pass over the rows, no row looked at by itself.

Everything that must be quick on a hundred thousand exchanges (the summary, the table of exchanges, counts by outcome) starts here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ..trace.records import NO_FILTER, NONE, Event, Kind, ResponseSource, Schema
from ..trace.trace import Records, Trace
from .facts_changed import MUTATORS, changed_rows
from .facts_columns import GrowingColumns
from .rowfields import Ints

__all__ = ["Facts", "FactsGatherer", "Outcome", "gather_facts", "outcome_of_local"]

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
    return FactsGatherer(trace.schema).facts(trace, last=True)


class FactsGatherer:
    """Facts of a trace that grows: each time only the rows that came since are read, and the facts given before stay as they are."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._classes = _classes(schema)
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        self._columns = GrowingColumns(_KINDS)
        self._changed = [np.empty(0, np.int64)]
        self._rows = 0

    def facts(self, trace: Trace, last: bool = False) -> Facts:
        """The facts of a trace that begins with those it was asked for before; one that has fewer rows is read anew.

        With `last` the memory that is held here goes with the facts, and what is asked afterwards is read anew.
        """
        with self._lock:
            if len(trace) >= self._rows:
                try:
                    return self._advanced(trace, last)
                except BaseException:
                    self._begin()  # an interrupt in the midst of a segment: it would be counted twice
                    raise
        return gather_facts(trace)

    def _advanced(self, trace: Trace, last: bool) -> Facts:
        if len(trace) and (latest := trace.row(len(trace) - 1).exchange) != NONE:
            self._columns.reach(latest + 1)  # as a rule there are no more: then nothing need grow
        for first, records, blob in trace.blocks(self._rows):
            self._add(first, records, blob)
            self._rows = first + len(records)
        self._changed = [np.concatenate(self._changed)]
        columns = self._columns.copied(last)
        columns["changed"] = self._changed[0]
        columns["outcome"] = _outcomes(columns)
        if last:
            self._begin()
        return Facts(**columns)

    def _add(self, first: int, records: Records, blob: memoryview) -> None:
        self._changed.append(_add_segment(self._columns, first, records, blob, self._schema, self._classes) + first)


_OTHER, _CALLBACK, _HOSTCALL, _LOG, _MUTATOR, _EVENT = range(6)
"""Classes of rows; from `_EVENT` on, one for each of `_EVENTS`."""


def _classes(schema: Schema) -> npt.NDArray[np.uint8]:
    """The class of a row by its kind and four times its code."""
    table = np.zeros((256, 4), np.uint8)
    table[:, Kind.CALLBACK] = _CALLBACK
    table[:, Kind.HOSTCALL] = _HOSTCALL
    for code, call in enumerate(schema.hostcalls):
        if call.name in ("proxy_log", "fd_write"):
            table[code, Kind.HOSTCALL] = _LOG
        elif call.name in MUTATORS:
            table[code, Kind.HOSTCALL] = _MUTATOR
    for place, (event, _, _) in enumerate(_EVENTS):
        table[event, Kind.EVENT] = _EVENT + place
    return table.reshape(-1)


def _add_segment(
    columns: GrowingColumns, first: int, records: Records, blob: memoryview, schema: Schema, classes: npt.NDArray[np.uint8]
) -> Ints:
    """Take in the rows from number `first`; gives the places of those that changed a message."""
    # kind, filter, code, flags and exchange are a row's first eight bytes: they are fetched once
    head = records.view("<u8").reshape(len(records), -1)[:, 0].astype(np.int64)
    at = head >> 32 & NONE
    class_ = classes[head & 3 | head >> 14 & 0x3FC]
    mine = at != NONE
    whole = bool(mine.all())
    there = at if whole else at[mine]
    if not whole:
        class_[~mine & (class_ != _MUTATOR)] = _OTHER  # those of root contexts are in `changed`, and counted for nobody
    order = np.argsort(class_, kind="stable")
    ends = np.cumsum(np.bincount(class_, minlength=_EVENT + len(_EVENTS))).tolist()

    def rows_of(class_: int, last: int | None = None) -> Ints:
        return order[ends[class_ - 1] : ends[class_ if last is None else last]]

    changed = changed_rows(schema, records, blob, rows_of(_MUTATOR))
    if not len(there):
        return changed
    # a segment has rows of few of all exchanges, side by side: only these columns' parts are touched
    low, high = int(there.min()), int(there.max()) + 1
    columns.reach(high)
    columns.see(there)

    from_low = at - low

    def add(name: str, places: Ints, values: npt.NDArray[Any] | None = None) -> None:
        if len(places):
            column = columns[name]
            column[low:high] += np.bincount(places, values, high - low).astype(column.dtype)

    def counted(rows: Ints) -> Ints:
        return from_low[rows if whole else rows[mine[rows]]]

    callback = rows_of(_CALLBACK)
    ns = records["ns"][callback]
    host = np.minimum(records["other_ns"][callback], ns)
    called = from_low[callback]
    add("callbacks", called)
    add("host_ns", called, host)
    add("filter_ns", called, ns - host)
    add("hostcalls", counted(rows_of(_HOSTCALL, _MUTATOR)))
    add("logs", from_low[rows_of(_LOG)])
    add("changes", counted(changed))

    for place, (event, row_column, sources) in enumerate(_EVENTS):
        rows = rows_of(_EVENT + place)
        if event == Event.LOCAL_RESPONSE:
            rows = rows[records["c"][rows] == 0]
        if len(rows):
            _keep_first(columns, first, records, at, rows, row_column, sources)
    return changed


def _keep_first(
    columns: GrowingColumns, first: int, records: Records, at: Ints, rows: Ints, row_column: str, sources: tuple[tuple[str, str], ...]
) -> None:
    """Of events at `rows`, whose exchanges are in `at`, note each exchange's first: its row's number, and some of the row's columns."""
    column = columns[row_column]
    fresh = column[at[rows]] < 0
    rows = (rows if fresh.all() else rows[fresh])[::-1]  # the first of several is written last, so it stays
    exchanges = at[rows]
    column[exchanges] = rows + first
    for name, source in sources:
        columns[name][exchanges] = records[source][rows]


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


_SMALL = frozenset({
    "upstream_status", "status", "local_status", "local_source", "local_filter", "closer", "failure_filter",
    "changes", "hostcalls", "callbacks", "logs",
})  # fmt: skip
_FILLS = (
    {name: -1 for _, name, _ in _EVENTS} | dict.fromkeys(("local_filter", "failure_filter", "closer"), NO_FILTER) | {"local_grpc": NONE}
)
# millions of exchanges are kept: what is no row, time or u32 needs four bytes
_KINDS = {
    name: (np.int32 if name in _SMALL else np.int64, _FILLS.get(name, 0))
    for name in Facts.__dataclass_fields__
    if name not in ("exchange", "outcome", "changed")
}


def _outcomes(columns: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.int8]:
    outcome = np.where(columns["changes"] > 0, np.int8(Outcome.CHANGED), np.int8(Outcome.PASSED))
    answered = np.flatnonzero(columns["local"] >= 0)
    kinds = columns["local_grpc"][answered] | np.int64(1 << 32) * columns["local_source"][answered]
    kinds |= np.int64(1 << 40) * columns["local_status"][answered]
    for kind in np.unique(kinds).tolist():  # few differ among many
        outcome[answered[kinds == kind]] = outcome_of_local(kind >> 40, kind & NONE, kind >> 32 & 0xFF)
    outcome[columns["closer"] != NO_FILTER] = Outcome.DENIED
    outcome[columns["failure"] >= 0] = Outcome.ERROR
    return outcome
