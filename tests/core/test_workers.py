"""Several workers, each with VMs of its own, and the main thread. Source: Envoy 1.40 with --concurrency, as it behaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.core.conftest import GET, MS, Play, Played, connection, exchanges, request, response
from tests.core.wat import LAST, OUT, TRAP, If, Nth, Ret, call, pairs
from workbench.capture.exchange import Exchange
from workbench.errors import FilterLoadError
from workbench.services.calls import HttpResponse
from workbench.services.function import FunctionService
from workbench.trace.records import MAIN, NONE, TRIAL, Effect, Event, FailureKind, Kind

SAME: dict[str, object] = {"vm_id": "v"}
KNOWN = call("proxy_get_shared_data", "k", OUT, OUT, OUT)
KEEP = call("proxy_set_shared_data", "k", "1", 0)


def on_connections(*connections: int, apart_ms: int = 20) -> list[Exchange]:
    """An exchange on each of these connections, one after the other."""
    made = exchanges(*(request(at_ms=place * apart_ms) for place in range(len(connections))))
    return [replace(each, connection=connection) for each, connection in zip(made, connections, strict=True)]


def worker_of_vm(played: Played) -> dict[int, int]:
    """Of each VM its thread, as the trace tells."""
    return {row.vm: row.c for row in played.events(Event.VM)}


def served(played: Played) -> dict[int, int]:
    """Of each exchange the worker, as the request's row tells."""
    return {row.exchange: row.d for row in played.events(Event.REQUEST)}


def test_a_connection_stays_on_its_worker_and_all_take_part(play: Play) -> None:
    connections = [place % 40 for place in range(120)]
    played = play([({}, SAME)], on_connections(*connections), workers=4)
    workers = {connection: {served(played)[index] for index in range(120) if connections[index] == connection} for connection in range(40)}
    assert all(len(each) == 1 for each in workers.values())
    spread = Counter(next(iter(each)) for each in workers.values())
    assert set(spread) == {0, 1, 2, 3} and min(spread.values()) >= 8
    # its callbacks are in that worker's VM
    threads = worker_of_vm(played)
    seen = {(row.exchange, threads[row.vm]) for row in played.rows if row.kind == Kind.CALLBACK and row.exchange != NONE}
    assert seen == set(served(played).items())


def test_the_same_trace_each_time_and_none_of_it_new_with_one_worker(play: Play) -> None:
    traffic = on_connections(*range(12))
    script = {"configure": [call("tick", 7)], "request_headers": [KNOWN, KEEP], "tick": [call("random_get", 64, 8)]}
    first, again = (play([(script, SAME), (script, SAME)], traffic, workers=3, main_thread=True) for _ in range(2))
    assert first.trace.digest() == again.trace.digest()
    one, plain = play([(script, SAME)], traffic, workers=1), play([(script, SAME)], traffic)
    assert one.trace.digest() == plain.trace.digest()
    assert {row.c for row in one.events(Event.VM)} == {0} and {row.d for row in one.events(Event.REQUEST)} == {0}


def test_each_worker_counts_for_itself_and_shares_data(play: Play) -> None:
    script = {"request_headers": [Nth(1, (call("log", 2, "first"),)), KEEP, KNOWN]}
    played = play([(script, SAME)], on_connections(*range(6)), workers=3)
    assert set(served(played).values()) == {0, 1, 2}
    assert len(played.of("proxy_log")) == 3
    assert [row.context for row in played.of("proxy_on_request_headers")].count(2) == 3
    assert [row.a for row in played.of("proxy_get_shared_data")] == [1, 2, 3, 4, 5, 6]


def test_metrics_are_one_for_all(play: Play) -> None:
    script = {
        "configure": [call("proxy_define_metric", 0, "hits", OUT)],
        "request_headers": [call("proxy_increment_metric", 4, 1), call("proxy_get_metric", 4, OUT)],
    }
    played = play([(script, SAME)], on_connections(*range(5)), workers=2, main_thread=True)
    assert [row.b for row in played.of("proxy_get_metric")] == [1, 2, 3, 4, 5]


def test_the_main_thread_tries_and_starts_each_filter_first(play: Play) -> None:
    """Trial and start of one filter, then of the next, then the workers. Filters of one VM share it but for their trials."""
    played = play([({}, SAME), ({}, SAME)], on_connections(1), workers=2, main_thread=True)
    vms = [(row.filter, row.c, row.vm) for row in played.events(Event.VM)]
    assert vms == [(0, TRIAL, 0), (0, MAIN, 1), (1, TRIAL, 2), (1, MAIN, 1), (0, 0, 3), (1, 0, 3), (0, 1, 4), (1, 1, 4)]
    starts = [row.context for row in played.of("proxy_on_vm_start")]
    assert starts == [1, 1, 1, 2, 1, 2, 1, 2]
    ends = [(row.vm, row.context) for row in played.of("proxy_on_delete") if row.exchange == NONE]
    # a trial is not told of its end; the main thread ends last
    assert ends == [(3, 2), (3, 1), (4, 2), (4, 1), (1, 2), (1, 1)]


