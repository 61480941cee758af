"""What filters did to one exchange's headers and bodies, as plain text: for terminals, and where there is no page to draw in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .headers import HeaderLine
from .stages import Stage
from .words import shorten, size, visible

if TYPE_CHECKING:
    from .exchange import ExchangeView

__all__ = ["diff_text"]

_LONGEST = 200
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": "⇅"}


def diff_text(view: ExchangeView) -> str:
    """Each step that changed something, with its entries; captured text is escaped and shortened."""
    result = view.result
    lines = [f"#{view.index} {_shown(result['method'])} {_shown(result['url'])}: {view.outcome}", view.finding]
    parts = (
        ("Request", view.request),
        ("Request trailers", view.request_trailers),
        ("Response", view.response),
        ("Response trailers", view.response_trailers),
    )
    for title, stages in parts:
        if stages:
            lines += [title, *(_steps(stages) or ["  nothing changed"])]
    return "\n".join(lines)


def _steps(stages: Sequence[Stage]) -> list[str]:
    lines: list[str] = []
    body: bytes | None = None
    for stage in stages:
        changed = [_entry(line) for line in stage.changes if line.kind != "unchanged"]
        if stage.reached and stage.body is not None:
            if body is not None and stage.body != body:
                changed.append(f"    ~ body: {size(len(body))} → {size(len(stage.body))}")
            body = stage.body
        if changed or not stage.reached or stage.place == "local":
            lines += [f"  {_shown(stage.label)}", *changed]
    return lines


def _entry(line: HeaderLine) -> str:
    values: Iterator[str] = (_shown(value) for value in (line.before, line.after) if value is not None)
    said = " → ".join(values) if line.kind == "changed" else next(values)
    return f"    {_SIGNS[line.kind]} {_shown(line.name)}: {said}"


def _shown(value: str) -> str:
    return shorten(visible(value[: 4 * _LONGEST]), _LONGEST)
