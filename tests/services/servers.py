"""Real services on loopback, HTTP/1.1 and gRPC, that answer with what a function says."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from workbench.services import GrpcResponse, HttpResponse, Reset, serving

__all__ = ["grpc_server", "http_server"]


@contextmanager
def http_server(answer: Callable[[str, str, bytes], HttpResponse | Reset]) -> Iterator[int]:
    """Serve on a free port, which it gives: `answer` is asked with method, path and body. Trailers are sent, latencies waited for."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            given = answer(self.command, self.path, body)
            time.sleep(given.latency_ms / 1000)
            if isinstance(given, Reset):
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
                self.close_connection = True
                return
            head = b"HTTP/1.1 %d X\r\n" % given.status + _lines(given.headers) + b"\r\n"
            if given.trailers:
                assert isinstance(given.body, bytes)
                framed = b"%x\r\n%b\r\n0\r\n" % (len(given.body), given.body) + _lines(given.trailers) + b"\r\n"
            else:
                assert isinstance(given.body, bytes)
                framed = given.body
            with suppress(OSError):  # whoever asked may have gone
                self.wfile.write(head + framed)

        do_POST = do_PUT = do_GET

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            # who speaks no HTTP may be gone before it is told so
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="http-service")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _lines(pairs: Any) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)


def grpc_server(answer: Callable[[str, bytes], GrpcResponse], unknown: str = "") -> AbstractContextManager[int]:
    """The same over gRPC: `answer` is asked with the method's path and a message; one method is `unknown`."""
    return serving.grpc_server(lambda path, metadata, message: answer(path, message), unknown)
