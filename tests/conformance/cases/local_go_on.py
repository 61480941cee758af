"""Answers, and continues in the same call or in theirs."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.conformance.cases.callouts import ask
from tests.conformance.cases.pauses_go_on import BACK, FORTH, SAME, TRAILED, WATCH
from tests.core.wat import Ret, call

DENY = call("local", 403, "", "denied", "", -1)

CASES = [
    case(
        "local/continue, then answer",
        "what the filter asked for is done in its order: the response has gone (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_headers=[BACK, DENY])],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_continue_stream(Response) -> Ok
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: as sent
        client: 200, cut short
        """,
        traffic=TRAILED,
    ),
    case(
        "local/answer, then continue the request",
        "an answered request goes nowhere (Envoy)",
        [WATCH, plugin(request_headers=[DENY, FORTH])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 6, 1) -> Continue
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/answer, then continue the response",
        "the answer has passed all filters when its turn comes (Envoy)",
        [WATCH, plugin(request_headers=[ask("/ok"), Ret(1)], http_call_response=[SAME, DENY, BACK])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_send_local_response(403, -1) -> Ok
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 6, 1) -> Continue
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/answer, then continue the response that is paused",
        "what a VM asked for waits for its next callback: here the answer's, whose body stays behind then (cpp-host)",
        [WATCH, plugin(request_headers=[ask("/ok"), Ret(1)], http_call_response=[SAME, DENY, BACK], response_headers=[Ret(1)])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_send_local_response(403, -1) -> Ok
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 3, 0) -> StopIteration
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: nothing
        client: 403, cut short
          content-length: 6
          content-type: text/plain
        """,
        left_open=True,
    ),
    case(
        "local/continue in the answer's body",
        "at its end there is nothing more to let go (Envoy)",
        [WATCH, plugin(request_headers=[DENY], response_body=[BACK])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 6, 1) -> Continue
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_body(2, 6, 1) -> Continue
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/continue in the answer's body, and pause",
        "it stays behind all the same: the client has the headers (Envoy)",
        [WATCH, plugin(request_headers=[DENY], response_body=[BACK, Ret(1)])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 6, 1) -> StopIterationAndBuffer
          proxy_continue_stream(Response) -> Ok
        upstream: nothing
        client: 403, cut short
          content-length: 6
          content-type: text/plain
        """,
        left_open=True,
    ),
    case(
        "local/continue in the answer's headers, and pause",
        "they have gone, the body stays (Envoy)",
        [WATCH, plugin(request_headers=[DENY], response_headers=[BACK, Ret(1)])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> StopIteration
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: nothing
        client: 403, cut short
          content-length: 6
          content-type: text/plain
        """,
        left_open=True,
    ),
    case(
        "local/continue the request in the answer's headers",
        "one that a filter answered on its way goes nowhere (Envoy)",
        [plugin(request_headers=[DENY], response_headers=[FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_continue_stream(Request) -> Ok
        upstream: nothing
        client: 403
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "local/continue the request after the stream idle timeout",
        "the filters behind see it before the rest of the answer (Envoy)",
        [plugin(request_headers=[Ret(1)], response_headers=[FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_body(2, 14, 1) -> Continue
        upstream: nothing
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        left_open=True,
    ),
]
