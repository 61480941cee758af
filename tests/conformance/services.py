"""The services that cases call: the same answers here, where they are scripted, and for Envoy, where real servers give them.

Clusters: `http` (HTTP/1.1) and `grpc`, which answer by path, `dead`, where nobody listens, and `mute`, an HTTP server that is spoken to in
gRPC. Anything else is unknown.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from tests.services.servers import grpc_server, http_server
from workbench.envoy import Cluster
from workbench.services import NEVER, Entry, GrpcResponse, HttpResponse, Match, Reset, Script, Unreachable
from workbench.services.clusters import Clusters

__all__ = ["answers", "here", "there"]

_SLOW_MS = 600.0
_HTTP = {
    "/ok": HttpResponse(200, {"content-length": "5", "x-a": "1"}, "hello"),
    "/denied": HttpResponse(403, [("content-length", "0"), ("x-a", "1"), ("x-a", "2")]),
    "/empty": HttpResponse(204),
    "/trailers": HttpResponse(200, {"transfer-encoding": "chunked"}, "abc", {"t": "v", "u": "w"}),
    "/reset": Reset(),
    "/slow": HttpResponse(200, {"content-length": "0"}, latency_ms=_SLOW_MS),
    "/test.Echo/Slow": HttpResponse(200, {"content-length": "0"}, latency_ms=_SLOW_MS),
    "/soon": HttpResponse(200, {"content-length": "0"}, latency_ms=100),
}
_GRPC = {
    "/test.Echo/Get": GrpcResponse(b"pong"),
    "/test.Echo/Denied": GrpcResponse(status=7, status_message="no 100%"),
    "/test.Echo/Stream": GrpcResponse(b"pong", metadata={"i": "1"}, trailers={"t": "2"}),
    "/test.Echo/DeniedStream": GrpcResponse(status=7, status_message="no"),
}
_NOT_FOUND = GrpcResponse(status=12, status_message="Method not found!")


def here() -> Clusters:
    """For the host."""
    grpc = [Entry((_as_sent(answer),), Match(path=path)) for path, answer in _GRPC.items()]
    return Clusters(
        {
            "http": Script([Entry((answer,), Match(path=path)) for path, answer in _HTTP.items()], NEVER),
            "grpc": Script(grpc, _NOT_FOUND),
            "dead": Script(otherwise=Unreachable()),
            "mute": Script(otherwise=HttpResponse(403)),
        }
    )


def answers() -> dict[str, dict[str, HttpResponse | GrpcResponse | Reset]]:
    """What the clusters that answer do so with, by path; for other hosts."""
    return {"http": {**_HTTP}, "grpc": {**_GRPC}}


def _as_sent(answer: GrpcResponse) -> GrpcResponse:
    """With what the server's library adds of its own."""
    metadata = (("grpc-accept-encoding", "identity, deflate, gzip"), *answer.metadata)
    return replace(answer, metadata=metadata)


@contextmanager
def there() -> Iterator[list[Cluster]]:
    """For Envoy: real servers, for as long as this is open."""
    with ExitStack() as stack:
        http = stack.enter_context(http_server(lambda method, path, body: _HTTP[path]))
        grpc = stack.enter_context(grpc_server(lambda path, message: _GRPC[path], unknown="/test.Echo/None"))
        mute = stack.enter_context(http_server(lambda method, path, body: HttpResponse(403, {"content-length": "0"})))
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        yield [
            Cluster("http", http),
            Cluster("grpc", grpc, http2=True),
            Cluster("dead", nobody.getsockname()[1]),
            Cluster("mute", mute),
        ]
