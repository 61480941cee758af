from __future__ import annotations

import numpy as np
import pytest

from tests.analysis.tracewriter import START, TraceWriter
from workbench.analysis.decision import all_verdicts
from workbench.analysis.decision_lanes import MARKS, Lanes, lanes_of
from workbench.analysis.facts import gather_facts
from workbench.analysis.limits_gather import gather_limits
from workbench.trace.records import NONE, Event
from workbench.trace.trace import Trace

SECOND = 10**9


def lanes(trace: Trace) -> Lanes:
    facts = gather_facts(trace)
    return lanes_of(facts, gather_limits(trace, facts), all_verdicts(trace, facts), trace.filters)


def store(count: int = 12, apart: int = SECOND, keys: tuple[bytes, ...] = (b"user=a", b"user=b", b"user=a")) -> TraceWriter:
    """Requests one after the other, their keys in turn, 3 in 10 s of each from the first hit on."""
    w = TraceWriter("shim")
    state: dict[bytes, tuple[int, int]] = {}
    for index in range(count):
        w.time = START + index * apart
        key = keys[index % len(keys)]
        w.request(index, method=b"POST")
        w.callback("proxy_on_request_headers", 0, index, 4, 1)
        call = w.asked(index, b"", b"\x08\x01")
        start, counter = state.get(key, (w.time, 0))
        if w.time >= start + 10 * SECOND:
            start, counter = w.time, 0
        over = counter == 3
        counter += not over
        state[key] = start, counter
        w.limit(index, call, (b"toystore", b"create-toy", key), (3, counter, 1, 10), over=over, window=(start, start + 10 * SECOND))
        if over:
            w.event(Event.LOCAL_RESPONSE, index, (NONE, 0, 0), b"", b"", b"\0\0\0\0", result=429, filter=0, parent=w.callback_row)
    return w


def test_a_lane_for_each_key_the_busiest_first() -> None:
    found = lanes(store().take())
    assert [lane.title for lane in found.lanes] == ["a", "b"]
    assert [lane.subject for lane in found.lanes] == ["3 per 10 s, create-toy"] * 2
    assert [lane.last - lane.first for lane in found.lanes] == [8, 4]
    # of a: 0, 2, 3 fit, 5, 6, 8 and 9 do not, 11 opens a window; of b: 1, 4, 7 fit, 10 does not
    assert found.lanes[0].counts == (4, 4, 0, 0, 0, 0)
    assert found.lanes[1].counts == (3, 1, 0, 0, 0, 0)
    assert found.sentence() == "5 of 12 decided requests limited by create-toy, worst a with 4 of 8."


def test_marks_windows_and_what_came_before() -> None:
    found = lanes(store().take())
    whole = found.drawn(0, *found.span, 800)
    assert whole["t"] == [0, 2000, 3000, 5000, 6000, 8000, 9000, 11000]
    assert whole["c"] == [1, 2, 3, 3, 3, 3, 3, 1]
    assert whole["r"] == [10000] * 7 + [21000]
    assert whole["windows"] == [[0, 10000], [11000, 11000]]
    assert whole["before"] is None
    later = found.drawn(0, START + 4 * SECOND, START + 6 * SECOND, 800)
    assert later["e"] == [5, 6]
    assert later["before"] == [3, 10000]


def test_many_marks_are_binned_and_none_is_lost() -> None:
    found = lanes(store(4000, SECOND // 50, (b"k",)).take())
    (lane,) = found.lanes
    bins = found.drawn(0, *found.span, 100)["bins"]
    assert len(bins["x"]) <= 100
    assert sum(bins["n"]) == 4000
    assert sum(bins["bad"]) == lane.counts[MARKS.index("limited")]
    # who speaks for a bin is one that was limited, wherever one was
    marks = dict(zip(found.exchange.tolist(), found.mark.tolist(), strict=True))
    assert all((marks[e] == 1) == (bad > 0) and marks[e] == m for e, bad, m in zip(bins["e"], bins["bad"], bins["m"], strict=True))
    seen = found.overview(50)
    assert (sum(seen["n"]), sum(seen["bad"])) == (4000, lane.counts[1])


def test_a_decision_without_a_counter_lies_in_a_lane_of_its_filter(endings: Trace) -> None:
    found = lanes(endings)
    titles = {lane.title: lane.counts for lane in found.lanes}
    assert titles["auth"] == (1, 0, 0, 1, 0, 1)
    assert found.decided.total() == 5
    assert "1 denied" in found.sentence()


def test_search_order_and_steps() -> None:
    found = lanes(store(30, SECOND, (b"user=a", b"user=a", b"user=b")).take())
    assert found.found("create B", "") == [1]
    assert found.found("nobody", "") == []
    assert found.found("", "limited")[0] == 0
    assert found.marks_of(2) == [{"lane": 1, "t": 2000, "m": 0, "c": 1, "r": 12000}]
    assert found.marks_of(99) == []
    assert found.step(0, 0, 1) == 1
    assert found.step(0, 1, 1) == 3
    assert found.step(0, 0, -1) == 0
    assert found.step(0, 29, 1) == 28  # not in this lane: the nearest in time
    assert found.rows(1, START, START + 5 * SECOND).tolist() == [found.lanes[1].first, found.lanes[1].first + 1]
    assert np.all(np.diff(found.time[found.rows(None, *found.span)]) >= 0)


def test_nothing_decided_is_said() -> None:
    w = TraceWriter("f")
    w.request(0)
    found = lanes(w.take())
    assert len(found) == 0
    assert found.sentence() == "No filter limited, denied or counted a request."
    assert found.overview(4) == {"n": [0] * 4, "bad": [0] * 4}


@pytest.mark.parametrize(("keys", "titles"), [((b"k=ab", b"k=ac"), ["ab", "ac"]), ((b"ab",), ["ab"]), ((b"", b"x"), ["create-toy", "x"])])
def test_labels_leave_out_what_all_keys_begin_with(keys: tuple[bytes, ...], titles: list[str]) -> None:
    assert sorted(lane.title for lane in lanes(store(4, keys=keys).take()).lanes) == sorted(titles)


def test_an_answer_that_came_too_late_is_an_error_in_the_lane_of_its_counter() -> None:
    w = TraceWriter("shim")
    for index in range(3):
        w.request(index)
        w.callback("proxy_on_request_headers", 0, index, 4, 1)
        call = w.asked(index, b"", b"\x08\x01", end=1 if index == 1 else 0, status=4 if index == 1 else 0)
        w.limit(index, call, (b"toystore", b"create-toy", b""), (3, index + 1, 1, 10))
    found = lanes(w.take())
    assert [MARKS[mark] for mark in found.mark.tolist()] == ["allowed", "error let through", "allowed"]
    assert found.counter.tolist() == [1, 2, 3]


def test_a_counter_that_is_checked_and_then_reported_is_one_mark() -> None:
    w = TraceWriter("shim")
    for index in range(3):
        w.request(index)
        w.callback("proxy_on_request_headers", 0, index, 4, 1)
        over = index == 2
        w.limit(index, w.asked(index, b"", b"\x08\x01"), (b"d", b"n", b""), (2, index, 1, 10), over=over, flags=b"check")
        if not over:
            w.time += 1000
            w.limit(index, w.asked(index, b"", b"\x08\x01"), (b"d", b"n", b""), (2, index + 1, 1, 10))
    found = lanes(w.take())
    assert found.exchange.tolist() == [0, 1, 2]
    assert found.counter.tolist() == [1, 2, 2]
    assert [MARKS[mark] for mark in found.mark.tolist()] == ["allowed", "allowed", "limited"]
