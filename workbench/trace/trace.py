"""A trace in memory: segments as the core gave them, and the ways to read them. Everything a user sees comes from here."""

from __future__ import annotations

import hashlib
import mmap as mmap_module
import tempfile
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ReplayError
from .records import NONE, RECORD, Event, Kind, Schema, split_fields

__all__ = ["Row", "Trace"]

Records = npt.NDArray[np.void]
Bytes: TypeAlias = bytes | memoryview


_DROP: int | None = getattr(mmap_module, "MADV_DONTNEED", None)
"""Not on every system."""


class _Unnamed:
    """A file without a name, closed when the last trace that shares it is gone: the interpreter complains of one that is only dropped."""

    def __init__(self, io: IO[bytes]) -> None:
        self.io = io
        weakref.finalize(self, _close, io)


def _close(io: IO[bytes]) -> None:
    with suppress(OSError):  # what found no room is tried once more then
        io.close()


@dataclass(slots=True)
class _Segment:
    first: int
    records: Records
    blob: memoryview
    mapped: mmap | None = None
    """Where they lie if in a file."""

    def release(self) -> None:
        """Give back the memory that reading has filled; what is read again comes from the file again."""
        if self.mapped is not None and _DROP is not None:
            self.mapped.madvise(_DROP)


Rows = npt.NDArray[np.int64]
_NOWHERE: Rows = np.full(1, -1, np.int64)


