"""The texts that stand in a trace's bytes: many of them taken out, told apart, and each different one looked at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from . import words
from .rowfields import Ints, Octets

__all__ = ["FACTORS", "distinct", "numbered", "prints", "slices", "texts"]

# anew in each process, so that no filter can make different bytes look alike
FACTORS = np.random.default_rng().integers(0, 1 << 64, 8, np.uint64) | np.uint64(1)
"""Odd numbers, for what a caller adds to a print."""
_SALT = secrets.token_bytes(16)


def slices(octets: Octets, starts: Ints, sizes: Ints) -> list[bytes]:
    """The bytes of each text; one of no size may start anywhere."""
    there = sizes > 0
    if not there.any():
        return [b""] * len(starts)
    low, ends = int(starts[there].min()), starts + sizes
    data = octets[low : int(ends[there].max())].tobytes()
    begins = np.maximum(starts - low, 0)
    return [data[begin:end] for begin, end in zip(begins.tolist(), np.maximum(ends - low, 0).tolist(), strict=True)]


def texts(octets: Octets, starts: Ints, sizes: Ints) -> list[str]:
    """Each as `words.text` reads it."""
    return [each.decode() if each.isascii() else words.text(each) for each in slices(octets, starts, sizes)]


def prints(octets: Octets, starts: Ints, sizes: Ints) -> npt.NDArray[np.uint64]:
    """A number of 64 bits for each text: equal texts have the same, others have another."""
    return np.fromiter((hash(_SALT + each) for each in slices(octets, starts, sizes)), np.int64, len(starts)).view(np.uint64)


def distinct(octets: Octets, starts: Ints, sizes: Ints) -> tuple[list[bytes], Ints]:
    """The different texts, and for each text the place of its like among them."""
    known: dict[bytes, int] = {}
    which = numbered(slices(octets, starts, sizes), known)
    return list(known), which


def numbered(values: Iterable[bytes], known: dict[bytes, int]) -> Ints:
    """For each text its number in `known`, which grows: those that are not in it yet come behind, in their order."""
    return np.array([known.setdefault(each, len(known)) for each in values], np.int64)
