"""Help while a query is typed: what is wrong and where, and what could stand at the caret."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import QueryError
from ..trace.records import Kind
from ..trace.trace import Trace
from .brief import briefs
from .callouts import CALLS
from .facts import Facts
from .heads import heads
from .query import Searcher
from .query_syntax import parse_query
from .query_terms import DECISIONS, OUTCOMES, PARTS, TERMS, nearest
from .rowfields import lookup
from .words import count, text, visible

__all__ = ["Suggestion", "suggestions", "wrong"]

_LOOKED_AT = 2000
"""Exchanges from which values are gathered."""
_BRIEFS = 200
"""Of changed ones, whose changes have to be read."""
_MOST = 12
_LONGEST_VALUE = 80
_TERM = re.compile(r"~(\w*)$")
_VALUE = re.compile(r"~(\w+)\s+([^()~'\"\s]*)$")
_PORT = re.compile(r":\d*$")
_BARE = re.compile(r"[^()~'\"\s]+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` for the characters from `at` to before the caret, and a few words on it."""

    text: str
    help: str
    at: int


def wrong(query: str, searcher: Searcher | None = None) -> QueryError | None:
    """What is wrong with a query, or why the `searcher` cannot answer it; None for nothing."""
    try:
        parse_query(query)
        if searcher is not None:
            searcher.check(query)
    except QueryError as error:
        return error
    return None


def suggestions(query: str, caret: int, trace: Trace, facts: Facts) -> list[Suggestion]:
    """What could stand at the caret: terms behind a tilde, and behind a term the values that this replay has for it."""
    before = query[:caret]
    found = _TERM.search(before)
    if found:
        name = found[1]
        fitting = [form for form in TERMS.values() if form.name.startswith(name)] or [TERMS[each] for each in nearest(name, tuple(TERMS))]
        exact = len(fitting) == 1 and fitting[0].name == name
        return [Suggestion(f"~{form.name} ", form.help, found.start()) for form in fitting if not exact]
    found = _VALUE.search(before)
    if found and found[1] in _VALUES:
        said = found[2].lower()
        values = [(value, help_) for value, help_ in _VALUES[found[1]](trace, facts) if said in value.lower() and value.lower() != said]
        return [Suggestion(value + " ", help_, caret - len(found[2])) for value, help_ in values[:_MOST]]
    return []


Values = Iterable[tuple[str, str]]
Places = npt.NDArray[np.int64]


def _commonest(values: Iterable[str]) -> Values:
    """The commonest values first, each as a pattern for itself; what cannot be typed as it is, or is long, is left out."""
    for value, _ in Counter(values).most_common(4 * _MOST):
        if value and len(value) <= _LONGEST_VALUE and visible(value) == value:
            plain = re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", value)
            bare = _BARE.fullmatch(plain) is not None
            yield plain if bare else '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"', ""


def _some(facts: Facts, places: Places, most: int) -> Places:
    """At most so many of the places, spread over all of them."""
    return places[np.unique(np.linspace(0, len(places) - 1, min(len(places), most)).astype(np.int64))] if len(places) else places


def _head(name: str) -> Callable[[Trace, Facts], Values]:
    def values(trace: Trace, facts: Facts) -> Values:
        places = _some(facts, np.arange(len(facts)), _LOOKED_AT)
        values = map(text, heads(trace, facts, places, (name,))[name])
        return _commonest(_PORT.sub("", value) if name == "authority" else value for value in values)

    return values


def _outcomes(_: Trace, facts: Facts) -> Values:
    numbers = np.bincount(facts.outcome, minlength=len(OUTCOMES)).tolist()
    return [(name, count(number)) for name, number in zip(OUTCOMES, numbers, strict=True)]


def _changed(trace: Trace, facts: Facts) -> Values:
    places = _some(facts, np.flatnonzero(facts.changes > 0), _BRIEFS)
    return _commonest(name[1:].replace(" ", "_") for each in briefs(trace, facts, places) for name in each.names)


def _callouts(trace: Trace, _: Facts) -> Values:
    codes = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in CALLS)
    found: list[str] = []
    for first, records in trace.segments():
        rows = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & codes[records["code"]])[: _LOOKED_AT - len(found)]
        found += [text(trace.row(first + at).fields[0]) for at in rows.tolist()]
    return _commonest(found)


def _statuses(column: str) -> Callable[[Trace, Facts], Values]:
    def values(_: Trace, facts: Facts) -> Values:
        statuses, numbers = np.unique(getattr(facts, column), return_counts=True)
        return [(str(status), count(number)) for status, number in zip(statuses.tolist(), numbers.tolist(), strict=True) if status]

    return values


_VALUES: dict[str, Callable[[Trace, Facts], Values]] = {
    "outcome": _outcomes,
    "decision": lambda _, __: [(name, "") for name in DECISIONS],
    "differs": lambda _, __: PARTS.items(),
    "changed": _changed,
    "filter": lambda trace, _: _commonest(trace.filters),
    "callout": _callouts,
    "m": _head("method"),
    "d": _head("authority"),
    "u": _head("path"),
    "c": _statuses("upstream_status"),
    "got": _statuses("status"),
}
"""For each term whose values are known, those and a word on each."""
