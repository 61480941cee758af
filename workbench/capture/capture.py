"""A capture: the exchanges in a file, read as they are needed."""

from __future__ import annotations

import codecs
import operator
import stat
from collections.abc import Iterable, Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import CaptureError
from .batch import Batch, batches
from .connections import ConnectionPlaces, Connections
from .exchange import Exchange
from .flowfile import RECORD, FlowFile
from .harfile import HarFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Batch", "Capture", "open_capture"]

_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip file", "Unpack it first: gunzip FILE."),
    (b"PK\3\4", "a zip archive", "Unpack it first: unzip FILE."),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "Unpack it first: zstd -d FILE."),
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap)", f"Packets hold no whole exchanges. {RECORD}."),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng)", f"Packets hold no whole exchanges. {RECORD}."),
    (b"\0asm", "a wasm module", f"A capture is wanted here. {RECORD}."),
)


class Source(Protocol):
    """What a file format has to offer: `FlowFile` for mitmproxy's, `HarFile` for HAR."""

    path: Path
    connections: ConnectionPlaces

    def __len__(self) -> int: ...
    @property
    def damage(self) -> tuple[str, ...]: ...
    @property
    def problems(self) -> tuple[str, ...]: ...
    def exchange(self, index: int) -> Exchange: ...
    def packed(self, order: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]: ...
    def starts(self) -> npt.NDArray[np.int64]: ...
    def end_ns(self) -> int: ...
    def close(self) -> None: ...


class Capture:
    """The HTTP exchanges of a file in the order of the file; `open_capture` makes one.

    Nothing is decoded before it is asked for, and nothing decoded is kept, so memory does not grow with the file.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def path(self) -> Path:
        """The file, as it was named."""
        return self._source.path

    @property
    def problems(self) -> tuple[str, ...]:
        """What the file holds but the capture does not, and why, a sentence each. Damage inside an exchange shows when it is read."""
        return self._source.problems

    @property
    def start_ns(self) -> int:
        """Start of the earliest request in nanoseconds since the Unix epoch; 0 without exchanges."""
        return int(self._source.starts().min()) if len(self) else 0

    @property
    def end_ns(self) -> int:
        """End of the last exchange to end, in nanoseconds since the Unix epoch; 0 without exchanges."""
        return self._source.end_ns() if len(self) else 0

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Exchange:
        """Exchange number `index`, negative from the end; CaptureError where it is damaged."""
        index = operator.index(index)
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"exchange {index} of a capture of {len(self)}")
        return self._source.exchange(place)

    def __iter__(self) -> Iterator[Exchange]:
        """Every exchange in file order; damaged ones are left out and named in `problems`."""
        return self._readable(range(len(self)))

    def in_time(self) -> Iterator[Exchange]:
        """Every exchange by the start of its request, ties in file order; damaged ones as in iteration."""
        return self._readable(map(int, self._order()))

    def _order(self) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.argsort(self._source.starts(), kind="stable")

    def _readable(self, order: Iterable[int]) -> Iterator[Exchange]:
        for index in order:
            try:
                yield self._source.exchange(index)
            except CaptureError:
                continue

    def batches(self, size: int | None = None, max_bytes: int = 8 << 20) -> Iterator[Batch]:
        """The exchanges packed for the host in the order of `in_time`, at most `size` and `max_bytes` at a time.

        An exchange of more than `max_bytes` is a batch of its own. Without a `size` batches grow with the pace at which they are used.
        """
        return batches(self._source.packed(self._order()), size, max_bytes)

    @cached_property
    def connections(self) -> Connections:
        """The TCP connections of the file; they are numbered apart from the exchanges."""
        return Connections(self._source.connections, self._source.damage, len(self))

    def close(self) -> None:
        """Give the file back; otherwise that happens when the capture is no longer used."""
        self._source.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Capture {str(self.path)!r}, {len(self)} exchanges>"


def open_capture(path: str | PathLike[str], *, max_flow: int = 128 << 20) -> Capture:
    """Open a mitmproxy flow file or a HAR file, of any size: a flow file without reading its exchanges, a HAR file in one pass.

    A file that is cut short or damaged is read as far as possible, and `Capture.problems` says what was left out, as are
    flows and entries of more than `max_flow` bytes. CaptureError where nothing can be read.

    In a HAR file bodies have no content coding. They are given the one that Content-Encoding names, as a filter in Envoy would see them,
    and Content-Length is made to fit. What no proxy ever saw (answers from a browser's cache, `data:` URLs) is left out.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "this is a directory" if path.is_dir() else "this is no regular file"
            raise CaptureError(what, where=str(path), remedy="Name the capture file itself.")
        with path.open("rb") as file:
            head = file.read(4096)
        return Capture(_source(path, head, max_flow))
    except OSError as error:
        raise CaptureError(error.strerror or str(error), where=str(path), remedy="Check the path and your right to read it.") from None


def _source(path: Path, head: bytes, max_flow: int) -> Source:
    """The reader for what the file begins with; a room for another format is entered from here."""
    if head[:1].isdigit():
        return FlowFile(path, max_flow)
    if not head:
        remedy = f"mitmdump writes an exchange when it is over; stop it before opening its file. {RECORD}"
        raise CaptureError("the file is empty", where=str(path), remedy=f"{remedy}.")
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{":
        return HarFile(path, max_flow)
    for magic, what, remedy in _OTHER_FORMATS:
        if head.startswith(magic):
            raise CaptureError(f"this is {what}, neither a mitmproxy flow file nor a HAR file", where=str(path), remedy=remedy)
    raise CaptureError("this is neither a mitmproxy flow file nor a HAR file", where=str(path), remedy=f"{RECORD}.")
