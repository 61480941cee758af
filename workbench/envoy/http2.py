"""Exchanges through real Envoy over HTTP/2 on both sides: what `judge` does over HTTP/1.1.

One exchange at a time, each on connections of its own, in the clear or, where it was captured over HTTPS, over TLS to Envoy. A body goes
in one piece with the end of its message in it, unless trailers follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from workbench.capture.exchange import Exchange, Pairs
from workbench.errors import EnvoyError

from .certificate import client_context, write_certificate
from .config import PLAIN, TLS, Cluster, FilterSpec, bootstrap
from .judge import Observed, Seen, in_thread
from .process import EnvoyProcess

__all__ = ["run_envoy_http2"]

_PSEUDO = (b":method", b":path", b":authority")


@dataclass
class _Message:
    """What arrived of one message; `complete` once its end was there."""

    headers: Pairs
    body: bytearray = field(default_factory=bytearray)
    trailers: Pairs = ()
    complete: bool = False


def run_envoy_http2(
    exchanges: Iterable[Exchange],
    filters: Sequence[FilterSpec],
    *,
    timeout: float = 3.0,
    clusters: Sequence[Cluster] = (),
    wasm_log_level: str = "info",
) -> list[Observed]:
    """Send `exchanges` through a real Envoy with `filters`, over HTTP/2; without filters, the baseline.

    They go in the order of their starts and come back in the order given; `timeout` bounds the wait for a whole answer, in seconds.
    Raises EnvoyError, FilterLoadError or ConfigError.
    """
    todo = list(exchanges)
    order = sorted(range(len(todo)), key=lambda place: todo[place].request.start_ns)

    async def work() -> list[Observed]:
        with tempfile.TemporaryDirectory(prefix="workbench-envoy-") as folder:
            certificate = write_certificate(Path(folder))
            tls = client_context(certificate[0])
            async with _Upstream().listening() as upstream:
                config = bootstrap(filters, upstream.port, certificate=certificate, clusters=clusters, http2=True)
                with EnvoyProcess(config, wasm_log_level=wasm_log_level) as envoy:
                    return [await _send(todo[place], envoy, upstream, tls, timeout) for place in order]

    seen = dict(zip(order, in_thread(work), strict=True)) if todo else {}
    return [seen[place] for place in range(len(todo))]


def _connection(*, client: bool) -> H2Connection:
    # captured fields go as they are, whether the standard allows them or not
    checks: dict[str, Any] = {"validate_outbound_headers": False, "normalize_outbound_headers": False, "validate_inbound_headers": False}
    made = H2Connection(H2Configuration(client_side=client, header_encoding=None, **checks))
    made.initiate_connection()
    return made


def _send_message(made: H2Connection, stream: int, headers: Pairs, body: bytes, trailers: Pairs) -> None:
    made.send_headers(stream, headers, end_stream=not body and not trailers)
    for at in range(0, len(body), 16384):
        part = body[at : at + 16384]
        made.send_data(stream, part, end_stream=at + len(part) == len(body) and not trailers)
    if trailers:
        made.send_headers(stream, trailers, end_stream=True)


def _take(event: Event, message: _Message, made: H2Connection) -> None:
    if isinstance(event, DataReceived):
        message.body += event.data
        made.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, TrailersReceived):
        message.trailers = tuple(event.headers)
    elif isinstance(event, StreamEnded):
        message.complete = True


class _Upstream:
    """Answers each request as the exchange that is expected was answered, and keeps what it received."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[_Message] = []
        self._exchange: Exchange | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[_Upstream]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def expect(self, exchange: Exchange) -> list[_Message]:
        self._exchange, self.received = exchange, []
        return self.received

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made = _connection(client=False)
        streams: dict[int, _Message] = {}
        with contextlib.suppress(OSError, ProtocolError, asyncio.CancelledError):
            writer.write(made.data_to_send())
            while data := await reader.read(1 << 16):
                for event in made.receive_data(data):
                    self._event(event, made, streams)
                writer.write(made.data_to_send())
        writer.close()

    def _event(self, event: Event, made: H2Connection, streams: dict[int, _Message]) -> None:
        if isinstance(event, RequestReceived):
            streams[event.stream_id] = _Message(tuple(event.headers))
            self.received.append(streams[event.stream_id])
            return
        message = streams.get(getattr(event, "stream_id", 0))
        if message is None:
            return
        _take(event, message, made)
        if isinstance(event, StreamEnded):
            response = self._exchange.response if self._exchange else None
            if response is None:
                made.reset_stream(event.stream_id)
                return
            head = ((b":status", b"%d" % response.status), *_plain(response.headers))
            _send_message(made, event.stream_id, head, response.body, response.trailers)


