"""Request paths as columns, and their patterns: `/toys/17` and `/toys/42?page=2` are both `/toys/{n}`."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from ..trace.records import Event, Kind
from ..trace.trace import Records, Trace
from . import words
from .facts import Facts
from .rowfields import Ints

__all__ = ["path_pattern", "request_lines"]

_PSEUDO_HEADERS = 8
"""Envoy shows pseudo-headers before all others; of these few can be."""
_LONGEST = 256
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{8,}")
_NUMBER = re.compile(r"[0-9]+")
_TOKEN = re.compile(r"(?=.*[0-9])[A-Za-z0-9_\-=.~%]{20,}")


def request_lines(trace: Trace, facts: Facts) -> tuple[list[bytes], list[bytes]]:
    """Method and path of each exchange of `facts`, in its order, as the first filter was shown them; empty where there is none."""
    methods, paths = [b""] * len(facts), [b""] * len(facts)
    for first, records, blob in trace.blocks():
        places = np.flatnonzero((facts.request >= first) & (facts.request < first + len(records)))
        rows = facts.request[places] - first
        for name, into in ((b":method", methods), (b":path", paths)):
            for place, start, size in zip(places.tolist(), *_values(records, rows, blob, name), strict=True):
                into[place] = bytes(blob[start : start + size])
    return methods, paths


def _values(records: Records, rows: Ints, blob: memoryview, name: bytes) -> tuple[list[int], list[int]]:
    """Where a pseudo-header's value stands in the blob, for each of these REQUEST rows; size 0 for none."""
    assert bool(((records["kind"][rows] == Kind.EVENT) & (records["code"][rows] == Event.REQUEST)).all())
    octets = np.frombuffer(blob, np.uint8)

    def number(at: Ints) -> Ints:
        found = np.zeros(len(at), np.int64)
        for i in range(4):
            found |= octets[np.minimum(at + i, len(octets) - 1)].astype(np.int64) << (8 * i)
        return found

    # a row's first field are the headers: its length, then a pair list (see `capture.packing`)
    at = records["blob"][rows].astype(np.int64) + 4
    count = number(at) if len(octets) else np.zeros(len(rows), np.int64)
    data = at + 4 + 8 * count
    start, size = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for pair in range(min(_PSEUDO_HEADERS, int(count.max(initial=0)))):
        there = pair < count
        name_size, value_size = number(at + 4 + 8 * pair), number(at + 8 + 8 * pair)
        same = there & (name_size == len(name)) & (size == 0)
        for i, char in enumerate(name):
            same &= octets[np.minimum(data + i, len(octets) - 1)] == char
        start[same], size[same] = (data + name_size)[same], value_size[same]
        data = data + np.where(there, name_size + value_size, 0)
    return start.tolist(), size.tolist()


@lru_cache(maxsize=16384)
def path_pattern(path: bytes) -> str:
    """A path without its query, with `{n}`, `{uuid}`, `{hex}` or `{token}` for segments that name one thing of many."""
    segments = words.text(path.partition(b"?")[0]).split("/")
    return words.shorten("/".join(_segment(segment) for segment in segments), _LONGEST)


def _segment(segment: str) -> str:
    for pattern, name in ((_NUMBER, "{n}"), (_UUID, "{uuid}"), (_HEX, "{hex}"), (_TOKEN, "{token}")):
        if pattern.fullmatch(segment):
            return name
    return segment
