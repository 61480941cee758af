"""A notebook as it is after all its cells have run, from a folder that holds nothing but what it names."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

MOST_SECONDS = 60


@dataclass(frozen=True)
class Executed:
    """The notebook with its outputs, and how long that took."""

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
    began = time.monotonic()
    place = {"metadata": {"path": str(root / "notebooks")}}
    NotebookClient(book, timeout=MOST_SECONDS, kernel_name="python3", store_widget_state=False, resources=place).execute()
    return Executed(book, time.monotonic() - began)
