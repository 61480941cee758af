"""Walking tnetstrings (`LENGTH:payload` and a type byte) without decoding them: what an index needs.

A dictionary's payload is `key value key value ...`, so its entries can be visited by hopping from length to length. Nothing
is allocated by a claimed length, and nothing here recurses. Format: tnetstrings.info, with mitmproxy's `;` for text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, SupportsIndex, overload

__all__ = ["DICT", "Readable", "entries", "number", "span"]

DICT = ord("}")
_INTEGER, _FLOAT = ord("#"), ord("^")
_PREFIX = 13
"""Bytes of a length prefix with its colon: mitmproxy reads at most twelve digits."""
_KEY = 64
"""No key that matters is longer; of a longer one only this much is looked at."""


class Readable(Protocol):
    """`bytes`, or a file that looks like them."""

    def find(self, sub: bytes, start: SupportsIndex, end: SupportsIndex, /) -> int: ...

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...


def span(data: Readable, at: int, end: int) -> tuple[int, int]:
    """Where the payload of the tnetstring at `at` starts and stops; its type byte is at the stop, before `end`, or ValueError."""
    colon = data.find(b":", at, min(at + _PREFIX, end))
    if colon < 0 or not (digits := data[at:colon]).isdigit():
        raise ValueError(f"no length at byte {at}")
    stop = colon + 1 + int(digits)
    if stop >= end:
        raise ValueError(f"the length at byte {at} reaches {stop + 1 - end} bytes too far")
    return colon + 1, stop


def entries(data: Readable, at: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Key, type byte of the value, start and stop of its payload, for each entry of a dictionary's payload."""
    while at < end:
        key, stop = span(data, at, end)
        start, after = span(data, stop + 1, end)
        yield data[key : min(stop, key + _KEY)], data[after], start, after
        at = after + 1


def number(data: Readable, kind: int, start: int, stop: int) -> float | None:
    """A value that should be a number, or None where it is none."""
    if kind not in (_INTEGER, _FLOAT) or stop - start > 32:
        return None
    try:
        return float(data[start:stop])
    except ValueError:
        return None
