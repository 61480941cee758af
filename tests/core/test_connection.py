"""TCP connections through network filters: the order of callbacks, buffers, pauses, closes, failures, as real Envoy has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.core.conftest import Play, connection
from tests.core.wat import LAST, OUT, TRAP, Nth, Ret, call
from workbench.capture.connection import Ending
from workbench.trace.records import NONE, Event, FailureKind

CALLBACKS = ("new_connection", "downstream_data", "upstream_data", "downstream_connection_close", "upstream_connection_close")
DOWN, UP = 2, 3


def tcp(**scripts: Any) -> dict[str, Any]:
    """A network filter that has every callback."""
    return dict.fromkeys(CALLBACKS, ()) | scripts


def bare(calls: list[str]) -> list[str]:
    return [each for each in calls if not each.endswith("context_create")]


ECHO = connection(">hello", "<hello!")
END = ["downstream_connection_close(1)", "done", "log", "delete"]


def of(name: str, *calls: str) -> list[str]:
    return [f"{name}.{each}" for each in calls]


def test_a_connection_from_its_begin_to_its_end(play: Play) -> None:
    played = play([tcp()], [ECHO])
    assert played.calls() == of(
        "a",
        "context_create",
        "new_connection",
        "downstream_data(5, 0)",
        "upstream_data(6, 0)",
        "downstream_data(0, 1)",
        "upstream_data(0, 1)",
        "upstream_connection_close(0)",
        *END,
    )
    assert played.got() == (None, None, 1)
    (begin,) = played.events(Event.CONNECTION)
    assert (begin.a, begin.b, begin.c, begin.d) == (5, 6, 7, 2)
    assert [(row.a, row.b, row.c) for row in played.events(Event.DATA)] == [(0, 5, 0), (1, 6, 0), (0, 0, 1), (1, 0, 1)]
    assert played.end() == 0
    assert played.trace.column("time").max() == connection(">hello", "<hello!").end_ns


def test_filters_take_turns_and_bytes_for_the_client_pass_them_backwards(play: Play) -> None:
    played = play([tcp(), tcp()], [connection("<hi", ">yo", ending=Ending.UPSTREAM)])
    assert bare(played.calls()) == [
        *("a.new_connection", "b.new_connection", "b.upstream_data(2, 0)", "a.upstream_data(2, 0)"),
        *("a.downstream_data(2, 0)", "b.downstream_data(2, 0)"),
        *("b.upstream_data(0, 1)", "b.upstream_connection_close(0)", "a.upstream_data(0, 1)", "a.upstream_connection_close(0)"),
        *("a.downstream_data(0, 1)", "b.downstream_data(0, 1)"),
        *of("a", "downstream_connection_close(2)", "done", "log", "delete"),
        *of("b", "downstream_connection_close(2)", "done", "log", "delete"),
    ]


@pytest.mark.parametrize(
    ("ending", "close"), [(Ending.RESET, "downstream_connection_close(1)"), (Ending.UNREACHED, "downstream_connection_close(1)")]
)
def test_an_upstream_that_fails(play: Play, ending: Ending, close: str) -> None:
    said = () if ending == Ending.UNREACHED else (">hello", "<h")
    played = play([tcp()], [connection(*said, ending=ending)])
    data = [] if ending == Ending.UNREACHED else ["downstream_data(5, 0)", "upstream_data(1, 0)"]
    assert bare(played.calls()) == of("a", "new_connection", *data, close, "done", "log", "delete")
    assert played.end() & 4


def test_paused_bytes_come_again_with_what_follows(play: Play) -> None:
    played = play([tcp(downstream_data=(Nth(1, (Ret(1),)), call("body", DOWN, 0, 99, OUT, OUT)))], [connection(">one", ">two", ">three")])
    calls = [each for each in played.calls() if "downstream_data" in each]
    assert calls == of("a", "downstream_data(3, 0)", "downstream_data(6, 0)", "downstream_data(5, 0)", "downstream_data(0, 1)")
    assert [row.d for row in played.of("proxy_get_buffer_bytes")] == [3, 6, 5, 0]
    assert played.got() == (None, None, 1)
    (pause,) = played.events(Event.PAUSE)
    assert (pause.a, pause.b, pause.c) == (0, 4, 1)


def test_a_filter_before_one_that_pauses_changes_the_same_bytes_again(play: Play) -> None:
    prepend = tcp(downstream_data=(call("set_body", DOWN, 0, 0, "+"),), upstream_data=(call("body_status", UP, OUT, OUT),))
    pause = tcp(downstream_data=(Nth(1, (Ret(1),)), Nth(2, (Ret(1),))))
    played = play([prepend, pause], [connection(">one", ">two", ">three")])
    calls = [each for each in played.calls() if each.startswith("b.downstream_data")]
    assert calls == of("b", "downstream_data(4, 0)", "downstream_data(8, 0)", "downstream_data(14, 0)", "downstream_data(1, 1)")
    assert played.got()[0] == b"+++onetwothree+"
    assert [(row.a, row.b) for row in played.events(Event.BODY)] == [(2, 3), (2, 7), (2, 13), (2, 0)]


def test_bytes_for_the_client_are_held_too(play: Play) -> None:
    held = tcp(upstream_data=(Nth(1, (Ret(1),)), call("body", UP, 0, 99, OUT, OUT)))
    played = play([held], [connection("<one", "<two", ending=Ending.UPSTREAM)])
    assert [row.d for row in played.of("proxy_get_buffer_bytes")] == [3, 6, 0]
    assert played.got() == (None, None, 2)
    # what is still held at the end is lost
    played = play([tcp(upstream_data=(Ret(1),))], [connection("<one", "<two", ending=Ending.UPSTREAM)])
    assert played.got() == (None, b"", 1)
    assert played.end() & 6 == 6


def test_a_pause_at_the_begin_keeps_the_upstream_unconnected(play: Play) -> None:
    tick = (call("effective", LAST), Nth(2, (call("cont", 2),)))
    played = play([tcp(new_connection=(Ret(1),), configure=(call("tick", 30), Ret(1)), tick=tick), tcp()], [ECHO])
    assert bare(played.calls())[:4] == ["a.new_connection", "b.new_connection", "a.downstream_data(5, 0)", "b.downstream_data(5, 0)"]
    times = [row.time for row in played.of("proxy_on_new_connection") + played.of("proxy_on_downstream_data")]
    assert times[1] - times[0] == times[2] - times[0] == 60_000_000
    assert played.got() == (None, None, 1)
    assert len(played.events(Event.RESUME)) == 1
    # never continued: nothing is read, and it ends as Envoy's idle timeout would end it
    played = play([tcp(new_connection=(Ret(1),))], [ECHO])
    assert bare(played.calls()) == of("a", "new_connection", *END)
    assert played.got() == (b"", b"", 1) and played.end() & 1


def test_the_upstream_says_nothing_while_it_knows_nothing(play: Play) -> None:
    tick = (call("effective", LAST), Nth(2, (call("cont", 2),)))
    held = tcp(downstream_data=(Nth(1, (Ret(1),)),), configure=(call("tick", 100), Ret(1)), tick=tick)
    played = play([held], [connection(">ask", "<answer", ">more")])
    data = [(row.a, row.b, row.time) for row in played.events(Event.DATA)]
    assert [each[:2] for each in data][:3] == [(0, 3), (0, 4), (1, 6)]
    assert played.got() == (None, None, 1)


def test_continue_in_a_callback_calls_the_filters_behind_at_once(play: Play) -> None:
    # Envoy runs the filters behind before it looks at the result, and at the end of the stream once more after it
    played = play([tcp(downstream_data=(call("cont", 2),)), tcp()], [connection(">hello")])
    calls = [each for each in bare(played.calls()) if "downstream_data" in each]
    assert calls == [
        *("a.downstream_data(5, 0)", "b.downstream_data(5, 0)"),
        *("a.downstream_data(0, 1)", "b.downstream_data(0, 1)", "b.downstream_data(0, 1)"),
    ]


def test_stream_types_that_are_not_a_connections(play: Play) -> None:
    script = [call("cont", type_) for type_ in (0, 1, 3, 4)] + [call("close", type_) for type_ in (0, 1, 4)]
    played = play([tcp(downstream_data=(Nth(1, tuple(script)),))], [ECHO])
    assert played.results("proxy_continue_stream") == [0, 0, 12, 2]
    assert played.results("proxy_close_stream") == [0, 0, 2]
    assert played.got() == (None, None, 1)


@pytest.mark.parametrize("stream_type", [2, 3])
def test_a_filter_closes_and_the_bytes_at_hand_are_lost(play: Play, stream_type: int) -> None:
    played = play([tcp(downstream_data=(call("close", stream_type),)), tcp()], [ECHO])
    assert bare(played.calls()) == [
        *of("a", "new_connection"),
        *of("b", "new_connection"),
        "a.downstream_data(5, 0)",
        *of("a", *END),
        *of("b", *END),
    ]
    assert played.got() == (b"", b"", 1)
    played = play([tcp(upstream_data=(call("close", stream_type),)), tcp()], [ECHO])
    assert played.got() == (None, b"", 1)
    played = play([tcp(new_connection=(call("close", stream_type),)), tcp()], [ECHO])
    assert bare(played.calls()) == of("a", "new_connection", *END)


def test_buffers_are_there_in_their_callback_and_while_it_is_paused(play: Play) -> None:
    look = (
        call("body_status", DOWN, OUT, OUT),
        call("body_status", UP, OUT, OUT),
        call("set_body", UP, 0, 0, "x"),
        call("set_body", DOWN, 0, 0, ""),
    )
    tick = (call("effective", LAST), *look)
    played = play(
        [tcp(new_connection=look, downstream_data=(*look, Nth(1, (Ret(1),))), configure=(call("tick", 15), Ret(1)), tick=(Nth(1, tick),))],
        [ECHO],
    )
    sizes = [row.b for row in played.of("proxy_get_buffer_status")]
    assert sizes[:6] == [0, 0, 5, 0, 5, 0]
    assert played.results("proxy_set_buffer_bytes")[:6] == [2, 2, 2, 0, 2, 0]


@pytest.mark.parametrize(("options", "after"), [({}, []), ({"failure_policy": "open"}, []), ({"fail_open": True}, None)])
def test_a_trap(play: Play, options: dict[str, Any], after: list[str] | None) -> None:
    played = play([tcp(), (tcp(downstream_data=(TRAP,)), options)], [ECHO, connection(">again", index=1, at_ms=1000)])
    (failure, *later) = played.events(Event.FAILURE)
    assert failure.a == FailureKind.TRAP
    calls = bare(played.calls())
    if after is None:
        assert played.got() == (None, None, 1)
    else:
        assert calls[calls.index("b.downstream_data(5, 0)") + 1 :] == of("a", *END)
        assert played.got() == (b"", b"", 1)
    second = bare(played.calls(1))
    # with its VM gone a closed filter closes each new connection, an open one is not there
    assert not any(each.startswith("b.") for each in second)
    assert played.got(1) == ((b"", None, 1) if options == {} else (None, None, 1))
    assert len(later) == 1 and later[0].a == FailureKind.EARLIER


def test_a_trap_in_the_closes(play: Play) -> None:
    played = play([tcp(upstream_connection_close=(TRAP,)), tcp()], [ECHO])
    assert played.got() == (None, None, 1)
    assert bare(played.calls())[-4:] == of("b", *END)
    played = play([tcp(downstream_connection_close=(TRAP,)), tcp()], [ECHO])
    assert bare(played.calls())[-5:] == ["a.downstream_connection_close(1)", *of("b", *END)]


def test_restart_gives_held_bytes_to_the_fresh_vm(play: Play) -> None:
    script = tcp(downstream_data=(Nth(2, (Ret(1),)), Nth(3, (TRAP,))))
    played = play(
        [(script, {"failure_policy": "restart"})],
        [connection(">one", ">two", every_ms=20), connection(">x", index=1, at_ms=15, every_ms=20)],
    )
    assert played.got(0) == (b"one", None, 1)
    assert played.got(1)[0] is None
    assert len(played.events(Event.VM)) == 2


def test_what_belongs_to_http_does_nothing(play: Play) -> None:
    script = (
        call("local", 403, "d", "b", b"\0\0\0\0", 0),
        call("get", 0, ":path", OUT, OUT),
        call("pairs", 0, OUT, OUT),
        call("add", 0, "a", "b"),
        call("set_body", 0, 0, 0, "x"),
        call("body", 0, 0, 9, OUT, OUT),
    )
    played = play([tcp(downstream_data=(Nth(1, script),))], [ECHO])
    assert [row.result for row in played.hostcalls()] == [0, 2, 0, 2, 2, 0]
    assert not played.events(Event.LOCAL_RESPONSE) and played.got() == (None, None, 1)


def test_properties(play: Play) -> None:
    asked = ["request.protocol", "request.path", "request.duration", "xds.route_name", "connection.termination_details", "response.code"]
    there = [
        "upstream.num_endpoints",
        "xds.cluster_name",
        "upstream.transport_failure_reason",
        "connection.id",
        "request.size",
        "response.size",
    ]
    asks = tuple(call("prop", name.replace(".", "\0"), OUT, OUT) for name in asked + there)
    played = play([tcp(new_connection=asks, upstream_data=(Nth(2, asks),))], [ECHO])
    results = played.results("proxy_get_property")
    assert results[:6] == results[12:18] == [1] * 6
    assert results[6:12] == [1, 1, 0, 0, 0, 0] and results[18:] == [0] * 6
    sizes = [int.from_bytes(value or b"", "little") for value in played.values("proxy_get_property")[-2:]]
    assert sizes == [5, 6]


def test_a_filter_without_the_callbacks_lets_everything_pass(play: Play) -> None:
    played = play([{}], [ECHO])
    assert played.got() == (None, None, 1)
    assert played.calls() == of("a", "context_create", "done", "log", "delete")


def test_many_connections_at_once_and_small_batches(play: Play) -> None:
    traffic = [connection(*[f"{'>' if n % 2 else '<'}{n}-{i}" for n in range(20)], index=i, at_ms=i * 7) for i in range(30)]
    played = play([tcp(downstream_data=(call("set_body", DOWN, 0, 0, "."),))], traffic, batch=4)
    whole = play([tcp(downstream_data=(call("set_body", DOWN, 0, 0, "."),))], traffic)
    for i, one in enumerate(traffic):
        expected = b"".join(b"." + message.data for message in one.messages if message.from_client) + b"."
        assert played.got(i) == whole.got(i) == (expected, None, 1)
    assert len(played.rows) == len(whole.rows)
    assert not [row for row in played.rows if row.exchange == NONE and row.kind == 3 and row.code == Event.NOTE]


def test_odd_captures(play: Play) -> None:
    empty = replace(ECHO, messages=())
    assert play([tcp()], [empty]).got() == (None, None, 1)
    ahead = replace(ECHO, messages=tuple(reversed(ECHO.messages)))
    assert play([tcp()], [ahead]).got() == (None, None, 1)


def test_a_close_at_the_upstreams_end_is_followed_by_a_call_for_a_context_that_is_gone(play: Play) -> None:
    played = play([tcp(), tcp(upstream_data=(Nth(2, (call("close", 2),)),))], [connection("<one", ending=Ending.UPSTREAM)])
    calls = played.calls()
    assert calls[calls.index("b.upstream_data(0, 1)") + 1 :] == [*of("a", *END), *of("b", *END, "upstream_connection_close(0)")]


def test_a_client_waits_for_the_answer_to_what_a_filter_holds(play: Play) -> None:
    tick = (call("effective", LAST), call("cont", 2))
    held = tcp(downstream_data=(Nth(1, (Ret(1),)),), tick=tick, configure=(call("tick", 150), Ret(1)))
    played = play([held], [connection(">ask", "<answer")])
    assert [(row.a, row.b, row.c) for row in played.events(Event.DATA)] == [(0, 3, 0), (1, 6, 0), (0, 0, 1), (1, 0, 1)]
    # never continued: the connection stays as it is, and ends as Envoy's idle timeout would end it
    played = play([tcp(downstream_data=(Ret(1),))], [connection(">ask", "<answer")])
    assert bare(played.calls()) == of("a", "new_connection", "downstream_data(3, 0)", *END)
    assert played.got() == (b"", b"", 1) and played.end() & 5 == 5
