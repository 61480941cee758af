"""A notebook as it is after all its cells have run, from a folder that holds nothing but what it names."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

MOST_SECONDS = 60


@dataclass(frozen=True)
class Executed:
    """The notebook with its outputs, and the processor time that took: not the clock on the wall, other work must not decide."""

    book: Any
    seconds: float

    def cell(self, words: str) -> Any:
        """The one code cell that holds `words`."""
        (found,) = (cell for cell in self.book.cells if cell.cell_type == "code" and words in cell.source)
        return found

    def shown(self, words: str) -> str:
        """What that cell shows, as text; what it prints may come in several pieces."""
        return "".join(out.get("text") or out["data"]["text/plain"] for out in self.cell(words).outputs)

    def complaints(self) -> list[Any]:
        """What its cells wrote to standard error."""
        return [out for cell in self.book.cells if cell.cell_type == "code" for out in cell.outputs if out.get("name") == "stderr"]


def execute(name: str, repo: Path, root: Path) -> Executed:
    """Run `notebooks/NAME` of the repository in a copy below `root`."""
    (root / "notebooks").mkdir()
    shutil.copy(repo / "notebooks" / name, root / "notebooks")
    for folder in ("captures", "sample_filters", "workbench"):
        (root / folder).symlink_to(repo / folder)
    book = nbformat.read(root / "notebooks" / name, as_version=4)
    # The tree under test, not one that happens to be installed.
    book.cells.insert(0, nbformat.v4.new_code_cell(f"import sys; sys.path.insert(0, {str(root)!r})"))
    began = os.times()
    place = {"metadata": {"path": str(root / "notebooks")}}
    NotebookClient(book, timeout=300, startup_timeout=300, kernel_name="python3", store_widget_state=False, resources=place).execute()
    over = os.times()
    return Executed(book, over.children_user + over.children_system - began.children_user - began.children_system)
