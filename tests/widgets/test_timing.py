"""Real time per callback: the numbers, the figure, the sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.capture import Capture
from workbench.chain import Chain
from workbench.replay import Replay
from workbench.widgets import Workbench, timing_figure
from workbench.widgets.timing import callback_times, timing_data, timing_sentence


def test_the_numbers_are_those_of_the_callbacks(replay: Replay) -> None:
    table = replay.callbacks
    table = table[table["filter"].notna()]
    times = callback_times(replay)
    assert sum(one.count for one in times) == len(table)
    assert sum(one.filter_ns for one in times) == table["filter_ns"].sum()
    assert sum(one.host_ns for one in times) == table["host_ns"].sum()
    for one in times:
        mine = table[(table["filter"] == one.filter_name) & (table["callback"] == one.name)]
        spent = mine["filter_ns"] + mine["host_ns"]
        assert one.count == len(mine) == sum(one.histogram)
        assert one.p50 == pytest.approx(np.quantile(spent, 0.5))
        assert one.max == spent.max()


def test_callbacks_stand_in_the_order_of_the_chain(replay: Replay) -> None:
    places = [one.filter for one in callback_times(replay)]
    assert places == sorted(places)
    assert set(places) == {0, 1, 2}


def test_filter_and_host_stay_apart_in_the_figure(replay: Replay) -> None:
    figure = timing_figure(replay)
    own, host = figure.data
    assert (own.name, host.name) == ("filter", "host")
    assert not own.marker.pattern.shape
    assert host.marker.pattern.shape == "/"
    assert own.marker.color != host.marker.color
    times = callback_times(replay)
    assert len(own.x) == len(host.x) == len(times)
    ratio = sum(own.x) / sum(host.x)
    assert ratio == pytest.approx(sum(one.filter_ns for one in times) / sum(one.host_ns for one in times))


@pytest.mark.parametrize("theme", ["any", "light", "dark"])
def test_the_figure_holds_nothing_captured(hostile_replay: Replay, theme: Any) -> None:
    text = timing_figure(hostile_replay, theme=theme).to_json()
    assert "pwned" not in text
    assert "toystore" not in text


def test_where_no_figure_is_drawn_the_numbers_stand(replay: Replay) -> None:
    figure = timing_figure(replay)
    sentence = timing_sentence(callback_times(replay), len(replay))
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == repr(figure) == sentence
    assert sentence in bundle["text/html"]
    assert bundle["text/html"].count("<tr>") == len(callback_times(replay)) + 1


def test_names_are_no_markup(capture: Capture, sample_filter: Callable[[str], Path]) -> None:
    from workbench.chain import Filter

    replay = Chain(Filter(sample_filter("add_header"), name="<img src=x onerror=1>")).replay(capture)
    figure = timing_figure(replay)
    assert "<img" not in figure.to_json()
    assert "<img" not in figure._repr_mimebundle_()["text/html"]


def test_the_view_gets_sums_not_exchanges(replay: Replay, ask: Callable[[Any], Any]) -> None:
    _, data = ask(Workbench(replay))("timing")
    assert len(data["rows"]) == len(callback_times(replay))
    assert data["sentence"] == timing_data(replay)["sentence"]
    axis = data["axis"]
    assert axis["from_ns"] < axis["to_ns"]
    assert all(axis["from_ns"] <= tick <= axis["to_ns"] * 1.001 for tick in axis["ticks"])
    for row in data["rows"]:
        assert len(row["histogram"]) == 48
        assert row["p50"] <= row["p90"] <= row["p99"] <= row["max"]


def test_a_replay_without_a_filter_has_no_time(capture: Capture) -> None:
    replay = Chain().replay(capture)
    assert callback_times(replay) == []
    assert timing_data(replay)["rows"] == []
    assert "no time" in timing_data(replay)["sentence"]
    timing_figure(replay)
