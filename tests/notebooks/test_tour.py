"""The tour without a browser: it shows what its prose says, and reads well where nothing is alive any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbconvert import HTMLExporter

from tests.notebooks.executed import MOST_SECONDS, Executed, execute

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def tour(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute("00_tour.ipynb", repo, tmp_path_factory.mktemp("tour"))


def test_it_runs_quickly_and_without_complaints(tour: Executed) -> None:
    assert tour.seconds < MOST_SECONDS
    assert tour.complaints() == []


def test_it_shows_what_its_prose_says(tour: Executed) -> None:
    stages = tour.shown("for stage in exchange.response").splitlines()
    assert stages[0].split()[-1] == "-"
    assert stages[-1].split()[-1] == "world"
    limits = eval(tour.shown("again.count"))
    assert limits["5 in 10 s"] > limits["10 in 10 s"] > 0
    decisions = tour.shown('decisions["kind"]')
    assert "limited" in decisions
    assert "denied" in decisions


def test_nothing_alive_is_needed_to_read_it(tour: Executed) -> None:
    """Exported, the view gives way to a sentence and the figure to its numbers."""
    assert "widgets" not in tour.book.metadata
    page, _ = HTMLExporter().from_notebook_node(tour.book)
    assert "Run the cell to get the view back." in page
    assert "of real time on this machine" in page
