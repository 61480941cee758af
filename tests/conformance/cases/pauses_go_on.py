"""A filter that continues a direction that it does not hold back: Envoy does not look, and goes on with the filters behind it at once."""

from __future__ import annotations

from tests.conformance.case import Plugin, case, plugin
from tests.conformance.cases.callouts import ask
from tests.core.traffic import GET, request, response
from tests.core.wat import Nth, Ret, call

FORTH, BACK = (call("cont", dir) for dir in (0, 1))
SAME = call("effective", 2)
WATCH = plugin(request_headers=[], request_body=[], request_trailers=[], response_headers=[], response_body=[], response_trailers=[])
TRAILED = [
    (
        request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",)),
        response(200, "transfer-encoding: chunked", "date: x", body=b"ok", trailers=("R: 2",)),
    )
]
CHUNKED = [(request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef"), response(200, "transfer-encoding: chunked", body=b"ok"))]
BODILESS = [(GET, response(204))]


def held() -> Plugin:
    """Two of it in a VM: the first passes what the second keeps, and keeps the end; the second goes on before the first."""
    keep = (Nth(2, (ask("/ok"), Ret(1))), Nth(3, (Ret(1),)))
    return plugin(request_body=keep, http_call_response=[call("effective", 4), FORTH, call("effective", 3), FORTH])


def taken() -> Plugin:
    """Likewise, where the second waits with the headers."""
    keep = {"request_headers": [Nth(2, (ask("/ok"), Ret(1)))], "request_body": [Nth(1, (Ret(1),))]}
    return plugin(**keep, http_call_response=[call("effective", 4), FORTH, call("effective", 3), FORTH])


CASES = [
    case(
        "pauses/continue in the request's headers",
        "those behind are called at once, and again as it returns Continue: two requests (Envoy filter_manager.cc commonContinue)",
        [plugin(request_headers=[FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/continue in the request's headers, and pause",
        "they have gone: a request without a body goes on (Envoy filter_manager.cc commonContinue)",
        [plugin(request_headers=[FORTH, Ret(1)]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/continue in the headers of a request with a body, and pause",
        "the headers have gone, the body stays (Envoy filter_manager.cc commonContinue)",
        [plugin(request_headers=[FORTH, Ret(1)]), WATCH],
        """
        proxy_on_request_headers(2, 5, 0) -> StopIteration
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 14, 1) -> Continue
        upstream: nothing
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        traffic=TRAILED,
        left_open=True,
    ),
    case(
        "pauses/continue in the request's body",
        "nothing is held back, nothing happens (Envoy filter_manager.cc commonContinue)",
        [plugin(request_body=[FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue in the request's trailers",
        "those behind see them twice (Envoy filter_manager.cc commonContinue)",
        [plugin(request_trailers=[FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue in the request's trailers, and pause",
        "they have gone (Envoy filter_manager.cc commonContinue)",
        [plugin(request_trailers=[FORTH, Ret(1)]), WATCH],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> StopIteration
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue where trailers are made",
        "they come before what is left of the body, which no one sees then (Envoy filter_manager.cc commonContinue)",
        [plugin(request_body=[call("add", 1, "x", "1"), FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_add_header_map_value(HttpRequestTrailers) -> BadArgument
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_add_header_map_value(HttpRequestTrailers) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: POST h/p
          body "abcdef"
          trailer x: 1
        client: as answered
        """,
        traffic=CHUNKED,
    ),
    case(
        "pauses/continue the request in the response",
        "those behind see its trailers once more, as long as the response has not come in whole (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_headers=[FORTH]), WATCH],
        """
        proxy_on_request_headers(3, 5, 0) -> Continue
        proxy_on_request_headers(4, 5, 0) -> Continue
        proxy_on_request_body(3, 6, 0) -> Continue
        proxy_on_request_body(4, 6, 0) -> Continue
        proxy_on_request_trailers(3, 1) -> Continue
        proxy_on_request_trailers(4, 1) -> Continue
        proxy_on_response_headers(4, 3, 0) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_trailers(4, 1) -> Continue
        proxy_on_response_headers(3, 3, 0) -> Continue
        proxy_on_response_body(4, 2, 0) -> Continue
        proxy_on_response_body(3, 2, 0) -> Continue
        proxy_on_response_trailers(4, 1) -> Continue
        proxy_on_response_trailers(3, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue in the response's headers",
        "they go to the client twice, and it cannot read what follows (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_headers=[BACK])],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> Continue
        upstream: as sent
        client: 200, cut short
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue in the response's headers, and pause",
        "they have gone; the stream idle timeout cuts the response (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_headers=[BACK, Ret(1)])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
        upstream: as sent
        client: 200, cut short
          content-length: 2
        """,
        left_open=True,
    ),
    case(
        "pauses/continue in the headers of a bodiless response, and pause",
        "it has gone whole (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_headers=[BACK, Ret(1)])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 1, 1) -> StopIteration
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 1, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=BODILESS,
    ),
    case(
        "pauses/continue in the response's body",
        "nothing is held back, nothing happens (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_body=[BACK])],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue in the response's trailers, and pause",
        "they have gone (Envoy filter_manager.cc commonContinue)",
        [WATCH, plugin(response_trailers=[BACK, Ret(1)])],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_trailers(2, 1) -> Continue
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_trailers(2, 1) -> StopIteration
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_trailers(2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=TRAILED,
    ),
    case(
        "pauses/continue twice",
        "the second finds nothing to do (Envoy filter_manager.cc commonContinue)",
        [plugin(request_headers=[ask("/ok"), Ret(1)], http_call_response=[SAME, FORTH, FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/the headers again for one that waits",
        "it is called all the same, and waits on until it continues (Envoy filter_manager.cc commonContinue)",
        [plugin(request_headers=[FORTH]), plugin(request_headers=[Nth(1, (ask("/ok"),)), Ret(1)], http_call_response=[SAME, FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_request_headers(2, 5, 1) -> StopIteration
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "pauses/the headers again for one that lets them go then",
        "that it waited before stands: they have gone nowhere (Envoy filter_manager.cc commonContinue)",
        [plugin(request_headers=[FORTH]), plugin(request_headers=[Nth(1, (ask("/ok"), Ret(1)))], http_call_response=[SAME, FORTH]), WATCH],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: nothing
        client: 504
          content-length: 14
          content-type: text/plain
          body "stream timeout"
        """,
        left_open=True,
    ),
    case(
        "pauses/one goes on with what another holds",
        "one buffer for all: the second of two filters of a VM lets the first's part go as well (Envoy filter_manager.cc commonContinue)",
        [held(), held(), WATCH],
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(3, 6, 0) -> Continue
        proxy_on_request_body(4, 6, 0) -> StopIterationAndBuffer
          proxy_http_call(5000) -> Ok
        proxy_on_request_body(3, 0, 1) -> StopIterationAndBuffer
        proxy_on_http_call_response(2, 4, 4, 5, 0)
          proxy_set_effective_context(4) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(3) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_body(2, 6, 1) -> Continue
        proxy_on_request_body(4, 0, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=CHUNKED,
    ),
    case(
        "pauses/one goes on while another keeps the body",
        "it takes the body along, the other comes too late with nothing (Envoy filter_manager.cc commonContinue)",
        [taken(), taken(), WATCH],
        """
        proxy_on_request_headers(3, 5, 0) -> Continue
        proxy_on_request_headers(4, 5, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_request_body(3, 6, 0) -> StopIterationAndBuffer
        proxy_on_request_body(3, 6, 1) -> Continue
        proxy_on_http_call_response(2, 4, 4, 5, 0)
          proxy_set_effective_context(4) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_set_effective_context(3) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 0) -> Continue
        proxy_on_request_body(4, 6, 1) -> Continue
        proxy_on_request_body(2, 6, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=CHUNKED,
    ),
    case(
        "pauses/continue a response that is not there",
        "nothing to do, whether or not the filter answers (this host)",
        plugin(request_headers=[BACK]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: as answered
        """,
        here_only="it crashes",
    ),
    case(
        "pauses/continue at the end of a response",
        "it has gone, and goes no second time (this host)",
        [WATCH, plugin(response_headers=[BACK])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 1, 1) -> Continue
          proxy_continue_stream(Response) -> Ok
        proxy_on_response_headers(2, 1, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=BODILESS,
        here_only="it crashes as the filter passes on what has gone",
    ),
]
