"""Filters that share a VM: numbers of contexts, starts, reloads and ends. Source: Envoy 1.40 as it behaves."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, Play, request, response
from tests.core.wat import OUT, TRAP, If, Nth, Ret, call
from workbench.errors import FilterLoadError
from workbench.trace.records import Effect, Event, FailureKind

SAME: dict[str, object] = {"vm_id": "v"}
RELOAD = SAME | {"failure_policy": "reload"}


def contexts(played: object) -> list[tuple[str, int, int]]:
    rows = played.of("proxy_on_context_create")  # type: ignore[attr-defined]
    return [(played.trace.filter_name(row), row.context, row.a) for row in rows]  # type: ignore[attr-defined]


def test_contexts_are_numbered_when_the_stream_arrives(play: Play) -> None:
    """Also those of filters that it comes to much later, when other streams have come."""
    script = {"request_headers": [Nth(1, (Ret(1),))], "configure": [call("tick", 30)], "tick": [call("effective", 3), call("cont", 0)]}
    played = play([(script, SAME), (script, SAME)], [(GET, response(after_ms=200)), request(at_ms=10)])
    assert contexts(played) == [("a", 1, 0), ("b", 2, 0), ("a", 3, 1), ("a", 5, 1), ("b", 6, 2), ("b", 4, 2)]


def test_a_refused_configuration_ends_one_filter(play: Play) -> None:
    """Its neighbour in the VM goes on; what it wanted of its root context is not done."""
    script = {"configure": [call("tick", 5), Nth(2, (Ret(0),))], "tick": []}
    with pytest.raises(FilterLoadError, match="filter b: refused its configuration"):
        play([(script, SAME), (script, SAME)])
    for policy, status, effect in (("closed", 503, Effect.FAILED), ("open", 200, Effect.PASSED), ("reload", 503, Effect.FAILED)):
        options = SAME | {"failure_policy": policy}
        played = play([(script, options), (script, options)], [GET, request(at_ms=2000)], start_anyway=True)
        assert [played.status(index) for index in (0, 1)] == [status, status]
        assert [each for each in played.calls(1) if each[0] == "b"] == []
        assert next(each for each in played.calls(1) if each[0] == "a") == "a.context_create"
        assert {played.trace.filter_name(row) for row in played.of("proxy_on_tick")} == {"a"}
        refused = played.events(Event.FAILURE)[0]
        assert (refused.a, refused.fields[1]) == (FailureKind.CONFIGURE, b"proxy_on_configure")
        assert [(row.filter, row.a, row.c) for row in played.events(Event.FAILURE, 1)] == [(1, FailureKind.EARLIER, effect)]
        assert [each for each in played.calls(None) if each.endswith(("done", "delete"))] == ["a.done", "a.delete"]


def test_a_trap_at_the_start_of_the_second_ends_both(play: Play) -> None:
    """The VM is gone; the first filter's policy decides for itself."""
    script = {"vm_start": [Nth(2, (TRAP,))]}
    played = play([(script, SAME | {"failure_policy": "open"}), (script, SAME)], [GET], start_anyway=True)
    assert played.status() == 503
    assert [(row.filter, row.c) for row in played.events(Event.FAILURE, 0)] == [(0, Effect.PASSED), (1, Effect.FAILED)]
    reloaded = play([(script, RELOAD), (script, SAME | {"failure_policy": "open"})], [GET, request(at_ms=1000)], start_anyway=True)
    assert (reloaded.status(0), reloaded.status(1)) == (503, 200)
    assert {each[0] for each in reloaded.calls(1)} == {"a"}


def test_a_third_filter_gets_a_fresh_vm_where_the_second_trapped(play: Play) -> None:
    script = {"vm_start": [Nth(2, (TRAP,))]}
    played = play([(script, SAME)] * 3, [GET], start_anyway=True)
    assert [(row.filter, row.vm) for row in played.events(Event.VM)] == [(0, 0), (1, 0), (2, 1)]


