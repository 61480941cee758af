"""The two directions of an exchange as the state machines that they are: not started, flowing, paused, done, answered locally."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..trace.records import FINISHED, NO_FILTER, Event, Kind, ResponseSource
from ..trace.trace import Row
from . import words
from .calls import ExchangeRows

__all__ = ["Span", "stream_spans"]

_PHASES = ("headers", "body", "trailers", "connection", "data")
_CALLBACKS = ("headers", "body", "trailers")
_RELEASING = {f"proxy_on_{way}_{part}": at for at, way in enumerate(("request", "response")) for part in ("body", "trailers")}
"""Callbacks that end their filter's pause by returning Continue; no event tells of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one direction in which its state is the same.

    `state` is waiting (not started), flowing, paused, answered (a local response took the request's place), done or left (paused to the
    end). It holds from row `first` up to row `last` (exclusive; None: to the end), from `start_ns` to `end_ns` of virtual time since the
    request. A pause has the `filter` that paused, in which `phase` and what it returned as `action`; an answer has the filter that gave it,
    or for which the host did because it failed (`phase` is failure then).
    """

    state: str
    first: int
    last: int | None
    start_ns: int
    end_ns: int | None
    filter: int | None = None
    phase: str = ""
    action: str = ""


def stream_spans(rows: ExchangeRows) -> tuple[list[Span], list[Span]]:
    """The spans of the request and of the response (of a connection: bytes from the client, from the upstream), without gaps."""
    followed = _Direction(0), _Direction(1)
    begin = rows.rows[0] if rows.rows else None
    request = rows.event(Event.REQUEST) or rows.event(Event.CONNECTION) or begin
    start = request.time if request is not None else 0
    running: tuple[_Direction, int] | None = None
    for row in rows.rows:
        if row.kind == Kind.HOSTCALL:
            continue
        if running is not None and not (row.kind == Kind.EVENT and row.code in (Event.MAP, Event.BODY)):
            direction, filter_ = running
            direction.goes_on(filter_, row, row.time - start)
            running = None
        if row.kind == Kind.CALLBACK:
            way = _RELEASING.get(rows.trace.name(row))
            if way is not None and row.result == 0 and row.flags & FINISHED:
                running = followed[way], row.filter
            continue
        for direction in followed:
            direction.follow(row, start)
    return followed[0].spans, followed[1].spans


class _Direction:
    def __init__(self, number: int) -> None:
        self.number = number
        self.spans: list[Span] = []
        self.paused: dict[int, Span] = {}
        self.over = False

    def follow(self, row: Row, start: int) -> None:
        clock = row.time - start
        if not self.spans:
            self._put(Span("waiting", row.seq, None, clock, None))
        match row.code:
            case Event.REQUEST | Event.CONNECTION if self.number == 0 or row.code == Event.CONNECTION:
                self._flow(row, clock)
            case Event.RESPONSE if self.number == 1:
                self._flow(row, clock)
            case Event.UPSTREAM_REQUEST if self.number == 0:
                self._end("done", row, clock)
            case Event.DOWNSTREAM_RESPONSE if self.number == 1:
                self._end("done", row, clock)
            case Event.CONNECTION_END:
                self._end("done", row, clock)
            case Event.LOCAL_RESPONSE if not row.c:
                if self.number == 1:
                    self.paused.clear()
                    self._flow(row, clock)
                elif not self.over:
                    who = row.filter if row.filter != NO_FILTER else None
                    self._end("answered", row, clock, who, "failure" if row.b == ResponseSource.FAILURE else "")
            case Event.PAUSE if row.a & 1 == self.number and not self.over:
                phase = words.enumerated(_PHASES, row.b)
                way = ("request", "response")[self.number]
                action = words.result(f"proxy_on_{way}_{phase}", row.c) if phase in _CALLBACKS else ""
                held = self.paused.get(row.filter)
                first = held.first if held is not None else row.seq
                begin = held.start_ns if held is not None else clock
                self.paused[row.filter] = Span("paused", first, None, begin, None, row.filter, phase, action)
                self._put(replace(self.paused[row.filter], first=row.seq, start_ns=clock) if held is None else self.paused[row.filter])
            case Event.RESUME if row.a & 1 == self.number:
                self.goes_on(row.filter, row, clock)
            case Event.END if not self.over and self.number < 2 and row.a & (1 << self.number):
                self._end("left", row, clock)

    def goes_on(self, filter_: int, row: Row, clock: int) -> None:
        """A filter pauses this direction no more; another one may."""
        if self.over or self.paused.pop(filter_, None) is None:
            return
        left = next(reversed(self.paused.values()), None)
        self._put(replace(left or Span("flowing", 0, None, 0, None), first=row.seq, start_ns=clock))

    def _flow(self, row: Row, clock: int) -> None:
        self.over = False
        self._put(Span("flowing", row.seq, None, clock, None))

    def _end(self, state: str, row: Row, clock: int, filter_: int | None = None, phase: str = "") -> None:
        self.over = True
        self.paused.clear()
        self._put(Span(state, row.seq, None, clock, None, filter_, phase))

    def _put(self, span: Span) -> None:
        before = self.spans[-1] if self.spans else None
        if before is not None and before.first == span.first:
            self.spans[-1] = span
            return
        if before is not None:
            self.spans[-1] = replace(before, last=span.first, end_ns=span.start_ns)
        self.spans.append(span)
