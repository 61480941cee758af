"""A HAR file: where its entries are, when they started, and one of them decoded on demand.

HAR is one JSON object, `{"log": {"entries": [...]}}`. Opening it walks through the file once and looks into one entry after the other; of
each it keeps some forty bytes, whatever the entry holds.
"""

from __future__ import annotations

import codecs
import json
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CaptureError
from . import har
from .connections import ConnectionPlaces
from .exchange import Exchange
from .filebytes import FileBytes
from .jsoncursor import Cursor
from .packing import pack_each

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["HarFile"]

_MOST_NOTES = 100
_CREATOR = 4096
_OBJECT, _LIST = ord("{"), ord("[")
_SAVE = (
    "Browsers save one (developer tools, Network, save all as HAR), and mitmproxy does: mitmdump -n -r FILE.mitm --set hardump=FILE.har."
)


class HarFile:
    """What `Capture` asks of a file, for HAR. Entries over `max_entry` bytes are left out, with a note."""

    def __init__(self, path: Path, max_entry: int) -> None:
        self.path = path
        self._max_entry = max_entry
        self._data = FileBytes(path)
        self.connections = ConnectionPlaces(path, self._data)
        self._by_mitmproxy = False
        self._offsets, self._sizes, self._entries = array("q"), array("q"), array("q")
        self._starts, self._connections = array("q"), array("q")
        self._numbers: dict[str, int] = {}
        self._named = 0
        self._end_ns = 0
        self._skipped: Counter[str] = Counter()
        self._unreadable: list[str] = []
        self._lost: dict[tuple[str, int], None] = {}
        self._index()

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was left out and why, a sentence each; reading an exchange can add to it."""
        return (*self.damage, *(f"Exchange {index}: {what}." for what, index in self._lost))

    @property
    def damage(self) -> tuple[str, ...]:
        """Entries that could not be read, and those left out for their kind or size."""
        skipped = (f"Skipped {count} {'entries' if count > 1 else 'entry'} {why}." for why, count in self._skipped.items())
        return (*self._unreadable, *skipped)

    def exchange(self, index: int) -> Exchange:
        """Decode one; CaptureError where its entry is damaged."""
        try:
            entry = har.load(self._data.read(self._offsets[index], self._sizes[index]))
            exchange, lost = har.decode(entry, index, self._connections[index], self._by_mitmproxy)
        except ValueError as error:
            where = f"{self.path}, exchange {index} (entry {self._entries[index]})"
            if self._data.changed:
                raise CaptureError("the file was changed after it was opened", where=where, remedy="Open it again.") from None
            self._lose(f"left out, as its entry is damaged: {error}", index)
            raise CaptureError(f"the entry is damaged: {error}", where=where, remedy="The other exchanges are not affected.") from None
        for what in lost:
            self._lose(what, index)
        return exchange

    def packed(self, order: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
        """The exchanges of these indexes packed for the host, each with its start; damaged ones are left out."""
        return pack_each(self.exchange, map(int, order))

    def starts(self) -> npt.NDArray[np.int64]:
        """Start of every request in nanoseconds, in file order."""
        import numpy as np

        return np.array(self._starts, np.int64)

    def end_ns(self) -> int:
        """When the last byte of the last exchange to end was seen."""
        return self._end_ns

    def close(self) -> None:
        """Give the file back."""
        self._data.close()

    # -- opening: from entry to entry

    def _index(self) -> None:
        bom = len(codecs.BOM_UTF8)
        cursor = Cursor(self._data, bom if self._data.read(0, bom) == codecs.BOM_UTF8 else 0)
        spans: array[int] | None = None
        try:
            for key in cursor.members():
                if key != b"log" or cursor.peek() != _OBJECT:
                    cursor.skip()
                    continue
                for name in cursor.members():
                    if name == b"entries" and cursor.peek() == _LIST and spans is None:
                        spans = array("q")
                        for _ in cursor.elements():
                            spans.extend(cursor.skip())
                    else:
                        self._about(name, *cursor.skip())
        except ValueError as error:
            if spans is None:
                raise CaptureError(f"this is no HAR file: {error} (byte {cursor.at})", where=str(self.path), remedy=_SAVE) from None
            self._note(f"Dropped the rest of the file behind entry {len(spans) // 2 - 1} (byte {cursor.at}): {error}.")
        if spans is None:
            raise CaptureError("this is a JSON file, but no HAR file: log.entries is missing", where=str(self.path), remedy=_SAVE)
        for number in range(len(spans) // 2):
            start, stop = spans[2 * number : 2 * number + 2]
            self._add(number, start, stop - start)
        if not self._offsets and not self._skipped:
            why = f" ({self._unreadable[0].removesuffix('.')})" if self._unreadable else ""
            raise CaptureError(f"no whole entry is in this HAR file{why}", where=str(self.path), remedy=_SAVE)

    def _about(self, name: bytes, start: int, stop: int) -> None:
        """Who wrote the file."""
        if name == b"creator" and stop - start <= _CREATOR:
            try:
                said = json.loads(self._data.read(start, stop - start))
            except (ValueError, RecursionError):
                return
            self._by_mitmproxy = isinstance(said, dict) and said.get("name") == "mitmproxy"

    def _add(self, number: int, start: int, size: int) -> None:
        if size > self._max_entry:
            self._skipped[f"of more than {self._max_entry} bytes (open_capture's max_flow can be raised)"] += 1
            return
        try:
            found = har.facts(har.load(self._data.read(start, size)), self._by_mitmproxy)
        except ValueError as error:
            self._note(f"Dropped entry {number} at byte {start}: {error}.")
            return
        if found.unsent:
            self._skipped[found.unsent] += 1
            return
        self._connections.append(self._connection(found.connection))
        self._offsets.append(start)
        self._sizes.append(size)
        self._entries.append(number)
        self._starts.append(found.start_ns)
        self._end_ns = max(self._end_ns, found.end_ns)

    def _connection(self, name: str) -> int:
        """Connections count from 1 in the order of the file; an entry that names none has one of its own."""
        if name in self._numbers:
            return self._numbers[name]
        self._named += 1
        if name:
            self._numbers[name] = self._named
        return self._named

    def _note(self, what: str) -> None:
        if len(self._unreadable) < _MOST_NOTES:
            self._unreadable.append(what)

    def _lose(self, what: str, index: int) -> None:
        if len(self._lost) < _MOST_NOTES:
            self._lost[what, index] = None
