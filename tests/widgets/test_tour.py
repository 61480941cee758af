"""The tour without a browser: it runs from its own folder, and reads well where nothing is alive any more."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter


@pytest.fixture(scope="module")
def tour(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, float]:
    """The executed notebook, and the seconds that took. Its folder holds nothing but what it names."""
    root = tmp_path_factory.mktemp("tour")
    (root / "notebooks").mkdir()
    shutil.copy(repo / "notebooks" / "00_tour.ipynb", root / "notebooks")
    for folder in ("captures", "sample_filters", "workbench"):
        (root / folder).symlink_to(repo / folder)
    book = nbformat.read(root / "notebooks" / "00_tour.ipynb", as_version=4)
    # The tree under test, not one that happens to be installed.
    book.cells.insert(0, nbformat.v4.new_code_cell(f"import sys; sys.path.insert(0, {str(root)!r})"))
    began = time.monotonic()
    client = NotebookClient(
        book, timeout=60, kernel_name="python3", store_widget_state=False, resources={"metadata": {"path": str(root / "notebooks")}}
    )
    client.execute()
    return book, time.monotonic() - began


def outputs(book: Any, words: str) -> dict[str, Any]:
    """The last output of the cell that holds `words`."""
    (cell,) = (cell for cell in book.cells if cell.cell_type == "code" and words in cell.source)
    return dict(cell.outputs[-1].get("data", {"text/plain": cell.outputs[-1].get("text", "")}))


def test_it_runs_and_quickly(tour: tuple[Any, float]) -> None:
    book, seconds = tour
    assert seconds < 60
    assert not [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs if out.get("name") == "stderr"]


def test_it_shows_what_its_prose_says(tour: tuple[Any, float]) -> None:
    book, _ = tour
    stages = outputs(book, "for stage in exchange.response")["text/plain"].splitlines()
    assert stages[0].split()[-1] == "-"
    assert stages[-1].split()[-1] == "world"
    limits = eval(outputs(book, "again.count")["text/plain"])
    assert limits["5 in 10 s"] > limits["10 in 10 s"] > 0
    decisions = outputs(book, 'decisions["kind"]')["text/plain"]
    assert "limited" in decisions
    assert "denied" in decisions


def test_nothing_alive_is_needed_to_read_it(tour: tuple[Any, float]) -> None:
    """Exported, the view gives way to a sentence and the figure to its numbers."""
    book, _ = tour
    assert "widgets" not in book.metadata
    page, _ = HTMLExporter().from_notebook_node(book)
    assert "Run the cell to get the view back." in page
    assert "of real time on this machine" in page


def test_none_of_it_is_stored(repo: Path) -> None:
    book = nbformat.read(repo / "notebooks" / "00_tour.ipynb", as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 20, "cells are short"
