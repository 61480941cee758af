from __future__ import annotations

import numpy as np
import pytest

from workbench.analysis.laboratory import Laboratory
from workbench.analysis.laboratory_requests import Requests
from workbench.widgets import sweep_figure

HOSTILE = "<img src=x onerror=alert(1)>%{y}"


@pytest.fixture
def lab() -> Laboratory:
    """Ten requests at once of each of two keys."""
    n = 20
    key = np.arange(n) % 2
    return Laboratory(Requests(np.arange(n), np.full(n, 10**18), np.arange(n), key, ("plain", HOSTILE), np.zeros(n, bool)))


def test_a_line_for_all_and_one_for_each_key(lab: Laboratory) -> None:
    figure = sweep_figure(lab.sweep(limits=[0, 5, 10], window_s=10, algorithm="fixed window"))
    assert [list(trace.y) for trace in figure.data] == [[1, 0.5, 0]] * 3
    assert figure.data[0].name == "all requests"
    assert repr(figure).startswith("3 settings on 20 requests: from 20 limited (0 in 10 s, fixed window) to 0")
    assert "From 10 on none is limited." in repr(figure)


def test_the_band_of_workers(lab: Laboratory) -> None:
    figure = sweep_figure(lab.sweep(limits=[2, 4], window_s=10, workers=[2], budgets="per worker"))
    strictest, laxest = figure.data[:2]
    assert list(strictest.y) == [0.8, 0.6]
    assert list(laxest.y) == [0.6, 0.2]
    assert laxest.fill == "tonexty"


def test_what_differs_names_the_lines(lab: Laboratory) -> None:
    figure = sweep_figure(lab.sweep(limits=[1, 2], windows_s=[1, 10], algorithms=["fixed window", "gcra"]))
    assert [trace.name for trace in figure.data] == ["fixed window, 1 s", "gcra, 1 s", "fixed window, 10 s", "gcra, 10 s"]


def test_nothing_captured_is_markup_or_a_template(lab: Laboratory) -> None:
    figure = sweep_figure(lab.sweep(limits=[1, 2], window_s=10, algorithm="fixed window"))
    assert all("<img" not in trace.name and "%{y}" not in trace.name for trace in figure.data)
    assert all(trace.hovertemplate.count("%{y") == 1 for trace in figure.data)
    table = figure._repr_mimebundle_()["text/html"]
    assert "<img" not in table
    assert "<td>18</td>" in table


def test_a_sweep_of_nothing_is_said() -> None:
    empty = np.empty(0, np.int64)
    figure = sweep_figure(Laboratory(Requests(empty, empty, empty, empty, (), np.empty(0, bool))).sweep(limits=[1]))
    assert repr(figure) == "No setting was tried on any request."
