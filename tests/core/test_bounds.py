"""Hostile filters: bounded in what they make the host do and keep. These are rules of this host, not of Envoy."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, POST, Play, Played, request, response
from tests.core.wat import OUT, Call, Loop, Nth, Raw, Ret, call, pairs
from workbench.trace.records import Event, FailureKind

ALL = 0xFFFFFFFF


def failure(played: Played, exchange: int = 0) -> tuple[FailureKind, bytes]:
    (row,) = played.events(Event.FAILURE, exchange)
    return FailureKind(row.a), row.fields[0]


def test_a_flood_of_log_lines_is_not_recorded_without_end(play: Play) -> None:
    """The filter goes on, the trace says how much is left out."""
    played = play([{"request_headers": [Loop((call("log", 2, "x" * 60_000),), 2000)]}], [GET, request(at_ms=50)])
    assert (played.status(0), played.status(1)) == (200, 200)
    assert 250 < len(played.of("proxy_log", 0)) < 300 and played.trace.nbytes < 64 << 20
    notes = [row for row in played.events(Event.NOTE) if row.exchange == 0]
    recorded = len(played.of("proxy_log", 0))
    assert (
        notes[0].fields[0].startswith(str(2000 - recorded).encode()) and notes[0].parent == played.of("proxy_on_request_headers", 0)[0].seq
    )
    # within one exchange the next callback is recorded again
    assert "a.response_headers(2, 0)" in played.calls(0)


def test_a_flood_of_small_calls(play: Play) -> None:
    played = play([{"request_headers": [Loop((call("tick", 10_000),), 400_000)]}], callback_limit_s=20)
    assert played.status() == 200 and len(played.hostcalls()) < 300_000


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF, 3 << 20])
def test_claimed_lengths_are_not_believed(play: Play, length: int) -> None:
    """A range that is not in the filter's memory is refused before anything is allocated for it."""
    steps = [Raw(f"(drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const {length})))"), call("log", 9, "")]
    assert play([{"request_headers": steps}]).results("proxy_log") == [6, 2]


def test_an_empty_range_must_lie_in_memory_too(play: Play) -> None:
    """As Envoy's host checks it; (0, 0) is nothing."""
    steps = [Raw(f"(drop (call $proxy_log (i32.const 2) (i32.const {at}) (i32.const 0)))") for at in (0, 1, 32 << 16, (32 << 16) + 1, ALL)]
    assert play([{"request_headers": [*steps, call("log", 9, "")]}]).results("proxy_log") == [0, 0, 0, 6, 6, 2]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (Loop((call("add", 0, ":path", "x" * 1000),)), "header map"),
        (Loop((call("add", 0, "x-many", "y"),)), "header map of 4097 entries"),
        (Loop((call("set_body", 0, ALL, 0, "x" * 1_000_000),)), "MiB"),
    ],
)
def test_what_grows_without_end_ends_the_filter(play: Play, steps: object, words: str) -> None:
    """By its policy, for want of memory; the replay goes on."""
    played = play([{("request_body" if words == "MiB" else "request_headers"): [steps]}], [POST, request(at_ms=50)], callback_limit_s=20)
    kind, message = failure(played)
    assert kind == FailureKind.MEMORY and words in message.decode()
    assert (played.status(0), played.status(1)) == (503, 503)


def test_replacing_leaves_nothing_behind(play: Play) -> None:
    """What a header had before does not pile up in the host."""
    played = play([{"request_headers": [Loop((call("replace", 0, "x", "y" * 10_000),), 20_000)]}], callback_limit_s=20)
    assert played.status() == 200 and (b"x", b"y" * 10_000) in played.upstream().headers  # type: ignore[union-attr]


@pytest.mark.parametrize("call_", [call("proxy_enqueue_shared_queue", 1, "x" * 900_000), call("set_prop", "x", "y" * 900_000)])
def test_what_is_kept_for_others_is_bounded(play: Play, call_: Call) -> None:
    """Many exchanges may fill the host as well as one."""
    script = {"configure": [call("proxy_register_shared_queue", "q", OUT)], "request_headers": [Loop((call_,), 200)]}
    played = play([script], [request(at_ms=10 * i) for i in range(6)], callback_limit_s=20)
    kinds = [FailureKind(row.a) for row in played.events(Event.FAILURE)]
    if call_.name == "proxy_set_property":
        assert kinds == []  # it ends with the exchange, and one name is one value
    else:
        assert kinds[0] == FailureKind.MEMORY and played.status(5) == 503


def test_a_million_answers_are_one(play: Play) -> None:
    """And a million continues."""
    deny = call("local", 403, "d", "x" * 10_000, pairs(("a", "b")), -1)
    played = play([{"request_headers": [Loop((deny, call("cont", 0), call("close", 9)), 100_000)]}], callback_limit_s=20)
    assert played.status() == 403


