"""A file read at any place, in small pieces."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import SupportsIndex, overload

__all__ = ["FileBytes"]


class FileBytes:
    """A file that can be sliced and searched like bytes.

    Not a memory map: a file that somebody cuts short while it is mapped kills the process, and mapped pages count as its
    memory. A read that meets the end of the file gives what there is.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - open as long as this object, see close()
        self._lock = threading.Lock()
        self._state = os.fstat(self._file.fileno())
        self._near: tuple[int, bytes] = (0, b"")
        self.close = weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        """Size in bytes when the file was opened."""
        return self._state.st_size

    @property
    def changed(self) -> bool:
        """Somebody has written to the file since."""
        now = os.fstat(self._file.fileno())
        return (now.st_size, now.st_mtime_ns) != (self._state.st_size, self._state.st_mtime_ns)

    def read(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from place `at`; fewer at the end of the file."""
        size = max(0, min(size, len(self) - at))
        data = self._piece(at, size)
        while 0 < len(data) < size and (more := self._piece(at + len(data), size - len(data))):
            data += more
        return data

    def _piece(self, at: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, at)
        with self._lock:  # Windows has one position only
            self._file.seek(at)
            return self._file.read(size)

    def find(self, sub: bytes, start: SupportsIndex, end: SupportsIndex, /) -> int:
        """Like `bytes.find`; meant for short ranges."""
        at = int(start)
        place = self[at : int(end)].find(sub)
        return place if place < 0 else place + at

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> bytes | int:
        if not isinstance(key, slice):
            return self[int(key) : int(key) + 1][0]
        start, stop, _ = key.indices(len(self))
        stop = max(start, stop)
        base, block = self._near
        if not (base <= start and stop <= base + len(block)):
            base, block = self._near = start, self.read(start, max(stop - start, 4096))
        return block[start - base : stop - base]
