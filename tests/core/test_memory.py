"""The trace says how much memory a VM has, when a callback changed it."""

from __future__ import annotations

from tests.core.conftest import GET, Play
from tests.core.wat import TRAP, Nth, Raw
from workbench.trace.records import NONE, Event

GROW = Raw("(drop (memory.grow (i32.const 3)))")


def test_the_size_after_the_first_call_and_each_growth(play: Play) -> None:
    played = play([{"memory": "32", "request_headers": (Nth(2, (GROW,)),), "log": (Nth(2, (GROW,)),)}], [GET, GET])
    rows = played.events(Event.MEMORY)
    assert [(row.exchange, row.a, row.b) for row in rows] == [(NONE, 32, 0), (1, 35, 32), (1, 38, 35)]
    callbacks = [played.trace.name(played.trace.row(row.parent)) for row in rows]
    assert callbacks == ["proxy_on_context_create", "proxy_on_request_headers", "proxy_on_log"]


def test_a_call_that_traps_is_counted_too(play: Play) -> None:
    played = play([{"memory": "32", "request_headers": (GROW, TRAP)}])
    assert [(row.a, row.b) for row in played.events(Event.MEMORY)] == [(32, 0), (35, 32)]


def test_each_vm_has_its_own(play: Play) -> None:
    played = play([{"memory": "17", "request_headers": (GROW,)}, {"memory": "18"}], [GET])
    assert [(row.vm, row.filter, row.a) for row in played.events(Event.MEMORY)] == [(0, 0, 17), (1, 1, 18), (0, 0, 20)]
