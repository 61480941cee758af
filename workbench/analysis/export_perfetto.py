"""A replay as a trace for Perfetto (https://ui.perfetto.dev) and chrome://tracing, in the Trace Event Format.

A process is a thread of Envoy's (worker 0, main thread), a thread in it a filter of the chain. Slices are callbacks with the hostcalls in
them; exchanges, pauses and callouts are asynchronous spans; metrics and memory are counters; failures and local responses are instants.

On the virtual clock a callback begins at its virtual time, or where the one before it on that thread ends, and is as long as it really
took: within a callback virtual time stands still. On the real clock callbacks follow each other without a gap. The exact numbers of both
are in a slice's arguments. Times count from the first row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from heapq import merge
from itertools import repeat
from typing import IO, Any, Final, Literal, TypeAlias

import numpy as np

from ..trace.records import NO_FILTER, NONE, CalloutKind, Event, Kind
from ..trace.trace import Records, Row, Trace
from . import words
from .callorder import spread
from .calls import shown
from .heads import pseudo_headers
from .perfetto_slices import LONGEST, Slice, Slices
from .prints import slices
from .rowfields import lookup
from .state import State
from .vms import all_vms, thread_name
from .writing import Report

__all__ = ["Clock", "write_perfetto"]

Clock: TypeAlias = Literal["virtual", "real"]

_EXCHANGES = 0
"""The process of what belongs to no thread: exchanges, pauses, callouts, and metrics, which all threads share."""
_SEQ: Final = 0
_NS: Final = 2
"""Places in a `Slice`."""
_DIRECTIONS = ("request", "response")


def write_perfetto(
    trace: Trace, state: State, to: IO[str], clock: Clock = "virtual", progress: Callable[[int, int], None] | None = None
) -> int:
    """Write the events as they come, so that memory stays flat; gives their number. `state` is `state.gather_state` of the trace.

    `progress` gets rows written and their number, at most ten times a second.
    """
    return _Writer(trace, state, to, clock).write(Report(progress, len(trace)))


class _Writer:
    def __init__(self, trace: Trace, state: State, to: IO[str], clock: Clock) -> None:
        self._trace, self._to, self._real = trace, to, clock == "real"
        self._written = 0
        self._held: list[str] = []
        self._begin = trace.row(0).time if len(trace) else 0
        self._processes = {vm.number: vm.thread + 1 for vm in all_vms(trace)}
        self._slices = Slices(trace, self._processes, self._begin)
        self._ends: dict[int, int] = {}  # where each process's last slice ends
        self._end = 0
        self._metrics = _MetricChanges(state)
        self._open: dict[int, str] = {}  # exchanges that began, by the name of their span in JSON
        self._paused: dict[tuple[int, int], str] = {}
        self._lines: dict[int, str] = {}

    def write(self, report: Report) -> int:
        about = {
            "clock": "real" if self._real else "virtual",
            "begin_ns": self._begin,
            "filters": [words.visible(name) for name in self._trace.filters],
        }
        self._to.write(f'{{"displayTimeUnit":"ns","otherData":{json.dumps(about)},"traceEvents":[')
        self._name_tracks()
        callback: Slice | None = None
        inside: list[Slice | Row] = []
        drawn = lookup(_HANDLERS)
        for first, records, blob in self._trace.blocks():
            at = np.flatnonzero((records["kind"] != Kind.EVENT) | drawn[records["code"]])
            self._read_lines(first, records, blob)
            for seq, numbers in zip((at + first).tolist(), records[at].tolist(), strict=True):
                kind, parent = numbers[0], numbers[6]
                # what belongs to a hostcall (a filter's allocator calling, a limit asked) belongs to its callback
                belongs = callback is not None and kind != Kind.CALLBACK and callback[_SEQ] <= parent != NONE
                if callback is not None and not belongs:
                    self._call(callback, inside)
                    callback = None
                if kind == Kind.EVENT:
                    row = Row.of(seq, numbers, blob)
                    if belongs:
                        inside.append(row)
                    else:
                        self._event(row, self._now(row.time))
                elif kind == Kind.CALLBACK:
                    if numbers[1] != NO_FILTER:
                        callback, inside = self._slices.of(seq, numbers, blob), []
                elif callback is not None and parent == callback[_SEQ]:
                    inside.append(self._slices.of(seq, numbers, blob))
            self._flush()
            self._lines.clear()
            report.reached(first + len(records))
        if callback is not None:
            self._call(callback, inside)
        for exchange in list(self._open):  # of a replay that was stopped
            self._close(exchange, self._end)
        self._flush()
        self._to.write("]}\n")
        return self._written

    def _flush(self) -> None:
        if self._held:
            self._to.write((",\n" if self._written else "\n") + ",\n".join(self._held))
            self._written += len(self._held)
            self._held.clear()

    def _put(self, phase: str, name: str, at: int, process: int, thread: int = 0, **more: Any) -> None:
        event = {"ph": phase, "name": name, "pid": process, "tid": thread, "ts": at / 1000, **more}
        self._held.append(json.dumps(event, separators=(",", ":")))

    def _name_tracks(self) -> None:
        self._put("M", "process_name", 0, _EXCHANGES, args={"name": "Exchanges and metrics"})
        for process in sorted(set(self._processes.values())):
            self._put("M", "process_name", 0, process, args={"name": thread_name(process - 1)})
            self._put("M", "process_sort_index", 0, process, args={"sort_index": process})
            for place, name in enumerate(self._trace.filters):
                self._put("M", "thread_name", 0, process, place + 1, args={"name": f"{place + 1} {words.visible(name)}"})
                self._put("M", "thread_sort_index", 0, process, place + 1, args={"sort_index": place + 1})

    def _now(self, time: int) -> int:
        """Where what happened at a virtual time stands on the clock, nanoseconds."""
        return self._end if self._real else max(0, time - self._begin)

    def _call(self, callback: Slice, inside: list[Slice | Row]) -> None:
        """A callback, and what came about in it."""
        _, time, ns, process, head, tail = callback
        begin = self._end if self._real else max(self._now(time), self._ends.get(process, 0))
        self._ends[process] = begin + ns
        self._end = max(self._end, begin + ns)
        self._held.append(f'{head}{begin / 1000},"dur":{ns / 1000}{tail}')
        if not inside:
            return
        places = iter(spread(ns, [each[_NS] for each in inside if not isinstance(each, Row)]))
        latest = begin
        for each in inside:
            if isinstance(each, Row):
                self._event(each, latest)
                continue
            seq, _, _, _, head, tail = each
            start, length = next(places)
            latest = begin + start
            self._held.append(f'{head}{latest / 1000},"dur":{length / 1000}{tail}')
            if (change := self._metrics.at(seq)) is not None:
                self._put("C", change[0], latest, _EXCHANGES, args={"value": change[1]})

    def _event(self, row: Row, at: int) -> None:
        if handler := _HANDLERS.get(row.code):
            handler(self, row, at)

    def _read_lines(self, first: int, records: Records, blob: memoryview) -> None:
        """Method and path of the requests of a segment."""
        at = np.flatnonzero((records["kind"] == Kind.EVENT) & (records["code"] == Event.REQUEST))
        octets = np.frombuffer(blob, np.uint8)
        spans = pseudo_headers(octets, records, at)
        told = zip(*(slices(octets, *spans[name]) for name in ("method", "path")), strict=True)
        self._lines.update(zip((at + first).tolist(), (" ".join(map(shown, filter(None, parts))) for parts in told), strict=True))

    def _request(self, row: Row, at: int) -> None:
        self._open[row.exchange] = name = json.dumps(words.shorten(self._lines.get(row.seq) or "connection", 80))
        self._held.append(f'{_span("b", name, at, row.exchange)},"args":{{"exchange":{row.exchange}}}}}')

    def _close(self, exchange: int, at: int) -> None:
        for direction in (0, 1) if self._paused else ():
            self._resumed(exchange, direction, at)
        if name := self._open.pop(exchange, ""):
            self._held.append(_span("e", name, at, exchange) + "}")

    def _over(self, row: Row, at: int) -> None:
        self._close(row.exchange, at)

    def _pause(self, row: Row, at: int) -> None:
        key = (row.exchange, row.a & 1)
        if row.exchange == NONE or key in self._paused:
            return
        self._paused[key] = name = f"{_DIRECTIONS[row.a & 1]} paused"
        args = {"exchange": row.exchange, "filter": self._filter(row)}
        self._put("b", name, at, _EXCHANGES, cat="pause", id=f"{row.exchange}.{row.a & 1}", args=args)

    def _resume(self, row: Row, at: int) -> None:
        self._resumed(row.exchange, row.a & 1, at)

    def _resumed(self, exchange: int, direction: int, at: int) -> None:
        if name := self._paused.pop((exchange, direction), ""):
            self._put("e", name, at, _EXCHANGES, cat="pause", id=f"{exchange}.{direction}")

    def _callout(self, row: Row, at: int) -> None:
        # nobody waits for a callout on the real clock: its length is one of virtual time
        begin = at if self._real else max(0, at - row.d * 1000)
        kind = CalloutKind(row.b).name.lower() if row.b in list(CalloutKind) else str(row.b)
        name = words.shorten(f"{kind} callout to {shown(row.fields[0]) if row.fields else ''}", 80)
        args = {"exchange": row.exchange if row.exchange != NONE else None, "filter": self._filter(row), "status": row.result}
        args["latency_us"] = row.d
        self._put("b", name, begin, _EXCHANGES, cat="callout", id=f"c{row.seq}", args=args)
        self._put("e", name, at, _EXCHANGES, cat="callout", id=f"c{row.seq}")

    def _instant(self, row: Row, at: int) -> None:
        if row.code == Event.LOCAL_RESPONSE:
            name = f"local response {row.result}"
        else:
            name = f"{words.failure(row.a)}: {shown(row.fields[0]) if row.fields else ''}"
        args = {"exchange": row.exchange if row.exchange != NONE else None, "filter": self._filter(row), "row": row.seq}
        thread = row.filter + 1 if row.filter != NO_FILTER else 0
        self._put(
            "i",
            words.shorten(name, LONGEST),
            at,
            self._processes.get(row.vm, 1) if thread else _EXCHANGES,
            thread,
            s="t",
            cat="event",
            args=args,
        )

    def _memory(self, row: Row, at: int) -> None:
        self._put("C", f"memory of VM {row.vm}", at, self._processes.get(row.vm, 1), args={"bytes": row.a << 16})

    def _filter(self, row: Row) -> str | None:
        name = self._trace.filter_name(row)
        return words.visible(name) if name is not None else None


def _span(phase: str, name: str, at: int, exchange: int) -> str:
    """The beginning of an exchange's span or of its end; there are as many as exchanges. `name` is JSON."""
    return f'{{"ph":"{phase}","name":{name},"pid":{_EXCHANGES},"tid":0,"ts":{at / 1000},"cat":"exchange","id":"{exchange}"'


class _MetricChanges:
    """Names and values of the metrics by the rows that changed them, asked for in the order of the trace."""

    def __init__(self, state: State) -> None:
        told = (zip(each.rows, repeat(f"metric {shown(each.name)}"), each.values) for each in state.metrics.values())
        self._changes = merge(*told)
        self._next = next(self._changes, None)

    def at(self, seq: int) -> tuple[str, int] | None:
        """What row `seq` changed; None for nothing."""
        while self._next is not None and self._next[0] < seq:
            self._next = next(self._changes, None)
        return self._next[1:] if self._next is not None and self._next[0] == seq else None


_Handler: TypeAlias = Callable[[_Writer, Row, int], None]
_HANDLERS: dict[int, _Handler] = {
    Event.REQUEST: _Writer._request,
    Event.CONNECTION: _Writer._request,
    Event.END: _Writer._over,
    Event.PAUSE: _Writer._pause,
    Event.RESUME: _Writer._resume,
    Event.CALLOUT: _Writer._callout,
    Event.LOCAL_RESPONSE: _Writer._instant,
    Event.FAILURE: _Writer._instant,
    Event.MEMORY: _Writer._memory,
}
