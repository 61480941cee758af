"""Header maps: in which callback which map is there."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import POST, request, response
from tests.core.wat import OUT, Nth, Ret, call, pairs, show
from workbench.host.abi import Abi

TRAILED = (
    request("POST", "/p", "transfer-encoding: chunked", body=b"a", trailers=("T: 1",)),
    response(200, "transfer-encoding: chunked", body=b"b", trailers=("R: 2",)),
)
ALL_CALLS = [
    call("pairs", 0, OUT, OUT),
    call("get", 0, ":path", OUT, OUT),
    call("add", 0, "x", "1"),
    call("replace", 0, "x", "1"),
    call("remove", 0, "x"),
    call("set_pairs", 0, pairs(("a", "b"))),
    call("size", 0, OUT),
]

CASES = [
    case(
        "headers/the request's map in the response phase",
        "it is gone once its callback returned Continue: BadArgument, only pairs are Ok and empty (Envoy context.cc)",
        plugin(response_headers=ALL_CALLS),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_replace_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_remove_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_set_header_map_pairs(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_size(HttpRequestHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/the request's map in its body callback",
        "it is gone too (Envoy context.cc)",
        plugin(request_body=[Nth(1, tuple(ALL_CALLS))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_replace_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_remove_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_set_header_map_pairs(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_size(HttpRequestHeaders) -> BadArgument
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "headers/the request's map in the log",
        "it can be read again, not written (Envoy context.cc)",
        plugin(log=ALL_CALLS),
        """
        proxy_on_log(2)
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_replace_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_remove_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_set_header_map_pairs(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_size(HttpRequestHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/the response's map in the log",
        "likewise (Envoy context.cc)",
        plugin(log=[show("get", 2, ":status", OUT, OUT), call("get", 2, "none", OUT, OUT), call("add", 2, "x", "1"), call("size", 2, OUT)]),
        """
        proxy_on_log(2)
          proxy_get_header_map_value(HttpResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_get_header_map_value(HttpResponseHeaders) -> NotFound
          proxy_add_header_map_value(HttpResponseHeaders) -> BadArgument
          proxy_get_header_map_size(HttpResponseHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/the response's map in the log after an answer in its place",
        "it can be read, not written, as in any log",
        plugin(
            response_headers=[call("local", 403, "", "no", "", -1)],
            log=[show("get", 2, ":status", OUT, OUT), call("replace", 2, "x", "1"), call("add", 2, "x", "1"), call("size", 2, OUT)],
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_log(2)
          proxy_get_header_map_value(HttpResponseHeaders) -> Ok
          proxy_log(info) "403" -> Ok
          proxy_replace_header_map_value(HttpResponseHeaders) -> BadArgument
          proxy_add_header_map_value(HttpResponseHeaders) -> BadArgument
          proxy_get_header_map_size(HttpResponseHeaders) -> BadArgument
        upstream: as sent
        client: 403
          content-length: 2
          content-type: text/plain
          body "no"
        """,
        here_only="it writes to the map that it has freed, and crashes now and then",
    ),
    case(
        "headers/trailers in the log",
        "the response's can be read, the request's are NotFound (Envoy context.cc)",
        plugin(log=[call("get", 1, "t", OUT, OUT), show("get", 3, "r", OUT, OUT), call("get", 3, "none", OUT, OUT)]),
        """
        proxy_on_log(2)
          proxy_get_header_map_value(HttpRequestTrailers) -> NotFound
          proxy_get_header_map_value(HttpResponseTrailers) -> Ok
          proxy_log(info) "2" -> Ok
          proxy_get_header_map_value(HttpResponseTrailers) -> NotFound
        upstream: as sent
        client: as answered
        """,
        traffic=[TRAILED],
    ),
    case(
        "headers/no map in done and delete",
        "BadArgument (Envoy context.cc)",
        plugin(done=[call("get", 0, ":path", OUT, OUT)], delete=[call("get", 2, ":status", OUT, OUT)]),
        """
        proxy_on_done(2) -> true
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
        proxy_on_delete(2)
          proxy_get_header_map_value(HttpResponseHeaders) -> BadArgument
        proxy_on_done(1) -> true
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
        proxy_on_delete(1)
          proxy_get_header_map_value(HttpResponseHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/no map when a stream is created",
        "context_create comes before the headers are known (Envoy context.cc)",
        plugin(context_create=[Nth(2, (call("get", 0, ":path", OUT, OUT), call("pairs", 0, OUT, OUT)))]),
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 1)
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/no map in a root context",
        "BadArgument; pairs are Ok and empty (Envoy context.cc)",
        plugin(configure=[call("get", 0, ":path", OUT, OUT), call("pairs", 0, OUT, OUT), call("add", 0, "a", "b")]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/a map type that does not exist",
        "BadArgument, pairs too (cpp-host exports.cc)",
        plugin(
            request_headers=[call("pairs", 8, OUT, OUT), call("get", 8, "x", OUT, OUT), call("add", 99, "x", "1"), call("size", 8, OUT)]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_pairs(8) -> BadArgument
          proxy_get_header_map_value(8) -> BadArgument
          proxy_add_header_map_value(99) -> BadArgument
          proxy_get_header_map_size(8) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/maps of calls that were not made",
        "BadArgument to read, to write and for the size; pairs are Ok and empty (Envoy context.cc)",
        plugin(
            request_headers=[step for which in (4, 5, 6, 7) for step in (call("pairs", which, OUT, OUT), call("get", which, "x", OUT, OUT))]
            + [call("add", 6, "x", "1"), call("size", 6, OUT)]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_pairs(GrpcReceiveInitialMetadata) -> Ok
          proxy_get_header_map_value(GrpcReceiveInitialMetadata) -> BadArgument
          proxy_get_header_map_pairs(GrpcReceiveTrailingMetadata) -> Ok
          proxy_get_header_map_value(GrpcReceiveTrailingMetadata) -> BadArgument
          proxy_get_header_map_pairs(HttpCallResponseHeaders) -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_get_header_map_pairs(HttpCallResponseTrailers) -> Ok
          proxy_get_header_map_value(HttpCallResponseTrailers) -> BadArgument
          proxy_add_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_get_header_map_size(HttpCallResponseHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/a missing map in ABI 0.1.0",
        "BadArgument as later; in the log Ok and empty (cpp-host exports.cc)",
        plugin(abi=Abi.V0_1_0, request_headers=[call("get", 2, "x", OUT, OUT)], log=[show("get", 1, "x", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5) -> Continue
          proxy_get_header_map_value(HttpResponseHeaders) -> BadArgument
        proxy_on_log(2)
          proxy_get_header_map_value(HttpRequestTrailers) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/stop iteration keeps the request's map",
        "with allow_on_headers_stop_iteration it is there in the body callback, and what is written goes out with it (Envoy)",
        plugin(
            allow_on_headers_stop_iteration=True,
            request_headers=[call("add", 0, "x-first", "1"), Ret(1)],
            request_body=[Nth(1, (call("add", 0, "x-then", "2"),))],
        ),
        """
        proxy_on_request_headers(2, 6, 0) -> StopIteration
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
          content-length: 6
          x-first: 1
          x-then: 2
          body "abcdef"
        client: as answered
        """,
        traffic=[POST],
    ),
]
