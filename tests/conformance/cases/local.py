"""Local responses, and streams that a filter closes."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, POST, request, response
from tests.core.wat import OUT, Bytes, Nth, Ret, call, pairs, show

DENY = call("local", 403, "my det", "denied", "", -1)
GIVEN = pairs(("X-Own", "1"), ("Content-Length", "99"), (":status", "418"), ("x-own", "2"), ("Server", "own"))
GRPC = request("POST", "/p", "content-type: application/grpc", "content-length: 5", body=bytes(5))

CASES = [
    case(
        "local/from the request's headers",
        "it passes the response filters, this one too; then log, done, delete (Envoy)",
        plugin(every=True, request_headers=[DENY]),
        """
        proxy_on_context_create(1, 0)
        proxy_on_vm_start(1, 0) -> true
        proxy_on_configure(1, 0) -> true
        proxy_on_context_create(2, 1)
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 6, 1) -> Continue
        proxy_on_log(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/the result is overridden",
        "whatever the callback returns, the request goes no farther (cpp-host)",
        [plugin(request_headers=[DENY, Ret(0)]), plugin(request_headers=[])],
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
        traffic=[POST],
    ),
    case(
        "local/calls after it",
        "are made: the answer is sent when the callback has returned (cpp-host)",
        plugin(request_headers=[DENY, call("log", 2, "after"), show("get", 0, ":path", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
          proxy_log(info) "after" -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/headers of the filter's own",
        "are added; content-length and :status are not theirs to give (Envoy)",
        plugin(request_headers=[call("local", 403, "", "denied", GIVEN, -1)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        upstream: nothing
        client: 403
          x-own: 1
          content-length: 6
          x-own: 2
          server: own
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/without a body",
        "the headers end the stream, content-type of the filter's goes (Envoy)",
        plugin(
            request_headers=[call("local", 429, "", "", pairs(("content-type", "a/b"), ("x-a", "1")), -1)],
            response_headers=[show("pairs", 2, OUT, OUT, kind="pairs")],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(429, -1) -> Ok
        proxy_on_response_headers(2, 2, 1) -> Continue
          proxy_get_header_map_pairs(HttpResponseHeaders) -> Ok
          proxy_log(info) ":status: 429; x-a: 1; " -> Ok
        upstream: nothing
        client: 429
          x-a: 1
        """,
    ),
    case(
        "local/a content-type given",
        "is kept beside a body (Envoy)",
        plugin(request_headers=[call("local", 400, "", "{}", pairs(("Content-Type", "application/json")), -1)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(400, -1) -> Ok
        upstream: nothing
        client: 400
          content-type: application/json
          content-length: 2
          body "{}"
        """,
    ),
    case(
        "local/from the request's body",
        "the same; the request's later callbacks are not made (Envoy)",
        plugin(request_headers=[], request_body=[DENY], response_headers=[], response_body=[]),
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 6, 1) -> Continue
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
        traffic=[POST],
    ),
    case(
        "local/from the response's headers",
        "the upstream's answer is thrown away, no filter sees the new one (Envoy)",
        plugin(response_headers=[DENY], response_body=[], log=[]),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_log(2)
        upstream: as sent
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/from the response's headers in a chain",
        "filters farther out see nothing of the response (Envoy)",
        [plugin(response_headers=[], log=[]), plugin(response_headers=[DENY])],
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_log(2)
        upstream: as sent
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/twice in one callback",
        "Ok both times, the first one counts (Envoy)",
        plugin(request_headers=[DENY, call("local", 500, "", "second", "", -1)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
          proxy_send_local_response(500, -1) -> Ok
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/again while its own passes",
        "takes its place: its headers are not out yet (Envoy)",
        plugin(request_headers=[DENY], response_headers=[call("local", 500, "", "second", "", -1)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_send_local_response(500, -1) -> Ok
        upstream: nothing
        client: 500
          content-length: 6
          content-type: text/plain
          body "second"
        """,
    ),
    case(
        "local/changed by the filters it passes",
        "headers and body (Envoy)",
        [
            plugin(
                response_headers=[call("add", 2, "x-a", "1"), call("remove", 2, "content-length")],
                response_body=[call("set_body", 1, 0, 0, ">")],
            ),
            plugin(request_headers=[DENY]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_add_header_map_value(HttpResponseHeaders) -> Ok
          proxy_remove_header_map_value(HttpResponseHeaders) -> Ok
        proxy_on_response_body(2, 6, 1) -> Continue
          proxy_set_buffer_bytes(HttpResponseBody, 0, 0) -> Ok
        upstream: nothing
        client: 403
          content-type: text/plain
          x-a: 1
          body ">denied"
        """,
    ),
    case(
        "local/to a gRPC request",
        "trailers only: 200, the status given, the body as message (Envoy)",
        plugin(request_headers=[call("local", 403, "", "no entry!", "", 16)], response_headers=[show("pairs", 2, OUT, OUT, kind="pairs")]),
        """
        proxy_on_request_headers(2, 7, 0) -> Continue
          proxy_send_local_response(403, 16) -> Ok
        proxy_on_response_headers(2, 4, 1) -> Continue
          proxy_get_header_map_pairs(HttpResponseHeaders) -> Ok
          proxy_log(info) ":status: 200; content-type: application/grpc; grpc-status: 16; grpc-message: no entry!; " -> Ok
        upstream: nothing
        client: 200
          content-type: application/grpc
          grpc-status: 16
          grpc-message: no entry!
        """,
        traffic=[GRPC],
    ),
    case(
        "local/to a gRPC request without a status",
        "it follows from the HTTP status: 401 is UNAUTHENTICATED, 16 (Envoy grpc/status.cc)",
        plugin(request_headers=[call("local", 401, "", "", "", -1)]),
        """
        proxy_on_request_headers(2, 7, 0) -> Continue
          proxy_send_local_response(401, -1) -> Ok
        upstream: nothing
        client: 200
          content-type: application/grpc
          grpc-status: 16
        """,
        traffic=[GRPC],
    ),
    case(
        "local/a gRPC status to a plain request",
        "does not show (Envoy)",
        plugin(request_headers=[call("local", 403, "", "x", "", 7)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, 7) -> Ok
        upstream: nothing
        client: 403
          content-length: 1
          content-type: text/plain
          body "x"
        """,
    ),
    case(
        "local/to HEAD",
        "headers only (Envoy)",
        plugin(request_headers=[DENY], response_headers=[], response_body=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 1) -> Continue
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
        """,
        traffic=[request("HEAD")],
    ),
    case(
        "local/details",
        "show in the property, white space as underscores (Envoy)",
        plugin(request_headers=[DENY], log=[show("prop", "response\0code_details", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "my_det" -> Ok
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/from a root context",
        "Ok, and nothing happens: it has no stream (Envoy)",
        plugin(configure=[DENY], request_headers=[]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "local/bad memory",
        "InvalidMemoryAccess, and the request goes on (cpp-host)",
        plugin(request_headers=[call("proxy_send_local_response", 403, "", Bytes(0xFFFFFFF8, 9), "", -1)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "local/from the response's body",
        "Ok; the headers are out, so the stream is reset (Envoy)",
        plugin(response_body=[Nth(1, (DENY,))], log=[]),
        """
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_log(2)
        upstream: as sent
        client: 200, cut short
        """,
        traffic=[(GET, response(200, "transfer-encoding: chunked", body=b"ok"))],
    ),
    case(
        "local/closing the stream",
        "proxy_close_stream resets it after the callback: the client gets nothing, log, done and delete come (Envoy)",
        plugin(
            request_headers=[call("close", 0), call("log", 2, "after")],
            log=[show("prop", "response\0code_details", OUT, OUT)],
            done=[],
            delete=[],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_close_stream(Request) -> Ok
          proxy_log(info) "after" -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "wasm_close_stream" -> Ok
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: nothing
        client: nothing
        """,
    ),
    case(
        "local/closing the stream in the response",
        "likewise (Envoy)",
        plugin(response_headers=[call("close", 1)], log=[]),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_close_stream(Response) -> Ok
        proxy_on_log(2)
        upstream: as sent
        client: nothing
        """,
    ),
    case(
        "local/close stream types",
        "0 to 3 are Ok, the last two mean TCP; more are BadArgument (cpp-host)",
        plugin(request_headers=[call("close", 2), call("close", 3), call("close", 4)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_close_stream(Downstream) -> Ok
          proxy_close_stream(Upstream) -> Ok
          proxy_close_stream(4) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
]
