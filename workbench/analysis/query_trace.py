"""What the query language's own terms ask of a trace: for each, one entry an exchange, found by columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..trace.records import NO_FILTER, NONE, Event, ResponseSource, split_fields
from ..trace.trace import Records, Trace
from . import words
from .callouts import CALLS
from .changes import mutation
from .decision import Judges, verdict_calls
from .facts import Facts, Outcome
from .prints import distinct
from .query_pattern import Pattern
from .query_syntax import Term
from .rowfields import Bools, Ints, Octets, field_spans, lookup
from .selections import events, hostcalls, log_lines

__all__ = ["MASKS", "mask"]

_PLAIN = ("proxy_add_header_map_value", "proxy_replace_header_map_value", "proxy_remove_header_map_value")
_TARGET = frozenset(("upstream", "service", "method"))
_KEY = 2
"""Place of the counter's key in a LIMIT event; the service's domain and the limit's name are before it."""


def mask(term: Term, trace: Trace, facts: Facts) -> Bools:
    """Whether `term` holds, for each exchange of the facts."""
    return MASKS[term.name](trace, facts, term.value)


def _places(facts: Facts, exchanges: npt.NDArray[Any]) -> Bools:
    """True for the exchanges of the facts that are among `exchanges`."""
    found = np.zeros(len(facts), bool)
    known = exchanges[exchanges != NONE]
    found[np.searchsorted(facts.exchange, known.astype(np.int64))] = True
    return found


def _matching(pattern: Pattern, octets: Octets, starts: Ints, sizes: Ints) -> Bools:
    """Whether a pattern is found in each of these texts; each different one is looked at once."""
    found, which = distinct(octets, starts, sizes)
    return np.fromiter((pattern.search(words.text(each)) is not None for each in found), bool, len(found))[which]


def _outcome(_: Trace, facts: Facts, name: str) -> Bools:
    return np.asarray(facts.outcome == Outcome[name.upper()], bool)


def _decision(trace: Trace, facts: Facts, name: str) -> Bools:
    """As `decision.all_decisions`: answers and failures by the facts, what was let pass by the calls that show it."""
    answered = (facts.failure >= 0) | (facts.local >= 0) | (facts.closer != NO_FILTER)
    if name in ("limited", "denied", "error"):
        by_local = answered & (facts.failure < 0) & (facts.outcome == Outcome[name.upper()])
        return np.asarray(by_local | (facts.failure >= 0) if name == "error" else by_local, bool)
    judged = verdict_calls(trace, Judges.of(facts))
    allowed = _places(facts, np.fromiter(judged, np.int64, len(judged))) & ~answered
    if name == "allowed":
        return np.asarray(allowed, bool)
    verdicts = allowed | (facts.failure >= 0)
    for other in (Outcome.LIMITED, Outcome.DENIED, Outcome.ERROR):
        verdicts |= answered & (facts.outcome == other)
    return np.asarray(~verdicts, bool)


