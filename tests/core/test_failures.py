"""Filters that fail, under each policy. Source: Envoy 1.40 as it behaves; `restart` is a policy of this host."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, POST, SECOND, Play, request, response
from tests.core.wat import OUT, TRAP, Call, If, Nth, Raw, Ret, call
from workbench.errors import FilterLoadError
from workbench.trace.records import NONE, Effect, Event, FailureKind, Policy

TRAILED = (
    request("POST", "/p", "transfer-encoding: chunked", body=b"abc", trailers=("T: 1",)),
    response(200, "transfer-encoding: chunked", body=b"def", trailers=("R: 1",)),
)
REQUEST_PHASE = ["context_create", "request_headers", "request_body", "request_trailers"]
RESPONSE_PHASE = ["response_body", "response_trailers"]


def marked(at_ms: int = 0, *headers: str) -> tuple[object, object]:
    """An exchange with everything, that a filter made by `bomb` traps on."""
    asked = request("POST", "/p", "transfer-encoding: chunked", "x-bomb: 1", *headers, body=b"abc", trailers=("T: 1",), at_ms=at_ms)
    return asked, response(200, "transfer-encoding: chunked", body=b"def", trailers=("R: 1",))


def bomb(callback: str, *steps: object) -> dict[str, list[object]]:
    """Traps in a callback of exchanges that bear the mark, in any VM."""
    mark: list[object] = [If(call("get", 0, "x-bomb", OUT, OUT), 0, (call("set_prop", "bomb", "1"),))]
    trap = If(call("prop", "bomb", OUT, OUT), 0, (*steps, TRAP))
    if callback == "context_create":
        # nothing is known of the exchange there: the first one of each VM, behind the root context
        return {"context_create": [Nth(2, (TRAP,))]}
    return {"request_headers": [*mark, trap]} if callback == "request_headers" else {"request_headers": mark, callback: [trap]}


def once(callback: str, *steps: object) -> dict[str, list[object]]:
    """Traps the first time that a callback runs in a VM."""
    return {callback: [Nth(1, (*steps, TRAP))]}


def failures(played: object, exchange: int) -> list[tuple[FailureKind, Policy, Effect, bytes]]:
    rows = played.events(Event.FAILURE, exchange)  # type: ignore[attr-defined]
    return [(FailureKind(row.a), Policy(row.b), Effect(row.c), row.fields[1]) for row in rows]


POLICIES: dict[str, dict[str, object]] = {
    "closed": {},
    "open": {"failure_policy": "open"},
    "reload": {"failure_policy": "reload"},
    "old open": {"fail_open": True},
    "restart": {"failure_policy": "restart"},
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("callback", [*REQUEST_PHASE, "response_headers", *RESPONSE_PHASE, "log", "done", "delete"])
def test_a_trap(play: Play, callback: str, policy: str) -> None:
    """The exchange that traps, and the next one."""
    played = play([(bomb(callback), POLICIES[policy])], [marked(), request(at_ms=100)])
    harmless = callback in ("log", "done", "delete") or policy == "old open"
    assert played.status(0) == (200 if harmless else -200 if callback in RESPONSE_PHASE else 503)
    effect = Effect.PASSED if harmless else Effect.FAILED
    (told,) = failures(played, 0)
    assert (told[0], told[2], told[3]) == (FailureKind.TRAP, effect, b"proxy_on_" + callback.encode())
    # a failed VM gets no callback any more: no log, done and delete
    ends = [each.removeprefix("a.") for each in played.calls(0)]
    assert ends[-1].startswith(callback) and ends.count("log") == (callback in ("log", "done", "delete"))
    passes = policy in ("open", "old open") or (policy == "restart" and callback != "context_create")
    assert played.status(1) == (200 if passes else 503)
    if policy in ("closed", "open", "reload", "old open"):
        assert played.calls(1) == [] and [row[0] for row in failures(played, 1)] == [FailureKind.EARLIER]
    elif passes:
        assert failures(played, 1) == [] and played.calls(1)[-1] == "a.delete"


def test_a_trap_is_an_empty_503(play: Play) -> None:
    script = once("request_headers") | {"log": []}
    played = play([script])
    assert played.client() is not None and played.client().headers == ((b":status", b"503"),)  # type: ignore[union-attr]
    assert played.events(Event.LOCAL_RESPONSE)[0].fields[:2] == (b"wasm_fail_stream", b"")


def test_a_trap_on_a_grpc_request(play: Play) -> None:
    played = play([once("request_headers")], [request("POST", "/p", "content-type: application/grpc")])
    assert played.client().headers == ((b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"14"))  # type: ignore[union-attr]


@pytest.mark.parametrize("where", ["request_headers", "response_headers"])
def test_the_failure_wins_over_the_filters_own_answer(play: Play, where: str) -> None:
    """Whether it falls in the same callback or when it sees its answer."""
    answer = call("local", 403, "d", "body", "", -1)
    script = once(where, answer) if where == "request_headers" else {"request_headers": [answer]} | once(where)
    assert play([script]).status() == 503


def test_other_filters_see_the_failure(play: Play) -> None:
    """As a local response in the request phase; directly in the response phase, where earlier filters have only the log."""
    asked = play([{}, once("request_headers"), {}])
    assert [each for each in asked.calls() if "response" in each] == ["a.response_headers(1, 1)"]
    assert [each for each in asked.calls() if each[0] == "b"] == ["b.context_create", "b.request_headers(5, 1)"]
    answered = play([{}, once("response_headers"), {}])
    assert [each for each in answered.calls() if "response" in each] == ["c.response_headers(2, 0)", "b.response_headers(2, 0)"]
    assert [each for each in answered.calls() if each[0] == "a"][-3:] == ["a.log", "a.done", "a.delete"]


@pytest.mark.parametrize("policy", POLICIES)
def test_exchanges_under_way(play: Play, policy: str) -> None:
    """The second is between request and response when the first brings down their VM: its next callback decides."""
    played = play(
        [(bomb("response_headers"), POLICIES[policy]), {}],
        [marked(), (request(at_ms=1), response(body=b"2", after_ms=30)), request(at_ms=2500)],
    )
    kept = policy in ("restart", "old open")
    assert played.status(0) == (200 if policy == "old open" else 503)
    assert played.status(1) == (200 if kept else 503)
    assert played.status(2) == (503 if policy == "closed" else 200)
    (told,) = failures(played, 1)
    assert (told[0], told[2]) == (FailureKind.EARLIER, Effect.PASSED if kept else Effect.FAILED)
    if policy == "restart":
        # in a context that has seen nothing of the exchange yet
        assert [each for each in played.calls(1) if each[0] == "a"][2:4] == ["a.context_create", "a.response_headers(2, 0)"]


def test_an_answer_of_another_filter_does_not_pass_a_dead_one(play: Play) -> None:
    """The dead filter fails the exchange when the answer comes by."""
    dying = {"configure": [call("tick", 20)], "tick": [TRAP]}
    answering = {
        "configure": [call("tick", 50)],
        "request_headers": [Ret(1)],
        "tick": [Nth(1, (call("effective", 2), call("local", 418, "", "tea", "", -1)))],
    }
    played = play([{}, dying, answering])
    assert played.status() == 503
    assert [each for each in played.calls() if "response" in each] == ["c.response_headers(3, 0)"]


def test_paused_in_a_dead_filter(play: Play) -> None:
    """Nobody lets it go on; the idle timeout's answer meets the dead filter."""
    played = play([{"configure": [call("tick", 20)], "tick": [TRAP], "request_headers": [Ret(1)]}])
    assert played.status() == 503 and played.end() == 1


