"""TCP connections and WebSockets through real Envoy: what its upstream and its client got.

One connection at a time, by their starts. Messages go in the order of the capture, a short while apart, so that Envoy reads each by
itself. The upstream says nothing before it has got what the client said before, as in a replay.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.capture.connection import Connection, Ending, TcpMessage
from workbench.capture.exchange import Exchange
from workbench.errors import EnvoyError, ReplayError

from .client import render_request
from .config import PLAIN, TCP, Cluster, FilterSpec, bootstrap, tcp_bootstrap
from .process import EnvoyProcess

__all__ = ["ObservedConnection", "RawUpstream", "as_connection", "play_connection", "run_envoy_connections", "run_envoy_websockets"]

_MOST = 64 << 20
_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class ObservedConnection:
    """What happened to one connection in real Envoy: what its upstream and its client got, and whether it reached the upstream.

    `client_told` is True where the client saw the end, or a reset. `log` are the lines that Envoy logged meanwhile; at level trace
    they hold every callback.
    """

    connection: int
    to_upstream: bytes = field(repr=False)
    to_client: bytes = field(repr=False)
    connected: bool
    client_told: bool
    log: tuple[str, ...] = field(repr=False)


def run_envoy_connections(
    connections: Iterable[Connection],
    filters: Sequence[FilterSpec],
    *,
    pace_s: float = 0.02,
    patience_s: float = 0.4,
    clusters: Sequence[Cluster] = (),
    wasm_log_level: str = "info",
) -> list[ObservedConnection]:
    """Send `connections` through a real Envoy with `filters` as network filters in front of tcp_proxy.

    `pace_s` is the time between two messages, `patience_s` how long each side waits for what it should get. May be called where an
    event loop runs. Raises EnvoyError, FilterLoadError or ConfigError.
    """
    return _run(list(connections), lambda port: tcp_bootstrap(filters, port, clusters=clusters), TCP, pace_s, patience_s, wasm_log_level)


def run_envoy_websockets(
    exchanges: Iterable[Exchange],
    filters: Sequence[FilterSpec],
    *,
    pace_s: float = 0.02,
    patience_s: float = 0.4,
    clusters: Sequence[Cluster] = (),
    wasm_log_level: str = "info",
) -> list[ObservedConnection]:
    """The same for exchanges that became WebSockets, with `filters` as HTTP filters: the bytes begin with the heads of request and
    answer, as Envoy writes them. All are sent in the clear."""
    connections = [as_connection(exchange) for exchange in exchanges]

    def config(port: int) -> dict[str, Any]:
        return bootstrap(filters, port, clusters=clusters, websocket=True)

    return _run(connections, config, PLAIN, pace_s, patience_s, wasm_log_level)


def as_connection(exchange: Exchange) -> Connection:
    """An exchange that became a WebSocket as what goes over its connections; ReplayError for any other."""
    said, response, request = exchange.websocket, exchange.response, exchange.request
    if said is None or response is None:
        raise ReplayError("the exchange did not become a WebSocket", where=f"exchange {exchange.index}", remedy="Leave it out")
    head = b"HTTP/1.1 %d %b\r\n" % (response.status, response.reason) + b"".join(b"%b: %b\r\n" % pair for pair in response.headers)
    begin = (
        TcpMessage(True, render_request(replace(request, body=b"", trailers=())), request.start_ns),
        TcpMessage(False, head + b"\r\n", response.start_ns),
    )
    return Connection(exchange.index, request.start_ns, said.end_ns, (*begin, *said.frames), said.ending)


def _run(
    todo: Sequence[Connection],
    config: Callable[[int], dict[str, Any]],
    listener: str,
    pace_s: float,
    patience_s: float,
    wasm_log_level: str,
) -> list[ObservedConnection]:
    order = sorted(range(len(todo)), key=lambda place: todo[place].start_ns)

    async def work() -> list[ObservedConnection]:
        upstream = RawUpstream()
        async with upstream.listening():
            with EnvoyProcess(config(upstream.port), wasm_log_level=wasm_log_level) as envoy:
                return [await play_connection(todo[place], envoy, listener, upstream, pace_s, patience_s) for place in order]

    with ThreadPoolExecutor(1, thread_name_prefix="envoy-judge") as pool:
        seen = dict(zip(order, pool.submit(lambda: asyncio.run(work())).result(), strict=True))
    return [seen[place] for place in range(len(todo))]


class End:
    """One end of a connection: what it received so far."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = False
        self.writer: asyncio.StreamWriter | None = None
        self.news = asyncio.Event()

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.news.set()
        with contextlib.suppress(OSError):
            while len(self.got) < _MOST and (data := await reader.read(1 << 16)):
                self.got += data
                self.news.set()
        self.ended = True
        self.news.set()

    async def until(self, patience_s: float, state: int) -> bool:
        """Wait for something new since `state`; False where nothing came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self.state() == state:
                    self.news.clear()
                    await self.news.wait()
        return self.state() != state

    def state(self) -> int:
        return len(self.got) + self.ended

    def say(self, data: bytes) -> None:
        if self.writer is not None and not self.writer.is_closing():
            self.writer.write(data)

    def end(self) -> None:
        if self.writer is not None and not self.writer.is_closing():
            with contextlib.suppress(OSError):
                if self.writer.can_write_eof():
                    self.writer.write_eof()
                else:  # TLS has no half of an end
                    self.writer.close()

    def reset(self) -> None:
        if self.writer is not None:
            with contextlib.suppress(OSError):
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self.writer.transport.abort()


class RawUpstream:
    """A loopback server; each connection becomes the end that is expected."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._expected = End()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Open until the end of `with`."""
        await self.open()
        try:
            yield
        finally:
            self.close()

    async def open(self) -> None:
        """Accept connections, on the port that it had before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.close()

    def expect(self) -> End:
        """The end that the next connection becomes."""
        self._expected = End()
        return self._expected

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._expected.listen(reader, writer)


async def play_connection(
    connection: Connection,
    envoy: EnvoyProcess,
    listener: str,
    upstream: RawUpstream,
    pace_s: float,
    patience_s: float,
    tls: ssl.SSLContext | None = None,
) -> ObservedConnection:
    """One connection through an Envoy that runs, its listener leading to `upstream`."""
    envoy.new_log()
    far, near = upstream.expect(), End()
    if connection.ending == Ending.UNREACHED:
        upstream.close()
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", envoy.ports[listener], ssl=tls, server_hostname="localhost" if tls else None
        )
    except OSError as error:
        raise EnvoyError(envoy.ended(wait=1) or f"no connection to Envoy: {error}", where=f"connection {connection.index}") from error
    near.writer = writer
    listening = asyncio.create_task(near.listen(reader, writer))
    try:
        await _talk(connection, near, far, pace_s, patience_s)
    finally:
        near.reset()
        far.reset()
        await asyncio.wait([listening], timeout=1)
    if connection.ending == Ending.UNREACHED:
        await upstream.open()
    await asyncio.sleep(0.05)  # for what Envoy still logs
    return ObservedConnection(connection.index, bytes(far.got), bytes(near.got), far.writer is not None, near.ended, tuple(envoy.new_log()))


async def _talk(connection: Connection, near: End, far: End, pace_s: float, patience_s: float) -> None:
    """Both sides say what they said, then end; what the upstream has to say waits until it knows what the client said before."""
    waiting: list[bytes] = []
    known = _NOTHING if connection.ending == Ending.UNREACHED else 0
    if known == 0 and far.writer is None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(far.news.wait(), patience_s)
    knows = True
    for message in connection.messages:
        if message.from_client:
            known = far.state()
            near.say(message.data)
            knows = False
            await asyncio.sleep(pace_s)
            continue
        knows = (knows and far.writer is not None) or await far.until(patience_s, known)
        waiting.append(message.data)
        if knows:
            await _flush(far, waiting, pace_s)
    if waiting and (knows or await far.until(patience_s, known)):
        await _flush(far, waiting, pace_s)
    await _finish(connection.ending, near, far, pace_s, patience_s)


async def _flush(far: End, waiting: list[bytes], pace_s: float) -> None:
    for data in waiting:
        far.say(data)
        await asyncio.sleep(pace_s)
    waiting.clear()


_NOTHING = -1


async def _finish(ending: Ending, near: End, far: End, pace_s: float, patience_s: float) -> None:
    """The ends, in their order; the one who ends second waits for the other's end."""
    await asyncio.sleep(pace_s)
    if ending == Ending.RESET:
        far.reset()
    elif ending != Ending.UNREACHED:
        first, second = (near, far) if ending == Ending.CLIENT else (far, near)
        first.end()
        if await _ended(second, patience_s) or ending == Ending.UPSTREAM:
            second.end()
    await _ended(near, patience_s)


async def _ended(end: End, patience_s: float) -> bool:
    while not end.ended and await end.until(patience_s, end.state()):
        pass
    return end.ended