def test_ticks_on_every_thread_but_the_trial(play: Play) -> None:
    script = {"configure": [call("tick", 10)]}
    played = play([(script, SAME)], [(GET, response(after_ms=25))], workers=2, main_thread=True)
    threads = worker_of_vm(played)
    ticks = [(row.time // MS % 1000, threads[row.vm]) for row in played.of("proxy_on_tick")]
    assert sorted(ticks) == [(10, 0), (10, 1), (10, MAIN), (20, 0), (20, 1), (20, MAIN)]


def test_a_queue_is_told_to_the_thread_that_registered_last(play: Play) -> None:
    script = {
        "configure": [call("proxy_register_shared_queue", "q", OUT)],
        "request_headers": [call("proxy_enqueue_shared_queue", 1, "x")],
    }
    played = play([(script, SAME)], on_connections(*range(4)), workers=2, main_thread=True)
    assert {row.exchange for row in played.of("proxy_enqueue_shared_queue")} == {0, 1, 2, 3}
    assert [worker_of_vm(played)[row.vm] for row in played.of("proxy_on_queue_ready")] == [1, 1, 1, 1]


def test_a_queue_that_only_the_trial_registered_is_told_to_the_main_thread(play: Play) -> None:
    """Envoy looks for the VM of that key on that thread, and finds the one that stayed."""
    register = If(KNOWN, 1, (KEEP, call("proxy_register_shared_queue", "q", OUT)))
    played = play(
        [({"configure": [register], "request_headers": [call("proxy_enqueue_shared_queue", 1, "x")]}, SAME)],
        on_connections(1),
        main_thread=True,
    )
    assert [worker_of_vm(played)[row.vm] for row in played.of("proxy_on_queue_ready")] == [MAIN]


def test_a_trap_on_one_worker_leaves_the_others(play: Play) -> None:
    """And each worker reloads for itself."""
    script = {"request_headers": [Nth(2, (TRAP,))]}
    connections = (1, 1, 1, 0, 1, 0)
    played = play([(script, SAME | {"failure_policy": "reload"})], on_connections(*connections, apart_ms=600), workers=2)
    by_connection = {
        connection: {served(played)[place] for place, each in enumerate(connections) if each == connection} for connection in (0, 1)
    }
    assert by_connection[0].isdisjoint(by_connection[1])
    assert [played.status(index) for index in range(6)] == [200, 503, 200, 200, 503, 503]
    # a reload on the worker of connection 1 at the third, none yet on the other
    assert [(row.c, row.b) for row in played.events(Event.VM)][2:] == [(served(played)[0], 1)]


def test_a_filter_that_a_thread_refuses_is_no_part_of_its_streams(play: Play) -> None:
    """It passed its trial: Envoy serves on, whatever its policy; a VM that nobody else lives in ends."""
    script = {"configure": [call("tick", 5), If(KNOWN, 0, (Ret(0),)), KEEP]}
    for policy in ("closed", "open", "reload"):
        played = play([(script, SAME | {"failure_policy": policy})], on_connections(1, 1), main_thread=True)
        assert [played.status(index) for index in (0, 1)] == [200, 200]
        assert played.calls(0) == [] and not played.of("proxy_on_tick")
        assert [(row.a, row.c) for row in played.events(Event.FAILURE, 1)] == [(FailureKind.EARLIER, Effect.PASSED)]
        assert [row.vm for row in played.of("proxy_on_delete")] == [1, 2]


def test_the_second_filter_of_a_vm_may_be_refused_there_alone(play: Play) -> None:
    """Its root context lives on beside its neighbour, timer and all, and ends with the VM."""
    script = {"configure": [call("tick", 5), Nth(2, (Ret(0),))]}
    played = play([(script, SAME), (script, SAME)], [(GET, response(after_ms=7))], main_thread=True)
    assert played.status() == 200 and {each[0] for each in played.calls(0)} == {"a"}
    assert sorted((row.vm, row.context) for row in played.of("proxy_on_tick")) == [(1, 1), (1, 2), (3, 1), (3, 2)]
    assert [each for each in played.calls(None) if each.endswith("done")] == ["a.done", "b.done"] * 2


def test_a_filter_that_fails_its_trial_is_refused(play: Play) -> None:
    for broken in ({"configure": [Ret(0)]}, {"vm_start": [TRAP]}, {"_initialize": [TRAP]}):
        with pytest.raises(FilterLoadError, match="filter b"):
            play([({}, SAME), broken], on_connections(1), main_thread=True)
        played = play([({}, SAME), broken], on_connections(1), main_thread=True, start_anyway=True)
        assert played.status() == 503 and {each[0] for each in played.calls(0)} == {"a"}
        # nothing of it was started elsewhere
        assert {row.c for row in played.events(Event.VM) if row.filter == 1} <= {TRIAL}


def test_a_restart_on_the_main_thread(play: Play) -> None:
    """A root context that traps there gets its fresh VM there."""
    script = {"configure": [call("tick", 5)], "tick": [If(KNOWN, 1, (KEEP, TRAP))]}
    played = play([(script, SAME | {"failure_policy": "restart"})], [(GET, response(after_ms=12))], workers=2, main_thread=True)
    assert played.status() == 200
    again = [(row.b, row.c) for row in played.events(Event.VM)][4:]
    assert again == [(2, MAIN)]


def test_a_trial_of_a_filter_that_restarts_ends_with_its_trap(play: Play) -> None:
    with pytest.raises(FilterLoadError):
        play([({"configure": [TRAP]}, {"failure_policy": "restart"})], main_thread=True)


def test_answers_of_services_come_to_the_thread_that_asked(play: Play) -> None:
    """Root contexts of every thread ask in their ticks, streams in their callbacks; each answer is the asking VM's."""
    head = pairs((":method", "GET"), (":path", "/c"), (":authority", "auth.example"))
    ask = call("http_call", "svc", head, b"", b"", 200, OUT)
    resume = [call("effective", LAST), call("cont", 0)]
    script = {"configure": [call("tick", 15)], "tick": [ask], "request_headers": [ask, Ret(1)], "http_call_response": resume}
    service = FunctionService(lambda asked: HttpResponse(200, [], "ok", latency_ms=4))
    played = play([(script, SAME)], on_connections(*range(6)), workers=3, main_thread=True, clusters={"svc": service})
    assert [played.status(index) for index in range(6)] == [200] * 6
    asked = Counter(row.vm for row in played.of("proxy_http_call"))
    assert asked == Counter(row.vm for row in played.of("proxy_on_http_call_response"))
    threads = worker_of_vm(played)
    assert {threads[vm] for vm in asked} == {0, 1, 2, MAIN}
    # what a stream asked is answered on its worker
    for row in played.of("proxy_on_http_call_response"):
        assert row.exchange == NONE or threads[row.vm] == served(played)[row.exchange]


def test_a_callout_of_a_trial_is_not_answered(play: Play) -> None:
    """Its VM is gone before any answer."""
    head = pairs((":method", "GET"), (":path", "/c"), (":authority", "auth.example"))
    script = {"configure": [call("http_call", "svc", head, b"", b"", 200, OUT)], "http_call_response": []}
    service = FunctionService(lambda asked: HttpResponse(200, [], "ok", latency_ms=4))
    played = play([(script, SAME)], [(GET, response(after_ms=20))], main_thread=True, clusters={"svc": service})
    threads = worker_of_vm(played)
    assert [threads[row.vm] for row in played.of("proxy_http_call")] == [TRIAL, MAIN, 0]
    assert [threads[row.vm] for row in played.of("proxy_on_http_call_response")] == [MAIN, 0]


def test_tcp_connections_have_workers_too(play: Play) -> None:
    script = {"new_connection": [], "downstream_data": []}
    made = [replace(connection(">hello", "<hello!"), index=index, connection=index) for index in range(12)]
    played = play([(script, SAME)], made, workers=3)
    threads = worker_of_vm(played)
    seen = {row.exchange: threads[row.vm] for row in played.of("proxy_on_new_connection")}
    assert len(seen) == 12 and set(seen.values()) == {0, 1, 2}
    assert all(threads[row.vm] == seen[row.exchange] for row in played.of("proxy_on_downstream_data"))


def test_a_refusal_is_told_with_the_words_of_that_filter(play: Play) -> None:
    """Not with those of a neighbour, which starts on several threads meanwhile."""
    refusing = {"configure": [call("log", 4, "mine"), Ret(0)]}
    with pytest.raises(FilterLoadError, match=r"it logged last: mine\.") as caught:
        play([{"configure": [call("log", 2, "theirs")]}, refusing], main_thread=True)
    assert "theirs" not in str(caught.value)
