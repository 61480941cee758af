"""Each notebook as it is kept: without outputs, in short cells, with links that lead somewhere, and executed by a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

ALL = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MOST_LINES = 20
MOST_LINES_OF_A_FILTER = 30


@pytest.fixture(params=ALL)
def book(request: pytest.FixtureRequest, repo: Path) -> Any:
    return nbformat.read(repo / "notebooks" / request.param, as_version=4)


def test_none_of_it_is_stored(book: Any) -> None:
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            most = MOST_LINES_OF_A_FILTER if cell.source.startswith("%%filter") else MOST_LINES
            assert len(cell.source.splitlines()) <= most, "cells are short"


def test_its_links_lead_somewhere(book: Any, repo: Path) -> None:
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    paths = re.findall(r"`(\.\./[\w./-]+)`", text)
    assert [link for link in links + paths if not (repo / "notebooks" / link).exists()] == []


def test_it_says_what_comes_next(book: Any) -> None:
    assert "## What to do next" in book.cells[-1].source


def test_each_is_executed_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in ALL if f'"{name}"' not in tests] == []


def test_the_readme_names_them_all(repo: Path) -> None:
    named = re.findall(r"\(notebooks/([\w.]+\.ipynb)\)", (repo / "README.md").read_text(encoding="utf-8"))
    assert named == ALL
