"""A real server answers, over HTTP/1.1 or gRPC. Latencies are measured, so a replay that asks one is not the same twice."""

from __future__ import annotations

import importlib
import queue
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ..capture.exchange import Pairs
from ..errors import ConfigError
from .calls import (
    MOST_BYTES,
    GrpcAnswer,
    GrpcRequest,
    GrpcResponse,
    HttpAnswer,
    HttpRequest,
    HttpResponse,
    Never,
    Part,
    Reset,
    Session,
    Unreachable,
)
from .packing import PartKind

__all__ = ["Live", "grpc_library"]

_PATIENCE_S = 10.0
"""How long an answer is waited for where the filter set no timeout."""
_QUIET_S = 0.05
"""A stream that has said nothing for so long is taken to wait for the filter."""
_NAME = re.compile(rb"[0-9a-z_.-]+")
_NOT_SENT = (b"content-length", b"host", b"transfer-encoding", b"connection")


@dataclass(frozen=True)
class Live:
    """The server at `url`, `http://host:port` or `https://…`; gRPC goes there over HTTP/2, without TLS for `http` (or `grpc`).

    Answers have no trailers over HTTP: Python's client drops them. gRPC needs the optional package grpcio.
    Raises ConfigError for what is no such address.
    """

    url: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in ("http", "https", "grpc") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or parts.path.strip("/") or parts.query:
            raise ConfigError(f"{self.url!r} is no address of a server", remedy="Give http://HOST:PORT")

    @property
    def deterministic(self) -> bool:
        """It is not: times are measured, and a server may say something else each time."""
        return False

    def begin(self, capture: object) -> _Asking:
        """A service for one replay."""
        return _Asking(self.url)


class _Asking:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._channel: Any = None

    def http(self, request: HttpRequest) -> HttpAnswer:
        """Ask, on a connection of its own."""
        # not at the top: it brings TLS along, which most replays never need
        from http.client import HTTPConnection, HTTPException, HTTPSConnection

        patience = request.timeout_ms / 1000 if request.timeout_ms else _PATIENCE_S
        connection = (HTTPSConnection if self._secure else HTTPConnection)(self._host, self._port, timeout=patience)
        started = time.perf_counter()
        try:
            connection.connect()
        except OSError:
            return Unreachable(_since(started))
        try:
            connection.putrequest(
                request.method.decode("latin-1"), request.path.decode("latin-1"), skip_host=True, skip_accept_encoding=True
            )
            connection.putheader("Host", request.authority.decode("latin-1"))
            for name, value in request.headers:
                if not name.startswith(b":") and name not in _NOT_SENT:
                    connection.putheader(name.decode("latin-1"), value.decode("latin-1"))
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read(MOST_BYTES + 1)
        except TimeoutError:
            return Never()
        except (OSError, HTTPException, ValueError):
            return Unreachable(_since(started), "connection termination")
        finally:
            connection.close()
        if len(body) > MOST_BYTES or not 200 <= answer.status <= 599:
            return Reset(_since(started))
        headers = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in answer.getheaders()]
        return HttpResponse(answer.status, headers, body, (), _since(started))

    def grpc(self, request: GrpcRequest) -> GrpcAnswer:
        """Ask over HTTP/2."""
        grpc = grpc_library()
        call = self._open().unary_unary(_path(request))
        started = time.perf_counter()
        patience = request.timeout_ms / 1000 if request.timeout_ms else _PATIENCE_S
        try:
            message, done = call.with_call(request.body, timeout=patience, metadata=_metadata(request.headers))
        except grpc.RpcError as error:
            return GrpcResponse(
                b"", error.code().value[0], error.details() or "", (), _given(error.trailing_metadata()), latency_ms=_since(started)
            )
        return GrpcResponse(message, 0, "", _given(done.initial_metadata()), _given(done.trailing_metadata()), _since(started))

    def stream(self, request: GrpcRequest) -> tuple[Session, Sequence[Part]]:
        """Open a stream."""
        return _Stream(self._open(), request), ()

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _open(self) -> Any:
        if self._channel is None:
            grpc, address = grpc_library(), f"{self._host}:{self._port}"
            most = [("grpc.max_receive_message_length", MOST_BYTES)]
            if self._secure:
                self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(), options=most)
            else:
                self._channel = grpc.insecure_channel(address, options=most)
        return self._channel


