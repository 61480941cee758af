"""What is written for Perfetto and speedscope, held against what their formats ask for."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from workbench.analysis import writing
from workbench.analysis.callorder import calls_in_order, spread
from workbench.analysis.export_perfetto import Clock, write_perfetto
from workbench.analysis.export_speedscope import write_speedscope
from workbench.analysis.state import gather_state
from workbench.analysis.timetree import time_tree
from workbench.errors import ReplayError
from workbench.trace.records import Event
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter


def perfetto(trace: Trace, clock: Clock = "virtual") -> list[dict[str, Any]]:
    out = io.StringIO()
    written = write_perfetto(trace, gather_state(trace), out, clock)
    text = out.getvalue()
    assert text.isascii()
    events: list[dict[str, Any]] = json.loads(text)["traceEvents"]
    assert len(events) == written
    check(events)
    return events


def check(events: list[dict[str, Any]]) -> None:
    """The Trace Event Format: required keys, slices of a thread within each other, spans that begin and end, counters that are numbers."""
    slices: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    open_: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        assert {"ph", "name", "pid", "tid", "ts"} <= event.keys()
        assert event["ph"] in "XMCbei" and event["ts"] >= 0
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            slices[event["pid"], event["tid"]].append((begin, begin + round(event["dur"] * 1000)))
        elif event["ph"] in "be":
            key = (event["cat"], event["id"])
            open_[key] += 1 if event["ph"] == "b" else -1
            assert open_[key] in (0, 1), event
        elif event["ph"] == "C":
            assert all(isinstance(value, int | float) for value in event["args"].values())
        elif event["ph"] == "M":
            assert event["args"].keys() <= {"name", "sort_index"}
    assert not any(open_.values())
    for spans in slices.values():
        ends: list[int] = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while ends and ends[-1] <= begin:
                ends.pop()
            assert not ends or end <= ends[-1]
            ends.append(end)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_every_call_is_a_slice_with_its_cost(replayed: Any, clock: Any) -> None:
    events = perfetto(replayed.trace, clock)
    slices = [event for event in events if event["ph"] == "X"]
    callbacks = [event for event in slices if event["cat"] == "callback"]
    table = replayed.callbacks
    table = table[table["filter"].notna()]
    assert len(callbacks) == len(table)
    assert sum(event["args"]["filter_ns"] for event in callbacks) == table["filter_ns"].sum()
    assert sum(event["args"]["host_ns"] for event in callbacks) == table["host_ns"].sum()
    assert round(sum(event["dur"] * 1000 for event in callbacks)) == (table["filter_ns"] + table["host_ns"]).sum()
    assert len(slices) - len(callbacks) == replayed.hostcalls["filter"].notna().sum()
    spans = {event["id"] for event in events if event["ph"] == "b" and event["cat"] == "exchange"}
    assert len(spans) == len(replayed)


def test_the_virtual_clock_is_the_captures(replayed: Any) -> None:
    events = perfetto(replayed.trace)
    begins = {event["args"]["exchange"]: event["ts"] * 1000 for event in events if event["ph"] == "b" and event["cat"] == "exchange"}
    facts = replayed.facts
    for exchange, time in zip(facts.exchange.tolist(), facts.time.tolist(), strict=True):
        assert begins[exchange] == pytest.approx(time - replayed.trace.row(0).time, abs=1)
    for event in events:
        if event["ph"] == "X" and event["cat"] == "callback":
            assert event["ts"] * 1000 >= event["args"]["virtual_ns"] - 1


def test_on_the_real_clock_callbacks_leave_no_gap(replayed: Any) -> None:
    callbacks = [event for event in perfetto(replayed.trace, "real") if event["ph"] == "X" and event["cat"] == "callback"]
    at = 0
    for event in callbacks:
        assert round(event["ts"] * 1000) == at
        at += round(event["dur"] * 1000)


def test_pauses_callouts_and_ends() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.event(Event.PAUSE, 0, (0, 0, 1), filter=0)
    w.time += 5_000_000
    w.event(Event.CALLOUT, 0, (4, 0, 0, 3000), b"users", b"", b"", b"", filter=0, result=200)
    w.event(Event.RESUME, 0, (0, 0), filter=0)
    w.event(Event.MEMORY, 0, (17, 0), filter=0)
    w.event(Event.END, 0, (0,))
    w.request(1)
    w.callback("proxy_on_request_headers", 0, 1)
    events = perfetto(w.take())
    spans = [(event["cat"], event["ph"], event["name"], event["ts"]) for event in events if event["ph"] in "be"]
    assert ("pause", "b", "request paused", pytest.approx(0, abs=2)) in spans
    assert ("pause", "e", "request paused", 5000.0) in spans
    assert ("callout", "b", "http callout to users", 2000.0) in spans
    assert ("callout", "e", "http callout to users", 5000.0) in spans
    assert [event["args"] for event in events if event["ph"] == "C"] == [{"bytes": 17 << 16}]


def test_the_way_there_is_told(replayed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(step=0.2)
    monkeypatch.setattr(writing, "monotonic", lambda: next(clock))
    told: list[tuple[int, int]] = []
    trace = replayed.trace
    write_perfetto(trace, gather_state(trace), io.StringIO(), progress=lambda *how_far: told.append(how_far))
    assert told == [(first + len(rows), len(trace)) for first, rows in trace.segments()]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_segments_make_no_difference(replayed: Any, size: int) -> None:
    """A callback's hostcalls, and the values of metrics, may stand in a later segment."""
    (_, rows, blob), *_ = replayed.trace.blocks()
    rows = rows[:200]
    parts = Trace(replayed.trace.schema, replayed.trace.filters)
    for first in range(0, len(rows), size):
        parts.append(rows[first : first + size].tobytes(), blob)
    whole = Trace(replayed.trace.schema, replayed.trace.filters)
    whole.append(rows.tobytes(), blob)
    assert perfetto(parts) == perfetto(whole)


