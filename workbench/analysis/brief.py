"""What filters changed in exchanges, in brief: the names of headers, and bodies, with what became of each in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..trace.trace import Trace
from .changes import Mutation, mutation
from .facts import Facts
from .rowfields import Ints
from .words import shorten

__all__ = ["Brief", "briefs"]

_NAMES_SHOWN = 3
_LONGEST_NAME = 64
_MOST_CHANGES = 2000
"""Changes to one exchange that are looked at; a filter may make any number of them."""


@dataclass(frozen=True)
class Brief:
    """The first `names`, each with `d` (removed), `a` (added) or `c` (changed) before it, how many `more` there are, and how many of
    each kind. Bodies go by the name of their part."""

    names: tuple[str, ...] = ()
    more: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def briefs(trace: Trace, facts: Facts, places: Ints) -> list[Brief]:
    """What became of the exchanges at `places` in the facts' columns. A header that is in the end as it was does not count."""
    names = [call.name for call in trace.schema.hostcalls]
    found: list[Brief] = []
    for rows in _changed_rows(trace, facts, places):
        changes = (mutation(trace, names[row.code], row, "") for row in map(trace.row, rows[:_MOST_CHANGES]))
        found.append(_brief(change for change in changes if change is not None))
    return found


def _brief(changes: Iterable[Mutation]) -> Brief:
    ends: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for change in changes:
        for key, was, now in _entries(change):
            ends[change.part, key] = (ends.get((change.part, key), (was, ()))[0], now)
    found: dict[str, str] = {}
    for (_, key), (was, now) in ends.items():
        if was != now:
            found.setdefault(key, "chg" if was and now else "add" if now else "del")
    names = tuple(kind[0] + shorten(name, _LONGEST_NAME) for name, kind in list(found.items())[:_NAMES_SHOWN])
    return Brief(names, len(found) - len(names), dict(Counter(found.values())))


def _changed_rows(trace: Trace, facts: Facts, places: Ints) -> list[list[int]]:
    """For each place the rows of `facts.changed` that are its exchange's, in order."""
    begin, end = facts.request[places], facts.downstream[places]
    # nothing is changed once the client has it all; without that, what the trace has of the exchange at all
    for at in np.flatnonzero((begin < 0) | (end < 0)).tolist():
        begin[at], end[at] = trace.span(int(facts.exchange[places[at]]))
    first, last = (np.searchsorted(facts.changed, rows) for rows in (begin, end))
    last = np.where(facts.changes[places] > 0, np.maximum(first, last), first)
    # rows of exchanges that overlap lie between
    rows = np.concatenate([facts.changed[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)] or [np.empty(0, np.int64)])
    owner = np.repeat(np.arange(len(places)), last - first)
    exchange = np.full(len(rows), -1, np.int64)
    for start, records, _, which in trace.select(rows):
        exchange[which] = records["exchange"][rows[which] - start]
    mine = exchange == facts.exchange[places][owner]
    found: list[list[int]] = [[] for _ in range(len(places))]
    for at, row in zip(owner[mine].tolist(), rows[mine].tolist(), strict=True):
        found[at].append(row)
    return found


def _entries(change: Mutation) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """What one change did to each name that it touched: name, values before, values after."""
    if change.op == "body":
        yield change.part.replace("_", " "), (), change.after or ("",)
        return
    if change.op != "set_all":
        yield change.name, change.before, change.after
        return
    sides: tuple[dict[str, tuple[str, ...]], ...] = ({}, {})
    for side, entries in zip(sides, (change.before, change.after), strict=True):
        for entry in entries:
            # A pseudo-header's own colon comes first.
            at = entry.find(": ", 1)
            side[entry[:at]] = (*side.get(entry[:at], ()), entry[at + 2 :])
    yield from ((key, sides[0].get(key, ()), sides[1].get(key, ())) for key in {**sides[0], **sides[1]})
