"""What filters see of a body, callback by callback: the bytes of a chunk or of all that is held, followed through the chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..trace.records import FINISHED, INSTEAD, Event, Kind
from ..trace.trace import Row, Trace

__all__ = ["Body", "BodyTracks"]

_CALLBACKS = {"proxy_on_request_body": 0, "proxy_on_response_body": 1}
_TRAILERS = {"proxy_on_request_trailers": 0, "proxy_on_response_trailers": 1}
_CONTINUE, _BUFFER, _WATERMARK = 0, 1, 2
"""What a body callback returns: with `_BUFFER` the next one is shown all that is held, with `_WATERMARK` the next chunk alone; what it
returns beyond keeps nothing (Envoy's filter manager, as the core follows it)."""


@dataclass(frozen=True, slots=True)
class Body:
    """The buffer of one direction as filter `filter` sees it: its size in bytes and, where the trace and the capture tell, its content.

    `held` is True where the host keeps it because the filter said so, `passed` where it went on and the filter sees it no more;
    `end_of_stream` where nothing comes behind it.
    """

    filter: int
    size: int
    content: bytes | None
    end_of_stream: bool
    held: bool = False
    passed: bool = False


class BodyTracks:
    """Follows the rows of one exchange in their order."""

    def __init__(self, trace: Trace, captured: tuple[bytes | None, bytes | None]) -> None:
        self._trace = trace
        self._captured: list[bytes | None] = list(captured)
        self._now: list[dict[int, Body]] = [{}, {}]
        self._taken: list[dict[int, int]] = [{}, {}]
        """How many of the bytes that came to each filter it has been shown."""
        self._given: list[dict[int, bytearray | None]] = [{}, {}]
        """What each filter let go on, None once it is not known."""
        self._aside: list[dict[int, Body]] = [{}, {}]
        """What is held for a filter that is shown the next chunk alone."""
        self._running: Row | None = None

    def follow(self, row: Row) -> Iterator[tuple[int, Body]]:
        """The bodies that a row changed, by direction."""
        if self._running is not None and row.kind != Kind.HOSTCALL and not self._tells_of_it(row):
            yield from self._returned(self._running)
            self._running = None
        if row.kind == Kind.CALLBACK:
            name = self._trace.name(row)
            if name in _CALLBACKS:
                self._running = row
                yield _CALLBACKS[name], self._shown(_CALLBACKS[name], row)
            elif name in _TRAILERS:
                self._running = row
        elif row.kind == Kind.HOSTCALL:
            yield from self._written(row)
        elif row.code == Event.BODY and row.a < 2 and row.fields:
            body = self._now[row.a].get(row.filter)
            if body is not None and body.content != row.fields[0]:
                yield row.a, self._keep(row.a, replace(body, size=len(row.fields[0]), content=row.fields[0]))
        elif row.code == Event.RESUME and row.a < 2:
            body = self._now[row.a].get(row.filter)
            if body is not None and body.held:
                yield row.a, self._let_go(row.a, body)
        elif row.code in (Event.RESPONSE, Event.LOCAL_RESPONSE) and (row.code == Event.RESPONSE or not row.c):
            if row.code == Event.LOCAL_RESPONSE:
                self._captured[1] = row.fields[1] if len(row.fields) > 1 else b""
            for of in (self._now, self._taken, self._given, self._aside):
                of[1].clear()

    def _tells_of_it(self, row: Row) -> bool:
        """What a callback left of maps and bodies is written behind its calls."""
        return row.kind == Kind.EVENT and row.code in (Event.MAP, Event.BODY)

    def _before(self, direction: int, filter_: int) -> int | None:
        """The filter through which the bytes came, None for the first that sees them."""
        seen = self._given[direction]
        nearer = [place for place in seen if (place < filter_ if direction == 0 else place > filter_)]
        return (max if direction == 0 else min)(nearer, default=None)

    def _shown(self, direction: int, row: Row) -> Body:
        before = self._now[direction].get(row.filter)
        aside = self._aside[direction]
        held = Body(row.filter, 0, b"", False) if before is None or not before.held else before
        if held.size and row.filter in aside:
            aside[row.filter], held = held, Body(row.filter, 0, b"", False)
        else:
            aside.pop(row.filter, None)
        source = self._before(direction, row.filter)
        stream: bytes | bytearray | None = self._captured[direction] if source is None else self._given[direction][source]
        taken = self._taken[direction].get(row.filter, 0)
        fresh = row.a - held.size
        content = None
        if stream is not None and held.content is not None and fresh >= 0 and taken + fresh <= len(stream):
            content = held.content + bytes(stream[taken : taken + fresh])
        self._taken[direction][row.filter] = taken + max(fresh, 0)
        return self._keep(direction, Body(row.filter, row.a, content, bool(row.b)))

    def _written(self, row: Row) -> Iterator[tuple[int, Body]]:
        if row.result or row.flags & (FINISHED | INSTEAD) != FINISHED or row.a > 1 or not row.fields:
            return
        if self._trace.name(row) != "proxy_set_buffer_bytes":
            return
        body = self._now[row.a].get(row.filter)
        if body is None or body.passed:
            return
        start, size, value = row.b, row.c, row.fields[0]
        # Proxy-Wasm edits at the ends only: in front, with the first `size` bytes gone, or behind
        dropped = min(size, body.size) if start == 0 else 0
        content = None if body.content is None else value + body.content[dropped:] if start == 0 else body.content + value
        if start == 0 and dropped == body.size:
            content = value
        yield row.a, self._keep(row.a, replace(body, size=body.size - dropped + len(value), content=content))

    def _returned(self, row: Row) -> Iterator[tuple[int, Body]]:
        """A callback is over: the bytes that it was shown went on, are held, or are gone."""
        name = self._trace.name(row)
        direction = _TRAILERS[name] if name in _TRAILERS else _CALLBACKS[name]
        body = self._now[direction].get(row.filter)
        if body is None or body.passed or (name in _TRAILERS and row.result != _CONTINUE):
            return
        aside = self._aside[direction]
        held = aside.pop(row.filter, None)
        if not row.flags & FINISHED or row.result > _WATERMARK:
            yield direction, self._keep(direction, replace(body, passed=True) if held is None else held)
            return
        if held is not None:
            content = None if held.content is None or body.content is None else held.content + body.content
            body = replace(body, size=held.size + body.size, content=content)
        if row.result == _CONTINUE:
            yield direction, self._let_go(direction, body)
            return
        body = self._keep(direction, replace(body, held=True))
        if row.result == _WATERMARK:
            aside[row.filter] = body
        yield direction, body

    def _let_go(self, direction: int, body: Body) -> Body:
        given = self._given[direction].setdefault(body.filter, bytearray())
        if body.content is None:
            self._given[direction][body.filter] = None
        elif given is not None:
            given += body.content
        return self._keep(direction, replace(body, held=False, passed=True))

    def _keep(self, direction: int, body: Body) -> Body:
        self._now[direction][body.filter] = body
        return body
