"""One exchange as plain text: what became of it, what filters changed, and every call in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import words
from .diff_text import diff_text

if TYPE_CHECKING:
    from .exchange import ExchangeView
    from .timeline import Call

__all__ = ["exchange_text"]

_MOST, _LONGEST = 400, 200


def exchange_text(view: ExchangeView) -> str:
    """The differences, and a line for each call: virtual time since the request, filter, call, real time; captured text is escaped."""
    lines = list(_lines(view.calls, view.trace.filters))
    more = [f"  and {words.count(len(lines) - _MOST)} more"] if len(lines) > _MOST else []
    return "\n".join([diff_text(view), "Calls", *_columns(lines[:_MOST]), *more])


def _lines(calls: Sequence[Call], filters: Sequence[str], depth: int = 0) -> Iterator[tuple[str, str, str, str]]:
    for call in calls:
        what = call.message if call.kind in ("event", "log") else call.title
        what = f"{call.level}: {what}" if call.kind == "log" else what
        cost = words.duration(call.filter_ns + call.host_ns) if call.kind != "event" else ""
        who = words.visible(filters[call.filter]) if call.filter is not None and call.filter < len(filters) else ""
        yield f"+{words.duration(call.clock_ns)}", who, "  " * depth + words.shorten(what, _LONGEST), cost
        yield from _lines(call.children, filters, depth + 1)


def _columns(lines: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    clock, who, cost = (max((len(line[at]) for line in lines), default=0) for at in (0, 1, 3))
    for line in lines:
        yield f"  {line[0]:>{clock}}  {line[3]:>{cost}}  {line[1]:<{who}}  {line[2]}".rstrip()
