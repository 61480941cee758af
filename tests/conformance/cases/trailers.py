"""Trailers: their callback, their map, and how a filter makes some."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import POST, request, response
from tests.core.wat import OUT, Nth, Ret, call, pairs, show

CHUNKED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef")
TRAILED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1", "U: 2"))
BOTH = (TRAILED, response(200, "transfer-encoding: chunked", body=b"ok", trailers=("R: 2",)))

CASES = [
    case(
        "trailers/after the body",
        "the last body callback has end_of_stream 0, the trailers end the stream; names in lower case (spec)",
        plugin(
            request_headers=[],
            request_body=[],
            request_trailers=[show("pairs", 1, OUT, OUT, kind="pairs")],
            response_body=[],
            response_trailers=[show("pairs", 3, OUT, OUT, kind="pairs")],
        ),
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 2) -> Continue
          proxy_get_header_map_pairs(HttpRequestTrailers) -> Ok
          proxy_log(info) "t: 1; u: 2; " -> Ok
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> Continue
          proxy_get_header_map_pairs(HttpResponseTrailers) -> Ok
          proxy_log(info) "r: 2; " -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[BOTH],
    ),
    case(
        "trailers/are changed",
        "in their callback (spec)",
        plugin(request_trailers=[call("add", 1, "V", "3"), call("replace", 1, "t", "9"), call("remove", 1, "u"), show("size", 1, OUT)]),
        """
        proxy_on_request_trailers(2, 2) -> Continue
          proxy_add_header_map_value(HttpRequestTrailers) -> Ok
          proxy_replace_header_map_value(HttpRequestTrailers) -> Ok
          proxy_remove_header_map_value(HttpRequestTrailers) -> Ok
          proxy_get_header_map_size(HttpRequestTrailers) -> Ok
          proxy_log(info) "4" -> Ok
        upstream: POST h/p
          body "abcdef"
          trailer v: 3
          trailer t: 9
        client: as answered
        """,
        traffic=[BOTH],
    ),
    case(
        "trailers/all are replaced",
        "by set_pairs (spec)",
        plugin(response_trailers=[call("set_pairs", 3, pairs(("A", "1"), ("a", "2")))]),
        """
        proxy_on_response_trailers(2, 1) -> Continue
          proxy_set_header_map_pairs(HttpResponseTrailers) -> Ok
        upstream: as sent
        client: 200
          body "ok"
          trailer a: 1
          trailer a: 2
        """,
        traffic=[BOTH],
    ),
    case(
        "trailers/not before they come",
        "BadArgument in headers and body callbacks, pairs Ok and empty (Envoy)",
        plugin(
            request_headers=[call("get", 1, "t", OUT, OUT), call("pairs", 1, OUT, OUT)],
            request_body=[call("get", 1, "t", OUT, OUT), call("add", 1, "x", "y")],
        ),
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
          proxy_get_header_map_value(HttpRequestTrailers) -> BadArgument
          proxy_get_header_map_pairs(HttpRequestTrailers) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_header_map_value(HttpRequestTrailers) -> BadArgument
          proxy_add_header_map_value(HttpRequestTrailers) -> BadArgument
        upstream: as sent
        client: as answered
        """,
        traffic=[TRAILED],
    ),
    case(
        "trailers/made by a write at the end",
        "a write in the body callback with end_of_stream 1 makes the map; a read does not (Envoy)",
        plugin(request_body=[call("get", 1, "t", OUT, OUT), call("add", 1, "T", "1"), show("get", 1, "t", OUT, OUT)]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_header_map_value(HttpRequestTrailers) -> BadArgument
          proxy_add_header_map_value(HttpRequestTrailers) -> BadArgument
          proxy_get_header_map_value(HttpRequestTrailers) -> BadArgument
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_header_map_value(HttpRequestTrailers) -> BadArgument
          proxy_add_header_map_value(HttpRequestTrailers) -> Ok
          proxy_get_header_map_value(HttpRequestTrailers) -> Ok
          proxy_log(info) "1" -> Ok
        upstream: POST h/p
          body "abcdef"
          trailer t: 1
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "trailers/made by asking their size",
        "which needs a map that can be written (Envoy)",
        plugin(request_body=[Nth(2, (show("size", 1, OUT), call("get", 1, "t", OUT, OUT)))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_header_map_size(HttpRequestTrailers) -> Ok
          proxy_log(info) "0" -> Ok
          proxy_get_header_map_value(HttpRequestTrailers) -> NotFound
        upstream: as sent
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "trailers/made ones reach the next filter",
        "as a trailers callback, the data before without the end; the filter itself is not shown them (Envoy)",
        [
            plugin(request_body=[Nth(2, (call("add", 1, "T", "1"),))], request_trailers=[]),
            plugin(request_headers=[], request_body=[], request_trailers=[]),
        ],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_add_header_map_value(HttpRequestTrailers) -> Ok
        proxy_on_request_body(2, 0, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        upstream: POST h/p
          body "abcdef"
          trailer t: 1
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "trailers/of a response are made",
        "likewise (Envoy)",
        plugin(response_body=[Nth(2, (call("add", 3, "T", "1"),))]),
        """
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
          proxy_add_header_map_value(HttpResponseTrailers) -> Ok
        upstream: as sent
        client: 200
          body "ok"
          trailer t: 1
        """,
        traffic=[(POST, response(200, "transfer-encoding: chunked", body=b"ok"))],
    ),
    case(
        "trailers/a buffered body goes before them",
        "without the end of stream (Envoy)",
        [plugin(request_body=[Ret(1)]), plugin(request_body=[], request_trailers=[])],
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 2) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[TRAILED],
    ),
    case(
        "trailers/beside a content-length",
        "a body of known length has none: what is made is not sent (HTTP/1.1)",
        plugin(request_body=[Nth(2, (call("add", 1, "T", "1"),))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_add_header_map_value(HttpRequestTrailers) -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
]
