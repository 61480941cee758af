"""A mitmproxy flow file: where its flows are, when they started, and one of them decoded on demand.

The file is a run of tnetstrings, one a flow. Opening it hops from flow to flow by their lengths; when each started and on
which connection is looked up later, as far as somebody asks. Per flow it keeps some forty bytes, whatever the flow holds. Where there are
many to read at once, `scanner` does it.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import CaptureError
from . import flow, layout
from .connections import ConnectionPlaces
from .exchange import Exchange
from .filebytes import FileBytes
from .packing import pack_each
from .tnetstring import DICT, Readable, entries, number, span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .scanner import Scanner

__all__ = ["FlowFile"]

_BLOCK = 1 << 18
_LARGE, _MANY, _AT_ONCE = 32 << 20, 4000, 1 << 16
"""Bytes and flows from which on it pays to load `scanner`, and how many it is given at a time."""
_END = f"4:type;4:http;7:version;{len(str(flow.CURRENT_VERSION))}:{flow.CURRENT_VERSION}#".encode() + b"}"
"""How mitmproxy ends an HTTP flow of the current format: it writes a flow's keys last first."""
_CANDIDATE = re.compile(rb"(\d{1,12}):\d{1,2}:[a-z_]{2,32}[;,]")
_OVERLAP = 64
_TUPLE = re.compile(rb":(\d{1,4})#")
_OTHER_KINDS = {"udp", "dns"}
_NESTED = b"6:backup;"
"""A flow may hold its older self, which is no exchange."""
_Kind: TypeAlias = tuple[str, str]
"""What a flow is, in the singular, and why it is skipped."""
_Times: TypeAlias = tuple[int | None, int | None, bytes]
_HTTP: _Kind = ("HTTP flow", "")
_TCP: _Kind = ("TCP flow", "")
_MOST_KEYS, _MOST_CANDIDATES, _MOST_NOTES = 64, 5000, 100
RECORD = "Record a capture with: mitmdump -w FILE"