@pytest.mark.parametrize(
    ("paused", "again"),
    [
        ("request_headers", ["request_headers(6, 0)", "request_body(6, 1)"]),
        ("request_body", ["request_body(6, 1)"]),
        ("response_headers", ["response_headers(2, 0)", "response_body(3, 1)"]),
        ("response_body", ["response_body(3, 1)"]),
    ],
)
def test_paused_in_a_restarted_filter(play: Play, paused: str, again: list[str]) -> None:
    """What it held comes to the fresh VM again: only the exchange that trapped is lost."""
    script = bomb("log")
    script[paused] = [
        *script.get(paused, []),
        If(call("proxy_get_shared_data", "paused", OUT, OUT, OUT), 1, (call("proxy_set_shared_data", "paused", "1", 0), Ret(1))),
    ]
    if paused.endswith("body"):
        # the end of the body too
        script[paused] += [Nth(2, (Ret(1),))]
    first = (request("POST", "/p", "content-length: 6", body=b"abcdef"), response(body=b"ghi"))
    played = play([(script, {"failure_policy": "restart"})], [first, marked(50)])
    calls = [each.removeprefix("a.") for each in played.calls(0)]
    assert calls[calls.index("context_create", 1) + 1 :][: len(again)] == again
    assert (played.status(0), played.status(1)) == (200, 200)


