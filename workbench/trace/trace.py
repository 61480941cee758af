"""A trace in memory: segments as the core gave them, and the ways to read them. Everything a user sees comes from here."""

from __future__ import annotations

import hashlib
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .records import NONE, RECORD, Event, Kind, Schema, split_fields

__all__ = ["Row", "Trace"]

Records = npt.NDArray[np.void]
Bytes: TypeAlias = bytes | memoryview


@dataclass(slots=True)
class _Segment:
    first: int
    records: Records
    blob: memoryview


class Row(NamedTuple):
    """One row of a trace as plain numbers, its blob's fields split. `seq` is its number in the trace."""

    seq: int
    kind: int
    filter: int
    code: int
    flags: int
    exchange: int
    context: int
    parent: int
    time: int
    result: int
    a: int
    b: int
    c: int
    d: int
    ns: int
    other_ns: int
    vm: int
    fields: tuple[bytes, ...]


def _row(seq: int, numbers: tuple[int, ...], data: memoryview) -> Row:
    kind, filter_, code, flags, exchange, context, parent, time, blob, size, result, a, b, c, d, ns, other, vm = numbers
    fields = tuple(split_fields(data[blob : blob + size])) if size else ()
    return Row(seq, kind, filter_, code, flags, exchange, context, parent, time, result, a, b, c, d, ns, other, vm, fields)


@dataclass
class Trace:
    """What a replay left behind. `filters` are the names of the chain's filters in order; a cancelled replay is not `complete`.

    Rows live in segments; past `in_memory` bytes further segments go to a temporary file that is mapped, not loaded.
    """

    schema: Schema
    filters: tuple[str, ...]
    in_memory: int = 256 << 20
    complete: bool = True
    _segments: list[_Segment] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0
    _file: IO[bytes] | None = None

    def append(self, records: Bytes, blob: Bytes) -> None:
        """Take over a segment: whole rows, and the blob they point into; neither may change afterwards."""
        self._bytes += len(records) + len(blob)
        if self._bytes > self.in_memory:
            rows, view = self._spill(records, blob)
        else:
            rows, view = np.frombuffer(records, RECORD), memoryview(blob)
        self._segments.append(_Segment(self._rows, rows, view))
        self._rows += len(rows)
        for name in ("_order", "_starts"):
            self.__dict__.pop(name, None)

    def _spill(self, records: Bytes, blob: Bytes) -> tuple[Records, memoryview]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="workbench-trace-")  # noqa: SIM115 (lives as long as the trace)
        at = self._file.seek(0, 2)
        self._file.write(records)
        self._file.write(blob)
        self._file.flush()
        # as a plain array: a memmap makes an object of its own of every row that is read
        whole = np.memmap(self._file, np.uint8, "r", at, (len(records) + len(blob),)).view(np.ndarray)
        return whole[: len(records)].view(RECORD), whole[len(records) :].data

    def snapshot(self) -> Trace:
        """What is there now, as a trace of its own that stays as it is; the rows are shared. It is not `complete`."""
        return replace(self, complete=False, _segments=list(self._segments))

    def __len__(self) -> int:
        return self._rows

    @property
    def nbytes(self) -> int:
        """Bytes of rows and blobs together."""
        return self._bytes

    def segments(self) -> Iterator[tuple[int, Records]]:
        """Number of the first row, and the rows, of each segment: for work by columns that must stay within memory."""
        return ((segment.first, segment.records) for segment in self._segments)

    def blocks(self) -> Iterator[tuple[int, Records, memoryview]]:
        """As `segments`, with the blob that the segment's rows point into."""
        return ((segment.first, segment.records, segment.blob) for segment in self._segments)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column over all rows."""
        if not self._segments:
            return np.empty(0, RECORD[name])
        return np.concatenate([segment.records[name] for segment in self._segments])

    def _locate(self, seq: int) -> tuple[_Segment, int]:
        if not 0 <= seq < self._rows:
            raise IndexError(f"row {seq} of a trace of {self._rows}")
        at = bisect_right(self._segments, seq, key=lambda segment: segment.first) - 1
        return self._segments[at], seq - self._segments[at].first

    def row(self, seq: int) -> Row:
        """Row number `seq`."""
        segment, at = self._locate(seq)
        return _row(seq, segment.records[at].item(), segment.blob)

    @cached_property
    def _order(self) -> npt.NDArray[np.intp]:
        return np.argsort(self.column("exchange"), kind="stable")

    @cached_property
    def _starts(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.intp]]:
        exchanges, starts = np.unique(self.column("exchange")[self._order], return_index=True)
        return exchanges, np.append(starts, self._rows)

    @property
    def exchanges(self) -> npt.NDArray[np.uint32]:
        """The indexes of the exchanges in the trace, in order."""
        exchanges, _ = self._starts
        # rows of no exchange sort last
        return exchanges[:-1] if len(exchanges) and exchanges[-1] == NONE else exchanges

    def rows(self, exchange: int = NONE) -> list[Row]:
        """The rows of one exchange in order; without one, those that belong to none (root contexts, VMs)."""
        exchanges, starts = self._starts
        # a key of the column's own type: numpy would else convert the column, at every call
        at = int(np.searchsorted(exchanges, np.uint32(exchange)))
        if at == len(exchanges) or exchanges[at] != exchange:
            return []
        rows, left = [], self._order[starts[at] : starts[at + 1]]
        while len(left):
            segment, _ = self._locate(int(left[0]))
            here = left[: int(np.searchsorted(left, segment.first + len(segment.records)))]
            numbers = segment.records[here - segment.first].tolist()
            rows += [_row(seq, row, segment.blob) for seq, row in zip(here.tolist(), numbers, strict=True)]
            left = left[len(here) :]
        return rows

    def name(self, row: Row) -> str:
        """The callback's or hostcall's name in the ABI, or the event's."""
        if row.kind == Kind.CALLBACK:
            return self.schema.callbacks[row.code].name
        if row.kind == Kind.HOSTCALL:
            return self.schema.hostcalls[row.code].name
        return Event(row.code).name.lower()

    def filter_name(self, row: Row) -> str | None:
        """The filter's name, or None where a row belongs to none."""
        return self.filters[row.filter] if row.filter < len(self.filters) else None

    def digest(self) -> str:
        """SHA-256 over everything but real time: the same for two runs of the same replay, whatever segments its rows came in."""
        digest, bytes_ = hashlib.sha256(), hashlib.sha256()
        base = 0
        for segment in self._segments:
            rows = segment.records.copy()
            places = rows["blob"].astype("<u8") + base
            rows["ns"] = rows["other_ns"] = rows["blob"] = 0
            digest.update(np.column_stack((rows.view("<u8").reshape(len(rows), -1), places)).tobytes())
            bytes_.update(segment.blob)
            base += len(segment.blob)
        digest.update(bytes_.digest())
        return digest.hexdigest()
