"""What filters changed in one exchange, in brief: the names of headers, and bodies, with what became of each in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..trace.trace import Trace
from .changes import Mutation, mutation
from .facts import Facts
from .words import shorten

__all__ = ["Brief", "brief"]

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


def brief(trace: Trace, facts: Facts, exchange: int) -> Brief:
    """The changes to `exchange`. A header that is in the end as it was does not count."""
    ends: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for change in _mutations(trace, facts, exchange):
        for key, was, now in _entries(change):
            ends[change.part, key] = (ends.get((change.part, key), (was, ()))[0], now)
    found: dict[str, str] = {}
    for (_, key), (was, now) in ends.items():
        if was != now:
            found.setdefault(key, "chg" if was and now else "add" if now else "del")
    names = tuple(kind[0] + shorten(name, _LONGEST_NAME) for name, kind in list(found.items())[:_NAMES_SHOWN])
    return Brief(names, len(found) - len(names), dict(Counter(found.values())))


def _mutations(trace: Trace, facts: Facts, exchange: int) -> Iterator[Mutation]:
    names = [call.name for call in trace.schema.hostcalls]
    at = facts.position(exchange)
    # nothing is changed once the client has it all; without that, what the trace has of the exchange at all
    told = facts.request[at], facts.downstream[at]
    begin, end = np.searchsorted(facts.changed, told if min(told) >= 0 else trace.span(exchange))
    seen = 0
    for seq in facts.changed[begin:end].tolist():
        row = trace.row(seq)
        if row.exchange != exchange:
            continue
        one = mutation(trace, names[row.code], row, "")
        if one is not None:
            yield one
        seen += 1
        if seen == _MOST_CHANGES:
            return


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