def test_restart_with_a_trap_in_context_create_comes_to_an_end(play: Play) -> None:
    """Every VM traps when it is shown a stream: one VM an exchange, not one after the other."""
    played = play([({"context_create": [Nth(2, (TRAP,))]}, {"failure_policy": "restart"})], [request(at_ms=i) for i in range(3)])
    assert [played.status(i) for i in range(3)] == [503, 503, 503]
    assert len(played.events(Event.VM)) == 4


@pytest.mark.parametrize("callback", ["log", "done", "delete"])
def test_a_trap_at_the_end_takes_nothing_from_the_others(play: Play, callback: str) -> None:
    played = play([{}, bomb(callback), {}], [marked()])
    assert [each for each in played.calls() if each[0] == "c"][-3:] == ["c.log", "c.done", "c.delete"]
    assert [each for each in played.calls() if each[0] == "a"][-3:] == ["a.log", "a.done", "a.delete"]


def test_two_filters_in_one_vm(play: Play) -> None:
    """A trap of one is the end of the other, each by its own policy."""
    same = {"vm_id": "v"}
    script = {"request_headers": [Nth(1, (TRAP,))]}
    played = play([(script, same), (script, same | {"failure_policy": "open"})], [GET, GET])
    assert (played.status(0), played.status(1)) == (503, 503)
    assert [(row.filter, row.c) for row in played.events(Event.FAILURE, 1)] == [(1, Effect.PASSED), (0, Effect.FAILED)]


def test_one_vm_where_only_the_other_restarts(play: Play) -> None:
    """The filter that asks for a fresh VM gets one also when its neighbour trapped."""
    same = {"vm_id": "v"}
    script = {"request_headers": [Nth(1, (TRAP,))]}
    played = play([(script, same | {"failure_policy": "open"}), (script, same | {"failure_policy": "restart"})], [GET, GET, GET])
    # a (open) is gone after the first; b restarts, traps in its fresh VM, restarts again
    assert [played.status(i) for i in range(3)] == [503, 503, 503]
    assert len([row for row in played.events(Event.VM) if row.filter == 1]) >= 3


def test_both_restart_once(play: Play) -> None:
    same = {"vm_id": "v", "failure_policy": "restart"}
    script = {"request_headers": [Raw("(if (i32.eq (local.get 0) (i32.const 3)) (then (unreachable)))")]}
    played = play([(script, same), (script, same)], [GET, GET])
    assert len(played.events(Event.VM)) == 4 + 2 and played.status(0) == 503


def test_reload_waits_a_second(play: Play) -> None:
    played = play([(once("request_headers"), {"failure_policy": "reload"})], [request(at_ms=at) for at in (0, 900, 1100, 1200)])
    # the fresh VM traps at its first exchange too
    assert [played.status(i) for i in range(4)] == [503, 503, 503, 503]
    assert [played.calls(i) for i in (1, 3)] == [[], []] and played.calls(2)[-1] == "a.request_headers(5, 1)"
    vms = played.events(Event.VM)
    assert [(row.a, row.b) for row in vms] == [(1, 0), (2, 1)] and vms[1].time - vms[0].time == 1.1 * SECOND


@pytest.mark.parametrize("callback", ["tick", "queue_ready"])
def test_a_trap_in_a_root_context(play: Play, callback: str) -> None:
    setup = (
        [call("tick", 10)]
        if callback == "tick"
        else [call("proxy_register_shared_queue", "q", OUT), call("proxy_enqueue_shared_queue", 1, "x")]
    )
    played = play([{"configure": setup, callback: [TRAP]}], [request(at_ms=0), request(at_ms=50)])
    assert (played.status(0), played.status(1)) == (200 if callback == "tick" else 503, 503)
    row = played.events(Event.FAILURE)[0]
    assert row.exchange == NONE
    assert row.fields[1] == b"proxy_on_" + callback.encode()


