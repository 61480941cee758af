"""The fields of many rows at once: where they lie in the blob of a segment, found by columns without a loop over rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..trace.trace import Records

__all__ = ["Bools", "Ints", "Octets", "field_spans", "lookup", "u32_at"]

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Octets: TypeAlias = npt.NDArray[np.uint8]


def lookup(codes: Iterable[int]) -> Bools:
    """A table that says of each code whether it is one of `codes`: quicker than a search in millions of rows."""
    table = np.zeros(256, bool)
    table[[code for code in codes if code < 256]] = True
    return table


def field_spans(octets: Octets, records: Records, rows: Ints, fields: int) -> list[tuple[Ints, Ints]]:
    """Start and length of each field of each row's blob, without a loop over rows. A field that is missing has length 0."""
    at = records["blob"][rows].astype(np.int64)
    end = at + records["blob_len"][rows]
    spans = []
    for _ in range(fields):
        there = at + 4 <= end
        if there.all():
            start, size = at + 4, np.minimum(u32_at(octets, at), end - at - 4)
            at = start + size
        else:
            size = np.where(there, np.minimum(u32_at(octets, np.where(there, at, 0)), end - at - 4), 0)
            start = np.where(there, at + 4, 0)
            at = np.where(there, start + size, at)
        spans.append((start, size))
    return spans


def u32_at(octets: Octets, at: Ints) -> Ints:
    """The little-endian numbers of four bytes at any places of a blob."""
    if not len(at):
        return np.empty(0, np.int64)
    # a number begins at each byte: they overlap, and none is copied
    numbers: npt.NDArray[np.uint32] = np.ndarray((len(octets) - 3,), "<u4", octets.data, 0, (1,))
    return numbers[at].astype(np.int64)
