"""What the query language's own terms ask of a trace: for each, one entry an exchange, found by columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..trace.records import NO_FILTER, NONE, Event, Kind, ResponseSource
from ..trace.trace import Records, Trace
from . import words
from .callouts import CALLS
from .calls import log_line
from .changes import mutation
from .decision import Judges, verdict_calls
from .facts import Facts, Outcome
from .prints import distinct
from .query_pattern import Pattern
from .query_syntax import Term
from .rowfields import Bools, Ints, field_spans, lookup

__all__ = ["MASKS", "mask"]

_PLAIN = ("proxy_add_header_map_value", "proxy_replace_header_map_value", "proxy_remove_header_map_value")
_FIRST_FIELD = 4096
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


def _hostcalls(trace: Trace, names: Iterable[str]) -> Iterator[tuple[int, Records, memoryview, Ints]]:
    wanted = set(names)
    codes = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in wanted)
    for first, records, blob in trace.blocks():
        at = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & codes[records["code"]] & (records["exchange"] != NONE))
        if len(at):
            yield first, records, blob, at


class _Matches:
    """Whether a pattern is found in a text, each short text looked at once."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._known: dict[bytes, bool] = {}

    def in_first_fields(self, records: Records, blob: memoryview, at: Ints) -> Bools:
        """Whether it is found in the first field of each row's blob."""
        octets = np.frombuffer(blob, np.uint8)
        texts, which = distinct(octets, *field_spans(octets, records, at, 1)[0])
        return np.fromiter(map(self, texts), bool, len(texts))[which]

    def __call__(self, data: bytes) -> bool:
        found = self._known.get(data)
        if found is None:
            found = self._pattern.search(words.text(data)) is not None
            if len(data) <= _FIRST_FIELD and len(self._known) < 1 << 16:
                self._known[data] = found
        return found


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
    matches = _Matches(pattern)
    names = [call.name for call in trace.schema.hostcalls]
    plain = lookup(code for code, name in enumerate(names) if name in _PLAIN)
    found = np.zeros(len(facts), bool)
    for first, records, blob, which in trace.select(facts.changed):
        at = facts.changed[which] - first
        direct = plain[records["code"][at]] & (records["exchange"][at] != NONE)
        easy = at[direct]
        hits = matches.in_first_fields(records, blob, easy)
        found |= _places(facts, records["exchange"][easy[hits]])
        for place in at[~direct].tolist():
            row = trace.row(first + place)
            one = mutation(trace, names[row.code], row, "")
            if one is not None and row.exchange != NONE and any(map(pattern.search, _touched(one.op, one.part, one.before, one.after))):
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
    matches = _Matches(pattern)
    found = np.zeros(len(facts), bool)
    for first, records, blob, at in _hostcalls(trace, ("proxy_log", "fd_write")):
        at = at[records["result"][at] == 0]
        hits = matches.in_first_fields(records, blob, at)
        said = [place for place in at[hits].tolist() if log_line(trace, trace.row(first + place), "") is not None]
        found |= _places(facts, records["exchange"][said])
    return found


def _callout(trace: Trace, facts: Facts, pattern: Pattern) -> Bools:
    found = np.zeros(len(facts), bool)
    names = [call.name for call in trace.schema.hostcalls]
    for first, _, _, at in _hostcalls(trace, CALLS):
        for place in at.tolist():
            row = trace.row(first + place)
            fields = dict(zip(trace.schema.hostcalls[row.code].fields, row.fields, strict=False))
            target = "/".join(words.text(fields[part]) for part in ("upstream", "service", "method") if fields.get(part))
            if names[row.code] in CALLS and pattern.search(target):
                found[facts.position(row.exchange)] = True
    return found


def _limits(trace: Trace, facts: Facts, pattern: Pattern, first: int, last: int) -> Bools:
    """Exchanges with a LIMIT event whose fields from `first` to before `last` say it."""
    found = np.zeros(len(facts), bool)
    for begin, records in trace.segments():
        at = np.flatnonzero((records["kind"] == Kind.EVENT) & (records["code"] == Event.LIMIT) & (records["exchange"] != NONE))
        for place in at.tolist():
            row = trace.row(begin + place)
            if any(pattern.search(words.text(field)) for field in row.fields[first:last]):
                found[facts.position(row.exchange)] = True
    return found


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
