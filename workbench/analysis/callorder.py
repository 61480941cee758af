"""Callbacks in the order of the trace, and where in each its hostcalls lie: what the exports draw as slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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


def spread(callback_ns: int, lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Where hostcalls of these lengths lie in a callback: begin and length of each, all in nanoseconds. When one began is not recorded,
    only how long it took: the filter's own time is shared out evenly between them."""
    inside = sum(lengths)
    room = max(callback_ns, inside)
    gap = (room - inside) / (len(lengths) + 1)
    shrink = callback_ns / room if room else 1.0
    found, at = [], gap
    for length in lengths:
        start, end = int(at * shrink), int((at + length) * shrink)
        found.append((start, end - start))
        at += length + gap
    return found
