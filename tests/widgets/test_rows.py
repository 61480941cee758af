"""Pages of the flow table."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.widgets.conftest import unpacked
from workbench.analysis.query_terms import OUTCOMES
from workbench.replay import Replay
from workbench.widgets import FlowTable
from workbench.widgets.rows import LARGEST_PAGE, FlowRows


@pytest.fixture(scope="module")
def rows(replay: Replay) -> FlowRows:
    return FlowRows(replay)


def page(rows: FlowRows, **question: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    head, buffers = rows.page({"first": 0, "count": LARGEST_PAGE, **question})
    while head["searched"] < head["total"]:
        head, buffers = rows.page({"first": 0, "count": LARGEST_PAGE, **question})
    return head, unpacked(head, buffers)


def test_a_row_says_what_the_replay_says(rows: FlowRows, replay: Replay) -> None:
    head, found = page(rows)
    assert head["total"] == head["matched"] == len(replay) == len(found)
    for row in found:
        result = replay[row["index"]].result
        assert row["method"] == result["method"]
        assert row["down"] == (result["downstream_response"] or {"status": 0})["status"]
        assert row["outcome"] == replay[row["index"]].outcome
        assert row["filter_ns"] == result["timing_ns"]["filter"]
        assert row["host_ns"] == result["timing_ns"]["host"]


def test_paging_gives_each_row_once(rows: FlowRows) -> None:
    _, whole = page(rows)
    parts = [page(rows, first=first, count=10)[1] for first in range(0, len(whole) + 20, 10)]
    assert [row for part in parts for row in part] == whole


def test_a_page_is_bounded(replay: Replay, ask: Callable[[Any], Any]) -> None:
    view = FlowTable(replay)
    head, found = ask(view)("rows", first=-5, count=10**9)
    assert head["first"] == 0
    assert len(found) == min(LARGEST_PAGE, len(replay))


def test_a_query_narrows_the_rows(rows: FlowRows, replay: Replay) -> None:
    head, found = page(rows, query="~m post & ~got 429")
    assert found
    assert all(row["method"] == "POST" and row["down"] == 429 for row in found)
    assert head["outcomes"] == {"limited": len(found)}
    assert [row["index"] for row in found] == replay.where("~m post & ~got 429").tolist()
    assert page(rows, query="no-such-thing")[1] == []


def test_a_wrong_query_is_an_error_with_its_place(replay: Replay, ask: Callable[[Any], Any]) -> None:
    asked = ask(FlowTable(replay))
    assert "is no term" in asked("rows", query="~outcom limited")[0]["error"]
    head, offers = asked("query", text="~m GET & ~outcom", caret=16)
    assert (head["wrong"]["at"], head["wrong"]["end"]) == (9, 16)
    assert "~outcome" in head["wrong"]["fits"]
    assert [(one["text"], one["at"]) for one in offers] == [("~outcome ", 9)]
    head, offers = asked("query", text="~outcome lim", caret=12)
    assert [(one["text"], one["at"]) for one in offers] == [("limited ", 9)]
    assert offers[0]["help"] == str(replay.count("limited"))
    head, _ = asked("query", text="~m GET", caret=6)
    assert head["wrong"] is None


def test_a_long_search_comes_bit_by_bit(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.widgets.rows._PATIENCE_S", 0)
    monkeypatch.setattr("workbench.analysis.query._CHUNKS", (10, 10, 10))
    rows = FlowRows(replay)
    seen: list[int] = []
    while not seen or seen[-1] < len(replay):
        head, _ = rows.page({"query": "~b .", "count": 0})
        seen.append(head["searched"])
    assert seen == sorted(seen)
    assert len(seen) == -(-len(replay) // 10)
    assert head["matched"] == len(replay.where("~b ."))


def test_the_next_of_the_same_outcome(rows: FlowRows) -> None:
    question = {"sort": "cost", "descending": True}
    _, found = page(rows, **question)
    limited = [at for at, row in enumerate(found) if row["outcome"] == "limited"]
    for here, there in pairwise(limited):
        assert rows.neighbour({**question, "index": found[here]["index"], "step": 1}) == (there, found[there]["index"])
        assert rows.neighbour({**question, "index": found[there]["index"], "step": -1}) == (here, found[here]["index"])
    assert rows.neighbour({**question, "index": found[limited[-1]]["index"], "step": 1}) == (-1, -1)


def test_one_outcome_alone(rows: FlowRows) -> None:
    everything = page(rows)[0]["outcomes"]
    for outcome, n in everything.items():
        head, found = page(rows, outcome=outcome)
        assert head["matched"] == n
        assert {row["outcome"] for row in found} == {outcome}
        assert head["outcomes"] == everything, "the other outcomes can still be chosen"


@pytest.mark.parametrize("sort", ["index", "time", "method", "path", "status", "outcome", "changes", "hostcalls"])
def test_sorting_is_stable_both_ways(rows: FlowRows, replay: Replay, sort: str) -> None:
    table = replay.exchanges
    column = table[sort].astype(str) if sort in ("method", "path") else table[sort]
    if sort == "outcome":
        column = column.map(OUTCOMES.index).astype(int)  # by weight
    for descending in (False, True):
        _, found = page(rows, sort=sort, descending=descending)
        keys = [column.loc[row["index"]] for row in found]
        assert all((b <= a if descending else a <= b) for a, b in pairwise(keys))
        assert all(a["index"] < b["index"] for (a, b), (x, y) in zip(pairwise(found), pairwise(keys), strict=True) if x == y)


def test_sorting_by_cost_takes_filter_and_host(rows: FlowRows) -> None:
    costs = [row["filter_ns"] + row["host_ns"] for row in page(rows, sort="cost", descending=True)[1]]
    assert costs == sorted(costs, reverse=True)


def test_locate_finds_what_a_page_shows(rows: FlowRows) -> None:
    question = {"query": "toys", "sort": "cost", "descending": True}
    _, found = page(rows, **question)
    for at in (0, len(found) // 2, len(found) - 1):
        assert rows.locate({**question, "index": found[at]["index"]}) == at
    assert rows.locate({"query": "no-such-thing", "index": 0}) == -1


def test_changes_are_named_with_their_sign(rows: FlowRows, replay: Replay) -> None:
    by_index = {row["index"]: row for row in page(rows)[1]}
    changed = replay.exchanges.query("outcome == 'changed'")
    assert len(changed)
    for index in changed["index"]:
        assert ["add", "hello"] in by_index[index]["changes"]
        assert by_index[index]["add"] >= 1


def test_a_refusal_keeps_what_the_upstream_had_answered(rows: FlowRows, replay: Replay) -> None:
    _, found = page(rows, outcome="limited")
    for row in found:
        captured = replay.capture[row["index"]].response
        assert row["down"] == 429
        assert row["up"] == (captured.status if captured else 0)
        assert row["reason"].startswith("429 by token_bucket")


def test_long_and_hostile_paths_are_cut(hostile_replay: Replay) -> None:
    _, found = page(FlowRows(hostile_replay))
    assert all(len(row["path"]) <= 1024 for row in found)
    assert any(row["path_cut"] for row in found)


def test_a_page_of_many_exchanges_is_quick(sample_capture: Any, sample_filter: Callable[[str], Any]) -> None:
    """Paging and filtering must keep up with a hand that scrolls."""
    from workbench.capture import open_capture
    from workbench.chain import Chain

    replay = Chain(sample_filter("add_header")).replay(open_capture(sample_capture.with_name("edge.mitm")))
    rows = FlowRows(replay)
    page(rows, query="toys")
    began = time.process_time()
    for first in range(0, 500, 100):
        page(rows, query="toys", first=first, count=100)
    assert time.process_time() - began < 5
