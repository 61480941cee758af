"""HTTP calls to other services. What each cluster answers: `tests/conformance/services.py`."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, In, Out, Ret, call, pairs, show

GO_ON = (call("effective", 2), call("cont", 0))
STATUS = show("get", 6, ":status", OUT, OUT)
BODY = show("body", 4, 0, 0xFFFFFFFF, OUT, OUT)


def head(path: str) -> bytes:
    """The headers of a request."""
    return pairs((":method", "GET"), (":path", path), (":authority", "svc"))


def ask(
    path: str, *, cluster: str = "http", headers: bytes | None = None, body: bytes = b"", trailers: bytes = b"", timeout: int = 5000
) -> Any:
    """A call."""
    return call("http_call", cluster, head(path) if headers is None else headers, body, trailers, timeout, OUT)


def refused(*calls: Any) -> Any:
    """A filter whose calls are refused, each on its own."""
    return plugin(request_headers=[*calls], http_call_response=[])


CASES = [
    case(
        "callouts/an answer",
        "resumes on the root context; :status and fields in map 6, the service's time last, the body in buffer 4 (Envoy)",
        plugin(
            request_headers=[ask("/ok"), Ret(1)],
            http_call_response=[
                STATUS,
                show("get", 6, "X-A", OUT, OUT),
                call("get", 6, "none", OUT, OUT),
                BODY,
                show("body_status", 4, OUT, OUT, kind="u32"),
                *GO_ON,
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "1" -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> NotFound
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, -1) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_get_buffer_status(HttpCallResponseBody) -> Ok
          proxy_log(info) "5 0" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/repeats and no body",
        "a name that stands twice counts twice, get gives the first (Envoy)",
        plugin(request_headers=[ask("/denied"), Ret(1)], http_call_response=[STATUS, show("get", 6, "x-a", OUT, OUT), BODY, *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 5, 0, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "403" -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "1" -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/an answer of headers alone",
        "204 has its status and the service's time (Envoy)",
        plugin(request_headers=[ask("/empty"), Ret(1)], http_call_response=[STATUS, *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 2, 0, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "204" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/trailers",
        "in map 7, their number is the last argument (Envoy)",
        plugin(
            request_headers=[ask("/trailers"), Ret(1)],
            http_call_response=[show("get", 7, "u", OUT, OUT), show("get", 7, "t", OUT, OUT), BODY, *GO_ON],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 3, 3, 2)
          proxy_get_header_map_value(HttpCallResponseTrailers) -> Ok
          proxy_log(info) "w" -> Ok
          proxy_get_header_map_value(HttpCallResponseTrailers) -> Ok
          proxy_log(info) "v" -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, -1) -> Ok
          proxy_log(info) "abc" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/no trailers",
        "map 7 is not there then, getting all of it is nothing (Envoy)",
        plugin(
            request_headers=[ask("/ok"), Ret(1)], http_call_response=[call("get", 7, "t", OUT, OUT), call("pairs", 7, OUT, OUT), *GO_ON]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseTrailers) -> BadArgument
          proxy_get_header_map_pairs(HttpCallResponseTrailers) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/an answer that breaks off",
        "zero headers, status 11 and `reset`, neither maps nor body (Envoy context.cc, onHttpCallFailure)",
        plugin(
            request_headers=[ask("/reset"), Ret(1)],
            http_call_response=[
                call("status", Out("code"), Out("at"), Out("size")),
                call("log", 2, In("at"), In("size")),
                call("get", 6, ":status", OUT, OUT),
                call("pairs", 6, OUT, OUT),
                call("body", 4, 0, 9, OUT, OUT),
                call("body_status", 4, OUT, OUT),
                *GO_ON,
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 0, 0, 0)
          proxy_get_status() -> Ok
          proxy_log(info) "reset" -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_get_header_map_pairs(HttpCallResponseHeaders) -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, 9) -> NotFound
          proxy_get_buffer_status(HttpCallResponseBody) -> NotFound
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/too late",
        "a timeout is a 504 with a body, not a failure (Envoy's router)",
        plugin(
            request_headers=[ask("/slow", timeout=50), Ret(1)],
            http_call_response=[STATUS, BODY, show("get", 6, "content-type", OUT, OUT), *GO_ON],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(50) -> Ok
        proxy_on_http_call_response(1, 4, 3, 24, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "504" -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, -1) -> Ok
          proxy_log(info) "upstream request timeout" -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "text/plain" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/nobody listens",
        "is a 503 with a body (Envoy's router)",
        plugin(request_headers=[ask("/ok", cluster="dead"), Ret(1)], http_call_response=[STATUS, BODY, *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 3, 98, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "503" -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, -1) -> Ok
          proxy_log(info) "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/an unknown cluster",
        "BadArgument, and no callback (Envoy context.cc, httpCall)",
        refused(ask("/ok", cluster="none")),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_http_call(5000) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/headers that must be there",
        ":method, :path and :authority (Envoy context.cc, httpCall)",
        refused(
            ask("/ok", headers=pairs((":method", "GET"), (":path", "/ok"))),
            ask("/ok", headers=pairs((":method", "GET"), (":authority", "svc"))),
            ask("/ok", headers=pairs((":path", "/ok"), (":authority", "svc"))),
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_http_call(5000) -> BadArgument
          proxy_http_call(5000) -> BadArgument
          proxy_http_call(5000) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/host is the authority",
        "of a request map (Envoy's header map)",
        plugin(
            request_headers=[ask("/ok", headers=pairs((":method", "GET"), (":path", "/ok"), ("host", "svc"))), Ret(1)],
            http_call_response=[STATUS, *GO_ON],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/a malformed list of headers",
        "reads as empty: BadArgument (proxy-wasm-cpp-host, pairs_util.cc)",
        refused(ask("/ok", headers=b"\1\0\0\0")),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_http_call(5000) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/a negative timeout",
        "BadArgument (Envoy context.cc, httpCall)",
        refused(ask("/ok", timeout=0xFFFFFFFF)),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_http_call(-1) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/bad pointers",
        "InvalidMemoryAccess (proxy-wasm-cpp-host, exports.cc)",
        refused(
            call("proxy_http_call", 0x7FFFFFF0, 4, 0, 0, 0, 0, 0, 0, 100, OUT),
            call("proxy_http_call", 0, 0, 0x7FFFFFF0, 4, 0, 0, 0, 0, 100, OUT),
            call("http_call", "http", head("/ok"), b"", b"", 100, 0x7FFFFFF0),
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_http_call(100) -> InvalidMemoryAccess
          proxy_http_call(100) -> InvalidMemoryAccess
          proxy_http_call(100) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
]
