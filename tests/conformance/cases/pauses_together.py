"""Body and trailers that a pause in the headers held back, and a filter that holds the body again but lets the trailers go."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.conformance.cases.callouts import GO_ON, ask
from tests.core.traffic import request, response
from tests.core.wat import OUT, Nth, Ret, call, show

TRAFFIC = [
    (
        request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",)),
        response(200, "transfer-encoding: chunked", body=b"ok", trailers=("R: 2",)),
    )
]
ASKS = (ask("/ok"), Ret(1))
SEEN, ANSWERED = (show("body", dir, 0, 99, OUT, OUT) for dir in (0, 1))
NEXT = plugin(request_body=[], request_trailers=[])

CASES = [
    case(
        "pauses/a body held again behind its headers",
        "the trailers come twice, the body is readable in both and goes nowhere (seen with Envoy: its buffer is moved to itself)",
        [plugin(request_headers=ASKS, http_call_response=GO_ON, request_body=[Ret(1)], request_trailers=[SEEN]), NEXT],
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_trailers(2, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
        upstream: POST h/p
          trailer t: 1
        client: as answered
        """,
        traffic=TRAFFIC,
    ),
    case(
        "pauses/a response's body held again behind its headers",
        "likewise, for a filter without a trailers callback too (seen with Envoy)",
        plugin(response_headers=ASKS, http_call_response=(call("effective", 2), call("cont", 1)), response_body=[ANSWERED, Ret(1)]),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_body(2, 2, 0) -> StopIterationAndBuffer
          proxy_get_buffer_bytes(HttpResponseBody, 0, 99) -> Ok
          proxy_log(info) "ok" -> Ok
        upstream: as sent
        client: 200
          trailer r: 2
        """,
        traffic=TRAFFIC,
    ),
    case(
        "pauses/a body let go of behind its headers",
        "StopIterationNoBuffer keeps it as well, until the trailers have gone (seen with Envoy)",
        plugin(request_headers=ASKS, http_call_response=GO_ON, request_body=[Ret(3)], request_trailers=[SEEN]),
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> StopIterationNoBuffer
        proxy_on_request_trailers(2, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        upstream: POST h/p
          trailer t: 1
        client: as answered
        """,
        traffic=TRAFFIC,
    ),
    case(
        "pauses/trailers held as the body behind its headers",
        "a pause in the trailers saves it: what lets them go lets the body go before them (seen with Envoy)",
        [
            plugin(
                request_headers=ASKS,
                http_call_response=GO_ON,
                request_body=[Ret(1)],
                request_trailers=[Nth(1, (ask("/ok"),)), Ret(1)],
            ),
            NEXT,
        ],
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_trailers(2, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 8, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAFFIC,
    ),
    case(
        "pauses/trailers held when they come again",
        "the second time the body waits with them, and is sent (seen with Envoy)",
        plugin(
            request_headers=ASKS,
            http_call_response=GO_ON,
            request_body=[Ret(1)],
            request_trailers=[Nth(2, (ask("/ok"), Ret(1)))],
        ),
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_request_trailers(2, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 8, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=TRAFFIC,
    ),
]
