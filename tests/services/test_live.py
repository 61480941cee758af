"""Real servers answer: over HTTP/1.1, over gRPC, in a stream."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.services.servers import grpc_server, http_server
from workbench.errors import ConfigError
from workbench.services import NEVER, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Live, Unreachable
from workbench.services.packing import PartKind

PATIENCE_MS = 120_000
"""A filter's timeout that no busy machine reaches."""


def http(path: str, body: bytes = b"", timeout: int | None = PATIENCE_MS) -> HttpRequest:
    headers = ((b":method", b"POST"), (b":path", path.encode()), (b":authority", b"a.example"), (b"x-a", b"1"))
    return HttpRequest("svc", headers, body, 0, timeout, "f", 0)


def grpc(method: str, message: bytes = b"m") -> GrpcRequest:
    return GrpcRequest("svc", ((b"x-md", b"1"),), message, 0, PATIENCE_MS, "f", None, service="pkg.Svc", method=method)


@pytest.fixture
def dead_port() -> Iterator[int]:
    """Taken, so that nobody else gets it, and not listened on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


def test_http() -> None:
    given_up = threading.Event()

    def answer(method: str, path: str, body: bytes) -> HttpResponse:
        if path == "/late":
            given_up.wait(60)
        return HttpResponse(201, {"X-Path": path, "content-length": str(len(body) + 4)}, method.encode() + body, latency_ms=20)

    with http_server(answer) as port:
        asking = Live(f"http://127.0.0.1:{port}").begin(None)
        got = asking.http(http("/p?q=1", b"body"))
        late = asking.http(http("/late", timeout=2))
        given_up.set()
    assert isinstance(got, HttpResponse)
    assert (got.status, got.body) == (201, b"POSTbody")
    assert isinstance(got.headers, tuple) and (b"x-path", b"/p?q=1") in got.headers
    assert got.latency_ms >= 20
    assert late == NEVER


def test_a_server_that_is_not_there(dead_port: int) -> None:
    asking = Live(f"http://127.0.0.1:{dead_port}").begin(None)
    assert isinstance(asking.http(http("/")), Unreachable)
    answer = asking.grpc(grpc("Get"))
    assert isinstance(answer, GrpcResponse) and answer.status == 14
    asking.close()


def test_grpc() -> None:
    def answer(path: str, message: bytes) -> GrpcResponse:
        if path.endswith("Fail"):
            return GrpcResponse(status=7, status_message="no", trailers={"t": "1"})
        return GrpcResponse(path.encode() + message, metadata={"i": "1"}, trailers={"t": "2"})

    with grpc_server(answer) as port:
        asking = Live(f"http://127.0.0.1:{port}").begin(None)
        got, failed = asking.grpc(grpc("Get")), asking.grpc(grpc("Fail"))
        asking.close()
    assert isinstance(got, GrpcResponse) and isinstance(failed, GrpcResponse)
    assert (got.status, got.message) == (0, b"/pkg.Svc/Getm")
    assert (got.metadata[0], got.trailers[0]) == ((b"i", b"1"), (b"t", b"2"))  # type: ignore[index]
    assert (failed.status, failed.status_message, failed.trailers) == (7, "no", ((b"t", b"1"),))


def test_what_a_hostile_filter_asks() -> None:
    """Whatever it asks for gets an answer, and no exception."""
    hostile = ((b":path", b"/evil"), (b"grpc-timeout", b"0m"), (b"a b", b"c"), (b"x", b"\xff\n"), (b"y-bin", b"\0\xff"), (b"ok", b"1"))
    seen: list[tuple[str, bytes]] = []

    def answer(path: str, message: bytes) -> GrpcResponse:
        seen.append((path, message))
        return GrpcResponse(b"fine")

    with grpc_server(answer) as port:
        asking = Live(f"http://127.0.0.1:{port}").begin(None)
        got = asking.grpc(GrpcRequest("svc", hostile, b"m", 0, PATIENCE_MS, "f", None, service="pkg é\r\n", method="/../x"))
        asking.close()
    assert got == GrpcResponse(b"fine", latency_ms=got.latency_ms)  # type: ignore[union-attr]
    assert len(seen) == 1
    with http_server(lambda *_: HttpResponse(headers={"content-length": "0"})) as port:
        asking = Live(f"http://127.0.0.1:{port}").begin(None)
        lines = ((b":method", b"G T"), (b":path", b"/a b\r\nc: d"), (b":authority", b"a\nb"), (b"n", b"\r\n"))
        bad = HttpRequest("svc", lines, b"", 0, PATIENCE_MS, "f", 0)
        assert isinstance(asking.http(bad), Unreachable)


def test_a_stream() -> None:
    with grpc_server(lambda path, message: GrpcResponse(b"re:" + message, metadata={"i": "1"}, trailers={"t": "2"})) as port:
        asking = Live(f"http://127.0.0.1:{port}").begin(None)
        session, opened = asking.stream(grpc("Stream"))
        sent = [*session.send(b"a", False, 0), *session.send(b"b", False, 0)]
        # a server that takes longer than the quiet after which the filter goes on is heard at the next step
        *late, end = session.half_close(0)
        asking.close()
    assert opened == ()
    messages = [(PartKind.INITIAL, b""), (PartKind.MESSAGE, b"re:a"), (PartKind.MESSAGE, b"re:b")]
    assert [(part.kind, part.body) for part in (*sent, *late)] == messages
    assert (end.kind, end.number, end.trailers) == (PartKind.END, 0, ((b"t", b"2"),))


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://h", "http://", "http://h:x", "http://h:0", "http://h/path", "http://h?q"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        Live(url)
