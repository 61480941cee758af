"""Plays exchanges made in code through scripted filters, and reads the trace in the terms of the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.wat import wasm
from workbench.capture.connection import Connection, Ending, TcpMessage
from workbench.capture.exchange import Exchange, Request, Response
from workbench.capture.packing import pack, pack_connections, unpack_pairs
from workbench.chain import Filter
from workbench.host.driver import Settings, replay
from workbench.trace.records import NONE, Event, Kind
from workbench.trace.trace import Row, Trace

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


def connection(*said: str | bytes, index: int = 0, at_ms: int = 0, every_ms: int = 10, ending: Ending = Ending.CLIENT) -> Connection:
    """A connection; what the client says begins with `>`, what the upstream says with `<`, one every `every_ms`, and then it ends."""
    start = START_NS + at_ms * MS
    messages = []
    for number, one in enumerate(said, 1):
        raw = one.encode("latin-1") if isinstance(one, str) else one
        messages.append(TcpMessage(raw[:1] == b">", raw[1:], start + number * every_ms * MS))
    return Connection(index, start, start + (len(said) + 1) * every_ms * MS, tuple(messages), ending, index + 7)


GET = request()
POST = request("POST", "/p", "content-length: 6", body=b"abcdef")


@dataclass(frozen=True)
class Batch:
    data: bytes
    count: int
    start_ns: int


@dataclass(frozen=True)
class Message:
    """What the upstream or the client got."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None  # None: as captured
    trailers: tuple[tuple[bytes, bytes], ...]
    reset: bool


class Played:
    """A trace in the terms of the rules. Filters are `a`, `b`, `c` in chain order."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.rows = [trace.row(seq) for seq in range(len(trace))]

    def calls(self, exchange: int | None = 0) -> list[str]:
        """The callbacks of an exchange (of the root contexts for None) as `a.request_body(3, 0)`: arguments without the context."""
        found = []
        for row in self.rows:
            if row.kind == Kind.CALLBACK and row.exchange == (NONE if exchange is None else exchange):
                schema = self.trace.schema.callbacks[row.code]
                args = (row.a, row.b)[: sum(name != "-" for name in schema.args)]
                shown = f"({', '.join(map(str, args))})" if args and schema.name != "proxy_on_context_create" else ""
                found.append(f"{self.trace.filter_name(row)}.{schema.name.removeprefix('proxy_on_')}{shown}")
        return found

    def of(self, name: str, exchange: int | None = None) -> list[Row]:
        """The rows of a hostcall or callback by its name in the ABI."""
        wanted = [row for row in self.rows if row.kind != Kind.EVENT and self.trace.name(row) == name]
        return wanted if exchange is None else [row for row in wanted if row.exchange == exchange]

    def hostcalls(self) -> list[Row]:
        return [row for row in self.rows if row.kind == Kind.HOSTCALL]

    def results(self, name: str) -> list[int]:
        """What the calls of one hostcall answered."""
        return [row.result for row in self.of(name)]

    def values(self, name: str) -> list[bytes | None]:
        """The last field of the calls of one hostcall, None where it failed."""
        return [row.fields[-1] if row.result == 0 else None for row in self.of(name)]

    def events(self, event: Event, exchange: int | None = None) -> list[Row]:
        found = [row for row in self.rows if row.kind == Kind.EVENT and row.code == event]
        return found if exchange is None else [row for row in found if row.exchange == exchange]

    def notes(self) -> list[str]:
        return [row.fields[0].decode() for row in self.events(Event.NOTE)]

    def _message(self, event: Event, exchange: int) -> Message | None:
        rows = self.events(event, exchange)
        assert len(rows) <= 1, f"{event.name} twice"
        if not rows:
            return None
        row = rows[0]
        head, body, trailers = row.fields
        return Message(row.result, unpack_pairs(head)[0], None if row.c else body, unpack_pairs(trailers)[0], bool(row.d))

    def got(self, exchange: int = 0) -> tuple[bytes | None, bytes | None, int]:
        """What upstream and client of a connection got (None: as captured), and the close type."""
        (row,) = self.events(Event.CONNECTION_END, exchange)
        upstream, client = row.fields
        return None if row.c & 1 else upstream, None if row.c & 2 else client, row.result

    def upstream(self, exchange: int = 0) -> Message | None:
        return self._message(Event.UPSTREAM_REQUEST, exchange)

    def client(self, exchange: int = 0) -> Message | None:
        return self._message(Event.DOWNSTREAM_RESPONSE, exchange)

    def seen(self, event: Event = Event.REQUEST, exchange: int = 0) -> tuple[tuple[bytes, bytes], ...]:
        """Headers as the first filter is shown them."""
        return unpack_pairs(self.events(event, exchange)[0].fields[0])[0]

    def status(self, exchange: int = 0) -> int | None:
        """What the client got; None for nothing at all, negative for a response cut short."""
        message = self.client(exchange)
        return None if message is None else -message.status if message.reset else message.status

    def end(self, exchange: int = 0) -> int:
        (row,) = self.events(Event.END, exchange)
        return row.a


Play = Callable[..., Played]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(directory))
        yield directory


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """`play(filters, exchanges, **settings)`; a filter is a module, a callback's script by name, or either with options of `Filter`."""

    def run(filters: Iterable[Any], traffic: Iterable[Any] = (GET,), batch: int = 1000, **settings: Any) -> Played:
        chain = []
        for name, given in zip("abcdefgh", filters, strict=False):
            script, options = given if isinstance(given, tuple) else (given, {})
            path = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}.wasm"
            path.write_bytes(wasm(**script) if isinstance(script, dict) else script)
            chain.append(Filter(path, name=name, **{"vm_id": name} | options))
        made: list[Any] = list(traffic)
        tcp = bool(made) and isinstance(made[0], Connection)
        made = made if tcp else list(exchanges(*made))
        parts = [made[at : at + batch] for at in range(0, len(made), batch)]
        if tcp:
            batches = [Batch(pack_connections(part), len(part), part[0].start_ns) for part in parts]
        else:
            batches = [Batch(pack(part), len(part), part[0].request.start_ns) for part in parts]
        return Played(replay(chain, batches, Settings(**settings)))

    return run