def test_each_filter_is_reloaded_when_its_stream_arrives(play: Play) -> None:
    """The second one's root context comes behind the first one's stream, in the VM that the first has got."""
    script = {"request_headers": [Nth(3, (TRAP,))]}
    played = play([(script, RELOAD), (script, RELOAD)], [GET, request(at_ms=10), request(at_ms=20), request(at_ms=2000)])
    assert [played.status(index) for index in range(4)] == [200, 503, 503, 200]
    assert contexts(played)[-4:] == [("a", 1, 0), ("b", 3, 0), ("a", 2, 1), ("b", 4, 3)]
    assert [(row.filter, row.vm, row.b) for row in played.events(Event.VM)] == [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)]


def test_a_filter_that_does_not_reload_stays_dead_in_the_old_vm(play: Play) -> None:
    script = {"request_headers": [Nth(3, (TRAP,))]}
    played = play([(script, SAME), (script, RELOAD)], [GET, request(at_ms=10), request(at_ms=2000)])
    assert [played.status(index) for index in range(3)] == [200, 503, 503]
    # the reloaded one is told of the stream at its end
    assert played.calls(2) == ["b.context_create", "b.log", "b.done", "b.delete"]


def test_the_wait_for_a_reload_begins_with_the_vm(play: Play) -> None:
    """One that ran for longer than a second is replaced at once, the next one only a second later."""
    played = play([({"request_headers": [TRAP]}, RELOAD)], [request(at_ms=at) for at in (0, 1500, 1501, 2600)])
    assert [row.vm for row in played.events(Event.VM)] == [0, 1, 2]
    assert [len(played.calls(index)) for index in range(4)] == [2, 2, 0, 2]


@pytest.mark.parametrize("ends", [Ret(0), TRAP])
def test_a_reload_that_does_not_start_is_tried_again(play: Play, ends: object) -> None:
    """A refused VM is told of its end; the failed one stays until one starts."""
    bad, good = call("proxy_get_shared_data", "bad", OUT, OUT, OUT), call("proxy_get_shared_data", "good", OUT, OUT, OUT)
    mend = If(bad, 0, (call("proxy_set_shared_data", "good", "1", 0), ends))
    script = {
        "configure": [If(good, 1, (mend,))],
        "request_headers": [Nth(1, (call("proxy_set_shared_data", "bad", "1", 0), TRAP))],
    }
    played = play([(script, RELOAD)], [request(at_ms=at) for at in (0, 1000, 1500, 2000)])
    assert [played.status(index) for index in range(4)] == [503, 503, 503, 503]
    assert [row.vm for row in played.events(Event.VM)] == [0, 1, 2]
    told = ["a.done", "a.delete"] if isinstance(ends, Ret) else []
    again = ["a.context_create", "a.vm_start(0)", "a.configure(0)"]
    assert played.calls(None) == again + again + told + again
    assert played.calls(3) == ["a.context_create", "a.request_headers(5, 1)"]


def test_a_notice_finds_the_fresh_vm(play: Play) -> None:
    """A queue that was registered before the reload."""
    known = call("proxy_get_shared_data", "k", OUT, OUT, OUT)
    register = call("proxy_register_shared_queue", "q", OUT)
    first = If(known, 1, (call("proxy_set_shared_data", "k", "1", 0), register))
    script = {"request_headers": [first, call("proxy_enqueue_shared_queue", 1, "x"), Nth(2, (TRAP,))]}
    played = play([(script, RELOAD)], [request(at_ms=at) for at in (0, 10, 2000)])
    assert [played.status(index) for index in range(3)] == [200, 503, 200]
    assert [row.vm for row in played.of("proxy_on_queue_ready")] == [0, 1]


def test_roots_end_from_the_last_filter_to_the_first(play: Play) -> None:
    played = play([({}, SAME), {}, ({}, SAME)])
    ends = [each for each in played.calls(None) if each.endswith(("done", "delete"))]
    assert ends == ["c.done", "c.delete", "b.done", "b.delete", "a.done", "a.delete"]
