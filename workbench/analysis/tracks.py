"""State over time: each key of shared data, queue, metric, filter's ticks and VM's memory as a track on the capture's clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..trace.numbers import MetricType
from ..trace.records import MAIN, NONE, TRIAL, Event, FailureKind, Kind
from ..trace.trace import Trace
from . import words
from .calls import spelt
from .frames import category, clock, seen
from .prints import slices
from .rowfields import Ints, field_spans
from .selections import events
from .state import Data, State
from .vms import thread_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Track", "TrackKind", "Tracks", "gather_tracks", "state_table"]

Floats = npt.NDArray[np.float64]

_DECIMAL = re.compile(rb"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_SIZES, _SEVERAL = (1, 2, 4, 8), (16, 24, 32)
"""Sizes of values that are one number, and of those that are several of eight bytes."""
_FIRST = 12
"""Keys of shared data that come before everything else."""
_PAGE = 1 << 16
_ENDED = (FailureKind.TRAP, FailureKind.TIMEOUT, FailureKind.MEMORY)


class TrackKind(Enum):
    """What a track shows."""

    DATA = "shared data"
    METRIC = "metric"
    QUEUE = "queue"
    TICK = "ticks"
    MEMORY = "memory"


@dataclass
class Track:
    """One track. `rows` are the rows of the trace that are its events, in order; `values` the number after each (of shared data see
    `Tracks.values`). `refused` are rows of writes that were refused for their CAS number, `failed` rows of failures that ended the VM.
    `name` and `vm_id` are as captured; `note` says what kind of thing it is, `form` which part of a value the numbers are."""

    kind: TrackKind
    name: str
    note: str
    rows: Ints
    values: Floats | None = None
    refused: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    failed: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    vm_id: str = ""
    data: Data | None = None
    form: str = ""
    read: bool = False

    @property
    def events(self) -> int:
        """How much happens on it."""
        return len(self.rows) + len(self.refused) + len(self.failed)


@dataclass
class Tracks:
    """All tracks of a replay: the most active keys of shared data, all else, then the other keys. `start` and `end` are the ends of their
    axis, virtual nanoseconds since the Unix epoch."""

    trace: Trace
    state: State
    tracks: list[Track]
    start: int
    end: int

    def values(self, track: Track) -> Floats | None:
        """The number after each of a track's events; None where what was written is no number in a form that is known.

        Shared data are numbers where every value is decimal text, or where all are one, two, four or eight bytes that are not text:
        unsigned, the lowest byte first. Of two to four such numbers of eight bytes it is the first, and `form` says so.
        """
        if track.data is not None and not track.read:
            track.read = True
            track.values, track.form = _numbers(self.written(track.rows))
        return track.values

    def written(self, rows: Ints) -> list[bytes]:
        """The values that these rows wrote, or tried to write, to shared data."""
        found = [b""] * len(rows)
        for first, records, blob, which in self.trace.select(rows):
            octets = np.frombuffer(blob, np.uint8)
            for at, value in zip(which.tolist(), slices(octets, *field_spans(octets, records, rows[which] - first, 2)[1]), strict=True):
                found[at] = value
        return found

    def texts(self, track: Track, rows: Ints) -> list[str]:
        """What events of a track put there, escaped for display."""
        if track.kind == TrackKind.DATA:
            return [spelt("value", value) for value in self.written(rows)]
        return [self.text(track, row) for row in rows.tolist()] if track.kind == TrackKind.QUEUE else [""] * len(rows)

    def text(self, track: Track, row: int) -> str:
        """What an event put there, escaped for display."""
        event = self.trace.row(row)
        if track.kind == TrackKind.DATA:
            return spelt("value", event.fields[1])
        if track.kind == TrackKind.QUEUE:
            name = "takes" if self.trace.name(event) == "proxy_dequeue_shared_queue" else "puts"
            return f"{name} {spelt('value', event.fields[0])}" if event.fields else name
        return ""

    def find(self, wanted: str) -> list[Track]:
        """The tracks in whose name or note every word of `wanted` stands, whatever its case."""
        parts = wanted.casefold().split()
        return [track for track in self.tracks if all(part in f"{track.name} {track.note} {track.vm_id}".casefold() for part in parts)]


def _numbers(values: list[bytes]) -> tuple[Floats | None, str]:
    if values and all(_DECIMAL.fullmatch(value) for value in values):
        return np.array([float(value) for value in values]), ""
    size = len(values[0]) if values else 0
    text = all(all(0x20 <= byte < 0x7F for byte in value) for value in values)
    if size not in (*_SIZES, *_SEVERAL) or text or any(len(value) != size for value in values):
        return None, ""
    form = f"first 8 of {size} bytes" if size in _SEVERAL else ""
    return np.array([int.from_bytes(value[:8], "little") for value in values], np.float64), form


def gather_tracks(trace: Trace, state: State) -> Tracks:
    """Find every track. What a key's writes hold is read when its track is drawn."""
    keys = sorted(_data(state), key=lambda track: -track.events)
    others = [
        track
        for some in (_metrics(state), _queues(state), _ticks(trace), _memory(trace))
        for track in sorted(some, key=lambda track: -track.events)
    ]
    return Tracks(trace, state, [*keys[:_FIRST], *others, *keys[_FIRST:]], *_ends(trace))