def test_what_is_said_inside_a_hostcall_ends_no_callback() -> None:
    """A limit asked inside a call belongs to that call: those that follow in the callback are still drawn."""
    w = TraceWriter("f")
    w.request(0)
    called = w.callback("proxy_on_request_headers", 0, 0)
    asked = w.hostcall("proxy_grpc_call", 0, 0, (5, 5), b"limits", b"s", b"m", b"", b"")
    w.event(Event.CALLOUT, 0, (5, 1, 2, 0), b"limits", b"", b"", b"", filter=0, parent=asked)
    w.hostcall("proxy_log", 0, 0, (2,), b"refused")
    events = perfetto(w.take())
    slices = [(event["name"], event["args"]["row"]) for event in events if event["ph"] == "X"]
    assert slices == [("on_request_headers", called), ("grpc_call", asked), ("log", asked + 2)]
    assert {event["ts"] for event in events if event["ph"] in "be" and event["cat"] == "callout"} == {
        next(event["ts"] for event in events if event["name"] == "grpc_call")
    }


def test_hostile_names_are_escaped() -> None:
    w = TraceWriter("f\u202e\x1b<script>")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_log", 0, 0, (2,), "a\u202eb\x00".encode() + b"x" * 9000)
    trace = w.take()
    for text in (json.dumps(perfetto(trace)), speedscope_text(trace)):
        assert "\\u202e" not in text.replace("\\\\u202e", "")
        assert len(text) < 6000


def speedscope_text(trace: Trace, **options: Any) -> str:
    out = io.StringIO()
    write_speedscope(trace, time_tree(trace), out, "a replay", **options)
    return out.getvalue()


def test_a_profile_weighs_what_the_calls_took(replayed: Any) -> None:
    found = json.loads(speedscope_text(replayed.trace))
    frames = found["shared"]["frames"]
    assert found["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    traffic, start, order = found["profiles"]
    table = replayed.callbacks
    table = table[table["filter"].notna()]
    whole = (table["filter_ns"] + table["host_ns"]).sum()
    assert sum(traffic["weights"]) + sum(start["weights"]) == whole
    for profile in (traffic, start):
        assert profile["endValue"] == sum(profile["weights"])
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(0 <= frame < len(frames) for stack in profile["samples"] for frame in stack)
    host = [weight for stack, weight in zip(traffic["samples"], traffic["weights"], strict=True) if frames[stack[-1]]["file"] == "host"]
    assert sum(host) == replayed.times.tree.children[0].host_ns
    stack, at = [], 0
    for event in order["events"]:
        assert event["at"] >= at
        at = event["at"]
        if event["type"] == "O":
            stack.append(event["frame"])
        else:
            assert stack.pop() == event["frame"]
    assert not stack and at == order["endValue"] == whole


def test_the_profile_in_order_is_bounded(replayed: Any) -> None:
    order = json.loads(speedscope_text(replayed.trace, in_order=10))["profiles"][-1]
    assert order["name"] == "The first 10 callbacks in order"
    assert sum(event["type"] == "O" for event in order["events"]) < 100


def test_hostcalls_lie_within_their_callback(replayed: Any) -> None:
    for callback, hostcalls in calls_in_order(replayed.trace):
        at = 0
        for begin, length in spread(callback.ns, [each.ns for each in hostcalls]):
            assert begin >= at and length >= 0
            at = begin + length
        assert at <= callback.ns


def test_an_empty_trace_is_a_file_too() -> None:
    trace = TraceWriter().take()
    assert json.loads(speedscope_text(trace))["profiles"] == []
    assert [event["ph"] for event in perfetto(trace)] == ["M"]


def test_files_and_where_they_cannot_be(replayed: Any, tmp_path: Path) -> None:
    assert replayed.to_perfetto(tmp_path / "p.json") == len(json.loads((tmp_path / "p.json").read_text())["traceEvents"])
    assert replayed.to_speedscope(tmp_path / "s.json") == 3
    with pytest.raises(ReplayError, match="Choose another place"):
        replayed.to_speedscope(tmp_path)
