"""Exchanges and connections made in code: requests and responses with what a test or a case says, and plain values for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.capture.batch import Batch
from workbench.capture.connection import Connection, Ending, TcpMessage
from workbench.capture.exchange import Exchange, Request, Response
from workbench.capture.packing import pack
from workbench.capture.websocket import WebSocket, frame

__all__ = [
    "GET", "MS", "POST", "SECOND", "START_NS", "Batch", "Made", "connection", "exchanges", "fields", "request", "response", "spread",
]  # fmt: skip

START_NS = 1_768_471_200_000_000_000
MS = 1_000_000
SECOND = 1000 * MS


def fields(*items: str) -> tuple[tuple[bytes, bytes], ...]:
    """`fields("Name: value", …)` as header fields."""
    split = [(item[: item.index(":", 1)], item[item.index(":", 1) + 1 :].strip()) for item in items]
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in split)


def request(
    method: str = "GET",
    path: str = "/p",
    *headers: str,
    body: bytes = b"",
    trailers: Sequence[str] = (),
    at_ms: int = 0,
    took_ms: int = 1,
    version: bytes = b"HTTP/1.1",
    host: str = "h",
    scheme: str = "http",
) -> Request:
    """A request that starts `at_ms` after the capture's begin. Bodies have no framing header unless given."""
    start = START_NS + at_ms * MS
    head = fields(f"Host: {host}") if host and version != b"HTTP/2" else ()
    target = (method.encode(), scheme.encode(), host.encode("latin-1"), path.encode("latin-1"))
    return Request(*target, version, head + fields(*headers), body, fields(*trailers), start, start + took_ms * MS)


def response(
    status: int = 200,
    *headers: str,
    body: bytes = b"",
    trailers: Sequence[str] = (),
    after_ms: int = 2,
    took_ms: int = 1,
    version: bytes = b"HTTP/1.1",
) -> Response:
    """A response `after_ms` after the request's start; `exchanges` puts it in its place. Without headers it has a content-length."""
    framing = headers or (() if status in (204, 304) else (f"content-length: {len(body)}",))
    return Response(status, b"", version, fields(*framing), body, fields(*trailers), after_ms * MS, (after_ms + took_ms) * MS)


def exchanges(*items: Exchange | tuple[Request, Response | None] | Request) -> list[Exchange]:
    """Numbered exchanges; a request alone gets a response of two bytes. Whole ones stay as they are."""
    made = []
    for index, item in enumerate(items):
        if isinstance(item, Exchange):
            made.append(item)
            continue
        asked, answer = item if isinstance(item, tuple) else (item, response(body=b"ok"))
        if answer is not None:
            answer = replace(answer, start_ns=asked.start_ns + answer.start_ns, end_ns=asked.start_ns + answer.end_ns)
        made.append(Exchange(index, asked, answer, connection=index + 7))
    return made


class Made(list[Exchange]):
    """A capture made in code: what `exchanges` makes of the items, in order of time."""

    path = Path("made.mitm")
    problems = ()

    def __init__(self, items: Iterable[Exchange | tuple[Request, Response | None] | Request] = ()) -> None:
        super().__init__(exchanges(*items))

    @property
    def start_ns(self) -> int:
        return self[0].request.start_ns

    def in_time(self) -> Iterator[Exchange]:
        return iter(self)

    def batches(self, size: int = 1000) -> list[Batch]:
        parts = [self[at : at + size] for at in range(0, len(self), size)]
        return [Batch(pack(part), len(part), part[0].request.start_ns) for part in parts]


def spread(items: Sequence[Exchange], starts_ms: Sequence[int] = ()) -> Made:
    """Whole exchanges numbered anew, 300 ms apart unless told when each starts, each over after 10 ms."""
    made = Made()
    for index, each in enumerate(items):
        start = START_NS + (starts_ms[index] if starts_ms else index * 300) * MS
        asked = replace(each.request, start_ns=start, end_ns=start + MS)
        answer = each.response and replace(each.response, start_ns=start + 9 * MS, end_ns=start + 10 * MS)
        made.append(replace(each, index=index, request=asked, response=answer))
    return made


def connection(*said: str | bytes, index: int = 0, at_ms: int = 0, every_ms: int = 10, ending: Ending = Ending.CLIENT) -> Connection:
    """A connection; what the client says begins with `>`, what the upstream says with `<`, one every `every_ms`, and then it ends."""
    start = START_NS + at_ms * MS
    messages = []
    for number, one in enumerate(said, 1):
        raw = one.encode("latin-1") if isinstance(one, str) else one
        messages.append(TcpMessage(raw[:1] == b">", raw[1:], start + number * every_ms * MS))
    return Connection(index, start, start + (len(said) + 1) * every_ms * MS, tuple(messages), ending, index + 7)


def websocket(*said: str, ending: Ending = Ending.UPSTREAM, more: Sequence[str] = ()) -> Exchange:
    """A request that becomes a WebSocket; what is said as in `connection`, each a frame of text."""
    frames = []
    for number, one in enumerate(said, 1):
        by_client = one[:1] == ">"
        frames.append(TcpMessage(by_client, frame(1, one[1:].encode(), from_client=by_client), START_NS + (3 + number * 10) * MS))
    end = START_NS + (13 + len(said) * 10) * MS
    spoken = WebSocket(tuple(frames), ending, end)
    asked = replace(request("GET", "/chat", "Connection: Upgrade", "Upgrade: websocket", *more), body=spoken.sent(by_client=True))
    head = fields("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: a")
    body = spoken.sent(by_client=False)
    answer = Response(101, b"Switching Protocols", b"HTTP/1.1", head, body, (), START_NS + 2 * MS, START_NS + 3 * MS)
    return Exchange(0, asked, answer, 7, websocket=spoken)


GET = request()
POST = request("POST", "/p", "content-length: 6", body=b"abcdef")