def _ends(trace: Trace) -> tuple[int, int]:
    low, high = 0, 0
    for _, records in trace.segments():
        times = records["time"][records["time"] > 0]
        if len(times):
            low = min(low or int(times.min()), int(times.min()))
            high = max(high, int(times.max()))
    return low, max(high, low + 1)


def _data(state: State) -> Iterator[Track]:
    for data in state.data.values():
        note = f"{words.count(len(data.rows))} write{'' if len(data.rows) == 1 else 's'}"
        if data.refused:
            note += f", {words.count(len(data.refused))} refused by CAS"
        rows, refused = np.array(data.rows, np.int64), np.array(data.refused, np.int64)
        yield Track(TrackKind.DATA, words.text(data.key), note, rows, None, refused, vm_id=data.vm_id, data=data)


def _metrics(state: State) -> Iterator[Track]:
    for metric in state.metrics.values():
        kind = note = metric.type.name.lower()
        if metric.type == MetricType.Histogram:
            note = f"{kind}, {words.count(len(metric.values))} recorded"
        numbers = metric.values
        if metric.type == MetricType.Gauge and any(value >> 63 for value in numbers):
            # Envoy's gauges have no sign: one that falls below zero goes on at the other end
            note = f"{kind}, fell below zero"
            numbers = [value - (1 << 64) if value >> 63 else value for value in numbers]
        values = np.array(numbers, np.float64)
        yield Track(TrackKind.METRIC, words.text(metric.name), note, np.array(metric.rows, np.int64), values)


def _queues(state: State) -> Iterator[Track]:
    for queue in state.queues.values():
        rows = np.array(queue.rows, np.int64)
        values = np.array(queue.lengths, np.float64)
        yield Track(
            TrackKind.QUEUE, words.text(queue.name) or f"token {queue.token}", "items in the queue", rows, values, vm_id=queue.vm_id
        )


def _ticks(trace: Trace) -> Iterator[Track]:
    codes = [code for code, callback in enumerate(trace.schema.callbacks) if callback.name == "proxy_on_tick"]
    found: dict[int, list[Ints]] = {}
    for first, records in trace.segments():
        rows = np.flatnonzero((records["kind"] == Kind.CALLBACK) & np.isin(records["code"], codes))
        for filter_ in np.unique(records["filter"][rows]).tolist():
            found.setdefault(filter_, []).append(rows[records["filter"][rows] == filter_] + first)
    for filter_, parts in sorted(found.items()):
        name = trace.filters[filter_] if filter_ < len(trace.filters) else str(filter_)
        yield Track(TrackKind.TICK, name, "on_tick", np.concatenate(parts))


