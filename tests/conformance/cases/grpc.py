"""gRPC calls to other services, unary and streaming. What each cluster answers: `tests/conformance/services.py`."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, In, Nth, Out, Ret, call, pairs, show

GO_ON = (call("effective", 2), call("cont", 0))
REASON = (call("status", Out("code"), Out("at"), Out("size")), call("log", 2, In("at"), In("size")))
MESSAGE = show("body", 5, 0, 0xFFFFFFFF, OUT, OUT)


def unary(method: str = "Get", *, cluster: str | bytes = "grpc", timeout: int = 5000) -> Any:
    """A unary call of test.Echo."""
    return call("grpc_call", cluster, "test.Echo", method, b"", b"ping", timeout, OUT)


def stream(method: str = "Stream", *, cluster: str = "grpc") -> Any:
    """A stream of test.Echo."""
    return call("grpc_stream", cluster, "test.Echo", method, b"", OUT)


def send(end: bool = False, token: int = 6) -> Any:
    """A message of the first stream."""
    return call("grpc_send", token, b"m", int(end))


def waits(*asks: Any, **callbacks: Any) -> Any:
    """A filter that pauses until the call is closed, or until its message is there."""
    return plugin(request_headers=[*asks, Ret(1)], **({"grpc_close": [*REASON, *GO_ON]} | callbacks))


CASES = [
    case(
        "grpc/a unary answer",
        "comes as its message alone: no metadata, no close (Envoy grpc async client)",
        plugin(
            request_headers=[unary(), Ret(1)],
            grpc_receive_initial_metadata=[],
            grpc_receive=[MESSAGE, show("body_status", 5, OUT, OUT, kind="u32"), *GO_ON],
            grpc_receive_trailing_metadata=[],
            grpc_close=[],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_receive(1, 5, 4)
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "pong" -> Ok
          proxy_get_buffer_status(GrpcReceiveBuffer) -> Ok
          proxy_log(info) "4 0" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a unary failure",
        "is a close with the status alone (Envoy grpc async client)",
        waits(unary("Denied"), grpc_receive=[], grpc_receive_trailing_metadata=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_close(1, 5, 7)
          proxy_get_status() -> Ok
          proxy_log(info) "no 100%25{via_upstream}" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/an unknown method",
        "is the server's Unimplemented (gRPC)",
        waits(unary("None")),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_close(1, 5, 12)
          proxy_get_status() -> Ok
          proxy_log(info) "Method not found!{via_upstream}" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/too late",
        "a timeout is Unavailable, as a 504 is in gRPC; a server of gRPC would say so itself (Envoy's router)",
        waits(unary("Slow", cluster="http", timeout=50)),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(50) -> Ok
        proxy_on_grpc_close(1, 5, 14)
          proxy_get_status() -> Ok
          proxy_log(info) "upstream request timeout{response_timeout}" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/nobody listens",
        "is Unavailable (Envoy's router)",
        waits(unary(cluster="dead"), grpc_close=[*GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_close(1, 5, 14)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a server without gRPC",
        "its HTTP status is put in gRPC's words: 403 is PermissionDenied (Envoy grpc status.cc)",
        waits(unary(cluster="mute")),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_close(1, 5, 7)
          proxy_get_status() -> Ok
          proxy_log(info) "via_upstream" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/an unknown cluster",
        "ParseFailure: the text is no protobuf either (Envoy context.cc, grpcCall)",
        plugin(request_headers=[unary(cluster="none"), stream(cluster="none")], grpc_close=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_grpc_call(5000) -> ParseFailure
          proxy_grpc_stream() -> ParseFailure
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a cluster in a protobuf",
        "a GrpcService names it (Envoy context.cc, grpcCall)",
        plugin(request_headers=[unary(cluster=b"\x0a\x06\x0a\x04grpc"), Ret(1)], grpc_receive=[MESSAGE, *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_receive(1, 5, 4)
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "pong" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/an unknown cluster in a protobuf",
        "is refused, and closed all the same (Envoy grpc async client)",
        waits(unary(cluster=b"\x0a\x06\x0a\x04none")),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> InternalFailure
        proxy_on_grpc_close(1, 5, 14)
          proxy_get_status() -> Ok
          proxy_log(info) "Cluster not available" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/a message can be edited",
        "at its ends, as a body can (Envoy context.cc, getBuffer)",
        plugin(
            request_headers=[unary(), Ret(1)],
            grpc_receive=[
                call("set_body", 5, 0, 0, "q"),
                MESSAGE,
                call("set_body", 5, 2, 1, "x"),
                call("set_body", 5, 0, 9, "all"),
                call("set_body", 5, 99, 0, "end"),
                MESSAGE,
                *GO_ON,
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_receive(1, 5, 4)
          proxy_set_buffer_bytes(GrpcReceiveBuffer, 0, 0) -> Ok
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "qpong" -> Ok
          proxy_set_buffer_bytes(GrpcReceiveBuffer, 2, 1) -> BadArgument
          proxy_set_buffer_bytes(GrpcReceiveBuffer, 0, 9) -> Ok
          proxy_set_buffer_bytes(GrpcReceiveBuffer, 99, 0) -> Ok
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "allend" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/outside of a callback",
        "there is no message: empty, and not to be written; no metadata (Envoy context.cc)",
        plugin(
            request_headers=[
                call("body", 5, 0, 9, OUT, OUT),
                call("set_body", 5, 0, 0, "q"),
                call("get", 4, "a", OUT, OUT),
                call("pairs", 5, OUT, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, 9) -> Ok
          proxy_set_buffer_bytes(GrpcReceiveBuffer, 0, 0) -> BadArgument
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> BadArgument
          proxy_get_header_map_pairs(GrpcReceiveTrailingMetadata) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/tokens",
        "5, 9, … for calls, 6, 10, … for streams, each kind counted for itself (proxy-wasm-cpp-host)",
        plugin(
            request_headers=[
                show("grpc_call", "grpc", "test.Echo", "Get", b"", b"ping", 5000, OUT),
                show("grpc_stream", "grpc", "test.Echo", "Stream", b"", OUT),
                show("grpc_call", "grpc", "test.Echo", "Get", b"", b"ping", 5000, OUT),
                show("grpc_stream", "grpc", "test.Echo", "Stream", b"", OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_grpc_call(5000) -> Ok
          proxy_log(info) "5" -> Ok
          proxy_grpc_stream() -> Ok
          proxy_log(info) "6" -> Ok
          proxy_grpc_call(5000) -> Ok
          proxy_log(info) "9" -> Ok
          proxy_grpc_stream() -> Ok
          proxy_log(info) "10" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/tokens that are none",
        "BadArgument for another kind, NotFound for one that is not open (Envoy context.cc)",
        plugin(
            request_headers=[
                unary(),
                call("grpc_cancel", 4),
                call("grpc_cancel", 7),
                call("grpc_cancel", 6),
                call("grpc_close", 4),
                call("grpc_close", 6),
                send(token=5),
                send(token=4),
                send(token=10),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_grpc_call(5000) -> Ok
          proxy_grpc_cancel() -> BadArgument
          proxy_grpc_cancel() -> BadArgument
          proxy_grpc_cancel() -> NotFound
          proxy_grpc_close() -> BadArgument
          proxy_grpc_close() -> NotFound
          proxy_grpc_send() -> BadArgument
          proxy_grpc_send() -> BadArgument
          proxy_grpc_send() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/cancel and close of a unary call",
        "both end it; nothing follows (Envoy context.cc, grpcClose)",
        plugin(
            request_headers=[
                unary(),
                unary(),
                call("grpc_cancel", 5),
                call("grpc_cancel", 5),
                call("grpc_close", 9),
                call("grpc_close", 9),
            ],
            grpc_receive=[],
            grpc_close=[],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_grpc_call(5000) -> Ok
          proxy_grpc_call(5000) -> Ok
          proxy_grpc_cancel() -> Ok
          proxy_grpc_cancel() -> NotFound
          proxy_grpc_close() -> Ok
          proxy_grpc_close() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "grpc/beside an HTTP call",
        "each with its own token, in the order of the answers (Envoy)",
        plugin(
            request_headers=[
                call("http_call", "http", pairs((":method", "GET"), (":path", "/slow"), (":authority", "svc")), b"", b"", 5000, OUT),
                unary(),
                Ret(1),
            ],
            grpc_receive=[MESSAGE],
            http_call_response=[Nth(1, GO_ON)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
          proxy_grpc_call(5000) -> Ok
        proxy_on_grpc_receive(1, 5, 4)
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_log(info) "pong" -> Ok
        proxy_on_http_call_response(1, 4, 3, 0, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
]