def test_pieces_that_point_to_one_place(play: Play) -> None:
    """A write takes what it can at once and says how much."""
    fill = Raw(
        "(local.set $i (i32.const 0)) (loop (i32.store (i32.add (i32.const 8192) (i32.mul (local.get $i) (i32.const 8))) (i32.const 0))"
        "(i32.store (i32.add (i32.const 8196) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1000000))"
        "(br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))"
    )
    (row,) = play([{"request_headers": [fill, call("fd_write", 1, 8192, 1024, OUT)]}]).of("fd_write")
    assert (row.result, row.b) == (0, 16 << 20)


def test_the_place_of_the_fault_stays_empty(play: Play) -> None:
    """A filter that exports a function of that name is ended all the same."""
    own = '(func (export "workbench_fault"))'
    played = play([{"extra": own, "request_headers": [Loop((call("add", 0, "x-many", "y"),))]}], callback_limit_s=20)
    assert failure(played)[0] == FailureKind.MEMORY


def test_more_than_a_host_takes_at_once(play: Play) -> None:
    steps = [Raw("(drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 67108865)))"), call("log", 9, "")]
    played = play([{"memory": "1100", "request_headers": steps}])
    kind, message = failure(played)
    assert kind == FailureKind.MEMORY and b"64 MiB" in message


def test_an_allocator_that_calls_itself_through_the_host(play: Play) -> None:
    """Logging is all it may do, and that allocates nothing."""
    played = play([{"request_headers": [call("get", 0, ":path", OUT, OUT)], "malloc": [call("get", 0, ":path", OUT, OUT)]}])
    assert failure(played)[0] == FailureKind.TRAP and played.status() == 503


def test_paused_exchanges_are_given_up_for_want_of_room(play: Play) -> None:
    """The oldest first, so that a filter that never continues does not hold a whole capture."""
    body = bytes(40 << 20)
    traffic = [(request("POST", "/p", f"content-length: {len(body)}", body=body, at_ms=i), response()) for i in range(9)]
    played = play([{"request_headers": [Ret(1)]}], traffic, batch=1)
    given_up = [row.exchange for row in played.events(Event.NOTE)]
    assert given_up == [0, 1] and [played.end(i) for i in range(9)] == [5] * 2 + [1] * 7


@pytest.mark.slow
def test_a_large_capture_is_nobodys_fault(play: Play) -> None:
    """What the exchanges themselves take does not count against the filter."""
    body = bytes(100 << 20)
    big = request("POST", "/p", f"content-length: {len(body)}", body=body)
    script = {"request_body": [Nth(1, (call("set_body", 0, 0, 0, "<"),))]}
    played = play([script], [big], buffer_limit=1 << 30, callback_limit_s=200)
    assert played.events(Event.FAILURE) == []
    message = played.upstream()
    assert message is not None and message.body is not None and len(message.body) == len(body) + 1


@pytest.mark.slow
def test_a_body_beyond_the_host(play: Play) -> None:
    """It passes as it is; who changes it is ended."""
    body = bytes(300 << 20)
    traffic = [request("POST", "/p", f"content-length: {len(body)}", body=body, at_ms=at) for at in (0, 50)]
    script = {"request_body": [Nth(1, (call("body_status", 0, OUT, OUT),)), Nth(3, (call("set_body", 0, 0, 0, "<"),))]}
    played = play([script], traffic, batch=1, callback_limit_s=200)
    assert played.status(0) == 200 and failure(played, 1)[0] == FailureKind.MEMORY and played.status(1) == 503


def test_metrics_and_queues_by_the_thousand(play: Play) -> None:
    """Names are found without looking at all of them."""
    name = Raw("(i32.store (i32.const 3000) (local.get $i))")
    calls = [
        Raw(f"(drop (call ${function} {first} (i32.const 3000) (i32.const 4) (i32.const 1024)))")
        for function, first in (("proxy_define_metric", "(i32.const 0)"), ("proxy_register_shared_queue", ""))
    ]
    known = [call("proxy_define_metric", 9, "", OUT), call("proxy_register_shared_queue", "", OUT)]
    played = play([{"request_headers": [Loop((name, *calls), 60_000), *known]}], callback_limit_s=5)
    assert played.status() == 200


def test_properties_by_the_thousand(play: Play) -> None:
    name = Raw("(i32.store (i32.const 3000) (local.get $i))")
    set_ = Raw("(drop (call $proxy_set_property (i32.const 3000) (i32.const 4) (i32.const 3000) (i32.const 4)))")
    played = play([{"request_headers": [Nth(1, (Loop((name, set_), 60_000),)), call("set_prop", "x", "y")]}], callback_limit_s=5)
    assert played.status() == 200
