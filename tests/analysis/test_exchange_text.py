"""One exchange as text, its calls among it."""

from __future__ import annotations

from typing import Any

from workbench.analysis.diff_text import diff_text
from workbench.analysis.exchange_text import exchange_text
from workbench.analysis.timeline import Call


def _all(calls: tuple[Call, ...]) -> list[Call]:
    return [each for call in calls for each in (call, *_all(call.children))]


def test_each_call_has_a_line_in_its_order(replayed: Any) -> None:
    for view in replayed:
        head, _, told = str(view).partition("\nCalls\n")
        assert head == diff_text(view)
        lines, calls = told.split("\n"), _all(view.calls)
        assert len(lines) == len(calls) > 0
        for line, call in zip(lines, calls, strict=True):
            name = call.filter is not None and view.trace.filters[call.filter]
            assert line.startswith("  ") and line.lstrip().startswith("+") and (not name or f"  {name}  " in line)
            what = call.message if call.kind in ("event", "log") else call.title
            assert what[:60] in line


def test_what_was_captured_cannot_leave_its_line(replayed: Any) -> None:
    for view in replayed:
        assert all(line.isprintable() for line in exchange_text(view).split("\n"))
