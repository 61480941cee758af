"""How a notebook shows what tells itself on a page of plain text."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["on_a_page"]


class _Told(Protocol):
    def text(self) -> str: ...


def on_a_page(told: _Told, printer: Any, _cycle: bool) -> None:
    """Its `text`, line by line. A class takes this as its own `_repr_pretty_`: IPython passes over one that is inherited."""
    for number, line in enumerate(told.text().splitlines()):
        if number:
            printer.break_()
        printer.text(line)
