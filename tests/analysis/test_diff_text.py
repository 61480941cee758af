"""The differences of one exchange as text."""

from __future__ import annotations

from typing import Any

from workbench.analysis.diff_text import diff_text


def test_each_change_is_told_under_its_step(replayed: Any) -> None:
    told = 0
    for view in replayed:
        lines = diff_text(view).split("\n")
        assert lines[0].startswith(f"#{view.index} {view.result['method']} ")
        signs = [line.strip()[0] for line in lines if line.startswith("    ")]
        steps = [change for way in (view.request, view.response) for stage in way for change in stage.changes if change.kind != "unchanged"]
        assert len([sign for sign in signs if sign in "+-~⇅"]) >= len(steps)
        told += len(steps)
    assert told > 100


def test_a_local_response_is_told(replayed: Any) -> None:
    limited = next(view for view in replayed if view.outcome == "limited")
    text = diff_text(limited)
    assert "429" in text
    assert "answered" in text
    assert "not seen by" in text or "got nothing" in text


def test_the_view_prints_it(replayed: Any) -> None:
    view = replayed[3].diff()
    assert view.selected == 3
    assert str(view) == diff_text(replayed[3])
    assert replayed[3].result["url"] not in repr(view), "a saved notebook keeps nothing that was captured"
