"""Texts in a trace's bytes as numbers, so that many are told apart at once, and each different one is looked at once."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from .rowfields import Ints

__all__ = ["FACTORS", "distinct", "prints"]

_PORTION = 4 << 20
_LONG = 1 << 16
# anew in each process, so that no filter can make different bytes look alike
FACTORS = np.random.default_rng().integers(0, 1 << 64, _LONG + 8, np.uint64)
_SKIPPED = 8
"""Of `FACTORS`, left for what a caller adds to a print."""


def prints(octets: npt.NDArray[np.uint8], starts: Ints, sizes: Ints) -> npt.NDArray[np.uint64]:
    """A number of 64 bits for each text: equal texts have the same, others have another."""
    found = sizes.astype(np.uint64)
    for row in np.flatnonzero(sizes > _LONG).tolist():
        long = octets[starts[row] : starts[row] + sizes[row]]
        found[row] ^= np.uint64(int.from_bytes(hashlib.blake2b(long.tobytes(), digest_size=8).digest(), "little"))
    short = np.flatnonzero((sizes > 0) & (sizes <= _LONG))
    # in portions: what is made of each byte takes many
    for at in np.split(short, np.flatnonzero(np.diff(np.cumsum(sizes[short]) // _PORTION)) + 1) if len(short) else ():
        size = sizes[at]
        begins = np.cumsum(size) - size
        within = np.arange(int(size.sum())) - np.repeat(begins, size)
        terms = (octets[np.repeat(starts[at], size) + within].astype(np.uint64) + np.uint64(1)) * FACTORS[within + _SKIPPED]
        found[at] += np.add.reduceat(terms, begins)
    return found


def distinct(octets: npt.NDArray[np.uint8], starts: Ints, sizes: Ints) -> tuple[list[bytes], Ints]:
    """The different texts, and for each text the place of its like among them."""
    _, first, which = np.unique(prints(octets, starts, sizes), return_index=True, return_inverse=True)
    texts = [octets[start : start + size].tobytes() for start, size in zip(starts[first].tolist(), sizes[first].tolist(), strict=True)]
    return texts, which
