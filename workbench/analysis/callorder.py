"""Callbacks in the order of the trace, and where in each its hostcalls lie: what the exports draw as slices."""

from __future__ import annotations

from collections.abc import Iterator

from ..trace.records import NO_FILTER, Kind
from ..trace.trace import Row, Trace

__all__ = ["calls_in_order", "spread"]


def calls_in_order(trace: Trace) -> Iterator[tuple[Row, list[Row]]]:
    """Each callback of a filter with the hostcalls made in it. A row is read once; the trace may be of any size."""
    callback: Row | None = None
    hostcalls: list[Row] = []
    for seq in range(len(trace)):
        row = trace.row(seq)
        if row.kind == Kind.CALLBACK:
            if callback is not None:
                yield callback, hostcalls
            callback, hostcalls = (row if row.filter != NO_FILTER else None), []
        elif row.kind == Kind.HOSTCALL and callback is not None and row.parent == callback.seq:
            hostcalls.append(row)
    if callback is not None:
        yield callback, hostcalls


def spread(callback: Row, hostcalls: list[Row]) -> Iterator[tuple[Row, int, int]]:
    """Each hostcall with its begin within the callback and its length, nanoseconds. When one began is not recorded, only how long it
    took: the filter's own time is shared out evenly between them."""
    inside = sum(row.ns for row in hostcalls)
    room = max(callback.ns, inside)
    gap = (room - inside) / (len(hostcalls) + 1)
    shrink = callback.ns / room if room else 1.0
    at = gap
    for row in hostcalls:
        start, end = int(at * shrink), int((at + row.ns) * shrink)
        yield row, start, end - start
        at += row.ns + gap
