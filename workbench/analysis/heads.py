"""Method, host and path of many exchanges at once, read out of the trace without an object a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..trace.records import Event
from ..trace.trace import Records, Trace
from .calls import connection_ends
from .facts import Facts
from .prints import slices
from .rowfields import Ints, Octets, u32_at

__all__ = ["HEADS", "head_spans", "heads", "pseudo_headers"]

HEADS = ("method", "authority", "path")
"""What can be read: the request's pseudo-headers as the first filter is shown them. A connection's are TCP and its two addresses."""

_PSEUDO = {ord("m"): "method", ord("a"): "authority", ord("p"): "path"}
_SIZES = {"method": 7, "authority": 10, "path": 5}
_FIRST_PAIRS = 4


def heads(trace: Trace, facts: Facts, places: Ints, names: Sequence[str] = HEADS) -> dict[str, list[bytes]]:
    """For each of `places` in the facts' columns the values of `names`, of `HEADS`; empty where there is none."""
    found: dict[str, list[bytes]] = {name: [b""] * len(places) for name in names}
    for octets, here, spans in head_spans(trace, facts, places):
        for name in names:
            values = found[name]
            for at, value in zip(here.tolist(), slices(octets, *spans[name]), strict=True):
                values[at] = value
    for at in np.flatnonzero(facts.connection[places] >= 0).tolist():
        client, upstream = connection_ends(trace.row(int(facts.connection[places[at]])))
        for name, told in zip(HEADS, ("TCP", upstream, client), strict=True):
            if name in found:
                found[name][at] = told.encode(errors="surrogateescape")
    return found


def head_spans(trace: Trace, facts: Facts, places: Ints) -> Iterator[tuple[Octets, Ints, dict[str, tuple[Ints, Ints]]]]:
    """The same without the values: bytes to be read before the next, which of `places` are in them, and by name start and size of each.

    TCP connections are left out.
    """
    rows = facts.request[places]
    for first, records, blob, here in trace.select(rows):
        octets = np.frombuffer(blob, np.uint8)
        yield octets, here, pseudo_headers(octets, records, rows[here] - first)


def pseudo_headers(octets: Octets, records: Records, rows: Ints) -> dict[str, tuple[Ints, Ints]]:
    """Start and size of each pseudo-header's value in the blob: they are the first pairs of a REQUEST event's first field."""
    begin = records["blob"][rows].astype(np.int64) + 4
    usable = (records["code"][rows] == Event.REQUEST) & (records["blob_len"][rows] >= 8)
    begin = np.where(usable, begin, 0)
    count = np.where(usable, u32_at(octets, begin), 0)
    at = begin + 4 + 8 * count
    found = {name: (np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)) for name in HEADS}
    for pair in range(_FIRST_PAIRS):
        there = count > pair
        sizes = np.where(there, begin + 4 + 8 * pair, 0)
        name_size, value_size = (np.where(there, u32_at(octets, sizes + more), 0) for more in (0, 4))
        head = np.where(there & (name_size > 1), at, 0)
        letter = np.where((octets[head] == ord(":")) & (head > 0), octets[head + 1], 0)
        for code, name in _PSEUDO.items():
            mine = (letter == code) & (name_size == _SIZES[name])
            start, size = found[name]
            start[mine], size[mine] = (at + name_size)[mine], value_size[mine]
        at = at + name_size + value_size
    return found
