"""Which hostcalls changed a message, found by columns: what was before is held against what is after, byte by byte."""

from __future__ import annotations

import numpy as np

from ..trace.records import INSTEAD, Kind, Schema
from ..trace.trace import Records
from .rowfields import Bools, Ints, Octets, field_spans, lookup

__all__ = ["MUTATORS", "changed_rows"]

MUTATORS = (
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_set_header_map_pairs",
    "proxy_set_buffer_bytes",
)
"""Hostcalls that change a message."""


def changed_rows(schema: Schema, records: Records, blob: memoryview, may: Ints | None = None) -> Ints:
    """Places in `records` of the hostcalls that changed a message: answered Ok, and something is different after (see `changes`).

    `may` are the places of the calls of `MUTATORS`, where these are known.
    """
    octets = np.frombuffer(blob, np.uint8)
    found = [np.empty(0, np.int64)]
    if may is None:
        meant = lookup(code for code, call in enumerate(schema.hostcalls) if call.name in MUTATORS)
        may = np.flatnonzero((records["kind"] == Kind.HOSTCALL) & meant[records["code"]])
    may = may[(records["result"][may] == 0) & (records["flags"][may] & INSTEAD == 0)]
    codes = records["code"][may]
    for code in np.unique(codes).tolist():
        call, rows = schema.hostcalls[code], may[codes == code]
        spans = field_spans(octets, records, rows, len(call.fields))
        if call.name == "proxy_set_buffer_bytes":
            numbers = {name: records["abcd"[place]][rows].astype(np.int64) for place, name in enumerate(call.args)}
            dropped = np.where(numbers["start"] == 0, np.minimum(numbers["size"], numbers["size_before"]), 0)
            found.append(rows[(numbers["buffer_type"] < 4) & ((dropped > 0) | (spans[0][1] > 0))])
        else:
            rows, spans = _in_message(records, rows, spans)
            before, after = spans[call.fields.index("before")], spans[call.fields.index("after")]
            found.append(rows[_differ(octets, before, after)])
    return np.sort(np.concatenate(found))


def _in_message(records: Records, rows: Ints, spans: list[tuple[Ints, Ints]]) -> tuple[Ints, list[tuple[Ints, Ints]]]:
    """Only what concerns the four maps of a message, not those of a callout's answer."""
    mine = records["a"][rows] < 4
    return rows[mine], [(start[mine], size[mine]) for start, size in spans]


def _differ(octets: Octets, before: tuple[Ints, Ints], after: tuple[Ints, Ints]) -> Bools:
    (start, size), (other, other_size) = before, after
    differ = size != other_size
    same = np.flatnonzero(~differ & (size > 0))
    if len(same):
        ends = np.cumsum(size[same])
        within = np.arange(ends[-1]) - np.repeat(ends - size[same], size[same])
        unequal = octets[np.repeat(start[same], size[same]) + within] != octets[np.repeat(other[same], size[same]) + within]
        differ[same] = np.logical_or.reduceat(unequal, ends - size[same])
    return np.asarray(differ, bool)
