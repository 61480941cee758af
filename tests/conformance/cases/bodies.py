"""Bodies: the callbacks that show them, what their results mean, and reading."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, POST, request, response
from tests.core.wat import OUT, Nth, Ret, call, show

ALL = 0xFFFFFFFF
CHUNKED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef")
TRAILED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",))
WHOLE = show("body", 0, 0, ALL, OUT, OUT)


CASES = [
    case(
        "bodies/data, then the end",
        "over HTTP/1.1 the end comes in a callback of its own, without data (Envoy)",
        plugin(request_headers=[], request_body=[WHOLE], response_headers=[], response_body=[show("body", 1, 0, ALL, OUT, OUT)]),
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_get_buffer_bytes(HttpResponseBody, 0, -1) -> Ok
          proxy_log(info) "ok" -> Ok
        proxy_on_response_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(HttpResponseBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/a chunked body",
        "is shown without its framing, transfer-encoding is hidden (Envoy)",
        plugin(request_headers=[call("get", 0, "transfer-encoding", OUT, OUT)], request_body=[WHOLE]),
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> NotFound
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/an empty body",
        "a chunked message without data has one callback of size 0 (Envoy)",
        plugin(request_headers=[], request_body=[]),
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[request("POST", "/p", "transfer-encoding: chunked")],
    ),
    case(
        "bodies/answers without a body",
        "to HEAD, and with 204 and 304: the headers end the stream (Envoy)",
        plugin(response_headers=[], response_body=[]),
        """
        proxy_on_response_headers(2, 2, 1) -> Continue
        proxy_on_response_headers(3, 1, 1) -> Continue
        proxy_on_response_headers(4, 2, 1) -> Continue
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[(request("HEAD"), response(200, "content-length: 5")), (GET, response(204)), (GET, response(304, "x: 1"))],
    ),
    case(
        "bodies/an answer to HEAD has no trailers",
        "whatever comes behind its headers (HTTP)",
        plugin(response_headers=[], response_trailers=[], log=[call("get", 3, "r", OUT, OUT)]),
        """
        proxy_on_response_headers(2, 2, 1) -> Continue
        proxy_on_log(2)
          proxy_get_header_map_value(HttpResponseTrailers) -> NotFound
        upstream: as sent
        client: as answered
        """,
        traffic=[(request("HEAD"), response(200, "transfer-encoding: chunked", body=b"ok", trailers=("R: 1",)))],
    ),
    case(
        "bodies/buffering shows the sum",
        "after StopIterationAndBuffer the next callback has all data so far; the last one the whole (Envoy)",
        plugin(request_body=[Nth(1, (Ret(1),)), WHOLE]),
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 6, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/a buffered body reaches the next filter once",
        "with its end (Envoy)",
        [plugin(request_body=[Nth(1, (Ret(1),))]), plugin(request_headers=[], request_body=[WHOLE])],
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 1) -> Continue
        proxy_on_request_body(2, 6, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/watermark keeps without showing",
        "after StopIterationAndWatermark the next callback has new data only, what was kept goes on before it (Envoy)",
        plugin(request_body=[Nth(1, (Ret(2),)), WHOLE]),
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndWatermark
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/no buffer lets data go",
        "StopIterationNoBuffer: nobody keeps it (Envoy)",
        plugin(request_body=[Nth(1, (Ret(3),)), WHOLE]),
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationNoBuffer
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        upstream: POST h/p
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/a result that does not exist",
        "counts as StopIterationNoBuffer (cpp-host context.cc)",
        plugin(request_body=[Nth(1, (Ret(99),))]),
        """
        proxy_on_request_body(2, 6, 0) -> 99
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/reading is clamped",
        "a start or size beyond the end gives what there is, or nothing (cpp-host; the spec says BadArgument)",
        plugin(
            request_body=[
                Nth(1, (show("body", 0, 4, ALL, OUT, OUT), show("body", 0, 6, 1, OUT, OUT), show("body", 0, ALL, ALL, OUT, OUT))),
                Nth(1, (show("body", 0, 0, 2, OUT, OUT), show("body", 0, 2, 0, OUT, OUT))),
            ]
        ),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 4, -1) -> Ok
          proxy_log(info) "ef" -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 6, 1) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, -1, -1) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, 2) -> Ok
          proxy_log(info) "ab" -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 2, 0) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/status is the length",
        "and flags are always 0 (cpp-host)",
        plugin(request_body=[show("body_status", 0, OUT, OUT, kind="u32")]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_status(HttpRequestBody) -> Ok
          proxy_log(info) "6 0" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_status(HttpRequestBody) -> Ok
          proxy_log(info) "0 0" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/out of its callback",
        "a body out of reach is Ok and empty to read, BadArgument to write (Envoy; the spec says NotFound)",
        plugin(request_headers=[WHOLE, show("body_status", 0, OUT, OUT, kind="u32"), call("set_body", 0, 0, ALL, "x")], log=[WHOLE]),
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_status(HttpRequestBody) -> Ok
          proxy_log(info) "0 0" -> Ok
          proxy_set_buffer_bytes(HttpRequestBody, 0, -1) -> BadArgument
        proxy_on_log(2)
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/the other direction's",
        "is out of reach too (Envoy)",
        plugin(
            request_body=[Nth(1, (show("body", 1, 0, ALL, OUT, OUT),))], response_body=[Nth(1, (WHOLE, call("set_body", 0, 0, 0, "x")))]
        ),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpResponseBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> BadArgument
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/buffers of what was not asked",
        "NotFound for the callout's body and the plugin's configuration, else Ok and empty (Envoy)",
        plugin(request_headers=[call("body", which, 0, ALL, OUT, OUT) for which in (2, 3, 4, 5, 7, 8)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, -1) -> Ok
          proxy_get_buffer_bytes(UpstreamData, 0, -1) -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, -1) -> NotFound
          proxy_get_buffer_bytes(GrpcReceiveBuffer, 0, -1) -> Ok
          proxy_get_buffer_bytes(PluginConfiguration, 0, -1) -> NotFound
          proxy_get_buffer_bytes(CallData, 0, -1) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "bodies/writing what cannot be written",
        "BadArgument; NotFound where reading is (Envoy)",
        plugin(request_headers=[call("set_body", which, 0, 0, "x") for which in (2, 3, 4, 5, 6, 7, 8)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_buffer_bytes(DownstreamData, 0, 0) -> BadArgument
          proxy_set_buffer_bytes(UpstreamData, 0, 0) -> BadArgument
          proxy_set_buffer_bytes(HttpCallResponseBody, 0, 0) -> NotFound
          proxy_set_buffer_bytes(GrpcReceiveBuffer, 0, 0) -> BadArgument
          proxy_set_buffer_bytes(VmConfiguration, 0, 0) -> BadArgument
          proxy_set_buffer_bytes(PluginConfiguration, 0, 0) -> NotFound
          proxy_set_buffer_bytes(CallData, 0, 0) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "bodies/a buffer type that does not exist",
        "BadArgument (cpp-host exports.cc)",
        plugin(request_body=[Nth(1, (call("body", 9, 0, 1, OUT, OUT), call("body_status", 9, OUT, OUT), call("set_body", 9, 0, 0, "x")))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(9, 0, 1) -> BadArgument
          proxy_get_buffer_status(9) -> BadArgument
          proxy_set_buffer_bytes(9, 0, 0) -> BadArgument
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/over the limit while held back",
        "StopAllIterationAndBuffer: 413 through the response filters (Envoy)",
        plugin(request_headers=[Ret(3)], response_headers=[], response_body=[]),
        """
        proxy_on_request_headers(2, 6, 0) -> StopAllIterationAndBuffer
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 17, 1) -> Continue
        upstream: nothing
        client: 413
          content-length: 17
          content-type: text/plain
          body "Payload Too Large"
        """,
        traffic=[request("POST", "/p", "content-length: 40000", body=b"x" * 40000)],
        buffer_limit=16384,
    ),
    case(
        "bodies/over the limit in a response",
        "whose head is held back: 500 (Envoy)",
        plugin(response_headers=[Ret(3)]),
        """
        proxy_on_response_headers(2, 2, 0) -> StopAllIterationAndBuffer
        upstream: as sent
        client: 500
          content-length: 21
          content-type: text/plain
          body "Internal Server Error"
        """,
        traffic=[(GET, response(200, "content-length: 40000", body=b"x" * 40000))],
        buffer_limit=16384,
    ),
    case(
        "bodies/responses pass the chain backwards",
        "the last filter is shown them first (spec)",
        [
            plugin(response_body=[Nth(1, (show("body", 1, 0, ALL, OUT, OUT),))]),
            plugin(response_headers=[call("remove", 2, "content-length")], response_body=[Nth(1, (call("set_body", 1, 0, 0, "b:"),))]),
        ],
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_remove_header_map_value(HttpResponseHeaders) -> Ok
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_set_buffer_bytes(HttpResponseBody, 0, 0) -> Ok
        proxy_on_response_body(2, 4, 0) -> Continue
          proxy_get_buffer_bytes(HttpResponseBody, 0, -1) -> Ok
          proxy_log(info) "b:ok" -> Ok
        proxy_on_response_body(2, 0, 1) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: 200
          body "b:ok"
        """,
    ),
    case(
        "bodies/pieces as they come",
        "each piece is a callback of its own, the sum where the filter buffers (Envoy)",
        plugin(request_body=[Nth(2, (Ret(1),)), WHOLE]),
        """
        proxy_on_request_body(2, 2, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "ab" -> Ok
        proxy_on_request_body(2, 2, 0) -> StopIterationAndBuffer
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "cd" -> Ok
        proxy_on_request_body(2, 4, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "cdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[CHUNKED],
        chunk_size=2,
        here_only="how a body is cut into pieces is chance there",
    ),
]
