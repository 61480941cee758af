"""Many flows at once, at the speed of memory: `scan.wasm`, built of `workbench/scan`, on pieces of a flow file.

It reads what `layout` reads, or less, and makes of it what `flow` and `packing` make, byte for byte. Whatever else it meets it
leaves to them. Loading it takes a tenth of a second, so that only big captures are read with it.
"""

from __future__ import annotations

import ctypes
import ipaddress
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .filebytes import FileBytes

if TYPE_CHECKING:
    import numpy.typing as npt
    import wasmtime

__all__ = ["Scanner", "Times"]

_WASM = Path(__file__).with_name("scan.wasm")
_MOST, _LARGEST = 1 << 20, 1 << 18
"""Bytes of flows that are read at once, and of one of them: of what is larger an index need not read the body, so Python looks."""
_GAP = 1 << 12
"""What lies between two flows is read along with them up to here."""
_FIRST, _FLOWS = 64, 1024
_LINE = np.dtype([("place", "<u4"), ("size", "<u4")])
_LONG_LINE = np.dtype([*_LINE.descr, ("index", "<u4"), ("connection", "<u4"), ("start", "<u8")])
_TIMES = np.dtype([("start", "<u8"), ("end", "<u8"), ("place", "<u4"), ("size", "<u4")])
_MAPPED_IS_DOTTED = "." in str(ipaddress.ip_address("::ffff:1.2.3.4"))

Ints: TypeAlias = "npt.NDArray[np.int64]"
Times: TypeAlias = tuple[int, int, bytes]
"""Start of the request, end of the exchange (nanoseconds, 0 where unknown), and what identifies the connection."""


@cache
def _module() -> tuple[wasmtime.Engine, wasmtime.Module]:
    import wasmtime

    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, _WASM.read_bytes())


class Scanner:
    """One instance of `scan.wasm`, for the flows of one file. Threads may share it: they take turns."""

    def __init__(self, data: FileBytes) -> None:
        import wasmtime

        self._data = data
        self._lock = threading.Lock()
        engine, module = _module()
        self._store = wasmtime.Store(engine)
        self._exports: Any = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._held: bytes | None = None

    def index(self, block: bytes, at: int) -> list[tuple[int, int]]:
        """Place and size of the flows that follow each other in `block` from `at` on, whole and of the current format."""
        found: list[tuple[int, int]] = np.frombuffer(self._call("index", (block,), at), _LINE).tolist()
        return found

    def times(self, offsets: Ints, sizes: Ints) -> Iterator[Times | None]:
        """What an index keeps of each flow; None where Python has to look."""
        for part in _parts(sizes):
            lines, pieces = self._read(offsets[part], sizes[part], _LINE)
            made = self._call("times", (lines.tobytes(), *pieces), len(lines))
            for start, end, place, size in np.frombuffer(made, _TIMES, len(lines)).tolist():
                yield (start, end, made[place : place + size]) if size else None

    def records(self, offsets: Ints, sizes: Ints, indexes: Ints, connections: Ints, starts: Ints) -> Iterator[bytes | None]:
        """The packed record of each flow; None where Python has to make it."""
        for part in _parts(sizes):
            lines, pieces = self._read(offsets[part], sizes[part], _LONG_LINE)
            lines["index"], lines["connection"], lines["start"] = indexes[part], connections[part], starts[part]
            made = self._call("pack", (lines.tobytes(), *pieces), len(lines), _MAPPED_IS_DOTTED)
            at = 4 * len(lines)
            for size in np.frombuffer(made, "<u4", len(lines)).tolist():
                yield made[at : at + size] if size else None
                at += size

    def _read(self, offsets: Ints, sizes: Ints, line: np.dtype[Any]) -> tuple[npt.NDArray[Any], list[bytes]]:
        """A table that says where behind it each flow is, and what comes there. Neighbours in the file are read at once."""
        lines = np.zeros(len(offsets), line)
        (order,) = np.nonzero(sizes <= _LARGEST)
        order = order[np.argsort(offsets[order])]
        if not len(order):
            return lines, []
        begins, ends = offsets[order], offsets[order] + sizes[order]
        apart = begins[1:] - ends[:-1] > _GAP
        firsts, lasts = begins[np.append(True, apart)], ends[np.append(apart, True)]
        wanted = lasts - firsts
        shift = np.cumsum(wanted) - wanted - firsts + lines.nbytes
        lines["place"][order] = begins + shift[np.append(0, np.cumsum(apart))]
        lines["size"][order] = sizes[order]
        # of a file that was cut since, what is left stays in its place
        return lines, [self._data.read(at, size).ljust(size, b"\0") for at, size in zip(firsts.tolist(), wanted.tolist(), strict=True)]

    def _call(self, name: str, pieces: tuple[bytes, ...], *numbers: int) -> bytes:
        with self._lock:
            exports, store = self._exports, self._store
            if pieces[0] is not self._held:
                self._held = None  # an interrupt can come in between
                at = exports["input"](store, sum(map(len, pieces)))
                at += self._address()
                for piece in pieces:
                    ctypes.memmove(at, piece, len(piece))
                    at += len(piece)
                self._held = pieces[0]
            size = exports[name](store, *numbers)
            return ctypes.string_at(self._address() + exports["output"](store), size)

    def _address(self) -> int:
        """Memory that grows may move."""
        return ctypes.addressof(self._exports["memory"].data_ptr(self._store).contents)


def _parts(sizes: Ints) -> Iterator[slice]:
    """What is read at once: few flows at first, so that the first is soon there, then up to `_MOST` bytes."""
    at, most = 0, _FIRST
    while at < len(sizes):
        ahead = sizes[at : at + most]
        total = np.cumsum(np.where(ahead <= _LARGEST, ahead, 0))
        count = max(1, int(np.searchsorted(total, _MOST, side="right")))
        yield slice(at, at + count)
        at, most = at + count, _FLOWS