class FlowFile:
    """What `Capture` asks of a file, for mitmproxy's format. Flows over `max_flow` bytes are left out, with a note."""

    def __init__(self, path: Path, max_flow: int) -> None:
        self.path = path
        self._max_flow = max_flow
        self._data = FileBytes(path)
        self._offsets, self._sizes = array("q"), array("q")
        self.connections = ConnectionPlaces(path, self._data)
        self._starts, self._connections = array("q"), array("q")
        self._numbers: npt.NDArray[np.intp] | None = None
        self._end_ns = 0
        self._lock = threading.Lock()
        self._skipped: Counter[_Kind] = Counter()
        self._unreadable: list[str] = []
        self._lost: dict[tuple[str, int], None] = {}
        self._candidates = _MOST_CANDIDATES
        self._index()

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was left out and why, a sentence each; reading an exchange can add to it."""
        found = len(self.connections)
        beside = [f"{found} TCP connection{'s' * (found > 1)} beside the exchanges: a chain of TCP filters replays them."] if found else []
        return (*self.damage, *beside, *(f"Exchange {index}: {what}." for what, index in self._lost))

    def exchange(self, index: int) -> Exchange:
        """Decode one; CaptureError where its flow is damaged."""
        self._look_up(index)
        offset, size = self._offsets[index], self._sizes[index]
        try:
            exchange, lost = flow.decode(self._data.read(offset, size), index, self._connection(index), self._starts[index])
        except ValueError as error:
            where = f"{self.path}, exchange {index} at byte {offset}"
            if self._data.changed:
                raise CaptureError("the file was changed after it was opened", where=where, remedy="Open it again.") from None
            self._lose("left out, as its flow is damaged", index)
            remedy = "The other exchanges are not affected."
            raise CaptureError(f"the flow is damaged: {error}", where=where, remedy=remedy) from None
        for what in lost:
            self._lose(what, index)
        return exchange

    def packed(self, order: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
        """The exchanges of these indexes packed for the host, each with its start; damaged ones are left out."""
        if len(order) < _MANY:
            yield from pack_each(self.exchange, map(int, order))
            return
        self._look_up(len(self) - 1)
        numbers = self._numbered()
        for at in range(0, len(order), _AT_ONCE):
            some = order[at : at + _AT_ONCE]
            offsets, sizes, starts = (_numpy(each)[some] for each in (self._offsets, self._sizes, self._starts))
            records = self._scanner.records(offsets, sizes, some, numbers[some], starts)
            for index, start, record in zip(some.tolist(), starts.tolist(), records, strict=True):
                if record is None:
                    yield from pack_each(self.exchange, (index,))
                else:
                    yield start, record

    def starts(self) -> npt.NDArray[np.int64]:
        """Start of every request in nanoseconds, in file order."""
        import numpy as np

        self._look_up(len(self) - 1)
        return np.array(self._starts, np.int64)

    def end_ns(self) -> int:
        """When the last byte of the last exchange to end was seen."""
        self._look_up(len(self) - 1)
        return self._end_ns

    @property
    def damage(self) -> tuple[str, ...]:
        """What of the file is no flow that could be read, and what flows of it are left out for their kind or size."""
        skipped = (f"Skipped {count} {noun}{'s' * (count > 1)}{why}." for (noun, why), count in self._skipped.items())
        return (*self._unreadable, *skipped)

    def close(self) -> None:
        """Give the file back."""
        self._data.close()

    # -- opening: from flow to flow

    def _index(self) -> None:
        size, at = len(self._data), 0
        block, base = b"", 0
        while at < size:
            near = at - base
            if near + 16 > len(block) and base + len(block) < size:
                block, base, near = self._data.read(at, _BLOCK), at, 0
            if len(self._data) >= _LARGE and (found := self._scanner.index(block, near)):
                for place, length in found:
                    self._add(base + place, length)
                at = base + place + length
                continue
            colon = block.find(b":", near, near + 13)
            digits = block[near:colon]
            if colon < 0 or not digits.isdigit():
                at = self._resume(at, "no flow begins there")
                continue
            stop = base + colon + 1 + int(digits)
            if stop >= size:
                at = self._resume(at, f"the flow there is cut short: {size - at} of {stop + 1 - at} bytes are in the file")
                continue
            after = stop + 1 - base
            end = block[max(0, after - len(_END)) : after] if after <= len(block) else self._data[stop + 1 - len(_END) : stop + 1]
            if end == _END:
                self._add(at, stop + 1 - at)
            else:
                try:
                    kind = _kind(self._data, at, size)
                except ValueError as error:
                    at = self._resume(at, str(error))
                    continue
                self._take(kind, at, stop + 1 - at)
            at = stop + 1
        if not self._offsets and not self._skipped and not len(self.connections):
            why = self._unreadable[0].removesuffix(".")
            raise CaptureError(f"no whole flow is in this file ({why})", where=str(self.path), remedy=f"{RECORD}.")

    def _take(self, kind: _Kind, at: int, size: int) -> None:
        if kind == _HTTP:
            self._add(at, size)
        elif kind == _TCP and size <= self._max_flow:
            self.connections.add(at, size)
        elif kind == _TCP:
            self._skipped["TCP connection", f" of more than {self._max_flow} bytes (open_capture's max_flow can be raised)"] += 1
        else:
            self._skipped[kind] += 1

    def _add(self, at: int, size: int) -> None:
        if size > self._max_flow:
            self._skipped["exchange", f" of more than {self._max_flow} bytes (open_capture's max_flow can be raised)"] += 1
        else:
            self._offsets.append(at)
            self._sizes.append(size)

    def _resume(self, at: int, why: str) -> int:
        """The next place after `at` where a whole flow begins (the file's end if nowhere), with a note on what lies between."""
        place = self._find_flow(at + 1)
        if len(self._unreadable) < _MOST_NOTES:
            rest = "the rest of the file" if place == len(self._data) else f"{place - at} bytes"
            self._unreadable.append(f"Dropped {rest} from byte {at}: {why}.")
        return place

    def _find_flow(self, at: int) -> int:
        size = len(self._data)
        while at < size:
            block = self._data.read(at, _BLOCK)
            for found in _CANDIDATE.finditer(block):
                # what was cut off before may have ended in digits, too
                for first in range(found.start(), found.end(1)):
                    if self._candidates <= 0:
                        return size
                    self._candidates -= 1
                    if self._whole(at + first):
                        return at + first
            at += len(block) if at + len(block) == size else max(1, len(block) - _OVERLAP)
            if not block:
                return size
        return size

    def _whole(self, at: int) -> bool:
        if self._data[max(0, at - len(_NESTED)) : at] == _NESTED:
            return False
        try:
            return bool(_kind(self._data, at, len(self._data)))
        except ValueError:
            return False

    # -- later: when, and on which connection

    def _look_up(self, index: int) -> None:
        """Know start and connection of the exchanges up to `index`."""
        if index < len(self._starts):
            return
        with self._lock:
            # always twice as far as before, so that numbering connections costs little in all
            for start, last, connection in self._more(min(len(self), max(index + 1, 2 * len(self._starts), 64))):
                known = start or (self._starts[-1] if self._starts else 0)
                self._end_ns = max(self._end_ns, last or known)
                self._connections.append(hash(connection))
                self._starts.append(known)
            self._numbers = None

    def _more(self, stop: int) -> Iterator[_Times]:
        """Times and connection of the exchanges up to `stop` that are not known yet."""
        first = len(self._starts)
        if stop - first < _MANY:
            yield from map(self._times_of, range(first, stop))
            return
        for at in range(first, stop, _AT_ONCE):
            some = range(at, min(at + _AT_ONCE, stop))
            known = self._scanner.times(*(_numpy(each)[at : some.stop] for each in (self._offsets, self._sizes)))
            for place, times in zip(some, known, strict=True):
                yield times or self._times_of(place)

    def _times_of(self, place: int) -> _Times:
        offset, size = self._offsets[place], self._sizes[place]
        if size > _BLOCK:
            return _times(self._data, offset, offset + size)
        raw = self._data.read(offset, size)
        return _quick_times(raw) or _times(raw, 0, size)

    def _connection(self, index: int) -> int:
        return int(self._numbered()[index])

    def _numbered(self) -> npt.NDArray[np.intp]:
        """Connections count from 1 in the order in which the file names them."""
        numbers = self._numbers
        if numbers is None:
            import numpy as np

            with self._lock:
                _, first, which = np.unique(np.array(self._connections, np.int64), return_index=True, return_inverse=True)
                numbers = self._numbers = np.argsort(np.argsort(first))[which] + 1
        return numbers

    @cached_property
    def _scanner(self) -> Scanner:
        from .scanner import Scanner

        return Scanner(self._data)

    def _lose(self, what: str, index: int) -> None:
        if len(self._lost) < _MOST_NOTES:
            self._lost[what, index] = None


def _numpy(numbers: array[int]) -> npt.NDArray[np.int64]:
    import numpy as np

    return np.frombuffer(numbers, np.int64)


def _kind(data: Readable, at: int, size: int) -> _Kind:
    """What the flow at `at` is; ValueError where none begins."""
    start, stop = span(data, at, size)
    if data[stop] != DICT:
        raise ValueError("no flow begins there")
    found: dict[bytes, bytes] = {}
    for key, kind, first, last in islice(entries(data, start, stop), _MOST_KEYS):
        if key == b"type" or (key == b"version" and kind == ord("#")):
            found[key] = data[first : min(last, first + 16)]
        elif key == b"version" and kind == ord("]"):
            # before mitmproxy 3 a flow had the version of the program: [0, 18, 2]
            found[key] = b".".join(_TUPLE.findall(data[first : min(last, first + 32)])[:2])
    if len(found) < 2:
        raise ValueError("no flow begins there")
    numbers = [int(part) for part in found[b"version"].split(b".") if part.isdigit()]
    if not numbers or not flow.readable_version(numbers[0] if len(numbers) == 1 else tuple(numbers)):
        version = ".".join(map(str, numbers))
        return "flow", f" of format {version or 'unknown'}, which the installed mitmproxy cannot read (a newer one may)"
    name = found[b"type"].decode("ascii", "replace")
    if name in ("http", "tcp"):
        return _HTTP if name == "http" else _TCP
    return (f"{name.upper()} flow" if name in _OTHER_KINDS else "flow"), " (HTTP and TCP are replayed)"


def _quick_times(raw: bytes) -> _Times | None:
    """`_times` for a flow as mitmproxy writes it today."""
    where = layout.locate(raw)
    try:
        if where is None or not (connection := layout.connection_id(raw[slice(*where.client)])):
            return None
        last = (where.response and where.response.end) or where.request.end
        return flow.nanoseconds(float(where.request.start)), flow.nanoseconds(float(last)) if last else None, connection
    except ValueError:
        return None


def _times(data: Readable, at: int, end: int) -> _Times:
    """Start of the request, end of the exchange (nanoseconds, None where unknown), and what identifies the connection."""
    start = request_end = response_end = None
    connection = b""
    try:
        seen = 0
        for key, kind, first, last in islice(entries(data, *span(data, at, end)), _MOST_KEYS):
            if kind == DICT and key == b"request":
                times = _numbers(data, first, last, (b"timestamp_start", b"timestamp_end"))
                start, request_end = times.get(b"timestamp_start"), times.get(b"timestamp_end")
            elif kind == DICT and key == b"response":
                response_end = _numbers(data, first, last, (b"timestamp_end",)).get(b"timestamp_end")
            elif kind == DICT and key == b"client_conn":
                # flows from before mitmproxy 5 do not name it, but what they say of it is the same for each of its flows
                name = next((data[a:b] for k, _, a, b in entries(data, first, last) if k == b"id" and b - a <= 64), b"")
                connection = name or data[first : min(last, first + _BLOCK)]
            seen += key in (b"request", b"response", b"client_conn")
            if seen == 3:
                break
    except ValueError:
        pass  # a damaged flow: decoding it says where
    return start, response_end or request_end, connection


def _numbers(data: Readable, at: int, end: int, names: tuple[bytes, ...]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    left = len(names)
    for key, kind, first, last in islice(entries(data, at, end), _MOST_KEYS):
        if key in names:
            if time := flow.nanoseconds(number(data, kind, first, last)):
                found[key] = time
            left -= 1
            if not left:
                break
    return found
