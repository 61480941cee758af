"""Two replays side by side, as plain text: what differs how often, and the first exchanges on which they part."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from . import words

if TYPE_CHECKING:
    from .compare import Comparison, Difference

__all__ = ["compare_text"]

_MOST = 20
_LONGEST = 140


def compare_text(comparison: Comparison) -> str:
    """The count of each part that differs, and a line for some exchanges, those with another outcome first: before, after, and in what."""
    lines = [repr(comparison).removeprefix("<Comparison of ").removesuffix(">")]
    differences = comparison.differences
    parts = Counter(part for one in differences for part in one.parts)
    if parts:
        lines.append("  " + "   ".join(f"{part} {words.count(n)}" for part, n in parts.most_common()))
    weighty = sorted(differences, key=lambda one: not {"outcome", "status"}.intersection(one.parts))
    shown = [(f"#{one.exchange}", *map(_side, one.outcome, one.status), _parts(one)) for one in weighty[:_MOST]]
    widths = [max((len(row[at]) for row in shown), default=0) for at in range(3)]
    for number, a, b, what in shown:
        lines.append(words.shorten(f"  {number:>{widths[0]}}  {a:<{widths[1]}} → {b:<{widths[2]}}  {what}", _LONGEST))
    if len(differences) > _MOST:
        lines.append(f"  and {words.count(len(differences) - _MOST)} more")
    return "\n".join(lines)


def _side(outcome: str, status: int) -> str:
    return f"{outcome} {status or '–'}"


def _parts(one: Difference) -> str:
    return ", ".join(part for part in one.parts if part not in ("outcome", "status"))
