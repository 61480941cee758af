"""What outlives an exchange: every write to shared data, to metrics and to queues, in the order of the trace, and what held at any row.

The trace has no values of its own for the state between exchanges, and needs none: it has each hostcall that wrote one. Shared data are
kept by vm_id and key, queues by vm_id and name, metrics by type and name over all VMs, as in Envoy.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..trace.numbers import MetricType, Status
from ..trace.records import FINISHED, INSTEAD, Kind
from ..trace.trace import Trace
from . import words

__all__ = ["Data", "Metric", "Queue", "State", "gather_state"]

_ENQUEUE, _DEQUEUE, _REGISTER, _RESOLVE = (
    "proxy_enqueue_shared_queue",
    "proxy_dequeue_shared_queue",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
)
_SET, _DEFINE, _INCREMENT, _RECORD = "proxy_set_shared_data", "proxy_define_metric", "proxy_increment_metric", "proxy_record_metric"
_CALLS = {_SET: 1, _DEFINE: 1, _INCREMENT: 0, _RECORD: 0, _ENQUEUE: 0, _DEQUEUE: 0, _REGISTER: 1, _RESOLVE: 2}
"""The calls that touch state, and how many of their fields say what they touch."""
_CAS_MISMATCH = int(Status.CasMismatch)
_U64 = (1 << 64) - 1


@dataclass(slots=True)
class Data:
    """One key of shared data: the rows that wrote it, the CAS number each write got, and the rows that were refused for theirs."""

    vm_id: str
    key: bytes
    rows: list[int] = field(default_factory=list)
    cas: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def at(self, seq: int) -> tuple[int, int] | None:
        """The row that wrote the value which holds after row `seq`, and its CAS number; None before the first write."""
        place = bisect_right(self.rows, seq) - 1
        return (self.rows[place], self.cas[place]) if place >= 0 else None


@dataclass(slots=True)
class Metric:
    """One metric: the rows that changed it and its value after each (of a histogram, the value recorded)."""

    type: MetricType
    name: bytes
    defined: int
    """The row that defined it first."""
    rows: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def at(self, seq: int) -> int | None:
        """Its value after row `seq`; None before it was defined."""
        place = bisect_right(self.rows, seq) - 1
        return self.values[place] if place >= 0 else 0 if self.defined <= seq else None


@dataclass(slots=True)
class Queue:
    """One shared queue: the rows that put an item in or took one out, and how many were in it after each."""

    token: int
    vm_id: str = ""
    name: bytes = b""
    rows: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def at(self, seq: int) -> int:
        """How many items it holds after row `seq`."""
        place = bisect_right(self.rows, seq) - 1
        return self.lengths[place] if place >= 0 else 0


@dataclass
class State:
    """All of it. `data` by vm_id and key, `metrics` by type and name, `queues` by token; `writes` are the rows that wrote shared data, in
    order, and `written` the key that each of them wrote."""

    data: dict[tuple[str, bytes], Data] = field(default_factory=dict)
    metrics: dict[tuple[int, bytes], Metric] = field(default_factory=dict)
    queues: dict[int, Queue] = field(default_factory=dict)
    writes: list[int] = field(default_factory=list)
    written: list[tuple[str, bytes]] = field(default_factory=list)
    vm_ids: tuple[str, ...] = ()
    begins: list[int] = field(default_factory=list)
    """The row in which each key was first written, in order."""

    def __repr__(self) -> str:
        return f"<State: {len(self.data)} in shared data, {len(self.metrics)} in metrics, {len(self.queues)} in queues>"

    def vm_id(self, filter_: int) -> str:
        """The vm_id of the filter at a place of the chain."""
        return self.vm_ids[filter_] if filter_ < len(self.vm_ids) else ""

    def latest(self, seq: int, most: int) -> list[tuple[str, bytes]]:
        """Keys of shared data that hold a value after row `seq`, those written last first; at most `most` of them."""
        found: dict[tuple[str, bytes], None] = {}
        for place in range(bisect_right(self.writes, seq) - 1, -1, -1):
            found.setdefault(self.written[place])
            if len(found) >= most:
                break
        return list(found)

    def count(self, seq: int) -> int:
        """How many keys hold a value after row `seq`."""
        return bisect_left(self.begins, seq + 1)


def gather_state(trace: Trace, vm_ids: Sequence[str] = ()) -> State:
    """Read the whole trace once. `vm_ids` are those of the chain's filters by their place; what is missing counts as empty."""
    state = State(vm_ids=tuple(vm_ids))
    named: dict[tuple[int, int], Metric] = {}
    last_cas = 0
    for seq, name, numbers, fields in _rows(trace):
        filter_, vm, result, a, b, c = numbers
        if name == _SET:
            key = (state.vm_id(filter_), fields[0])
            data = state.data.get(key)
            if result == _CAS_MISMATCH and data is not None:
                data.refused.append(seq)
            elif result == 0:
                if data is None:
                    data = state.data[key] = Data(*key)
                    state.begins.append(seq)
                last_cas = (last_cas + 1) & 0xFFFFFFFF or 1
                data.rows.append(seq)
                data.cas.append(last_cas)
                state.writes.append(seq)
                state.written.append(key)
        elif result != 0:
            continue
        elif name == _DEFINE:
            if a < len(MetricType):
                named[vm, b] = state.metrics.setdefault((a, fields[0]), Metric(MetricType(a), fields[0], seq))
        elif name in (_INCREMENT, _RECORD):
            metric = named.get((vm, a))
            if metric is not None:
                number, before = b | c << 32, metric.values[-1] if metric.values else 0
                # on a counter Envoy adds what is recorded
                adds = name == _INCREMENT or metric.type == MetricType.Counter
                metric.rows.append(seq)
                metric.values.append((before + number) & _U64 if adds else number)
        elif name in (_REGISTER, _RESOLVE):
            queue = state.queues.setdefault(a, Queue(a))
            queue.name = fields[-1]
            queue.vm_id = words.text(fields[0]) if name == _RESOLVE and fields[0] else state.vm_id(filter_)
        else:
            queue = state.queues.setdefault(a, Queue(a))
            before = queue.lengths[-1] if queue.lengths else 0
            queue.rows.append(seq)
            queue.lengths.append(before + 1 if name == _ENQUEUE else max(before - 1, 0))
    return state


def _rows(trace: Trace) -> Iterator[tuple[int, str, tuple[int, int, int, int, int, int], list[bytes]]]:
    """The finished calls that touch state: row, name, some of its numbers, and the fields up to the key (values stay in the trace)."""
    names = {code: call.name for code, call in enumerate(trace.schema.hostcalls) if call.name in _CALLS}
    table = np.zeros(256, bool)
    table[[code for code in names if code < 256]] = True
    wanted = ("code", "filter", "vm", "result", "a", "b", "c", "blob", "blob_len")
    for first, records, blob in trace.blocks():
        done = records["flags"] & (FINISHED | INSTEAD) == FINISHED
        found = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & done & table[records["code"]])
        part = records[found]
        columns = (part[name].tolist() for name in wanted)
        for seq, code, filter_, vm, result, a, b, c, at, size in zip((found + first).tolist(), *columns, strict=True):
            name = names[code]
            most = _CALLS[name]
            fields: list[bytes] = []
            end = at + size
            while len(fields) < most and at + 4 <= end:
                length = int.from_bytes(blob[at : at + 4], "little")
                fields.append(bytes(blob[at + 4 : min(at + 4 + length, end)]))
                at += 4 + length
            if len(fields) == most:
                yield seq, name, (filter_, vm, result, a, b, c), fields
