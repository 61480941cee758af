"""The tour without a browser: it runs from its own folder, and reads well where nothing is alive any more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def tour(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The executed notebook. Its folder holds nothing but what it names."""
    root = tmp_path_factory.mktemp("tour")
    (root / "notebooks").mkdir()
    shutil.copy(repo / "notebooks" / "00_tour.ipynb", root / "notebooks")
    for folder in ("captures", "sample_filters", "workbench"):
        (root / folder).symlink_to(repo / folder)
    book = nbformat.read(root / "notebooks" / "00_tour.ipynb", as_version=4)
    # The tree under test, not one that happens to be installed.
    book.cells.insert(0, nbformat.v4.new_code_cell(f"import sys; sys.path.insert(0, {str(root)!r})"))
    place = {"metadata": {"path": str(root / "notebooks")}}
    NotebookClient(book, timeout=600, startup_timeout=300, kernel_name="python3", store_widget_state=False, resources=place).execute()
    return book


def outputs(book: Any, words: str) -> dict[str, Any]:
    """The last output of the cell that holds `words`."""
    (cell,) = (cell for cell in book.cells if cell.cell_type == "code" and words in cell.source)
    return dict(cell.outputs[-1].get("data", {"text/plain": cell.outputs[-1].get("text", "")}))


def test_it_runs_without_complaints(tour: Any) -> None:
    assert not [out for cell in tour.cells if cell.cell_type == "code" for out in cell.outputs if out.get("name") == "stderr"]


def test_it_shows_what_its_prose_says(tour: Any) -> None:
    stages = outputs(tour, "for stage in exchange.response")["text/plain"].splitlines()
    assert stages[0].split()[-1] == "-"
    assert stages[-1].split()[-1] == "world"
    limits = eval(outputs(tour, "again.count")["text/plain"])
    assert limits["5 in 10 s"] > limits["10 in 10 s"] > 0
    decisions = outputs(tour, 'decisions["kind"]')["text/plain"]
    assert "limited" in decisions
    assert "denied" in decisions


def test_nothing_alive_is_needed_to_read_it(tour: Any) -> None:
    """Exported, the view gives way to a sentence and the figure to its numbers."""
    assert "widgets" not in tour.metadata
    page, _ = HTMLExporter().from_notebook_node(tour)
    assert "Run the cell to get the view back." in page
    assert "of real time on this machine" in page


def test_none_of_it_is_stored(repo: Path) -> None:
    book = nbformat.read(repo / "notebooks" / "00_tour.ipynb", as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 20, "cells are short"
