"""Packed records in the portions in which the host takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Batch", "batches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed exchanges or connections (`packing`), `count` of them; `start_ns` is the start of the first."""

    data: bytes
    count: int
    start_ns: int


def batches(records: Iterable[tuple[int, bytes]], size: int, max_bytes: int) -> Iterator[Batch]:
    """Records, each with its start, at most `size` and `max_bytes` at a time; one of more than `max_bytes` is a batch of its own."""
    held: list[bytes] = []
    start = total = 0
    for begin, data in records:
        if held and (len(held) >= size or total + len(data) > max_bytes):
            yield Batch(b"".join(held), len(held), start)
            held, total = [], 0
        if not held:
            start = begin
        held.append(data)
        total += len(data)
    if held:
        yield Batch(b"".join(held), len(held), start)
