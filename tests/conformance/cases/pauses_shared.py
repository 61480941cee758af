"""Filters share one buffer: who goes on after a pause in the headers takes along what the filters before it hold."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.conformance.cases.callouts import GO_ON, ask
from tests.core.traffic import request, response
from tests.core.wat import OUT, Ret, call, show

BODY = {"body": b"abcdef"}
PLAIN = request("POST", "/p", "transfer-encoding: chunked", **BODY)
TRAILED = request("POST", "/p", "transfer-encoding: chunked", trailers=("T: 1",), **BODY)
ASKS = (ask("/ok"), Ret(1))
SEEN, ANSWERED = (show("body", dir, 0, 99, OUT, OUT) for dir in (0, 1))

CASES = [
    case(
        "pauses/a body that a filter before it holds",
        "goes on with the filter that goes on, whatever the first one waits for (seen with Envoy: one decoding buffer a stream)",
        [plugin(request_body=[Ret(1)]), plugin(request_headers=ASKS, http_call_response=GO_ON, request_body=[SEEN])],
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 1) -> StopIterationAndBuffer
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[PLAIN],
    ),
    case(
        "pauses/trailers that a filter before it holds",
        "go on too (seen with Envoy)",
        [
            plugin(request_body=[Ret(1)], request_trailers=[Ret(1)]),
            plugin(request_headers=ASKS, http_call_response=GO_ON, request_body=[SEEN], request_trailers=[]),
        ],
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_trailers(2, 1) -> StopIteration
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[TRAILED],
    ),
    case(
        "pauses/a response's body that a filter before it holds",
        "likewise, before it in the response's order (seen with Envoy)",
        [
            plugin(response_headers=ASKS, http_call_response=(call("effective", 2), call("cont", 1)), response_body=[ANSWERED]),
            plugin(response_body=[Ret(1)]),
        ],
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_response_body(2, 2, 0) -> StopIterationAndBuffer
        proxy_on_response_body(2, 2, 1) -> StopIterationAndBuffer
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_body(2, 2, 1) -> Continue
          proxy_get_buffer_bytes(HttpResponseBody, 0, 99) -> Ok
          proxy_log(info) "ok" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[(request(), response(200, "transfer-encoding: chunked", body=b"ok"))],
    ),
]