def _plain(fields: Pairs) -> Pairs:
    return tuple((name.lower(), value) for name, value in fields if name[:1] != b":")


async def _send(exchange: Exchange, envoy: EnvoyProcess, upstream: _Upstream, tls: ssl.SSLContext, timeout: float) -> Observed:
    received = upstream.expect(exchange)
    envoy.new_log()
    secure = exchange.request.scheme == b"https"
    answer: _Message | None = None
    failure = ""
    try:
        async with asyncio.timeout(timeout):
            answer, failure = await _fetch(exchange, envoy.ports[TLS if secure else PLAIN], tls if secure else None)
    except TimeoutError:
        failure = "timeout"
    except OSError as error:
        raise EnvoyError(envoy.ended(wait=1) or f"no connection to Envoy: {error}", where=f"exchange {exchange.index}") from error
    await asyncio.sleep(0.05)  # for what Envoy still logs
    request, response = received[0] if received else None, exchange.response
    status = dict(answer.headers).get(b":status", b"0") if answer is not None else b"0"
    return Observed(
        exchange.index,
        None if request is None else _seen(request, _request_fields(request.headers), exchange.request.headers),
        len(received),
        int(status),
        None if answer is None else _seen(answer, _plain(answer.headers), response.headers if response else None),
        failure,
        tuple(envoy.new_log()),
    )


async def _fetch(exchange: Exchange, port: int, tls: ssl.SSLContext | None) -> tuple[_Message | None, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None)
    made = _connection(client=True)
    request = exchange.request
    head = ((b":method", request.method), (b":scheme", request.scheme), (b":authority", request.authority), (b":path", request.path))
    fields = tuple(pair for pair in _plain(request.headers) if pair[0] != b"host")
    message: _Message | None = None
    try:
        _send_message(made, 1, (*head, *fields), request.body, request.trailers)
        writer.write(made.data_to_send())
        while data := await reader.read(1 << 16):
            for event in made.receive_data(data):
                if isinstance(event, ResponseReceived):
                    message = _Message(tuple(event.headers))
                elif isinstance(event, (StreamReset, ConnectionTerminated)):
                    return message, "reset"
                elif message is not None:
                    _take(event, message, made)
            if message is not None and message.complete:
                return message, ""
            writer.write(made.data_to_send())
    except ProtocolError:
        return message, "no HTTP"
    finally:
        writer.transport.abort()
    return message, "closed"


def _request_fields(headers: Pairs) -> Pairs:
    """Pseudo headers first, in the order of `judge`, and without the scheme."""
    pseudo = {name: value for name, value in headers if name[:1] == b":"}
    return (*((name, pseudo[name]) for name in _PSEUDO if name in pseudo), *_plain(headers))


def _seen(message: _Message, headers: Pairs, sent: Pairs | None) -> Seen:
    given = tuple((_text(name.lower()), _text(value)) for name, value in sent or ())
    names = {name for name, _ in given}
    pairs = tuple((_text(name), _text(value)) for name, value in headers)
    trailers = tuple((_text(name), _text(value)) for name, value in message.trailers)
    added = frozenset(name for name, _ in pairs if sent is not None and name not in names and name[:1] != ":")
    return Seen(pairs, bytes(message.body), trailers, message.complete, b"", added, given)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
