"""The same pages as HTML for a notebook without widgets: static, no script, inherits the notebook's colours, all captured text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from . import words
from .findings import Finding, where
from .stages import Stage
from .summary import Section, Summary

if TYPE_CHECKING:
    from .exchange import ExchangeView
    from .timeline import Call

__all__ = ["exchange_html", "summary_html"]

_ROWS, _CHARACTERS = 200, 300
_BOX = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:20px;max-width:100%;overflow-x:auto"
_CELL = "padding:1px 12px 1px 0;border:0;text-align:{};white-space:nowrap;max-width:44em;overflow:hidden;text-overflow:ellipsis"
_CODE = "font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;unicode-bidi:isolate"
_LINE = "border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)"
_TABLE = "border-collapse:collapse;font-size:13px;margin:0 0 8px;font-variant-numeric:tabular-nums"
_SIGNS = {"added": "+", "removed": "\u2212", "changed": "~", "moved": "⇅", "unchanged": ""}


def text(value: object) -> str:
    """The one way in which anything gets into a page."""
    return escape(words.shorten(words.visible(str(value)), _CHARACTERS), quote=True)


def summary_html(summary: Summary) -> str:
    """A summary as a fragment of HTML."""
    outcomes = " · ".join(f"{text(name)} <b>{text(words.count(n))}</b>" for name, n in summary.outcomes)
    head = f"<div><b>{text(summary.head)}</b></div><div>{text(summary.facts)}</div><div>{outcomes}</div>"
    return f'<div style="{_BOX}">{head}{"".join(map(_section, summary.sections))}{_findings(summary.findings)}</div>'


def _findings(found: Sequence[Finding]) -> str:
    told = [
        f'<div style="padding-bottom:4px"><b>{text(each.severity)}</b> {text(f"{each.filter}: " if each.filter else "")}{text(each.title)}'
        f'<div style="padding-left:16px">{"<br>".join(map(text, filter(None, (each.reason, each.remedy, where(each)))))}</div></div>'
        for each in found[:_ROWS]
    ]
    return f'<div style="font-weight:600;padding:8px 0 2px">Findings</div>{"".join(told)}' if told else ""


def _section(section: Section) -> str:
    more = f"<div>{text(section.more)}</div>" if section.more else ""
    return _table(section.title, section.columns, section.rows, section.right) + more


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> str:
    sides = ["right" if name in right else "left" for name in columns]
    head = "".join(
        f'<th scope="col" style="{_CELL.format(side)};{_LINE};font-weight:600">{text(name)}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{_CELL.format(side)};{_CODE}">{text(cell)}</td>' for cell, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows[:_ROWS]
    )
    caption = f'<caption style="text-align:left;font-weight:600;padding:8px 0 2px">{text(title)}</caption>'
    return f'<table style="{_TABLE}">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def exchange_html(view: ExchangeView) -> str:
    """One exchange: the finding, the header changes of each stage, and its calls."""
    result = view.result
    line = words.shorten(f"#{view.index} {result['method']} {result['url']}", 300)
    parts = [f"<div><b>{text(line)}</b></div>", f"<div>{text(view.outcome)}: {text(view.finding)}</div>"]
    for title, stages in (("Request headers", view.request), ("Response headers", view.response)):
        rows = _header_rows(stages)
        if rows:
            parts.append(_table(title, ("", "header", "value", "where"), rows))
    calls = [row for call in view.calls for row in _call_rows(call, 0)]
    parts.append(_table("Calls", ("clock", "filter", "call", "real time"), calls, frozenset(("clock", "real time"))))
    if len(calls) > _ROWS:
        parts.append(f"<div>{text(f'and {words.count(len(calls) - _ROWS)} more')}</div>")
    return f'<div style="{_BOX}">{"".join(parts)}</div>'


def _header_rows(stages: Sequence[Stage]) -> list[tuple[str, str, str, str]]:
    """The first list as it came, then what each step did to it."""
    reached = [stage for stage in stages if stage.reached]
    if not reached:
        return []
    rows = [("", name, words.shorten(value, 200), reached[0].label) for name, value in reached[0].headers]
    for stage in reached[1:]:
        for change in stage.changes:
            if change.kind != "unchanged":
                values = [words.shorten(value, 200) for value in (change.before, change.after) if value is not None]
                told = " → ".join(values) if change.kind == "changed" else values[0]
                rows.append((_SIGNS[change.kind], change.name, told, stage.label))
    return rows


def _call_rows(call: Call, depth: int) -> list[tuple[str, str, str, str]]:
    what = call.message if call.kind in ("event", "log") else call.title
    if call.kind == "log":
        what = f"{call.level}: {what}"
    cost = words.duration(call.filter_ns + call.host_ns) if call.kind != "event" else ""
    who = "" if call.filter is None else str(call.filter + 1)
    row = (f"+{words.duration(call.clock_ns)}", who, "\u2003" * depth + words.shorten(what, 200), cost)
    return [row, *(below for child in call.children for below in _call_rows(child, depth + 1))]
