"""A capture whose replay lasts as long as a test wants, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event, Semaphore
from typing import Any

from workbench.capture import Capture
from workbench.capture.batch import Batch

__all__ = ["HeldCapture", "until"]

_PATIENCE_S = 120
"""Longer than whatever is waited for takes on any machine: only a fault lets it pass."""


def until(condition: Callable[[], Any]) -> None:
    """Wait until it is so, however long the machine takes."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


class HeldCapture:
    """Gives its exchanges in batches of `size`, and each batch only when `feed` lets it."""

    def __init__(self, capture: Capture, size: int) -> None:
        self.path, self.problems = capture.path, capture.problems
        self.taken = 0
        """Batches that a replay has got; it holds the last of them back until the next one comes."""
        self._capture, self._size = capture, size
        # whoever replays holds one batch ahead, so the first one comes of itself
        self._granted = Semaphore(1)
        self._free = Event()

    def __len__(self) -> int:
        return len(self._capture)

    def __getitem__(self, index: int) -> Any:
        return self._capture[index]

    def feed(self, batches: int = 1) -> None:
        """Let so many more batches be replayed."""
        self._granted.release(batches)

    def release(self) -> None:
        """Hold nothing back from now on, in this replay and in later ones."""
        self._free.set()
        self._granted.release()

    def batches(self) -> Iterator[Batch]:
        for batch in self._capture.batches(size=self._size):
            if not self._free.is_set():
                self._granted.acquire()
            self.taken += 1
            yield batch
