"""State over time as a view: a page of tracks at a time, each thinned to what a screen can tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from workbench.analysis import words
from workbench.analysis.tracks import TrackKind
from workbench.analysis.words import count, shorten, visible
from workbench.trace.records import NONE

from .replay_view import ReplayView
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.analysis.rowfields import Ints
    from workbench.analysis.tracks import Floats, Track, Tracks

__all__ = ["StateAnswers", "StateTracks"]

PAGE = 40
MOST_POINTS = 900
"""Events of one track that are drawn, and can be reached by keys."""
_NAME, _VALUE = 200, 120


class _Drawn:
    """One track, ready for JSON. Times are milliseconds since the tracks' start."""

    def __init__(self, tracks: Tracks, track: Track) -> None:
        self.tracks, self.track = tracks, track
        self.values = tracks.values(track)

    def data(self) -> dict[str, Any]:
        track = self.track
        kept = _thinned(track.rows, self.values)
        points = [self._point(int(track.rows[place]), place) for place in kept.tolist()]
        refused = [self._point(row, None) for row in track.refused[:MOST_POINTS].tolist()]
        failed = [[*self._point(row, None), words.failure(self.tracks.trace.row(row).a)] for row in track.failed[:MOST_POINTS].tolist()]
        low, high = self._range()
        return {
            "kind": track.kind.value,
            "name": shorten(track.name, _NAME),
            "vm": shorten(visible(track.vm_id), 80),
            "note": f"{track.note}, {track.form}" if track.form else track.note,
            "steps": self.values is not None,
            "dots": track.note.startswith("histogram"),
            "low": low,
            "high": high,
            "points": points,
            "refused": refused,
            "failed": failed,
            "events": track.events,
            "drawn": len(points) + len(refused) + len(failed),
            "end": self._end(),
        }

    def _point(self, row: int, place: int | None) -> list[Any]:
        """Time, number (None for none), exchange (-1 for none), row, and what it was in words."""
        event = self.tracks.trace.row(row)
        number = float(self.values[place]) if self.values is not None and place is not None else None
        told = self._words(number) if number is not None else shorten(self.tracks.text(self.track, row), _VALUE)
        if self.track.kind == TrackKind.MEMORY and place is None:
            told = shorten(visible(event.fields[0].decode(errors="replace")) if event.fields else "", _VALUE)
        exchange = -1 if event.exchange == NONE else event.exchange
        return [round((event.time - self.tracks.start) / 1e6, 6), number, exchange, row, told]

    def _words(self, number: float) -> str:
        if self.track.kind == TrackKind.MEMORY:
            return f"{number / (1 << 20):.2f} MiB" if number >= 1 << 20 else f"{number / 1024:.0f} KiB"
        if number == int(number) and abs(number) < 1e15:
            return count(int(number))
        return f"{number:.6g}"

    def _range(self) -> tuple[float, float]:
        if self.values is None or not len(self.values):
            return 0.0, 1.0
        low, high = min(0.0, float(self.values.min())), float(self.values.max())
        return low, high if high > low else low + 1

    def _end(self) -> str:
        track = self.track
        if not len(track.rows):
            return "0" if track.kind in (TrackKind.METRIC, TrackKind.QUEUE) else ""
        if track.kind == TrackKind.TICK:
            return f"{count(len(track.rows))} ticks"
        if self.values is not None:
            return self._words(float(self.values[-1]))
        return shorten(self.tracks.text(track, int(track.rows[-1])), _VALUE)


def _thinned(rows: Ints, values: Floats | None) -> Ints:
    """Places of the events that are drawn: all, or of each stretch the first, the last and the extremes."""
    n = len(rows)
    if n <= MOST_POINTS:
        return np.arange(n)
    edges = np.linspace(0, n, MOST_POINTS // 4 + 1).astype(np.int64)
    starts, ends = edges[:-1], edges[1:] - 1
    kept = [starts, ends]
    if values is not None:
        pairs = list(zip(starts.tolist(), ends.tolist(), strict=True))
        kept += [np.array([start + int(pick(values[start : end + 1])) for start, end in pairs]) for pick in (np.argmin, np.argmax)]
    else:
        kept += [starts + (ends - starts) // 3, starts + 2 * (ends - starts) // 3]
    return np.unique(np.concatenate(kept)).astype(np.int64)


class StateAnswers(ReplayView):
    """What the tracks ask, for the view alone and for the pane."""

    STATE_KINDS: ClassVar = ("tracks", "when")

    def _answer_tracks(self, question: Mapping[str, Any]) -> Answer:
        tracks = self._shown()[0].state_tracks
        found = tracks.find(str(question.get("text", ""))[:1000])
        first = max(int(question.get("first", 0)), 0)
        axis = {"start_ms": tracks.start // 1_000_000, "length_ms": (tracks.end - tracks.start) / 1e6}
        return {"total": len(found), "all": len(tracks.tracks), "first": first, **axis}, [
            _Drawn(tracks, track).data() for track in found[first : first + PAGE]
        ]

    def _answer_when(self, question: Mapping[str, Any]) -> Answer:
        """Where an exchange lies on the axis."""
        replay, _ = self._shown()
        at = replay.facts.position(int(question["index"]))
        return {"at": (int(replay.facts.time[at]) - replay.state_tracks.start) / 1e6}, None


class StateTracks(StateAnswers):
    """Shared data, metrics, queues, ticks and memory of a replay on the capture's clock; `selected` is the exchange that is marked."""

    _esm = script("state_tracks", "stateTracksView")
    _css = style("state_tracks")
    _answers = StateAnswers.STATE_KINDS