def test_a_trap_in_the_allocator(play: Play) -> None:
    """Within a hostcall: the exchange fails like at any other trap, and the next ones are as before."""
    script = {
        "request_headers": [call("add", 0, "x", "1"), call("get", 0, ":path", OUT, OUT), call("add", 0, "y", "1")],
        "malloc": [Nth(1, (TRAP,))],
    }
    played = play([(script, {"failure_policy": "restart"}), {}], [POST, GET])
    assert (played.status(0), played.status(1)) == (503, 503)
    assert [row.flags & 1 for row in played.of("proxy_get_header_map_value", 0)] == [0]
    assert played.events(Event.MAP, 0)[0].fields[0].count(b"x1") == 1


@pytest.mark.parametrize(("value", "status"), [(0, 6), (0x7FFFFFFF, 6), (65536, 0)])
def test_what_the_allocator_gives(play: Play, value: int, status: int) -> None:
    """Nothing, or what is not its memory: InvalidMemoryAccess."""
    played = play([{"request_headers": [call("get", 0, ":path", OUT, OUT)], "malloc": [Ret(value)]}])
    assert played.results("proxy_get_header_map_value") == [status]


@pytest.mark.parametrize("name", ["get", "tick", "prop"])
def test_the_allocator_may_call_next_to_nothing(play: Play, name: str) -> None:
    """A trap in Envoy's V8."""
    inner = {"get": call("get", 0, ":path", OUT, OUT), "tick": call("tick", 5), "prop": call("prop", "plugin_name", OUT, OUT)}[name]
    played = play([{"request_headers": [call("get", 0, ":path", OUT, OUT)], "malloc": [inner]}])
    assert played.status() == 503
    assert b"while allocating memory" in played.events(Event.FAILURE)[0].fields[0]


def test_the_filters_share_of_a_hostcall_is_known_for_each(play: Play) -> None:
    """Small allocations are timed now and then; what is typical of them stands for the others, and never more than the call took."""
    slow = Raw("(loop (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))")
    played = play([{"request_headers": [call("get", 0, ":path", OUT, OUT)], "malloc": [slow]}], [GET] * 200)
    rows = played.of("proxy_get_header_map_value")
    shares = sorted(row.other_ns for row in rows)
    assert len(rows) == 200
    assert shares[0] > 10_000, "an allocator that counts to 100,000"
    assert all(row.other_ns <= row.ns for row in rows)
    assert shares[100] > 0.5 * sorted(row.ns for row in rows)[100], "next to nothing else happens in these calls"


def test_the_allocator_may_log(play: Play) -> None:
    inner = [call("log", 2, "x"), call("clock_time_get", 0, 0, OUT), call("fd_write", 1, 0, 0, OUT), call("poll_oneoff", 0, 0, 0, OUT)]
    played = play([{"request_headers": [call("get", 0, ":path", OUT, OUT)], "malloc": inner}])
    assert played.status() == 200
    (log,) = played.of("proxy_log")
    # it belongs to the callback, as its hostcall does
    assert log.parent == played.of("proxy_on_request_headers")[0].seq


@pytest.mark.parametrize(
    "step",
    [call("tick", 5), call("proxy_get_current_time_nanoseconds", OUT), call("sched_yield"), call("proc_exit", 0), call("fd_close", 3)],
)
@pytest.mark.parametrize("entry", ["_initialize", "_start"])
def test_a_start_function_may_not_call_these(play: Play, entry: str, step: Call) -> None:
    with pytest.raises(FilterLoadError, match="while starting, which Envoy does not allow"):
        play([{entry: [step]}])


@pytest.mark.parametrize(
    "step",
    [
        call("log", 2, "x"),
        call("random_get", 64, 8),
        call("environ_sizes_get", OUT, OUT),
        call("fd_fdstat_get", 1, OUT),
        call("poll_oneoff", 0, 0, 0, OUT),
    ],
)
def test_a_start_function_may_call_these(play: Play, step: Call) -> None:
    assert play([{"_initialize": [step]}]).status() == 200


def test_after_a_trap_nothing_of_the_filter_is_left(play: Play) -> None:
    """Continue and close that were queued before do not touch the exchange that was answered."""
    script = {"request_headers": [call("cont", 0), call("cont", 1), TRAP]}
    played = play([script, {}])
    assert played.status() == 503 and not [each for each in played.calls() if each == "b.request_headers(5, 1)"]
