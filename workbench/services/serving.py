"""Services as real servers on loopback, so that real Envoy can be given the same answers as a replay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..capture.exchange import Exchange, Pairs
from .calls import GrpcAnswer, GrpcRequest, GrpcResponse, HttpAnswer, HttpRequest, HttpResponse, Never, Reset, Service
from .live import grpc_library

__all__ = ["Underway", "grpc_server", "http_server", "serve"]

_POLL_S = 0.02
_NEVER_S = 30.0
"""How long a call that is never answered is held."""
_THREADS = 16
_UNAVAILABLE, _INTERNAL = 14, 13


class Underway:
    """The exchange that is on its way through the proxy, None where nobody says: what services are told in a replay."""

    def __init__(self) -> None:
        self.exchange: int | None = None
        self.time_ns: int | None = None

    def set(self, exchange: Exchange) -> None:
        """From now on calls come on its behalf, at the time at which it was captured."""
        self.exchange, self.time_ns = exchange.index, exchange.request.start_ns

    def now(self) -> int:
        """The time that a service is told."""
        return time.time_ns() if self.time_ns is None else self.time_ns


@contextmanager
def serve(services: Mapping[str, Service], grpc: Collection[str] = (), underway: Underway | None = None) -> Iterator[dict[str, int]]:
    """Serve each of `services` on a free port of loopback; those named in `grpc` speak gRPC, the others HTTP/1.1. Gives name to port.

    Latencies are waited for. A service is told of the exchange that `underway` holds and of its time, else of none and of the real time.
    Raises ConfigError where grpcio is wanted and missing.
    """
    underway = underway or Underway()
    with ExitStack() as stack:
        ports = {}
        for name, service in services.items():
            server = (_grpc_of if name in grpc else _http_of)(name, service, underway)
            ports[name] = stack.enter_context(server)
        yield ports


def _http_of(name: str, service: Service, underway: Underway) -> Any:
    def answer(headers: Pairs, body: bytes) -> HttpAnswer:
        return service.http(HttpRequest(name, headers, body, underway.now(), None, "", underway.exchange))

    return http_server(answer)


def _grpc_of(name: str, service: Service, underway: Underway) -> Any:
    def answer(path: str, metadata: Pairs, message: bytes) -> GrpcAnswer:
        _, called, method = path.rsplit("/", 2)
        now, exchange = underway.now(), underway.exchange
        return service.grpc(GrpcRequest(name, metadata, message, now, None, "", exchange, service=called, method=method))

    return grpc_server(answer)


@contextmanager
def http_server(answer: Callable[[Pairs, bytes], HttpAnswer]) -> Iterator[int]:
    """An HTTP/1.1 server; gives its port. `answer` is asked with a request's headers, pseudo headers in front, and its body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            pseudo = ((b":method", self.command.encode()), (b":path", self.path.encode("latin-1")))
            fields = tuple((_named(name), value.encode("latin-1")) for name, value in self.headers.items())
            given = answer((*pseudo, *fields), body)
            with suppress(OSError):  # whoever asked may have gone
                self._send(given)

        def _send(self, given: HttpAnswer) -> None:
            if isinstance(given, HttpResponse):
                time.sleep(given.latency_ms / 1000)
                self.wfile.write(_written(given))
                self.close_connection = not _is_framed(given)
                return
            time.sleep(_NEVER_S if isinstance(given, Never) else given.latency_ms / 1000)
            if isinstance(given, Reset):
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n")
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_S}, name="service-http", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _named(name: str) -> bytes:
    """A field's name as filters give it: in lower case, the host as a pseudo header."""
    lower = name.lower().encode("latin-1")
    return b":authority" if lower == b"host" else lower


def _written(given: HttpResponse) -> bytes:
    assert isinstance(given.body, bytes)
    said = _value(given, b"transfer-encoding") is not None
    chunked = said or bool(given.trailers)
    framing = b"transfer-encoding: chunked\r\n" if chunked and not said else b""
    head = b"HTTP/1.1 %d X\r\n" % given.status + _lines(given.headers) + framing + b"\r\n"
    if not chunked:
        return head + given.body
    chunk = b"%x\r\n%b\r\n" % (len(given.body), given.body) if given.body else b""
    return head + chunk + b"0\r\n" + _lines(given.trailers) + b"\r\n"


def _is_framed(given: HttpResponse) -> bool:
    return given.status in (204, 304) or _value(given, b"content-length") is not None or _value(given, b"transfer-encoding") is not None


def _value(given: HttpResponse, name: bytes) -> bytes | None:
    assert isinstance(given.headers, tuple)
    return next((value for key, value in given.headers if key == name), None)


def _lines(pairs: Any) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)


@contextmanager
def grpc_server(answer: Callable[[str, Pairs, bytes], GrpcAnswer], unknown: str = "") -> Iterator[int]:
    """A gRPC server; gives its port. `answer` is asked with the method's path, the metadata and a message, in a stream once a message.

    Each method takes one message or many, as they come. A method called `unknown` is not there. An answer that is none of gRPC ends a
    call with the status that Envoy would make of it.
    """
    library = grpc_library()

    class Handler(library.GenericRpcHandler):  # type: ignore[misc, name-defined]
        def service(self, details: Any) -> Any:
            path = details.method
            metadata = tuple((each.key.encode(), _raw(each.value)) for each in details.invocation_metadata)
            if path == unknown:
                return None

            def talk(messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
                first = True
                for message in messages:
                    given = _plain(answer(path, metadata, message))
                    time.sleep(given.latency_ms / 1000)
                    context.set_trailing_metadata(_texts(given.trailers))
                    if given.status:
                        code = next(code for code in library.StatusCode if code.value[0] == given.status)
                        context.abort(code, given.status_message)
                    if first:
                        context.send_initial_metadata(_texts(given.metadata))
                        first = False
                    assert isinstance(given.message, bytes)
                    yield given.message

            return library.stream_stream_rpc_method_handler(talk)

    server = library.server(ThreadPoolExecutor(_THREADS, thread_name_prefix="service-grpc"))
    server.add_generic_rpc_handlers((Handler(),))
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def _plain(given: GrpcAnswer) -> GrpcResponse:
    if isinstance(given, GrpcResponse):
        return given
    if isinstance(given, Never):
        time.sleep(_NEVER_S)
    return GrpcResponse(status=_INTERNAL if isinstance(given, Reset) else _UNAVAILABLE)


def _raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _texts(pairs: Any) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((name.decode(), value if name.endswith(b"-bin") else value.decode("latin-1")) for name, value in pairs)
