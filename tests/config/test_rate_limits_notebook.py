"""The notebook on rate limits runs from its own folder, shows what its prose says, and is kept without outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.kernel
NAME = "03_rate_limits.ipynb"


@pytest.fixture(scope="module")
def book(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The executed notebook. Its folder holds nothing but what it names."""
    root = tmp_path_factory.mktemp("limits")
    (root / "notebooks").mkdir()
    shutil.copy(repo / "notebooks" / NAME, root / "notebooks")
    for folder in ("captures", "sample_filters", "workbench"):
        (root / folder).symlink_to(repo / folder)
    book = nbformat.read(root / "notebooks" / NAME, as_version=4)
    # The tree under test, not one that happens to be installed.
    book.cells.insert(0, nbformat.v4.new_code_cell(f"import sys; sys.path.insert(0, {str(root)!r})"))
    place = {"metadata": {"path": str(root / "notebooks")}}
    NotebookClient(book, timeout=600, startup_timeout=300, kernel_name="python3", store_widget_state=False, resources=place).execute()
    return book


def shown(book: Any, words: str) -> str:
    """What the cell that holds `words` shows, as text; what it prints may come in several pieces."""
    (cell,) = (cell for cell in book.cells if cell.cell_type == "code" and words in cell.source)
    return "".join(out.get("text") or out["data"]["text/plain"] for out in cell.outputs)


def test_it_runs_without_complaints(book: Any) -> None:
    assert not [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs if out.get("name") == "stderr"]


def test_it_shows_what_its_prose_says(book: Any) -> None:
    verdicts = [line.split()[2] for line in shown(book, '"counter", "remaining"').splitlines()[2:10]]
    assert verdicts == ["allowed"] * 5 + ["limited"] * 3
    assert 'domain: "default/toystore"' in shown(book, "print(asked[0])")
    limited = eval(shown(book, "for most in"))
    assert limited[3] > limited[5] == 15 > limited[12] > limited[15]
    gone = shown(book, "Unreachable()")
    assert "deny {'error refused': 25}" in gone and "allow {'error let through': 25}" in gone
    assert shown(book, ".swap(").startswith("the same verdicts: True")


def test_none_of_it_is_stored(repo: Path) -> None:
    for cell in nbformat.read(repo / "notebooks" / NAME, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert len(cell.source.splitlines()) <= 20, "cells are short"
