"""gRPC streams to other services. What each cluster answers: `tests/conformance/services.py`."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import case, plugin
from tests.conformance.cases.grpc import GO_ON, MESSAGE, send, stream, waits
from tests.core.wat import OUT, Ret, call, show


def talks(*asks: Any, **callbacks: Any) -> Any:
    """A filter as `waits` makes it, with every callback of a stream."""
    each: dict[str, Any] = {"grpc_receive_initial_metadata": [], "grpc_receive": [MESSAGE], "grpc_receive_trailing_metadata": []}
    return waits(*asks, **(each | callbacks))


CASES = [
    case(
        "grpc/a stream",
        "initial metadata, messages, trailing metadata, close (Envoy grpc async client)",
        talks(
            stream(),
            send(),
            send(end=True),
            grpc_receive_initial_metadata=[
                show("get", 4, "i", OUT, OUT),
                show("get", 4, ":status", OUT, OUT),
                call("get", 4, "none", OUT, OUT),
                call("size", 4, OUT),
            ],
            grpc_receive_trailing_metadata=[
                show("get", 5, "t", OUT, OUT),
                show("get", 5, "grpc-status", OUT, OUT),
                call("get", 4, "i", OUT, OUT),
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
          proxy_grpc_send() -> Ok
          proxy_grpc_send() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 5)
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> Ok
          proxy_log(info) "1" -> Ok
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> NotFound
          proxy_get_header_map_size(GrpcReceiveInitialMetadata) -> BadArgument
        proxy_on_grpc_receive(1, 6, 4)
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "pong" -> Ok
        proxy_on_grpc_receive(1, 6, 4)
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "pong" -> Ok
        proxy_on_grpc_receive_trailing_metadata(1, 6, 3)
          proxy_get_header_map_value(GrpcReceiveTrailingMetadata) -> Ok
          proxy_log(info) "2" -> Ok
          proxy_get_header_map_value(GrpcReceiveTrailingMetadata) -> Ok
          proxy_log(info) "0" -> Ok
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> BadArgument
        proxy_on_grpc_close(1, 6, 0)
          proxy_get_status() -> Ok
          proxy_log(info) "via_upstream" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/sending after the end",
        "answers Ok and goes nowhere; so does a second close (Envoy context.cc, grpcSend)",
        talks(stream(), send(), call("grpc_close", 6), send(), call("grpc_close", 6)),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
          proxy_grpc_send() -> Ok
          proxy_grpc_close() -> Ok
          proxy_grpc_send() -> Ok
          proxy_grpc_close() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 5)
        proxy_on_grpc_receive(1, 6, 4)
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "pong" -> Ok
        proxy_on_grpc_receive_trailing_metadata(1, 6, 3)
        proxy_on_grpc_close(1, 6, 0)
          proxy_get_status() -> Ok
          proxy_log(info) "via_upstream" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a stream refused at once",
        "empty initial metadata, then all in the trailing (Envoy grpc async client, trailers only)",
        talks(
            stream("None"),
            grpc_receive_initial_metadata=[call("get", 4, ":status", OUT, OUT), call("pairs", 4, OUT, OUT)],
            grpc_receive_trailing_metadata=[show("get", 5, ":status", OUT, OUT), show("get", 5, "grpc-message", OUT, OUT)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 0)
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> NotFound
          proxy_get_header_map_pairs(GrpcReceiveInitialMetadata) -> Ok
        proxy_on_grpc_receive_trailing_metadata(1, 6, 4)
          proxy_get_header_map_value(GrpcReceiveTrailingMetadata) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_get_header_map_value(GrpcReceiveTrailingMetadata) -> Ok
          proxy_log(info) "Method not found!" -> Ok
        proxy_on_grpc_close(1, 6, 12)
          proxy_get_status() -> Ok
          proxy_log(info) "Method not found!{via_upstream}" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a stream to nobody",
        "the same, with the proxy's own words (Envoy's router)",
        talks(stream(cluster="dead"), grpc_close=[*GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 0)
        proxy_on_grpc_receive_trailing_metadata(1, 6, 4)
        proxy_on_grpc_close(1, 6, 14)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a stream to a server without gRPC",
        "has no metadata at all (Envoy grpc async client)",
        talks(stream(cluster="mute"), call("grpc_close", 6)),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
          proxy_grpc_close() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 0)
        proxy_on_grpc_receive_trailing_metadata(1, 6, 0)
        proxy_on_grpc_close(1, 6, 7)
          proxy_get_status() -> Ok
          proxy_log(info) "via_upstream" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a cancelled stream",
        "hears nothing more, its token is gone (Envoy context.cc, grpcCancel)",
        plugin(
            request_headers=[stream(), send(), Ret(1)],
            grpc_receive_initial_metadata=[call("grpc_cancel", 6), call("grpc_cancel", 6), send(), *GO_ON],
            grpc_receive=[],
            grpc_close=[],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
          proxy_grpc_send() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 4)
          proxy_grpc_cancel() -> Ok
          proxy_grpc_cancel() -> NotFound
          proxy_grpc_send() -> NotFound
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/the token of a stream that is over",
        "stands until the filter closes it too (Envoy context.cc, grpcClose)",
        talks(stream("None"), grpc_close=[send(), call("grpc_close", 6), send(), *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
        proxy_on_grpc_receive_initial_metadata(1, 6, 0)
        proxy_on_grpc_receive_trailing_metadata(1, 6, 4)
        proxy_on_grpc_close(1, 6, 12)
          proxy_grpc_send() -> Ok
          proxy_grpc_close() -> Ok
          proxy_grpc_send() -> NotFound
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/no metadata at the close",
        "maps 4 and 5 are gone by then (Envoy context.cc)",
        waits(stream("None"), grpc_close=[call("get", 4, "a", OUT, OUT), call("get", 5, "a", OUT, OUT), *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_stream() -> Ok
        proxy_on_grpc_close(1, 6, 12)
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> BadArgument
          proxy_get_header_map_value(GrpcReceiveTrailingMetadata) -> BadArgument
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
]
