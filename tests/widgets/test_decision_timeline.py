from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.widgets.dashboard import Workbench
from workbench.widgets.decision_timeline import DecisionTimeline


def test_the_finding_and_the_lanes(replay: Replay, ask: Callable[[Any], Any]) -> None:
    asked = ask(DecisionTimeline(replay))
    _, facts = asked("decisions")
    assert facts["decided"] == replay.decisions["verdict"].astype(str).value_counts().to_dict()
    assert facts["sentence"].startswith("16 of 42 decided requests limited by token_bucket")
    assert sum(facts["overview"]["n"]) == 42
    head, lanes = asked("decision_lanes", query="", first=0, count=12, from_ms=0, to_ms=facts["span_ms"], width=600)
    assert head["matched"] == facts["lanes"] == len(lanes)
    assert sum(len(lane["e"]) for lane in lanes) == 42
    bucket = next(lane for lane in lanes if "token_bucket" in lane["title"])
    assert bucket["max"] == 5
    assert bucket["counts"][1] == 16
    assert asked("decision_lanes", query="basic_auth", count=12)[0]["matched"] == 1


def test_the_table_says_the_same(replay: Replay, ask: Callable[[Any], Any]) -> None:
    asked = ask(DecisionTimeline(replay))
    head, rows = asked("decision_rows", first=0, count=100)
    assert head["matched"] == len(rows) == 42
    table = replay.decisions.set_index("exchange")
    assert all(row["reason"] == table.loc[row["exchange"], "reason"] for row in rows)
    assert [row["clock"] for row in rows] == sorted(row["clock"] for row in rows)
    assert asked("decision_rows", first=40, count=100)[1] == rows[40:]
    assert "no such lane" in asked("decision_rows", lane=99)[0]["error"]
    assert asked("decision_step", lane=0, exchange=rows[0]["exchange"], by=1)[0]["exchange"] != rows[0]["exchange"]


def test_it_is_a_pane_of_the_dashboard(replay: Replay, ask: Callable[[Any], Any]) -> None:
    assert ask(Workbench(replay))("decisions")[1]["lanes"] == 2


def test_a_replay_without_decisions_says_so(capture: Any, sample_filter: Any, ask: Callable[[Any], Any]) -> None:
    asked = ask(Chain(Filter(sample_filter("add_header"))).replay(capture).decision_timeline())
    _, facts = asked("decisions")
    assert (facts["lanes"], facts["decided"], facts["overview"]) == (0, {}, None)
    assert facts["sentence"] == "No filter limited, denied or counted a request."


def test_nothing_captured_is_state(replay: Replay) -> None:
    """Saved notebooks hold the view's traits."""
    view = DecisionTimeline(replay)
    state = json.dumps({name: value for name, value in view.get_state().items() if not name.startswith("_")}, default=str)
    assert "/toys" not in state and "authorization" not in state
    assert "decisions" not in state
