"""Real services on loopback, HTTP/1.1 and gRPC, that answer with what a function says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from workbench.services import GrpcResponse, HttpResponse, Reset, serving

__all__ = ["grpc_server", "http_server"]


def http_server(answer: Callable[[str, str, bytes], HttpResponse | Reset]) -> AbstractContextManager[int]:
    """A server; gives its port. `answer` is asked with method, path and body."""

    def of(headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> HttpResponse | Reset:
        named = dict(headers)
        return answer(named[b":method"].decode(), named[b":path"].decode(), body)

    return serving.http_server(of)


def grpc_server(answer: Callable[[str, bytes], GrpcResponse], unknown: str = "") -> AbstractContextManager[int]:
    """The same over gRPC: `answer` is asked with the method's path and a message; one method is `unknown`."""
    return serving.grpc_server(lambda path, metadata, message: answer(path, message), unknown)
