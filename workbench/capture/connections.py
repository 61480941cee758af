"""The TCP connections of a capture: where they are in the file, and one of them decoded on demand."""

from __future__ import annotations

import operator
import threading
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CaptureError
from . import flow
from .batch import Batch, batches
from .connection import Connection
from .filebytes import FileBytes
from .packing import pack_connections
from .tnetstring import DICT, entries, number, span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ConnectionPlaces", "Connections"]

_MOST_KEYS = 64


class ConnectionPlaces:
    """Places of TCP flows in a file of flows: some thirty bytes each."""

    def __init__(self, path: Path, data: FileBytes) -> None:
        self.path = path
        self._data = data
        self._offsets, self._sizes, self._starts = array("q"), array("q"), array("q")
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, at: int, size: int) -> None:
        """A flow of so many bytes begins there."""
        self._offsets.append(at)
        self._sizes.append(size)

    def starts(self) -> npt.NDArray[np.int64]:
        """Start of every connection in nanoseconds, in file order."""
        import numpy as np

        with self._lock:
            for place in range(len(self._starts), len(self)):
                at = self._offsets[place]
                known = _start(self._data, at, at + self._sizes[place])
                self._starts.append(known or (self._starts[-1] if self._starts else 0))
        return np.array(self._starts, np.int64)

    def connection(self, index: int) -> Connection:
        """Decode one; CaptureError where its flow is damaged."""
        start = int(self.starts()[index]) if index >= len(self._starts) else self._starts[index]
        at = self._offsets[index]
        try:
            return flow.decode_connection(self._data.read(at, self._sizes[index]), index, start)
        except ValueError as error:
            where = f"{self.path}, connection {index} at byte {at}"
            if self._data.changed:
                raise CaptureError("the file was changed after it was opened", where=where, remedy="Open it again.") from None
            remedy = "The other connections are not affected."
            raise CaptureError(f"the flow is damaged: {error}", where=where, remedy=remedy) from None


def _start(data: FileBytes, at: int, end: int) -> int | None:
    """When the client connected, None where the flow does not say."""
    try:
        for key, kind, first, last in islice(entries(data, *span(data, at, end)), _MOST_KEYS):
            if kind == DICT and key == b"client_conn":
                for name, value, a, b in islice(entries(data, first, last), _MOST_KEYS):
                    if name == b"timestamp_start":
                        return flow.nanoseconds(number(data, value, a, b))
    except ValueError:
        pass  # a damaged flow: decoding it says where
    return None


class Connections:
    """The TCP connections of a capture in the order of the file, numbered from 0; `Capture.connections` gives them.

    As a `Capture`, it decodes nothing before it is asked for, and keeps nothing that it decoded.
    """

    def __init__(self, places: ConnectionPlaces, damage: Iterable[str], exchanges: int) -> None:
        self._places = places
        self._exchanges = exchanges
        self._damage = tuple(damage)
        self._lost: dict[int, None] = {}

    @property
    def path(self) -> Path:
        """The file, as it was named."""
        return self._places.path

    @property
    def problems(self) -> tuple[str, ...]:
        """What the file holds but these are not, and why, a sentence each."""
        found = self._exchanges
        beside = (
            (f"{found} HTTP exchange{'s' * (found > 1)} beside the connections: a chain of HTTP filters replays them.",) if found else ()
        )
        return (*self._damage, *beside, *(f"Connection {index}: left out, as its flow is damaged." for index in self._lost))

    @property
    def connections(self) -> Connections:
        """These themselves: what replays a capture's connections takes them alone, too."""
        return self

    @property
    def start_ns(self) -> int:
        """Start of the earliest connection in nanoseconds since the Unix epoch; 0 without connections."""
        return int(self._places.starts().min()) if len(self) else 0

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Connection:
        """Connection number `index`, negative from the end; CaptureError where it is damaged."""
        index = operator.index(index)
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"connection {index} of a capture of {len(self)}")
        return self._places.connection(place)

    def __iter__(self) -> Iterator[Connection]:
        """Every connection in file order; damaged ones are left out and named in `problems`."""
        return self._readable(range(len(self)))

    def in_time(self) -> Iterator[Connection]:
        """Every connection by its start, ties in file order; damaged ones as in iteration."""
        import numpy as np

        return self._readable(map(int, np.argsort(self._places.starts(), kind="stable")))

    def _readable(self, order: Iterable[int]) -> Iterator[Connection]:
        for index in order:
            try:
                yield self._places.connection(index)
            except CaptureError:
                self._lost[index] = None

    def batches(self, size: int | None = None, max_bytes: int = 8 << 20) -> Iterator[Batch]:
        """The connections packed for the host in the order of `in_time`, as `Capture.batches` does."""
        packed = ((each.start_ns, pack_connections((each,))) for each in self.in_time())
        return batches(packed, size, max_bytes)

    def __repr__(self) -> str:
        return f"<Connections of {str(self.path)!r}, {len(self)}>"
