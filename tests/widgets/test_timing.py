"""The Timing view: what it is told, its figures, and its sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly.io as pio
import pytest

from workbench.analysis.timing import DIMENSIONS
from workbench.capture import Capture
from workbench.chain import Chain
from workbench.errors import WorkbenchError
from workbench.replay import Replay
from workbench.widgets import TimingView, Workbench, timing_figure
from workbench.widgets.templates import template
from workbench.widgets.timing import MOST_POINTS, timing_answer, timing_sentence

KINDS = ("sum", "ecdf", "histogram", "capture", "icicle")


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_view_gets_sums_not_calls(replay: Replay, ask: Callable[[Any], Any], dimension: Any) -> None:
    _, data = ask(Workbench(replay))("timing", dimension=dimension)
    groups = replay.times.groups(dimension)
    assert [row["key"] for row in data["rows"]] == [group.key for group in groups]
    axis = data["axis"]
    assert axis["from_ns"] <= axis["low"] < axis["to_ns"]
    assert axis["from_ns"] < data["baseline"]["ns"] < axis["to_ns"]
    assert all(axis["from_ns"] <= tick <= axis["to_ns"] * 1.001 for tick in axis["ticks"])
    for row, group in zip(data["rows"], groups, strict=True):
        assert row["own"]["sum"] == group.own.sum
        assert row["host"]["p99"] == group.host.p99
        assert len(row["own"]["histogram"]) == len(row["host"]["histogram"]) == 60


def test_a_row_opens_onto_its_slowest_exchanges(replay: Replay, ask: Callable[[Any], Any]) -> None:
    view = ask(replay.timing())
    key = next(group.key for group in replay.times.groups("callbacks") if group.name == "on_request_headers")
    _, data = view("timing", part="group", dimension="callbacks", key=key)
    totals = [one["own_ns"] + one["host_ns"] for one in data["slowest"]]
    assert totals == sorted(totals, reverse=True) and len(totals) == 10
    paths = dict(zip(replay.exchanges["index"], replay.exchanges["path"], strict=True))
    assert all(one["path"] == paths[one["exchange"]][:120] for one in data["slowest"])
    assert set(data["curves"]) == {"own", "host", "total"}


def test_the_tree_and_the_capture(replay: Replay, ask: Callable[[Any], Any]) -> None:
    view = ask(replay.timing())
    _, tree = view("timing", part="tree")
    assert tree["filters"] == list(replay.trace.filters)
    assert tree["ns"] == replay.times.tree.ns
    _, over = view("timing", part="capture")
    assert sorted(over["points"]["exchange"]) == replay.facts.exchange.tolist()
    assert sum(over["points"]["own"]) == replay.facts.filter_ns.sum()
    assert over["points"]["ms"] == sorted(over["points"]["ms"])
    assert "cells" not in over


def test_many_exchanges_are_counted_in_cells(sample_filter: Callable[[str], Path], monkeypatch: Any, replay: Replay) -> None:
    monkeypatch.setattr("workbench.widgets.timing.MOST_POINTS", 10)
    assert MOST_POINTS > 1000
    over = timing_answer(replay, {"part": "capture"})
    cells = over["cells"]
    assert sum(cells["own"]) == (replay.facts.filter_ns > 0).sum()
    assert sum(cells["host"]) == (replay.facts.host_ns > 0).sum()
    assert len(cells["own"]) == cells["columns"] * cells["rows"]
    points = over["points"]
    slowest = int(replay.facts.exchange[(replay.facts.filter_ns + replay.facts.host_ns).argmax()])
    assert slowest in points["exchange"]
    assert len(points["exchange"]) < len(replay)


@pytest.mark.parametrize("question", [{"dimension": "moons"}, {"part": "moons"}, {"part": "group", "key": 9999}, {"part": "group"}])
def test_a_question_without_sense_is_an_answer(replay: Replay, ask: Callable[[Any], Any], question: Any) -> None:
    head, data = ask(replay.timing())("timing", **question)
    assert head["error"] and data is None


def test_the_view_says_what_it_shows_without_a_page(replay: Replay) -> None:
    view = replay.timing()
    assert isinstance(view, TimingView)
    text = repr(view)
    assert text.startswith("Timing. ") and "of real time on this machine" in text and "Run the cell" in text
    assert "toystore" not in text and "/toys" not in text


def test_filter_and_host_stay_apart_in_the_figure(replay: Replay) -> None:
    figure = timing_figure(replay)
    own, host = figure.data
    assert (own.name, host.name) == ("filter", "host")
    assert not own.marker.pattern.shape
    assert host.marker.pattern.shape == "/"
    assert own.marker.color != host.marker.color
    groups = [group for group in replay.times.groups("callbacks") if not group.start]
    assert len(own.x) == len(host.x) == min(24, len(groups))
    ratio = sum(own.x) / sum(host.x)
    assert ratio == pytest.approx(sum(group.own.sum for group in groups) / sum(group.host.sum for group in groups), rel=0.02)


@pytest.mark.parametrize("theme", ["any", "light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_figures_hold_nothing_captured(hostile_replay: Replay, kind: Any, theme: Any) -> None:
    text = hostile_replay.timing().figure(kind, theme=theme).to_json()
    assert "pwned" not in text
    assert "toystore" not in text


@pytest.mark.parametrize("by", DIMENSIONS)
def test_distributions_name_the_baseline(replay: Replay, by: Any) -> None:
    for kind in ("ecdf", "histogram"):
        figure = replay.timing().figure(kind, by)  # type: ignore[arg-type]
        assert any("empty hostcall" in (note.text or "") for note in figure.layout.annotations)
        assert figure.layout.shapes[0].x0 == replay.baseline.ns
        assert len(figure.data) >= 2


def test_paths_in_a_figure_are_text(hostile_replay: Replay) -> None:
    text = hostile_replay.timing().figure("histogram", "paths").to_json()
    assert "<img" not in text and "<script" not in text


def test_a_figure_that_is_not_there(replay: Replay) -> None:
    with pytest.raises(WorkbenchError, match="Kinds are sum, ecdf, histogram, capture, icicle"):
        replay.timing().figure("pie")  # type: ignore[arg-type]


def test_where_no_figure_is_drawn_the_numbers_stand(replay: Replay) -> None:
    figure = timing_figure(replay)
    sentence = timing_sentence(replay.times)
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == repr(figure) == sentence
    assert sentence in bundle["text/html"]
    assert bundle["text/html"].count("<tr>") == len([g for g in replay.times.groups("callbacks") if not g.start]) + 1


def test_templates_are_known_to_plotly() -> None:
    template("light"), template("dark")
    assert {"workbench_light", "workbench_dark"} <= set(pio.templates)
    assert pio.templates["workbench_dark"].layout.colorway[0] == "#2196f3"


def test_names_are_no_markup(capture: Capture, sample_filter: Callable[[str], Path]) -> None:
    from workbench.chain import Filter

    replay = Chain(Filter(sample_filter("add_header"), name="<img src=x onerror=1>")).replay(capture)
    for kind in KINDS:
        figure = replay.timing().figure(kind)  # type: ignore[arg-type]
        assert "<img" not in figure.to_json()
        assert "<img" not in figure._repr_mimebundle_()["text/html"]


def test_a_replay_without_a_filter_has_no_time(capture: Capture) -> None:
    replay = Chain().replay(capture)
    data = timing_answer(replay, {})
    assert data["rows"] == [] and data["facts"] == []
    assert "no time" in data["sentence"]
    for kind in KINDS:
        replay.timing().figure(kind)  # type: ignore[arg-type]


def test_instructions_in_place_of_time(chain: Chain, capture: Capture, replay: Replay, ask: Callable[[Any], Any]) -> None:
    counting = chain.replay(capture, fuel=True)
    view = ask(counting.timing())
    _, data = view("timing", unit="fuel")
    assert data["unit"] == "fuel" and data["counted"] and data["baseline"] is None
    assert "instructions of the filters, as many on every machine" in data["sentence"]
    assert sum(row["own"]["sum"] for row in data["rows"]) == counting.instructions.tree.ns
    assert [part["kind"] for part in view("timing", part="tree", unit="fuel")[1]["children"]] == ["traffic", "start"]
    assert sum(view("timing", part="capture", unit="fuel")[1]["points"]["host"]) == 0
    assert not ask(replay.timing())("timing")[1]["counted"]
    assert "fuel=True" in ask(replay.timing())("timing", unit="fuel")[0]["error"]
