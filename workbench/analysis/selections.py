"""The rows of one kind, segment by segment: what tables and queries that look at all of a trace go through."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from ..trace.records import Kind
from ..trace.trace import Records, Trace
from .rowfields import Ints, field_spans, lookup

__all__ = ["events", "hostcalls", "log_lines"]


def hostcalls(trace: Trace, names: Collection[str]) -> Iterator[tuple[int, Records, memoryview, Ints]]:
    """The segments of a trace (first row, rows, blob) with the places of the hostcalls of these names; those without any are left out."""
    codes = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in names)
    for first, records, blob in trace.blocks():
        at = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & codes[records["code"]])
        if len(at):
            yield first, records, blob, at


def events(trace: Trace, *codes: int) -> Iterator[tuple[int, Records, memoryview, Ints]]:
    """The same with the places of the events of these codes."""
    wanted = lookup(codes)
    for first, records, blob in trace.blocks():
        at = np.flatnonzero((records["kind"] == Kind.EVENT) & wanted[records["code"]])
        if len(at):
            yield first, records, blob, at


def log_lines(trace: Trace) -> Iterator[tuple[int, Records, memoryview, Ints, tuple[Ints, Ints]]]:
    """The same with the places of the log lines (as `calls.log_line` has it), and begin and size of each message in the blob."""
    logs = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name == "proxy_log")
    for first, records, blob, at in hostcalls(trace, ("proxy_log", "fd_write")):
        at = at[records["result"][at] == 0]
        ((start, size),) = field_spans(np.frombuffer(blob, np.uint8), records, at, 1)
        said = logs[records["code"][at]] | (size > 0)  # nothing written to a file is no line
        yield first, records, blob, at[said], (start[said], size[said])
