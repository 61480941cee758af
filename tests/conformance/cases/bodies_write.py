"""Bodies: changing them."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import POST, request
from tests.core.wat import OUT, Nth, Ret, call, show

ALL = 0xFFFFFFFF
CHUNKED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef")
WHOLE = show("body", 0, 0, ALL, OUT, OUT)


def edit(start: int, size: int, text: str) -> list[object]:
    """Change the request's body in its first callback."""
    return [Nth(1, (call("set_body", 0, start, size, text), WHOLE))]


CASES = [
    case(
        "bodies/prepend",
        "start 0, size 0 (cpp-host)",
        plugin(request_body=edit(0, 0, "XY")),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "XYabcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
          body "XYabcdef"
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/replace the whole",
        "start 0, any size from the length on (cpp-host)",
        plugin(request_body=edit(0, ALL, "XY")),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "XY" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
          body "XY"
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/replace the beginning",
        "start 0: as many bytes as size says go (Envoy)",
        plugin(request_body=edit(0, 2, "XYZ")),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, 2) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "XYZcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
          body "XYZcdef"
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/append",
        "start at the end or behind it; size does not count (cpp-host)",
        plugin(request_body=edit(ALL, 5, "XY")),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, -1, 5) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdefXY" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
          body "abcdefXY"
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/no edit in the middle",
        "BadArgument (Envoy; the spec allows it)",
        plugin(request_body=edit(1, 2, "XY")),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 1, 2) -> BadArgument
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/take all away",
        "the next filter is shown nothing, then the end (Envoy)",
        [plugin(request_body=edit(0, ALL, "")), plugin(request_body=[])],
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_request_body(2, 0, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/data added with the end",
        "a callback without data may bring some (Envoy)",
        [plugin(request_body=[Nth(2, (call("set_body", 0, 0, 0, "tail"),))]), plugin(request_body=[])],
        """
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> Ok
        proxy_on_request_body(2, 4, 1) -> Continue
        upstream: POST h/p
          body "abcdeftail"
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/an edit before buffering is kept",
        "the next callback shows the changed data (Envoy)",
        plugin(request_body=[Nth(1, (call("set_body", 0, 0, 0, "P-"), Ret(1))), WHOLE]),
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "P-abcdef" -> Ok
        proxy_on_request_body(2, 8, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, -1) -> Ok
          proxy_log(info) "P-abcdef" -> Ok
        upstream: POST h/p
          body "P-abcdef"
        client: as answered
        """,
        traffic=[CHUNKED],
    ),
    case(
        "bodies/a length that is too small",
        "content-length is not mended: all is written, the upstream takes what it says (Envoy)",
        plugin(request_body=[Nth(1, (call("set_body", 0, ALL, 0, "XY"),))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, -1, 0) -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: POST h/p
          content-length: 6
          body "abcdefXY"
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "bodies/a response is made longer without its length",
        "the filter removes content-length, then the body may change (Envoy)",
        plugin(
            response_headers=[call("remove", 2, "content-length")],
            response_body=[Nth(1, (call("set_body", 1, ALL, 0, " and more"),))],
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_remove_header_map_value(HttpResponseHeaders) -> Ok
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_set_buffer_bytes(HttpResponseBody, -1, 0) -> Ok
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: 200
          body "ok and more"
        """,
    ),
    case(
        "bodies/a response is buffered and replaced",
        "its length with it (Envoy)",
        plugin(
            response_headers=[call("replace", 2, "content-length", "5")],
            response_body=[Nth(1, (Ret(1),)), Nth(2, (call("set_body", 1, 0, ALL, "hello"),))],
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        proxy_on_response_body(2, 2, 0) -> StopIterationAndBuffer
        proxy_on_response_body(2, 2, 1) -> Continue
          proxy_set_buffer_bytes(HttpResponseBody, 0, -1) -> Ok
        upstream: as sent
        client: 200
          content-length: 5
          body "hello"
        """,
    ),
]
