from __future__ import annotations

from workbench.analysis.calls import ExchangeRows, arguments, callback_row, log_line, shown, spelt
from workbench.capture.packing import pack_pairs
from workbench.trace.records import NONE, Event

from .tracewriter import TraceWriter, fields


def test_arguments_by_name() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_request_headers", 0, 0, 8, 1)
    w.hostcall("proxy_get_header_map_value", 0, 0, (2,), b"x", b"1")
    trace = w.take()
    assert arguments(trace, trace.row(0)) == {"num_headers": 8, "end_of_stream": 1}
    assert arguments(trace, trace.row(1)) == {"map_type": 2, "name": b"x", "value": b"1"}


def test_wide_numbers_are_put_together() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_tick", 0, NONE)
    w.hostcall("proxy_increment_metric", 0, NONE, (4, 0xFFFFFFFF, 0xFFFFFFFF))
    w.hostcall("proxy_increment_metric", 0, NONE, (4, 2, 1))
    trace = w.take()
    assert [arguments(trace, trace.row(seq))["offset"] for seq in (1, 2)] == [-1, (1 << 32) + 2]


def test_spelling() -> None:
    assert spelt("map_type", 2) == "HttpResponseHeaders"
    assert spelt("map_type", 77) == "77"
    assert spelt("level", 3) == "warn"
    assert spelt("grpc_status", NONE) == "none"
    assert spelt("grpc_status", 8) == "ResourceExhausted"
    assert spelt("end_of_stream", 1) == "true"
    assert spelt("path", b"request\0headers\0x\0") == "request.headers.x"
    assert spelt("value", b"\x01\0") == "0x0100"
    assert spelt("value", "é\u202e".encode()) == '"é\\u202e"'
    assert spelt("before", fields(b"a", b"")) == '["a", ""]'
    assert spelt("before", fields(b"")) == '[""]'


def test_pair_lists_in_both_forms() -> None:
    pairs = ((b"a", b"1"), (b"b", b""))
    abi = b"\2\0\0\0" + b"\1\0\0\0\1\0\0\0" + b"\1\0\0\0\0\0\0\0" + b"a\x001\0" + b"b\0\0"
    assert spelt("headers", pack_pairs(pairs)) == spelt("headers", abi) == '{"a": "1", "b": ""}'
    assert spelt("before", pack_pairs(pairs), "proxy_set_header_map_pairs") == '{"a": "1", "b": ""}'
    assert spelt("headers", b"") == "{}"
    assert spelt("headers", b"\xff\xff\xff\xff junk") == "0xffffffff206a756e6b"


def test_long_values_are_cut_and_say_so() -> None:
    text = shown(b"x" * 1_200_000)
    assert len(text) < 5000 and text.endswith("… 1.2 MB in all")


def test_a_row_in_an_allocator_belongs_to_the_callback() -> None:
    w = TraceWriter("f")
    callback = w.callback("proxy_on_request_headers", 0, 0)
    w.callback_row = w.hostcall("proxy_get_header_map_value", 0, 0, (0,), b"x", b"1")
    w.hostcall("fd_write", 0, 0, (1, 5), b"hello")
    trace = w.take(1)
    found = callback_row(trace, trace.row(2))
    assert found is not None and found.seq == callback
    assert ExchangeRows.of(trace, 0).callback(trace.row(2)) == "on_request_headers"


def test_parents_that_cannot_be_end_the_search() -> None:
    w = TraceWriter("f")
    w.callback_row = 77
    w.hostcall("proxy_log", 0, 0, (2,), b"lost")
    w.callback_row = 1
    w.hostcall("proxy_log", 0, 0, (2,), b"its own parent")
    trace = w.take()
    assert callback_row(trace, trace.row(0)) is None
    assert callback_row(trace, trace.row(1)) is None


def test_log_lines() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_log", 0, 3)
    w.hostcall("proxy_log", 0, 3, (4,), b"caf\xe9")
    w.hostcall("fd_write", 0, 3, (2, 4), b"oops")
    w.hostcall("fd_write", 0, 3, (7, 4), b"oops", result=8)
    w.hostcall("proxy_log", 0, 3, (9,), result=2)
    w.event(Event.NOTE, 3, (), b"note")
    trace = w.take()
    lines = [line for seq in range(len(trace)) if (line := log_line(trace, trace.row(seq), "on_log"))]
    assert [(line.level, line.message, line.filter, line.exchange) for line in lines] == [
        ("error", "café", "f", 3),
        ("error", "oops", "f", 3),
    ]