def _memory(trace: Trace) -> Iterator[Track]:
    """One track for a filter's VMs on a thread, one after the other: a VM that took the place of a failed one goes on with its track."""
    homes: dict[int, tuple[int, int]] = {}
    filters: dict[tuple[int, int], list[int]] = {}
    sizes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    failed: dict[tuple[int, int], list[int]] = {}
    waiting: dict[int, list[tuple[int, int]]] = {}
    for first, _, _, at in events(trace, Event.VM, Event.MEMORY, Event.FAILURE):
        for seq in (at + first).tolist():
            row = trace.row(seq)
            if row.code == Event.VM:
                home = homes.setdefault(row.vm, (row.c, row.filter))
                if row.filter not in filters.setdefault(home, []):
                    filters[home].append(row.filter)
                sizes.setdefault(home, []).extend(waiting.pop(row.vm, []))
            elif row.code == Event.MEMORY and row.vm in homes:
                sizes[homes[row.vm]].append((seq, row.a))
            elif row.code == Event.MEMORY:
                waiting.setdefault(row.vm, []).append((seq, row.a))
            elif row.a in _ENDED and row.parent < len(trace) and (vm := trace.row(row.parent).vm) in homes:
                failed.setdefault(homes[vm], []).append(seq)
    for (thread, place), grown in sizes.items():
        if thread == TRIAL or not grown:
            continue
        names = ", ".join(trace.filters[one] for one in filters[thread, place] if one < len(trace.filters))
        note = "linear memory" if len({home[0] for home in sizes} - {TRIAL}) == 1 else f"linear memory, {thread_name(thread)}"
        if thread == MAIN:
            note = "linear memory, main thread"
        rows = np.array([seq for seq, _ in grown], np.int64)
        values = np.array([pages * _PAGE for _, pages in grown], np.float64)
        lost = np.array(failed.get((thread, place), []), np.int64)
        yield Track(TrackKind.MEMORY, names, note, rows, values, failed=lost)


def state_table(tracks: Tracks) -> pd.DataFrame:
    """One row an event of any track, in the order of the trace, its index the trace's row.

    time, kind (shared data, metric, queue, ticks, memory), name, vm_id, exchange (-1 for none), filter, number (NaN where it is none),
    value in words, escaped for display, and refused for a write that was refused for its CAS number.
    """
    import pandas as pd

    happened, numbers, texts, refused = [np.empty(0, np.int64)], [np.empty(0)], list[str](), [np.empty(0, bool)]
    counts = []
    for track in tracks.tracks:
        values = tracks.values(track)
        for rows, without in ((track.rows, False), (track.refused, True)):
            happened.append(rows)
            texts += tracks.texts(track, rows)
            numbers.append(np.full(len(rows), np.nan) if without or values is None else values)
            refused.append(np.full(len(rows), without))
        counts.append(len(track.rows) + len(track.refused))
    row, of = np.concatenate(happened), np.repeat(np.arange(len(counts)), counts)
    exchange = tracks.trace.column("exchange")[row].astype(np.int64)
    filters = [*tracks.trace.filters, ""]
    kinds = list(TrackKind)
    kind = np.array([kinds.index(track.kind) for track in tracks.tracks], np.int64)[of]
    table = pd.DataFrame(
        {
            "time": clock(tracks.trace.column("time")[row]),
            "kind": category(kind, [each.value for each in kinds]),
            "name": seen(of, [track.name for track in tracks.tracks]),
            "vm_id": seen(of, [track.vm_id for track in tracks.tracks]),
            "exchange": np.where(exchange == NONE, -1, exchange),
            "filter": seen(np.minimum(tracks.trace.column("filter")[row], len(filters) - 1).astype(np.int64), filters),
            "number": np.concatenate(numbers),
            "value": texts,
            "refused": np.concatenate(refused),
        },
        index=pd.Index(row, name="row", dtype=np.int64),
    )
    return table.iloc[np.argsort(row, kind="stable")]
