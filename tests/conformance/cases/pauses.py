"""Pausing and going on."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, POST, request, response
from tests.core.wat import OUT, Nth, Ret, call, show

TRAILED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",))
BOTH = (TRAILED, response(200, "transfer-encoding: chunked", body=b"ok", trailers=("R: 2",)))
REQUEST, RESPONSE = 0, 1
PAUSE = (call("tick", 20), Ret(1))
"""Holds a direction; the root's next tick may let it go."""


def tick(*steps: object) -> list[object]:
    """The root's one tick: steps for stream 2."""
    return [call("tick", 0), call("effective", 2), *steps]


GO, ANSWER = tick(call("cont", REQUEST)), tick(call("cont", RESPONSE))

CASES = [
    case(
        "pauses/request headers",
        "1 holds everything; continued from a tick the headers go to the next filter, the callback is not repeated (Envoy)",
        [plugin(request_headers=PAUSE, tick=GO), plugin(request_headers=[])],
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/a body behind held headers",
        "comes in one piece with its end when the request goes on, to this filter too (Envoy)",
        [plugin(request_headers=PAUSE, request_body=[], tick=GO), plugin(request_headers=[], request_body=[])],
        """
        proxy_on_request_headers(2, 6, 0) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 1) -> Continue
        proxy_on_request_body(2, 6, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "pauses/trailers behind held headers",
        "body without the end, then trailers (Envoy)",
        plugin(request_headers=PAUSE, request_body=[], request_trailers=[], tick=GO),
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[TRAILED],
    ),
    case(
        "pauses/2 is no pause in headers",
        "ContinueAndEndStream counts as Continue (Envoy context.cc)",
        plugin(request_headers=[Ret(2)], response_headers=[Ret(2)]),
        """
        proxy_on_request_headers(2, 5, 1) -> ContinueAndEndStream
        proxy_on_response_headers(2, 2, 0) -> ContinueAndEndStream
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/3, 4 and unknown results hold",
        "StopAllIterationAndBuffer, …AndWatermark, and what does not exist counts as the latter (Envoy context.cc)",
        plugin(
            request_headers=[call("tick", 20), Nth(1, (Ret(3),)), Nth(2, (Ret(4),)), Nth(3, (Ret(77),))],
            tick=[call("tick", 0), *(step for number in (2, 3, 4) for step in (call("effective", number), call("cont", 0)))],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopAllIterationAndBuffer
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(3) -> BadArgument
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(4) -> BadArgument
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(3, 5, 1) -> StopAllIterationAndWatermark
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> BadArgument
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(3) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(4) -> BadArgument
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(4, 5, 1) -> 77
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> BadArgument
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(3) -> BadArgument
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(4) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        upstream 2: as sent
        client 2: as answered
        """,
        traffic=[GET, GET, GET],
    ),
    case(
        "pauses/request body",
        "held at its end and continued from a tick: it goes to the next filter, this one has no further callback (Envoy)",
        [plugin(request_body=[Nth(1, (Ret(1),)), Nth(2, PAUSE)], tick=GO), plugin(request_body=[])],
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 1) -> StopIterationAndBuffer
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "pauses/a held body is changed from a tick",
        "while it is held it is within reach (Envoy)",
        plugin(
            request_body=[Nth(1, (Ret(1),)), Nth(2, PAUSE)],
            tick=tick(
                show("body", 0, 0, 100, OUT, OUT), call("set_body", 0, 0, 0, "<"), call("cont", 0), call("body", 0, 0, 100, OUT, OUT)
            ),
        ),
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 1) -> StopIterationAndBuffer
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, 100) -> Ok
          proxy_log(info) "abcdef" -> Ok
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, 100) -> Ok
        upstream: POST h/p
          body "<abcdef"
        client: as answered
        """,
        traffic=[request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef")],
    ),
    case(
        "pauses/request trailers",
        "held with the body before them (Envoy)",
        [plugin(request_body=[Ret(1)], request_trailers=PAUSE, tick=GO), plugin(request_body=[], request_trailers=[])],
        """
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_trailers(2, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[TRAILED],
    ),
    case(
        "pauses/response headers",
        "continued from a tick (Envoy)",
        [plugin(response_headers=[], response_body=[]), plugin(response_headers=PAUSE, response_body=[], tick=ANSWER)],
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 1) -> Continue
        proxy_on_response_body(2, 2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/response body",
        "continued from a tick (Envoy)",
        plugin(response_body=[Nth(1, (Ret(1),)), Nth(2, PAUSE)], tick=ANSWER),
        """
        proxy_on_response_body(2, 2, 0) -> StopIterationAndBuffer
        proxy_on_response_body(2, 2, 1) -> StopIterationAndBuffer
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/response trailers",
        "continued from a tick (Envoy)",
        plugin(response_trailers=PAUSE, tick=ANSWER),
        """
        proxy_on_response_trailers(2, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[BOTH],
    ),
    case(
        "pauses/held headers can be changed",
        "from a tick, until they go on; then the map is gone at once (Envoy context.cc)",
        plugin(
            request_headers=PAUSE,
            tick=tick(call("add", 0, "x", "1"), call("cont", 0), call("add", 0, "y", "1"), call("get", 0, "x", OUT, OUT)),
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
        upstream: GET h/p
          x: 1
        client: as answered
        """,
    ),
    case(
        "pauses/held response headers can be changed",
        "the request's map is not there (Envoy context.cc)",
        plugin(
            response_headers=PAUSE,
            tick=tick(call("add", 2, "x", "1"), call("add", 0, "y", "1"), call("cont", 1)),
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_add_header_map_value(HttpResponseHeaders) -> Ok
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: 200
          content-length: 2
          x: 1
          body "ok"
        """,
    ),
    case(
        "pauses/answered from a tick",
        "a local response to a held request passes the response filters (Envoy)",
        plugin(request_headers=PAUSE, response_headers=[], tick=tick(call("local", 418, "", "tea", "", -1))),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_send_local_response(418, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: nothing
        client: 418
          content-length: 3
          content-type: text/plain
          body "tea"
        """,
    ),
    case(
        "pauses/a held response answered from a tick",
        "the answer goes to the client directly (Envoy)",
        plugin(response_headers=PAUSE, tick=tick(call("local", 418, "", "tea", "", -1))),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_send_local_response(418, -1) -> Ok
        upstream: as sent
        client: 418
          content-length: 3
          content-type: text/plain
          body "tea"
        """,
    ),
    case(
        "pauses/closed from a tick",
        "the stream is reset (Envoy)",
        plugin(request_headers=PAUSE, tick=tick(call("close", 0)), log=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_close_stream(Request) -> Ok
        proxy_on_log(2)
        upstream: nothing
        client: nothing
        """,
    ),
    case(
        "pauses/continue stream types",
        "request, response and downstream are Ok, upstream is Unimplemented, others BadArgument (Envoy, cpp-host)",
        plugin(log=[call("cont", which) for which in (0, 1, 2, 3, 4)]),
        """
        proxy_on_log(2)
          proxy_continue_stream(Request) -> Ok
          proxy_continue_stream(Response) -> Ok
          proxy_continue_stream(Downstream) -> Ok
          proxy_continue_stream(Upstream) -> Unimplemented
          proxy_continue_stream(4) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/stop iteration",
        "with allow_on_headers_stop_iteration the body comes while the headers wait, and takes them along (Envoy)",
        [
            plugin(allow_on_headers_stop_iteration=True, request_headers=[Ret(1)], request_body=[Nth(1, (Ret(1),))]),
            plugin(request_headers=[], request_body=[]),
        ],
        """
        proxy_on_request_headers(2, 6, 0) -> StopIteration
        proxy_on_request_body(2, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 6, 1) -> Continue
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "pauses/stop iteration, continued",
        "headers that end the stream still do (Envoy)",
        [plugin(allow_on_headers_stop_iteration=True, request_headers=PAUSE, tick=GO), plugin(request_headers=[])],
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/the second filter holds",
        "the first one is done with the request by then (Envoy)",
        [
            plugin(every=True, without=["context_create", "vm_start", "configure", "log", "done", "delete"]),
            plugin(request_headers=PAUSE, tick=GO),
        ],
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_headers(2, 6, 0) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "pauses/continue after an answer",
        "has nothing left to do (Envoy)",
        plugin(request_headers=PAUSE, tick=tick(call("local", 418, "", "tea", "", -1), call("cont", 0))),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_send_local_response(418, -1) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: nothing
        client: 418
          content-length: 3
          content-type: text/plain
          body "tea"
        """,
    ),
    case(
        "pauses/continue where nothing is held",
        "is Ok; the exchange goes on as before (this host tells the user)",
        plugin(request_headers=[call("cont", 0)], log=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_log(2)
        upstream: as sent
        client: as answered
        """,
        here_only="it sends the request twice",
    ),
]
