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
from typing import IO, Any, Literal, TypeAlias

from ..capture.packing import unpack_pairs
from ..trace.records import FINISHED, NO_FILTER, NONE, CalloutKind, Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .callorder import spread
from .calls import arguments, shown, spelt
from .state import State
from .vms import all_vms, thread_name

__all__ = ["Clock", "write_perfetto"]

Clock: TypeAlias = Literal["virtual", "real"]

_EXCHANGES = 0
"""The process of what belongs to no thread: exchanges, pauses, callouts, and metrics, which all threads share."""
_LONGEST = 200
_DIRECTIONS = ("request", "response")


def write_perfetto(trace: Trace, state: State, to: IO[str], clock: Clock = "virtual") -> int:
    """Write the events as they come, so that memory stays flat; gives their number. `state` is `state.gather_state` of the trace."""
    return _Writer(trace, state, to, clock).write()


class _Writer:
    def __init__(self, trace: Trace, state: State, to: IO[str], clock: Clock) -> None:
        self._trace, self._to, self._real = trace, to, clock == "real"
        self._written = 0
        self._begin = trace.row(0).time if len(trace) else 0
        self._threads = {vm.number: vm.thread for vm in all_vms(trace)}
        self._ends: dict[int, int] = {}  # where each process's last slice ends
        self._end = 0
        self._changed = {
            row: (f"metric {shown(metric.name)}", value)
            for metric in state.metrics.values()
            for row, value in zip(metric.rows, metric.values, strict=True)
        }
        self._open: dict[int, str] = {}  # exchanges that began, by the name of their span
        self._paused: dict[tuple[int, int], str] = {}

    def write(self) -> int:
        about = {
            "clock": "real" if self._real else "virtual",
            "begin_ns": self._begin,
            "filters": [words.visible(name) for name in self._trace.filters],
        }
        self._to.write(f'{{"displayTimeUnit":"ns","otherData":{json.dumps(about)},"traceEvents":[')
        self._name_tracks()
        callback: Row | None = None
        inside: list[Row] = []
        for seq in range(len(self._trace)):
            row = self._trace.row(seq)
            belongs = callback is not None and row.parent == callback.seq and row.kind != Kind.CALLBACK
            if callback is not None and not belongs:
                self._call(callback, inside)
                callback = None
            if row.kind == Kind.CALLBACK and row.filter != NO_FILTER:
                callback, inside = row, []
            elif belongs:
                inside.append(row)
            elif row.kind == Kind.EVENT:
                self._event(row, self._now(row))
        if callback is not None:
            self._call(callback, inside)
        for exchange in list(self._open):  # of a replay that was stopped
            self._close(exchange, self._end)
        self._to.write("]}\n")
        return self._written

    def _put(self, phase: str, name: str, at: int, process: int, thread: int = 0, **more: Any) -> None:
        event = {"ph": phase, "name": name, "pid": process, "tid": thread, "ts": at / 1000, **more}
        self._to.write(("," if self._written else "") + "\n" + json.dumps(event, separators=(",", ":")))
        self._written += 1

    def _name_tracks(self) -> None:
        self._put("M", "process_name", 0, _EXCHANGES, args={"name": "Exchanges and metrics"})
        for thread in sorted(set(self._threads.values())):
            process = self._process(thread)
            self._put("M", "process_name", 0, process, args={"name": thread_name(thread)})
            self._put("M", "process_sort_index", 0, process, args={"sort_index": process})
            for place, name in enumerate(self._trace.filters):
                self._put("M", "thread_name", 0, process, place + 1, args={"name": f"{place + 1} {words.visible(name)}"})
                self._put("M", "thread_sort_index", 0, process, place + 1, args={"sort_index": place + 1})

    def _process(self, thread: int) -> int:
        return thread + 1

    def _of(self, row: Row) -> int:
        return self._process(self._threads.get(row.vm, 0))

    def _now(self, row: Row) -> int:
        """Where a row stands on the clock, nanoseconds."""
        return self._end if self._real else max(0, row.time - self._begin)

    def _call(self, callback: Row, inside: list[Row]) -> None:
        process, thread = self._of(callback), callback.filter + 1
        begin = self._end if self._real else max(self._now(callback), self._ends.get(process, 0))
        self._ends[process] = begin + callback.ns
        self._end = max(self._end, begin + callback.ns)
        self._slice(callback, begin, callback.ns, process, thread)
        places = {row.seq: (start, length) for row, start, length in spread(callback, [row for row in inside if row.kind == Kind.HOSTCALL])}
        latest = begin
        for row in inside:
            if row.kind == Kind.HOSTCALL:
                start, length = places[row.seq]
                latest = begin + start
                self._slice(row, latest, length, process, thread)
                if row.seq in self._changed:
                    name, value = self._changed[row.seq]
                    self._put("C", name, latest, _EXCHANGES, args={"value": value})
            else:
                self._event(row, latest)

    def _slice(self, row: Row, at: int, length: int, process: int, thread: int) -> None:
        name = self._trace.name(row)
        host = min(row.other_ns, row.ns)
        own, host = (row.ns - host, host) if row.kind == Kind.CALLBACK else (host, row.ns - host)
        args: dict[str, Any] = {} if row.exchange == NONE else {"exchange": row.exchange}
        for key, value in arguments(self._trace, row).items():
            args[key] = words.shorten(spelt(key, value, name), _LONGEST)
        if row.flags & FINISHED:
            if result := words.result(name, row.result):
                args["result"] = result
        else:
            args["result"] = "did not return"
        args |= {"filter_ns": own, "host_ns": host, "virtual_ns": row.time - self._begin, "row": row.seq}
        kind = "callback" if row.kind == Kind.CALLBACK else "hostcall"
        self._put("X", words.short_name(name), at, process, thread, dur=length / 1000, cat=kind, args=args)

    def _event(self, row: Row, at: int) -> None:
        if handler := _HANDLERS.get(row.code):
            handler(self, row, at)

    def _request(self, row: Row, at: int) -> None:
        pairs = dict(unpack_pairs(row.fields[0])[0]) if row.fields else {}
        line = " ".join(shown(pairs[name]) for name in (b":method", b":path") if name in pairs) or "connection"
        name = words.shorten(line, 80)
        self._open[row.exchange] = name
        self._put("b", name, at, _EXCHANGES, cat="exchange", id=str(row.exchange), args={"exchange": row.exchange})

    def _close(self, exchange: int, at: int) -> None:
        for direction in (0, 1):
            self._resumed(exchange, direction, at)
        if name := self._open.pop(exchange, ""):
            self._put("e", name, at, _EXCHANGES, cat="exchange", id=str(exchange))

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
        self._put("i", words.shorten(name, _LONGEST), at, self._of(row) if thread else _EXCHANGES, thread, s="t", cat="event", args=args)

    def _memory(self, row: Row, at: int) -> None:
        self._put("C", f"memory of VM {row.vm}", at, self._of(row), args={"bytes": row.a << 16})

    def _filter(self, row: Row) -> str | None:
        name = self._trace.filter_name(row)
        return words.visible(name) if name is not None else None


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
