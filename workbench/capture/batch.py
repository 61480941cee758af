"""Packed records in the portions in which the host takes them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Batch", "batches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed exchanges or connections (`packing`), `count` of them; `start_ns` is the start of the first."""

    data: bytes
    count: int
    start_ns: int


_FIRST, _MOST = 4, 1000
_LASTING_S = 0.05


def batches(records: Iterable[tuple[int, bytes]], size: int | None, max_bytes: int) -> Iterator[Batch]:
    """Records, each with its start, at most `size` and `max_bytes` at a time; one of more than `max_bytes` is a batch of its own.

    Without a `size` the first are small, and further ones as large as is used up in a twentieth of a second, 1000 at most: however
    slow a filter is, its replay can be watched.
    """
    held: list[bytes] = []
    start = total = before = 0
    most = _FIRST if size is None else size
    for begin, data in records:
        if held and (len(held) >= most or total + len(data) > max_bytes):
            given = time.perf_counter()
            yield Batch(b"".join(held), len(held), start)
            if size is None and before:
                # whoever takes batches holds one ahead: in the time that this one was out, the one before it was used
                most = _next_size(most, before, time.perf_counter() - given)
            before = len(held)
            held, total = [], 0
        if not held:
            start = begin
        held.append(data)
        total += len(data)
    if held:
        yield Batch(b"".join(held), len(held), start)


def _next_size(most: int, used: int, seconds: float) -> int:
    """At most twice as many as now, so that one odd measurement does little."""
    wanted = _LASTING_S * used / seconds if seconds else _MOST
    return max(1, min(int(wanted), 2 * most, _MOST))
