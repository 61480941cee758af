"""The services that a chain's filters call, put behind the Envoy that runs the chain: loopback servers that answer as in the replay.

A service is reached over HTTP/1.1 or over gRPC, not both. Trailers of an answer bring a `transfer-encoding` with them that
filters see.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from workbench.capture.exchange import Exchange, Pairs
from workbench.errors import WorkbenchError
from workbench.services.calls import GrpcAnswer, GrpcRequest, HttpAnswer, HttpRequest, HttpResponse, Never, Reset, Service
from workbench.services.serving import grpc_server

from .wire import Broken, Message, Wire, render_body, values

__all__ = ["ServiceServer", "grpc_service"]

_PATIENCE_S = 10.0
_LONGEST_S = 30.0
# What Envoy puts onto a callout behind the filter, and the replay's services do not see.
_ENVOYS_OWN = (b"x-forwarded-for", b"transfer-encoding", b"host")


class ServiceServer:
    """One service on a free loopback port; an asynchronous context manager. `current` gives the exchange that is under way."""

    def __init__(self, cluster: str, service: Service, current: Callable[[], Exchange | None]) -> None:
        self._cluster = cluster
        self._service = service
        self._current = current
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> ServiceServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving, timeout=2)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            wire = Wire(reader, _PATIENCE_S)
            message = Message(await wire.head())
            await wire.body(message, to_end=False)
            with contextlib.suppress(WorkbenchError):  # no answer: as if nobody were there
                await self._answer(self._service.http(self._request(message)), reader, writer)
        except (Broken, OSError, asyncio.CancelledError):
            pass  # the call was given up
        finally:
            self._serving.discard(task)
            writer.close()

    def _request(self, message: Message) -> HttpRequest:
        head, exchange = message.head, self._current()
        fields = tuple((name.lower(), value) for name, value in head.fields if name.lower() not in _ENVOYS_OWN)
        pseudo: Pairs = ((b":method", head.method), (b":path", head.target), (b":authority", b",".join(values(head.fields, b"host"))))
        index, now = (None, 0) if exchange is None else (exchange.index, exchange.request.start_ns)
        return HttpRequest(self._cluster, pseudo + fields, message.body, now, None, "", index, message.trailers)

    async def _answer(self, answer: HttpAnswer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(answer, Never):
            await reader.read()
            return
        await asyncio.sleep(min(answer.latency_ms / 1000, _LONGEST_S))
        if isinstance(answer, Reset):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)  # else the head may go with the connection
            writer.transport.abort()
        elif isinstance(answer, HttpResponse):
            writer.write(_rendered(answer))
            await writer.drain()


def grpc_service(cluster: str, service: Service, current: Callable[[], Exchange | None]) -> AbstractContextManager[int]:
    """The same over gRPC, on a thread of its own; gives its port. Raises ConfigError where grpcio is missing."""

    def answer(path: str, metadata: Pairs, message: bytes) -> GrpcAnswer:
        _, name, method = path.rsplit("/", 2)
        exchange = current()
        index, now = (None, 0) if exchange is None else (exchange.index, exchange.request.start_ns)
        return service.grpc(GrpcRequest(cluster, metadata, message, now, None, "", index, service=name, method=method))

    return grpc_server(answer)


def _rendered(answer: HttpResponse) -> bytes:
    """A response's bytes, its end told by closing where no field tells it."""
    headers, trailers, body = _pairs(answer.headers), _pairs(answer.trailers), answer.body
    chunked = bool(trailers) and not values(headers, b"content-length")
    fields = [pair for pair in headers if not pair[0].startswith(b":") and pair[0] != b"transfer-encoding"]
    fields += [(b"transfer-encoding", b"chunked")] * chunked
    head = b"HTTP/1.1 %d \r\n" % answer.status + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n"
    return head + render_body(body if isinstance(body, bytes) else body.encode(), trailers, chunked=chunked)


def _pairs(given: object) -> Pairs:
    """An answer's pairs, which its class has made bytes."""
    assert isinstance(given, tuple)
    return given
