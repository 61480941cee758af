"""Pausing without going on: what ends a stream that a filter has forgotten."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import POST
from tests.core.wat import OUT, Ret, show

ENDED = [show("prop", "response\0code_details", OUT, OUT), show("prop", "response\0flags", OUT, OUT, kind="number")]

CASES = [
    case(
        "pauses/never continued",
        "the stream idle timeout, five minutes, ends it: 504 through the response filters (Envoy)",
        plugin(request_headers=[Ret(1)], response_headers=[], log=ENDED, done=[], delete=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "stream_idle_timeout" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "65536" -> Ok
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: nothing
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        left_open=True,
    ),
    case(
        "pauses/a held body is never continued",
        "likewise (Envoy)",
        plugin(request_body=[Ret(1)], response_headers=[], log=ENDED),
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 1) -> StopIterationAndBuffer
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "stream_idle_timeout" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "65536" -> Ok
        upstream: nothing
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        traffic=[POST],
        left_open=True,
    ),
    case(
        "pauses/a held response is never continued",
        "504 straight to the client: the upstream has answered (Envoy)",
        plugin(response_headers=[Ret(1)], log=ENDED),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "stream_idle_timeout" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "65536" -> Ok
        upstream: as sent
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        left_open=True,
    ),
    case(
        "pauses/a held response body is never continued",
        "the headers are out: the response is cut (Envoy)",
        plugin(response_body=[Ret(1)], log=ENDED),
        """
        proxy_on_response_body(2, 2, 0) -> StopIterationAndBuffer
        proxy_on_response_body(2, 2, 1) -> StopIterationAndBuffer
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "stream_idle_timeout" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "65536" -> Ok
        upstream: as sent
        client: 200, cut short
          content-length: 2
        """,
        left_open=True,
    ),
    case(
        "pauses/an answer is held",
        "a filter that holds the response holds the timeout's answer too, until the next one goes past it (Envoy)",
        plugin(request_headers=[Ret(1)], response_headers=[Ret(1)], log=ENDED),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
        proxy_on_response_headers(2, 3, 0) -> StopIteration
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "stream_idle_timeout" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "65536" -> Ok
        upstream: nothing
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        left_open=True,
    ),
]
