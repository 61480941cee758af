"""The report of an inspection in lines for a terminal: nothing from the module can move the cursor or fool the reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..analysis.words import size, visible

if TYPE_CHECKING:
    from .hosts import Verdict
    from .inspection import ExportedItem, Inspection

__all__ = ["SIGNS", "facts", "report", "spelt"]

SIGNS = {"yes": "yes", "warning": "with a warning", "no": "no"}
_WIDTH = 120
_MOST_LISTED = 400


def report(of: Inspection) -> str:
    """The whole report."""
    return "\n".join(_lines(of)) + "\n"


def spelt(name: str) -> str:
    """A name from the module: one line, no control characters, bounded."""
    shown = visible(name[:_WIDTH])
    return shown + "…" if len(name) > _WIDTH else shown


def facts(of: Inspection) -> Iterator[tuple[str, str]]:
    """The head of the report, title and text."""
    yield "file", spelt(str(of.path))
    yield "size", f"{size(of.size)}" + (f", {size(of.dwarf_bytes)} of it debug information" if of.dwarf_bytes else "")
    yield "sha256", of.sha256
    if of.component:
        yield "kind", "a component, not a core module"
    yield "ABI", of.abi or "none: no function names a version that hosts know"
    made = " ".join(filter(None, (of.guess.language, of.guess.sdk and f"with {of.guess.sdk}", of.guess.sdk_version)))
    if made:
        yield "made in", made if of.guess.certain else f"{made} (a guess)"
    for memory in of.memories:
        upto = "" if memory.maximum is None else f", at most {size(memory.maximum)}"
        traits = f", {', '.join(memory.traits)}" if memory.traits else ""
        yield "memory", f"{size(memory.minimum)} at the start{upto}{traits}"
    for table in of.tables[:4]:
        upto = "" if table.maximum is None else f", at most {table.maximum}"
        yield "table", f"{table.minimum} of {table.element}{upto}"
    named = f", names of {of.named_functions} kept" if of.named_functions else ""
    yield "functions", f"{of.functions}{named}"
    if of.start_function is not None:
        yield "start", f"function {of.start_function} runs when the module is instantiated"
    if of.features:
        yield "features", ", ".join(of.features)
    for problem in of.problems[:5]:
        yield "broken", spelt(problem)


def _lines(of: Inspection) -> Iterator[str]:
    for title, text in facts(of):
        yield f"{title:10} {text}"
    if of.guess.evidence:
        yield "\nsigns of its making"
        yield from (f"  {spelt(each)}" for each in of.guess.evidence)
    yield "\nwould it run there?"
    # hosts of one mind share their reasons: a broken module would fill the page with one sentence
    groups: dict[object, list[Verdict]] = {}
    for number, verdict in enumerate(of.verdicts):
        groups.setdefault(verdict.reasons or number, []).append(verdict)
    for verdicts in groups.values():
        yield from (f"  {verdict.title}: {SIGNS[verdict.runs]}" for verdict in verdicts)
        for reason in verdicts[0].reasons:
            yield f"      {spelt_long(reason.text)}{f'. {reason.remedy}' if reason.remedy else ''}"
    unknown = of.unknown_imports
    if unknown:
        yield f"\nimports unknown to Envoy ({len(unknown)})"
        yield from _bounded([f"  {spelt(each.module)}.{spelt(each.name)} {each.type}: {each.reason}" for each in unknown])
    modules = dict.fromkeys(each.module for each in of.imports)
    for module in list(modules)[:50]:
        names = [each for each in of.imports if each.module == module and each.known]
        if names:
            yield f"\nimports from {spelt(module)} ({len(names)})"
            yield from _bounded([f"  {spelt(each.name)}" for each in names])
    wrong = [each for each in of.exports if each.reason]
    if wrong:
        yield f"\nexports to look at ({len(wrong)})"
        yield from _bounded([f"  {spelt(each.name)} {each.type}: {each.reason}" for each in wrong])
    yield from _group("called by the host", of.called)
    yield from _group("other exports", of.not_called)
    if of.custom_sections:
        yield f"\ncustom sections ({len(of.custom_sections)})"
        yield from _bounded([f"  {spelt(each.name)} ({size(each.size)})" for each in of.custom_sections])


def _group(title: str, exports: tuple[ExportedItem, ...]) -> Iterator[str]:
    if exports:
        yield f"\n{title} ({len(exports)})"
        yield from _bounded([f"  {spelt(each.name)}" for each in exports])


def _bounded(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LISTED
    return lines[:_MOST_LISTED] + ([f"  and {more} more"] if more > 0 else [])


def spelt_long(text: str) -> str:
    """A reason, which may name a dozen things."""
    return visible(text[:2000])
