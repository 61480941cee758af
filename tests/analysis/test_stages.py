from __future__ import annotations

from itertools import pairwise
from typing import Any

from workbench.analysis.calls import ExchangeRows
from workbench.analysis.stages import Stage, request_stages, response_stages, trailer_stages
from workbench.capture.exchange import Exchange
from workbench.capture.packing import pack_pairs
from workbench.trace.records import NONE, Event
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter, exchange


def told(stages: tuple[Stage, ...]) -> list[tuple[str, bool]]:
    return [(stage.label, stage.reached) for stage in stages]


def test_the_whole_way(endings: Trace, captured: list[Exchange]) -> None:
    rows = ExchangeRows.of(endings, 0)
    assert told(request_stages(rows, captured)) == [
        ("client sent", True), ("after auth", True), ("after limit", True), ("after hello", True), ("upstream got", True),
    ]  # fmt: skip
    response = response_stages(rows, captured)
    assert told(response) == [
        ("upstream answered", True), ("after hello", True), ("after limit", True), ("after auth", True), ("client got", True),
    ]  # fmt: skip
    assert [(line.kind, line.name) for line in response[1].changes] == [("unchanged", ":status"), ("added", "hello")]
    assert all(line.kind == "unchanged" for stage in response[2:] for line in stage.changes)
    assert response[-1].body == b"ok" and response[-1].status == 200


def test_a_local_response_goes_back_through_who_saw_the_request(endings: Trace, captured: list[Exchange]) -> None:
    rows = ExchangeRows.of(endings, 1)
    assert told(request_stages(rows, captured)) == [
        ("client sent", True), ("after auth", True), ("after limit", True), ("not seen by hello", False), ("upstream got nothing", False),
    ]  # fmt: skip
    assert told(response_stages(rows, captured)) == [
        ("limit answered", True), ("not seen by hello", False), ("after limit", True), ("after auth", True), ("client got", True),
    ]  # fmt: skip


def test_a_failed_filter_does_not_see_the_answer(endings: Trace, captured: list[Exchange]) -> None:
    assert told(response_stages(ExchangeRows.of(endings, 3), captured)) == [
        ("answered for auth, which failed", True), ("not seen by hello", False), ("not seen by limit", False),
        ("not seen by auth", False), ("client got", True),
    ]  # fmt: skip


def test_an_answer_in_the_response_phase_goes_straight_to_the_client() -> None:
    w = TraceWriter("one", "two", "three")
    w.request(0)
    w.upstream(0)
    w.response(0, 200)
    parent = w.callback("proxy_on_response_headers", 1, 0)
    given = pack_pairs(((b":status", b"502"),))
    w.event(Event.LOCAL_RESPONSE, 0, (NONE, 0, 0), b"", b"", given, result=502, filter=1, parent=parent)
    w.downstream(0, 502, own=b"")
    assert told(response_stages(ExchangeRows.of(w.take(), 0), [exchange(0)])) == [
        ("upstream answered", True), ("after three", True), ("after two", True), ("two answered", True), ("not seen by one", False),
        ("client got", True),
    ]  # fmt: skip


def test_trailers_only_where_there_are_any(endings: Trace) -> None:
    assert trailer_stages(ExchangeRows.of(endings, 0), response=True) == ()
    w = TraceWriter("f")
    w.request(0)
    parent = w.callback("proxy_on_request_body", 0, 0)
    w.event(Event.MAP, 0, (1,), pack_pairs(((b"t", b"1"),)), filter=0, parent=parent)
    w.event(Event.UPSTREAM_REQUEST, 0, (0, 0, 1), pack_pairs(w.pairs), pack_pairs(((b"t", b"1"),)), b"")
    stages = trailer_stages(ExchangeRows.of(w.take(), 0), response=False)
    assert [stage.headers for stage in stages] == [(), (("t", "1"),), (("t", "1"),)]


def test_real_stages_join_without_a_gap(replayed: Any) -> None:
    """Each stage's changes lead from the stage before to it, and after the last filter nothing changes on its way out."""
    for view in replayed:
        for stages in (view.request, view.response):
            reached = [stage for stage in stages if stage.reached]
            for before, after in pairwise(reached):
                assert [(line.name, line.before) for line in sorted_by_place(after)] == list(before.headers)
                assert tuple((line.name, line.after) for line in after.changes if line.after is not None) == after.headers
        if view.result["local_response"] is None:
            assert all(line.kind == "unchanged" for line in view.request[-1].changes)


def sorted_by_place(stage: Stage) -> list[Any]:
    return sorted((line for line in stage.changes if line.before_at is not None), key=lambda line: line.before_at)