def _longer(rows: Rows, size: int) -> Rows:
    """A copy with room for more exchanges; the last place is for rows of none."""
    found = np.full(max(size, len(rows)), -1, np.int64)
    found[: len(rows) - 1], found[-1] = rows[:-1], rows[-1]
    return found


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

    @classmethod
    def of(cls, seq: int, numbers: tuple[int, ...], blob: memoryview) -> Row:
        """Row `seq` from its record as a tuple and its segment's blob."""
        kind, filter_, code, flags, exchange, context, parent, time, begin, size, result, a, b, c, d, ns, other, vm = numbers
        fields = tuple(split_fields(blob[begin : begin + size])) if size else ()
        return cls(seq, kind, filter_, code, flags, exchange, context, parent, time, result, a, b, c, d, ns, other, vm, fields)


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
    _file: _Unnamed | None = None
    _spanned: list[tuple[int, Rows, Rows]] = field(default_factory=lambda: [(0, _NOWHERE, _NOWHERE)])
    """How many rows were looked at last for `_spans`, and what it was: shared with snapshots, which need look at the further ones only."""

    def append(self, records: Bytes, blob: Bytes) -> None:
        """Take over a segment: whole rows, and the blob they point into; neither may change afterwards.

        ReplayError where it should go to a temporary file, and there is no room for one.
        """
        self._bytes += len(records) + len(blob)
        if self._bytes > self.in_memory:
            segment = self._spill(records, blob)
        else:
            segment = _Segment(self._rows, np.frombuffer(records, RECORD), memoryview(blob))
        self._segments.append(segment)
        self._rows += len(segment.records)
        for name in ("_spans", "_begins"):
            self.__dict__.pop(name, None)

    def _spill(self, records: Bytes, blob: Bytes) -> _Segment:
        try:
            if self._file is None:
                self._file = _Unnamed(tempfile.TemporaryFile(prefix="workbench-trace-"))  # noqa: SIM115 (lives as long as the traces)
            file = self._file.io
            at = file.seek(0, 2)
            file.write(records)
            file.write(blob)
            file.flush()
        except OSError as error:
            raise ReplayError(
                f"the trace, {self._bytes >> 20} MiB by now, cannot be kept there: {error.strerror or error}",
                where=tempfile.gettempdir(),
                remedy="Make room, or set TMPDIR to a folder that has some",
            ) from None
        begin = at % ALLOCATIONGRANULARITY
        mapped = mmap(file.fileno(), begin + len(records) + len(blob), access=ACCESS_READ, offset=at - begin)
        rows = np.frombuffer(mapped, RECORD, len(records) // RECORD.itemsize, begin)
        return _Segment(self._rows, rows, memoryview(mapped)[begin + len(records) :], mapped)

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
        return ((first, records) for first, records, _ in self.blocks())

    def blocks(self, since: int = 0) -> Iterator[tuple[int, Records, memoryview]]:
        """As `segments`, with the blob that the segment's rows point into; of a trace that has grown, those from row `since` on."""
        for segment in self._segments[bisect_left(self._begins, since) :]:
            yield segment.first, segment.records, segment.blob
            segment.release()

    def select(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, Records, memoryview, npt.NDArray[np.int64]]]:
        """As `blocks`, only the segments that hold some of `rows` (row numbers in any order, -1 for none), and which of these they are."""
        where = np.searchsorted(np.array(self._begins, np.int64), rows, "right") - 1
        order = np.argsort(where, kind="stable")
        order = order[np.searchsorted(where[order], 0) :]
        bounds = [0, *(np.flatnonzero(np.diff(where[order])) + 1).tolist(), len(order)]
        for begin, end in pairwise(bounds if len(order) else ()):
            segment = self._segments[where[order[begin]]]
            yield segment.first, segment.records, segment.blob, order[begin:end]
            segment.release()

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column over all rows."""
        if not self._segments:
            return np.empty(0, RECORD[name])
        return np.concatenate([segment.records[name] for segment in self._segments])

    def _locate(self, seq: int) -> tuple[_Segment, int]:
        if not 0 <= seq < self._rows:
            raise IndexError(f"row {seq} of a trace of {self._rows}")
        segment = self._segments[bisect_right(self._begins, seq) - 1]
        return segment, seq - segment.first

    def row(self, seq: int) -> Row:
        """Row number `seq`."""
        segment, at = self._locate(seq)
        return Row.of(seq, segment.records[at].item(), segment.blob)

    @cached_property
    def _begins(self) -> list[int]:
        """Number of the first row of each segment."""
        return [segment.first for segment in self._segments]

    @cached_property
    def _spans(self) -> tuple[Rows, Rows]:
        """First and last row of each exchange, by its index, -1 where there is none; the last place is for rows of no exchange."""
        known, *before = self._spanned[0]
        if known > self._rows:
            known, before = 0, [_NOWHERE, _NOWHERE]
        columns = [(begin, np.ascontiguousarray(rows["exchange"])) for begin, rows, _ in self.blocks(known)]
        size = 1 + max((int(used.max()) + 1 for _, column in columns if len(used := column[column != NONE])), default=0)
        # those that others may hold stay as they are
        first, last = (_longer(each, size) for each in before)
        size = len(first)
        for begin, column in columns:
            last[np.minimum(column, size - 1)] = np.arange(begin, begin + len(column))  # of several the last one stays
        new = np.full(size, -1, np.int64)
        for begin, column in reversed(columns):
            new[np.minimum(column, size - 1)[::-1]] = np.arange(begin, begin + len(column))[::-1]
        first = np.where(first < 0, new, first)
        self._spanned[0] = self._rows, first, last
        return first, last

    @property
    def exchanges(self) -> npt.NDArray[np.uint32]:
        """The indexes of the exchanges in the trace, in order."""
        first, _ = self._spans
        return np.flatnonzero(first[:-1] >= 0).astype(np.uint32)

    def span(self, exchange: int = NONE) -> tuple[int, int]:
        """Number of the first row of an exchange and of the one behind its last; rows of others may lie between. (0, 0) for none."""
        first, last = self._spans
        at = len(first) - 1 if exchange == NONE else exchange
        if not 0 <= at < len(first) or (exchange != NONE and at == len(first) - 1) or first[at] < 0:
            return 0, 0
        return int(first[at]), int(last[at]) + 1

    def rows(self, exchange: int = NONE) -> list[Row]:
        """The rows of one exchange in order; without one, those that belong to none (root contexts, VMs)."""
        begin, end = self.span(exchange)
        found: list[Row] = []
        at = bisect_right(self._begins, begin) - 1 if begin < end else len(self._segments)
        for segment in self._segments[at:]:
            if segment.first >= end:
                break
            begun = max(begin - segment.first, 0)
            here = np.flatnonzero(segment.records["exchange"][begun : end - segment.first] == exchange) + begun
            numbers = segment.records[here].tolist()
            found += [Row.of(seq, row, segment.blob) for seq, row in zip((here + segment.first).tolist(), numbers, strict=True)]
        return found

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
        for segment in self._segments:
            rows = segment.records.copy()
            # rows may share their bytes, and which do depends on the segments
            for begin, size in zip(rows["blob"].tolist(), rows["blob_len"].tolist(), strict=True):
                bytes_.update(segment.blob[begin : begin + size])
            rows["ns"] = rows["other_ns"] = rows["blob"] = 0
            digest.update(rows.tobytes())
        digest.update(bytes_.digest())
        return digest.hexdigest()
