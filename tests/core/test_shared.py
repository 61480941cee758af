"""Shared data, queues, metrics, ticks, contexts and the end of roots. Source: Envoy 1.40 as it behaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.conftest import GET, MS, START_NS, Play, exchanges, request, response
from tests.core.wat import LAST, OUT, TRAP, Call, Nth, Ret, call
from workbench.trace.records import NONE, Event


def get(key: str) -> Call:
    return call("proxy_get_shared_data", key, OUT, OUT, OUT)


def put(key: str, value: str, cas: int) -> Call:
    return call("proxy_set_shared_data", key, value, cas)


def register(name: str) -> Call:
    return call("proxy_register_shared_queue", name, OUT)


def resolve(vm_id: str, name: str) -> Call:
    return call("proxy_resolve_shared_queue", vm_id, name, OUT)


def enqueue(token: int) -> Call:
    return call("proxy_enqueue_shared_queue", token, "x")


def dequeue(token: int) -> Call:
    return call("proxy_dequeue_shared_queue", token, OUT, OUT)


def define(kind: int, name: str) -> Call:
    return call("proxy_define_metric", kind, name, OUT)


def add(metric: int, by: int) -> Call:
    return call("proxy_increment_metric", metric, by)


def record(metric: int, value: int) -> Call:
    return call("proxy_record_metric", metric, value)


def read(metric: int) -> Call:
    return call("proxy_get_metric", metric, OUT)


def test_compare_and_swap(play: Play) -> None:
    """One counter over all keys; a number for a key that is not there is accepted."""
    steps = [
        get("k"),
        put("k", "1", 0),
        get("k"),
        put("k", "2", 7),
        put("k", "2", 1),
        put("new", "3", 9),
        put("k", "", 0),
        get("k"),
        put("", "x", 0),
        get(""),
    ]
    played = play([{"request_headers": steps}])
    assert played.results("proxy_set_shared_data") == [0, 8, 0, 0, 0, 0]
    assert [(row.result, row.a) for row in played.of("proxy_get_shared_data")] == [(1, 0), (0, 1), (0, 4), (0, 5)]
    assert played.values("proxy_get_shared_data") == [None, b"1", b"", b"x"]


def test_data_is_shared_by_vm_id(play: Play) -> None:
    one, other = {"vm_id": "one"}, {"vm_id": "other"}
    played = play(
        [({"request_headers": [put("k", "1", 0)]}, one), ({"request_headers": [get("k")]}, one), ({"request_headers": [get("k")]}, other)]
    )
    assert played.results("proxy_get_shared_data") == [0, 1]


def test_queues(play: Play) -> None:
    steps = [
        register("q"),
        register("q"),
        register("r"),
        register(""),
        resolve("", "q"),
        resolve("a", "r"),
        resolve("z", "q"),
        resolve("", "none"),
        dequeue(1),
        enqueue(1),
        dequeue(1),
        dequeue(1),
        enqueue(9),
        dequeue(9),
        dequeue(0),
    ]
    played = play([{"request_headers": steps}])
    assert [row.a for row in played.of("proxy_register_shared_queue")] == [1, 1, 2, 3]
    assert [(row.result, row.a) for row in played.of("proxy_resolve_shared_queue")] == [(0, 1), (0, 2), (1, 0), (1, 0)]
    assert played.results("proxy_dequeue_shared_queue") == [7, 0, 7, 1, 1] and played.results("proxy_enqueue_shared_queue") == [0, 1]


def test_a_notice_for_each_item(play: Play) -> None:
    """After the callback, before the response, even for what was taken meanwhile; to whoever registered last."""
    one, two = {"vm_id": "v"}, {"vm_id": "v", "vm_config": b"other"}
    registers = {"configure": [register("q")]}
    played = play([(registers | {"request_headers": [enqueue(1), enqueue(1), dequeue(1)]}, one), (registers, two)])
    calls = [(played.trace.filter_name(row), played.trace.name(row)) for row in played.rows if row.kind == 1]
    ready = [index for index, each in enumerate(calls) if each[1] == "proxy_on_queue_ready"]
    assert [calls[index][0] for index in ready] == ["b", "b"]
    assert calls[ready[0] - 1] == ("b", "proxy_on_request_headers") and calls[ready[1] + 1] == ("b", "proxy_on_response_headers")


def test_a_queue_that_feeds_itself_comes_to_an_end(play: Play) -> None:
    """Time goes on between such notices, and the last exchange ends them."""
    script = {"configure": [register("q"), enqueue(1)], "queue_ready": [enqueue(1)]}
    played = play([script], [GET, request(at_ms=50)])
    assert (played.status(0), played.status(1)) == (200, 200)
    assert 40 < len(played.of("proxy_on_queue_ready")) < 60


def test_metrics(play: Play) -> None:
    steps = [
        define(0, "c"),
        define(1, "g"),
        define(2, "h"),
        define(0, "c"),
        define(1, "c"),
        define(3, "x"),
        add(4, 5),
        add(8, 1),
        record(4, 10),
        read(4),
        add(4, 0),
        add(4, -1),
        record(5, 3),
        add(5, -5),
        read(5),
        add(6, 1),
        record(6, 1),
        read(6),
        add(44, 1),
        record(44, 1),
        read(44),
        add(7, 1),
        record(7, 1),
        read(7),
    ]
    played = play([{"request_headers": steps}])
    assert [(row.result, row.b) for row in played.of("proxy_define_metric")] == [(0, 4), (0, 5), (0, 6), (0, 8), (0, 9), (2, 0)]
    assert played.results("proxy_increment_metric") == [0, 0, 2, 2, 0, 2, 1, 2]
    assert played.results("proxy_record_metric") == [0, 0, 0, 1, 1]
    reads = [(row.result, row.b | row.c << 32) for row in played.of("proxy_get_metric")]
    # a record on a counter adds; a gauge goes round
    assert reads == [(0, 16), (0, (1 << 64) - 2), (2, 0), (1, 0), (2, 0)]


def test_ticks(play: Play) -> None:
    """One period after it was set, then each period; the last setting counts, 0 stops."""
    script = {
        "configure": [call("tick", 10)],
        "tick": [Nth(2, (call("tick", 25),)), Nth(4, (call("tick", 0),))],
        "request_headers": [Ret(0)],
    }
    played = play([script], [(GET, response(after_ms=200))])
    assert [(row.time - START_NS) // MS for row in played.of("proxy_on_tick")] == [10, 20, 45, 70]
    assert {row.exchange for row in played.of("proxy_on_tick")} == {NONE}


def test_a_tick_set_by_each_exchange_is_put_off(play: Play) -> None:
    """It is the root's timer: each setting replaces the running one."""
    played = play([{"request_headers": [call("tick", 100)]}], [(request(at_ms=at), response(after_ms=1)) for at in (0, 60, 120, 400)])
    assert [(row.time - START_NS) // MS for row in played.of("proxy_on_tick")] == [220, 320]


def test_ticks_do_not_fill_the_years_of_a_capture(play: Play) -> None:
    """A capture may leap; filters tick on for a while."""
    played = play([{"configure": [call("tick", 1)]}], [GET, request(at_ms=10 * 365 * 86_400_000)])
    assert (played.status(0), played.status(1)) == (200, 200)
    assert len(played.of("proxy_on_tick")) < 110_000 and "left out" in played.notes()[0]


@pytest.mark.parametrize("paused", [False, True], ids=["flowing", "held"])
def test_ticks_do_not_fill_the_years_an_answer_takes(play: Play, paused: bool) -> None:
    """A captured time may be damaged. What a filter holds ends with Envoy's idle timeout, 300 s."""
    script = {"configure": [call("tick", 100)], "request_headers": [Ret(1 if paused else 0)]}
    played = play([script], [(request(), response(after_ms=10 * 365 * 86_400_000))])
    assert played.status(0) == (504 if paused else 200)
    ticks = len(played.of("proxy_on_tick"))
    assert ticks < 3_010 if paused else 100_000 < ticks < 100_010 and "left out" in played.notes()[0]


def test_context_ids_in_one_vm(play: Play) -> None:
    """Roots first, then streams as they come; parents are the roots."""
    same = {"vm_id": "v"}
    played = play([({}, same), ({}, same)], [GET, request(at_ms=50)])
    created = [(played.trace.filter_name(row), row.context, row.a) for row in played.of("proxy_on_context_create")]
    assert created == [("a", 1, 0), ("b", 2, 0), ("a", 3, 1), ("b", 4, 2), ("a", 5, 1), ("b", 6, 2)]


def test_effective_context(play: Play) -> None:
    """Any living context of the VM; 0 for none; it lasts for the call."""
    steps = [
        call("effective", 0),
        call("effective", 2),
        call("get", 0, ":path", OUT, OUT),
        call("effective", 1),
        call("get", 0, ":path", OUT, OUT),
        call("effective", 99),
    ]
    script = {
        "configure": [call("tick", 50)],
        "request_headers": [Ret(1)],
        "tick": [Nth(1, tuple(steps)), Nth(2, (call("get", 0, ":path", OUT, OUT), call("effective", LAST), call("cont", 0)))],
    }
    played = play([script])
    assert played.results("proxy_set_effective_context") == [0, 0, 0, 2, 0]
    assert played.results("proxy_get_header_map_value") == [0, 2, 2]


def test_an_ended_stream_is_no_context(play: Play) -> None:
    played = play([{"configure": [call("tick", 50)], "tick": [call("effective", 2)]}], [GET, request(at_ms=100)])
    assert set(played.results("proxy_set_effective_context")) == {2}


@pytest.mark.parametrize(
    ("script", "calls", "results"),
    [
        ({}, ["done", "delete"], []),
        ({"done": [Nth(2, (Ret(0),))]}, ["done"], []),
        # not asked yet while on_done runs
        ({"done": [Nth(2, (call("done"), Ret(0)))]}, ["done"], [1]),
        ({"request_headers": [call("done")]}, ["done", "delete"], [1]),
    ],
)
def test_end_of_a_root(play: Play, script: dict[str, object], calls: list[str], results: list[int]) -> None:
    """Deleted once it says it is ready; of its streams nobody asks."""
    played = play([script])
    assert [each.removeprefix("a.") for each in played.calls(None) if "done" in each or "delete" in each] == calls
    assert played.results("proxy_done") == results
    assert played.calls()[-2:] == ["a.done", "a.delete"]


def test_a_neighbour_may_say_that_a_root_is_done(play: Play) -> None:
    same = {"vm_id": "v"}
    script = {"done": [Nth(3, (Ret(0),)), Nth(4, (call("effective", 2), call("done"), call("done")))]}
    played = play([(script, same), (script, same)])
    assert played.results("proxy_done") == [0, 1]
    assert [each for each in played.calls(None) if "done" in each or "delete" in each] == ["b.done", "a.done", "b.delete", "a.delete"]


def test_a_root_that_traps_at_the_end(play: Play) -> None:
    played = play([{"done": [Nth(2, (TRAP,))]}, {"done": [Nth(2, (Ret(0),))]}, {}])
    ends = [each for each in played.calls(None) if "done" in each or "delete" in each]
    # the last in the chain ends first
    assert ends == ["c.done", "c.delete", "b.done", "a.done"]


def test_time_stands_still_in_a_call_and_follows_the_capture(play: Play) -> None:
    now = call("proxy_get_current_time_nanoseconds", 512)
    played = play([{"request_headers": [now, now], "response_headers": [now]}], [request(at_ms=7)])
    assert [row.time - START_NS for row in played.of("proxy_get_current_time_nanoseconds")] == [7 * MS, 7 * MS, 8 * MS]


def test_a_capture_out_of_time(play: Play) -> None:
    """Times beyond all measure neither overflow nor hang."""
    late = (1 << 64) - 1
    (one,) = exchanges(GET)
    odd = replace(one, request=replace(one.request, start_ns=late, end_ns=late), response=replace(one.response, start_ns=late, end_ns=late))
    played = play([{"configure": [call("tick", 1)]}], [odd])
    assert played.status() == 200 and played.events(Event.END)[0].time < 1 << 63
