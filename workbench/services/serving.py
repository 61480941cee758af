"""A real gRPC server on loopback, so that real Envoy can be given the same answers as a replay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..capture.exchange import Pairs
from ..errors import ConfigError
from .calls import GrpcAnswer, GrpcResponse, Never, Reset
from .live import grpc_library

__all__ = ["grpc_server"]

_NEVER_S = 30.0
"""How long a call that is never answered is held."""
_THREADS = 16
_UNAVAILABLE, _INTERNAL = 14, 13


@contextmanager
def grpc_server(answer: Callable[[str, Pairs, bytes], GrpcAnswer], unknown: str = "", port: int = 0) -> Iterator[int]:
    """A gRPC server on `port`, or on a free one (0); gives its port. `answer` is asked with the method's path, the metadata and a message,
    in a stream once a message, from several threads. Raises ConfigError where the port is taken or grpcio is missing.

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

    # two servers on one port would share its calls
    server = library.server(ThreadPoolExecutor(_THREADS, thread_name_prefix="service-grpc"), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Handler(),))
    try:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError:
        raise ConfigError("cannot be listened on", where=f"port {port}", remedy="Choose another, or 0 for any that is free") from None
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
