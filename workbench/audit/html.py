"""The report of an inspection for a notebook: one small page, every text from the module escaped, colours from JupyterLab's theme."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from ..analysis.words import size
from .text import SIGNS, facts, spelt, spelt_long

if TYPE_CHECKING:
    from .inspection import Inspection

__all__ = ["report_html"]

_STYLE = """
.fw-inspection{font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,#222);max-width:60rem}
.fw-inspection table{border-collapse:collapse;margin:0 0 .8em;font:inherit;color:inherit;table-layout:auto}
.fw-inspection tr,.fw-inspection tr:hover{background:none!important}
.fw-inspection td{padding:.15em 1.2em .15em 0;text-align:left!important;vertical-align:top;background:none}
.fw-inspection td{max-width:none;white-space:normal}
.fw-inspection td b{white-space:nowrap}
.fw-inspection td:first-child{color:var(--jp-ui-font-color2,#666);white-space:nowrap}
.fw-inspection code{font:12px var(--jp-code-font-family,monospace);background:none;color:inherit;overflow-wrap:anywhere}
.fw-inspection .m{color:var(--jp-ui-font-color2,#666)}
.fw-inspection b.yes{color:var(--jp-success-color1,#1a7f37)}
.fw-inspection b.warning{color:var(--jp-warn-color1,#9a6700)}
.fw-inspection b.no{color:var(--jp-error-color1,#cf222e)}
.fw-inspection details{margin:.2em 0}
.fw-inspection summary{cursor:pointer}
.fw-inspection h4{margin:.6em 0 .3em;font-weight:600}
"""
_MOST_LISTED = 400


def report_html(of: Inspection) -> str:
    """The report as one `div` with its own style."""
    return f'<div class="fw-inspection"><style>{_STYLE}</style>{"".join(_parts(of))}</div>'


def _parts(of: Inspection) -> Iterator[str]:
    rows = "".join(f"<tr><td>{escape(title)}</td><td><code>{escape(text)}</code></td></tr>" for title, text in facts(of))
    yield f"<table>{rows}</table>"
    yield "<h4>Would it run there?</h4><table>"
    for verdict in of.verdicts:
        points = "".join(
            f"<div>{escape(spelt_long(each.text))}" + (f'. <span class="m">{escape(each.remedy)}.</span>' if each.remedy else "") + "</div>"
            for each in verdict.reasons
        )
        yield f'<tr><td>{escape(verdict.title)}</td><td><b class="{verdict.runs}">{SIGNS[verdict.runs]}</b></td><td>{points}</td></tr>'
    yield "</table>"
    unknown = of.unknown_imports
    if unknown:
        yield "<h4>Imports unknown to Envoy</h4><table>"
        for item in unknown[:_MOST_LISTED]:
            name = escape(f"{spelt(item.module)}.{spelt(item.name)}")
            yield f"<tr><td><code>{name}</code></td><td>{escape(item.reason)}</td></tr>"
        yield "</table>"
    wrong = [each for each in of.exports if each.reason]
    if wrong:
        yield "<h4>Exports to look at</h4><table>"
        for export in wrong[:_MOST_LISTED]:
            yield f"<tr><td><code>{escape(spelt(export.name))}</code></td><td>{escape(export.reason)}</td></tr>"
        yield "</table>"
    yield _list("signs of its making", (spelt(each) for each in of.guess.evidence), len(of.guess.evidence))
    known = [each for each in of.imports if each.known]
    yield _list("imports", (f"{spelt(each.module)}.{spelt(each.name)}" for each in known), len(known))
    yield _list("exports that the host calls", (spelt(each.name) for each in of.called), len(of.called))
    yield _list("other exports", (spelt(each.name) for each in of.not_called), len(of.not_called))
    customs = (f"{spelt(each.name)} ({size(each.size)})" for each in of.custom_sections)
    yield _list("custom sections", customs, len(of.custom_sections))


def _list(title: str, names: Iterable[str], count: int) -> str:
    if not count:
        return ""
    shown = [f"<code>{escape(name)}</code>" for name, _ in zip(names, range(_MOST_LISTED), strict=False)]
    more = f" and {count - _MOST_LISTED} more" if count > _MOST_LISTED else ""
    return f"<details><summary>{escape(title)} ({count})</summary>{'<br>'.join(shown)}{more}</details>"
