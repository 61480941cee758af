"""HTTP/1.1 bytes as they are: heads with order, case and repeats kept, bodies by their framing (RFC 9112, sections 4 to 7).

No HTTP library gives or takes these bytes unjudged, and the judge must see exactly what Envoy sent, illegal lines too. So nothing
here refuses a line; only sizes are bounded.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from workbench.capture.exchange import Pairs

__all__ = ["MAX_BODY", "MAX_HEAD", "Broken", "Head", "Message", "Wire", "render_body", "values"]

MAX_HEAD = 1 << 20
MAX_BODY = 256 << 20
_OWS = b" \t"


class Broken(Exception):
    """The peer closed, sent what is no HTTP, or more than is taken; the text says which."""


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and the fields in order, names in the case they came in."""

    start: bytes
    fields: Pairs

    @property
    def method(self) -> bytes:
        """A request's method."""
        return self.start.partition(b" ")[0]

    @property
    def target(self) -> bytes:
        """A request's target; a filter can have put spaces into it."""
        return self.start.partition(b" ")[2].rpartition(b" ")[0]

    @property
    def status(self) -> int:
        """A response's status, 0 where it is no number."""
        text = self.start.split(b" ", 2)[1]
        return int(text) if text.isdigit() else 0


@dataclass(slots=True)
class Message:
    """A head and what came after it. `complete` is False when the peer stopped before the end that its framing announced.

    `excess` is what followed the end: bytes that a peer takes for the next message, or never reads. `begun_ns` is when its head had
    come, in nanoseconds since the Unix epoch.
    """

    head: Head
    body: bytes = b""
    trailers: Pairs = ()
    complete: bool = False
    excess: bytes = b""
    begun_ns: int = field(default_factory=time.time_ns)


def values(fields: Pairs, name: bytes) -> list[bytes]:
    """All values of a field, the name compared without case."""
    return [value for field, value in fields if field.lower() == name]


def render_body(body: bytes, trailers: Pairs, *, chunked: bool) -> bytes:
    """A body as it goes on the wire: as it is, or as one chunk, the last chunk and the trailers."""
    if not chunked:
        return body
    first = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return first + b"0\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in trailers) + b"\r\n"


class Wire:
    """Reads messages from a stream. Every wait for bytes is bounded by `stall` seconds, then Broken is raised."""

    def __init__(self, reader: asyncio.StreamReader, stall: float) -> None:
        self._reader = reader
        self._stall = stall
        self._data = bytearray()

    async def _more(self) -> None:
        try:
            data = await asyncio.wait_for(self._reader.read(1 << 16), self._stall)
        except TimeoutError:
            raise Broken("timeout") from None
        except OSError as error:
            raise Broken("reset") from error
        if not data:
            raise Broken("closed")
        self._data += data

    async def _until(self, mark: bytes, limit: int) -> bytes:
        seen = 0
        while (at := self._data.find(mark, max(0, seen - len(mark)))) < 0:
            seen = len(self._data)
            if seen > limit:
                raise Broken("too large")
            await self._more()
        found = bytes(self._data[:at])
        del self._data[: at + len(mark)]
        return found

    async def head(self) -> Head:
        """The next head. Lines without a colon are kept as a name with an empty value."""
        first, *lines = (await self._until(b"\r\n\r\n", MAX_HEAD)).split(b"\r\n")
        if b" " not in first:
            raise Broken("no HTTP")
        return Head(first, _fields(lines))

    async def body(self, message: Message, *, to_end: bool, empty: bool = False) -> None:
        """Read what follows the head into `message`. `to_end`: without framing the body goes on until the peer closes (a response);
        `empty`: there is none whatever the fields say. Raises Broken with what came so far in `message`."""
        fields = message.head.fields
        lengths = values(fields, b"content-length")
        if not empty:
            if any(value.lower().endswith(b"chunked") for value in values(fields, b"transfer-encoding")):
                await self._chunks(message)
            elif lengths:
                await self._exactly(message, int(lengths[0]) if lengths[0].isdigit() else 0)
            elif to_end:
                await self._rest(message)
        message.complete = True
        message.excess = bytes(self._data)

    async def _exactly(self, message: Message, size: int) -> None:
        try:
            while len(self._data) < size:
                if len(self._data) > MAX_BODY:
                    raise Broken("too large")
                await self._more()
        finally:
            message.body = bytes(self._data[:size])
            del self._data[:size]

    async def _rest(self, message: Message) -> None:
        try:
            while len(self._data) <= MAX_BODY:
                await self._more()
            raise Broken("too large")
        except Broken as broken:
            if str(broken) != "closed":
                raise
        finally:
            message.body = bytes(self._data)
            self._data.clear()

    async def _chunks(self, message: Message) -> None:
        body = bytearray()
        try:
            while True:
                line = (await self._until(b"\r\n", MAX_HEAD)).split(b";", 1)[0].strip()
                try:
                    size = int(line, 16)
                except ValueError:
                    raise Broken("no HTTP") from None
                if size == 0:
                    break
                if not 0 < size <= MAX_BODY - len(body):
                    raise Broken("too large")
                while len(self._data) < size + 2:
                    await self._more()
                body += self._data[:size]
                del self._data[: size + 2]
            lines = []
            while line := await self._until(b"\r\n", MAX_HEAD):
                lines.append(line)
            message.trailers = _fields(lines)
        finally:
            message.body = bytes(body)


def _fields(lines: list[bytes]) -> Pairs:
    split = (line.partition(b":") for line in lines)
    return tuple((name, value.strip(_OWS)) for name, _, value in split)