def _changed(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    names = [call.name for call in trace.schema.hostcalls]
    plain = lookup(code for code, name in enumerate(names) if name in _PLAIN)
    found = np.zeros(len(facts), bool)
    for first, records, blob, which in trace.select(facts.changed):
        at = facts.changed[which] - first
        at = at[records["exchange"][at] != NONE]
        direct = plain[records["code"][at]]
        easy = at[direct]
        octets = np.frombuffer(blob, np.uint8)
        hits = _matching(pattern, octets, *field_spans(octets, records, easy, 1)[0])
        found |= _places(facts, records["exchange"][easy[hits]])
        for place in at[~direct].tolist():
            row = trace.row(first + place)
            one = mutation(trace, names[row.code], row, "")
            if one is not None and any(map(pattern.search, _touched(one.op, one.part, one.before, one.after))):
                found[facts.position(row.exchange)] = True
    return found


def _touched(op: str, part: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    """The names that a change of a body, or of a whole list of headers (entries are `name: value`), concerns."""
    if op == "body":
        yield part
        return
    sides: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for side, entries in zip(sides, (before, after), strict=True):
        for entry in entries:
            name, _, value = entry.partition(": ")
            side.setdefault(name, []).append(value)
    yield from (name for name in {**sides[0], **sides[1]} if sides[0].get(name) != sides[1].get(name))


def _filter(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    meant = lookup(place for place, name in enumerate(trace.filters) if pattern.search(name))
    answered = (facts.local >= 0) & (facts.local_source == ResponseSource.FILTER)
    found = meant[np.minimum(facts.local_filter, 255)] & answered
    found |= meant[np.minimum(facts.failure_filter, 255)] & (facts.failure >= 0)
    found |= meant[np.minimum(facts.closer, 255)] & (facts.closer != NO_FILTER)
    for first, records, _, which in trace.select(facts.changed):
        at = facts.changed[which] - first
        found |= _places(facts, records["exchange"][at[meant[records["filter"][at]]]])
    return np.asarray(found, bool)


def _log(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    found = np.zeros(len(facts), bool)
    for _, records, blob, at, said in log_lines(trace):
        mine = records["exchange"][at] != NONE
        start, size = (each[mine] for each in said)
        hits = _matching(pattern, np.frombuffer(blob, np.uint8), start, size)
        found |= _places(facts, records["exchange"][at[mine][hits]])
    return found


def _callout(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    """By cluster, service and method, as far as a call has them: these are its first fields."""
    found = np.zeros(len(facts), bool)
    for name, count in ((call.name, len(_TARGET.intersection(call.fields))) for call in trace.schema.hostcalls if call.name in CALLS):
        for _, records, blob, at in hostcalls(trace, (name,)):
            at = at[records["exchange"][at] != NONE]
            targets, which = _distinct_fields(records, blob, at, 0, count)
            hits = [pattern.search("/".join(words.text(part) for part in target if part)) is not None for target in targets]
            found |= _places(facts, records["exchange"][at[np.array(hits, bool)[which]]])
    return found


def _limits(trace: Trace, facts: Facts, pattern: Pattern, first: int, last: int) -> Bools:
    """Exchanges with a LIMIT event whose fields from `first` to before `last` say it."""
    found = np.zeros(len(facts), bool)
    for _, records, blob, at in events(trace, Event.LIMIT):
        at = at[records["exchange"][at] != NONE]
        said, which = _distinct_fields(records, blob, at, first, last)
        hits = [any(pattern.search(words.text(field)) for field in fields) for fields in said]
        found |= _places(facts, records["exchange"][at[np.array(hits, bool)[which]]])
    return found


def _distinct_fields(records: Records, blob: memoryview, at: Ints, first: int, last: int) -> tuple[list[list[bytes]], Ints]:
    """The fields from `first` to before `last` of these rows, each different run of them once, and for each row which it has."""
    octets = np.frombuffer(blob, np.uint8)
    spans = field_spans(octets, records, at, last)
    begin = np.maximum(spans[first][0] - 4, 0)
    end = np.max([start + size for start, size in spans[first:]], axis=0)
    runs, which = distinct(octets, begin, np.maximum(end - begin, 0))
    return list(map(split_fields, runs)), which


def _limit(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    return _limits(trace, facts, pattern, 0, _KEY)


def _key(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    return _limits(trace, facts, pattern, _KEY, _KEY + 1)


def _got(_: Trace, facts: Facts, code: float) -> Bools:
    return np.asarray((facts.downstream >= 0) & (facts.status == int(code)), bool)


def _over(_: Trace, facts: Facts, ns: float) -> Bools:
    return np.asarray(facts.filter_ns > ns, bool)


MASKS: dict[str, Callable[[Trace, Facts, Any], Bools]] = {
    "outcome": _outcome,
    "decision": _decision,
    "changed": _changed,
    "filter": _filter,
    "log": _log,
    "callout": _callout,
    "limit": _limit,
    "key": _key,
    "got": _got,
    "over": _over,
    "all": lambda _, facts, __: np.ones(len(facts), bool),
    "http": lambda _, facts, __: np.asarray(facts.connection < 0, bool),
    "tcp": lambda _, facts, __: np.asarray(facts.connection >= 0, bool),
}
"""For each term that the trace alone answers, the function that does."""
