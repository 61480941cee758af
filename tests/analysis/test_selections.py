from __future__ import annotations

import numpy as np

from workbench.analysis.calls import log_line
from workbench.analysis.selections import events, hostcalls, log_lines
from workbench.trace.records import Event

from .tracewriter import TraceWriter, every_ending


def test_rows_of_a_kind_in_any_segments() -> None:
    for size in (1, 4, 1000):
        trace = every_ending().take(size)
        rows = [trace.row(seq) for seq in range(len(trace))]
        local = [first + place for first, _, _, at in events(trace, Event.LOCAL_RESPONSE, Event.END) for place in at.tolist()]
        assert local == [row.seq for row in rows if row.kind == 3 and row.code in (Event.LOCAL_RESPONSE, Event.END)] != []
        names = ("proxy_log", "proxy_send_local_response")
        called = [first + place for first, _, _, at in hostcalls(trace, names) for place in at.tolist()]
        assert called == [row.seq for row in rows if row.kind == 2 and trace.name(row) in names] != []
    assert list(hostcalls(trace, ("no such call",))) == []


def test_log_lines_are_those_of_each_row() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_log", 0, 0, (2,), b"said")
    w.hostcall("proxy_log", 0, 0, (2,), b"")
    w.hostcall("proxy_log", 0, 0, (9,), b"refused", result=2)
    w.hostcall("fd_write", 0, 0, (1, 0), b"")
    w.hostcall("fd_write", 0, 0, (2, 4), b"line")
    trace = w.take()
    found = [
        (first + place, bytes(blob[start : start + size]))
        for first, _, blob, at, said in log_lines(trace)
        for place, start, size in zip(at.tolist(), *(np.asarray(each).tolist() for each in said), strict=True)
    ]
    lines = [line for seq in range(len(trace)) if (line := log_line(trace, trace.row(seq), "")) is not None]
    assert found == [(line.seq, line.message.encode()) for line in lines]
    assert [message for _, message in found] == [b"said", b"", b"line"]
