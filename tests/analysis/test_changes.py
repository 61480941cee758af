from __future__ import annotations

from workbench.analysis.calls import ExchangeRows
from workbench.analysis.changes import PREVIEW, Mutation, mutations
from workbench.capture.packing import pack_pairs

from .tracewriter import TraceWriter, fields


def one(name: str, args: tuple[int, ...], *parts: bytes, callback: str = "proxy_on_request_headers") -> Mutation:
    w = TraceWriter("f")
    w.request(0)
    w.callback(callback, 0, 0)
    w.hostcall(name, 0, 0, args, *parts)
    (found,) = mutations(ExchangeRows.of(w.take(), 0))
    return found


def test_add() -> None:
    found = one("proxy_add_header_map_value", (0,), b"x-a", b"2", fields(b"1"), fields(b"1", b"2"))
    assert (found.op, found.part, found.name, found.before, found.after) == ("add", "request_headers", "x-a", ("1",), ("1", "2"))
    assert (found.filter, found.callback, found.seq) == ("f", "on_request_headers", 2)


def test_parts_by_map_type() -> None:
    parts = [one("proxy_remove_header_map_value", (kind,), b"n", fields(b"1"), b"").part for kind in range(4)]
    assert parts == ["request_headers", "request_trailers", "response_headers", "response_trailers"]


def test_set_all_has_the_whole_lists() -> None:
    before, after = pack_pairs(((b"a", b"1"), (b"b", b"2"))), pack_pairs(((b"a", b"1"),))
    found = one("proxy_set_header_map_pairs", (2, 1), before, after)
    assert (found.op, found.name, found.before, found.after) == ("set_all", "", ("a: 1", "b: 2"), ("a: 1",))


def test_bodies_have_sizes_and_what_was_written() -> None:
    set_bytes = "proxy_set_buffer_bytes"
    replaced = one(set_bytes, (1, 0, 0xFFFFFFFF, 10), b"new", callback="proxy_on_response_body")
    assert (replaced.part, replaced.before, replaced.after) == ("response_body", ("10",), ("3", "new"))
    assert one(set_bytes, (0, 0, 0, 10), b"new").after == ("13", "new")
    assert one(set_bytes, (0, 10, 99, 10), b"new").after == ("13", "new")
    assert one(set_bytes, (0, 0, 4, 10), b"new").after == ("9", "new")
    assert len(one(set_bytes, (0, 0, 9, 9), b"x" * 100_000).after[1]) == PREVIEW


def test_values_that_are_not_utf8_are_latin1() -> None:
    assert one("proxy_add_header_map_value", (0,), b"n", b"\xe9", b"", fields(b"\xe9")).after == ("é",)


def test_a_callouts_headers_are_no_message() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_add_header_map_value", 0, 0, (6,), b"n", b"1", b"", fields(b"1"))
    assert list(mutations(ExchangeRows.of(w.take(), 0))) == []
