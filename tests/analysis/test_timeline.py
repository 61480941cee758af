from __future__ import annotations

from typing import Any

from workbench.analysis.calls import ExchangeRows
from workbench.analysis.timeline import Call, call_tree
from workbench.trace.records import NONE, Event
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter


def flat(calls: tuple[Call, ...]) -> list[Call]:
    return [each for call in calls for each in (call, *flat(call.children))]


def test_callbacks_hold_their_hostcalls_and_logs(endings: Trace) -> None:
    calls = call_tree(ExchangeRows.of(endings, 1))
    assert [call.kind for call in calls] == ["event", "callback", "event"]
    assert [(child.kind, child.title) for child in calls[1].children] == [
        ("log", 'log(info, "limited") = Ok'),
        ("hostcall", 'send_local_response(429, none, "Too many requests", "slow down", '
         '{":status": "429", "x-ratelimit-limit": "5, 5;w=10", "x-ratelimit-remaining": "…) = Ok'),
        ("event", "local_response()"),
    ]  # fmt: skip
    assert calls[1].children[2].message == "local response 429 by the filter (Too_many_requests)"
    assert calls[1].title == "on_request_headers(4, true) = StopIteration"


def test_what_the_host_gives_is_told_apart_from_what_was_passed(endings: Trace) -> None:
    (call,) = call_tree(ExchangeRows.of(endings, 0))[1].children
    assert call.args == (("map_type", "HttpRequestHeaders"), ("name", '"authorization"'))
    assert call.outs == (("value", '"Basic eA=="'),)


def test_times(endings: Trace) -> None:
    callback = call_tree(ExchangeRows.of(endings, 0))[1]
    assert (callback.filter_ns, callback.host_ns) == (600, 400)
    assert (callback.children[0].filter_ns, callback.children[0].host_ns) == (0, 100)


def test_a_call_that_a_trap_ended(endings: Trace) -> None:
    callback = call_tree(ExchangeRows.of(endings, 3))[1]
    assert (callback.finished, callback.ok, callback.result) == (False, False, "")
    assert callback.title == "on_request_headers(4, true) did not return"
    assert callback.children[0].message == "trap: unreachable (fail_closed: the exchange failed)"


def test_a_root_callback_shows_what_it_did_for_this_exchange() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.request(1)
    tick = w.callback("proxy_on_tick", 0, NONE)
    w.hostcall("proxy_get_property", 0, NONE, (), b"plugin_name", b"f")
    w.hostcall("proxy_log", 0, 0, (2,), b"for the first")
    w.hostcall("proxy_log", 0, 1, (2,), b"for the second")
    w.callback("proxy_on_tick", 0, NONE)
    w.hostcall("proxy_log", 0, NONE, (2,), b"for nobody")
    calls = call_tree(ExchangeRows.of(w.take(), 0))
    assert [(call.seq, call.own) for call in calls] == [(0, True), (tick, False)]
    assert [child.title for child in calls[1].children] == ['get_property(plugin_name) = Ok, "f"', 'log(info, "for the first") = Ok']


def test_wasi_calls_go_by_their_own_name() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("wasi", 0, 0, (), b"path_open", result=44)
    (call,) = call_tree(ExchangeRows.of(w.take(), 0))[1].children
    assert (call.title, call.ok) == ("path_open() = NOENT", False)


def test_hostile_text_is_escaped() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_log", 0, 0, (2,), "a\u202eb\x1b".encode())
    w.event(Event.NOTE, 0, (), b"n\nn")
    calls = flat(call_tree(ExchangeRows.of(w.take(), 0)))
    assert [call.message for call in calls if call.message][1:] == ["a\\u202eb\\x1b", "n\\x0an"]


def test_every_row_is_in_the_tree_once(replayed: Any) -> None:
    for view in replayed:
        own = {call.seq for call in flat(view.calls)}
        assert own >= {row.seq for row in view.rows.rows}
        assert len(own) == len(flat(view.calls))
        assert all(call.clock_ns >= 0 for call in view.calls)
        assert all(call.message for call in flat(view.calls) if call.kind == "event")