class _Stream:
    """An open stream. What comes back is gathered until the server is quiet; its times are those that it was really heard at."""

    def __init__(self, channel: Any, request: GrpcRequest) -> None:
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[Part] = queue.SimpleQueue()
        self._ended = False
        self._began = time.perf_counter()
        call = channel.stream_stream(_path(request))
        self._call = call(iter(self._outgoing.get, None), metadata=_metadata(request.headers))
        threading.Thread(target=self._listen, name="live-grpc", daemon=True).start()

    def _listen(self) -> None:
        grpc, first = grpc_library(), True
        try:
            initial = _given(self._call.initial_metadata())
            for message in self._call:
                if first:
                    self._put(PartKind.INITIAL, headers=initial)
                    first = False
                self._put(PartKind.MESSAGE, body=message)
        except grpc.RpcError:
            pass
        code, text = self._call.code(), self._call.details() or ""
        kind = PartKind.END_ONLY if first else PartKind.END
        self._put(kind, number=code.value[0], body=text.encode(), trailers=_given(self._call.trailing_metadata()))

    def _put(self, kind: PartKind, number: int = 0, headers: Pairs = (), body: bytes = b"", trailers: Pairs = ()) -> None:
        self._incoming.put(Part(kind, time.perf_counter_ns(), number, headers, body, trailers))

    def send(self, message: bytes, end: bool, time_ns: int) -> Sequence[Part]:
        """Send a message, and gather what comes."""
        started = time.perf_counter_ns()
        self._outgoing.put(message)
        if end:
            self._outgoing.put(None)
        return list(self._gather(started, _PATIENCE_S if end else _QUIET_S))

    def half_close(self, time_ns: int) -> Sequence[Part]:
        """Send no more, and gather what comes until the end."""
        started = time.perf_counter_ns()
        self._outgoing.put(None)
        return list(self._gather(started, _PATIENCE_S))

    def _gather(self, started: int, patience: float) -> Iterator[Part]:
        while not self._ended:
            try:
                part = self._incoming.get(timeout=patience)
            except queue.Empty:
                return
            self._ended = part.kind in (PartKind.END, PartKind.END_ONLY)
            after = max(part.latency_ns - started, 0)
            yield Part(part.kind, after, part.number, part.headers, part.body, part.trailers)

    def cancel(self) -> None:
        """End it at once."""
        self._outgoing.put(None)
        self._call.cancel()


def grpc_library() -> Any:
    """grpcio; ConfigError with the remedy where it is missing."""
    try:
        return importlib.import_module("grpc")
    except ImportError:
        raise ConfigError(
            "a gRPC call to a real server needs grpcio", remedy="Install the optional extra: pip install 'wasm-filter-workbench[grpc]'"
        ) from None


def _path(request: GrpcRequest) -> str:
    """The method's path, as ASCII whatever the filter called it."""
    return quote(f"/{request.service}/{request.method}", safe="/.$_-")


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _metadata(pairs: Pairs) -> list[tuple[str, str | bytes]]:
    """What of a filter's metadata may be sent: grpcio takes no other, and some names are its own."""
    given: list[tuple[str, str | bytes]] = []
    for name, value in pairs:
        if _NAME.fullmatch(name) and not name.startswith(b"grpc-"):
            if name.endswith(b"-bin"):
                given.append((name.decode(), value))
            elif all(0x20 <= byte <= 0x7E for byte in value):
                given.append((name.decode(), value.decode()))
    return given


def _given(metadata: Any) -> Pairs:
    every = [(name, value) for name, value in metadata or ()]
    return tuple((name.encode(), value.encode() if isinstance(value, str) else bytes(value)) for name, value in every)
