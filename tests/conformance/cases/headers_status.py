"""Statuses that are none, made by filters at once or after a pause, and what the client gets of them."""

from __future__ import annotations

from tests.conformance.case import Plugin, case, plugin
from tests.conformance.cases.callouts import ask
from tests.core.wat import Call, Ret, call

REMOVED = call("remove", 2, ":status")


def status(value: str) -> Call:
    """Makes it the response's."""
    return call("replace", 2, ":status", value)


def at_once(change: Call) -> Plugin:
    """A filter with this change."""
    return plugin(response_headers=[change])


def later(change: Call) -> Plugin:
    """The same after a pause."""
    return plugin(response_headers=[ask("/ok"), Ret(1)], http_call_response=[call("effective", 2), change, call("cont", 1)])


def answer(code: int, body: str = "") -> Plugin:
    """A filter that answers so."""
    return plugin(request_headers=[call("local", code, "", body, "", -1)], response_headers=[], response_body=[])


CASES = [
    case(
        "headers/a status that is no number",
        "502 in place of the response (Envoy header_utility.cc)",
        at_once(status("abc")),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 502
          content-length: 32
          content-type: text/plain
          body "missing required header: :status"
        """,
    ),
    case(
        "headers/a status that is no number, after a pause",
        "likewise (Envoy header_utility.cc)",
        later(status("abc")),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: 502
          content-length: 32
          content-type: text/plain
          body "missing required header: :status"
        """,
    ),
    case(
        "headers/an empty status after a pause",
        "502, too (Envoy header_utility.cc)",
        later(status("")),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: 502
          content-length: 32
          content-type: text/plain
          body "missing required header: :status"
        """,
    ),
    case(
        "headers/no status after a pause",
        "502, too (Envoy header_utility.cc)",
        later(REMOVED),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_remove_header_map_value(HttpResponseHeaders) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: 502
          content-length: 32
          content-type: text/plain
          body "missing required header: :status"
        """,
    ),
    case(
        "headers/a status beyond 64 bits",
        "502, too (Envoy header_utility.cc)",
        at_once(status("18446744073709551616")),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 502
          content-length: 32
          content-type: text/plain
          body "missing required header: :status"
        """,
    ),
    case(
        "headers/a status with a plus",
        "is read as a number, and goes out as one (Envoy header_utility.cc)",
        at_once(status("+201")),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 201
          content-length: 2
          body "ok"
        """,
    ),
    case(
        "headers/a status with blanks after a pause",
        "likewise (Envoy header_utility.cc)",
        later(status(" 201 ")),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: 201
          content-length: 2
          body "ok"
        """,
    ),
    case(
        "headers/a status beyond all",
        "is as good as any (Envoy header_utility.cc)",
        at_once(status("1000")),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 1000
          content-length: 2
          body "ok"
        """,
    ),
    case(
        "headers/an informational status",
        "the client waits for the answer that it announces (HTTP)",
        at_once(status("150")),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: nothing
        """,
        left_open=True,
    ),
    case(
        "headers/an informational status after a pause",
        "likewise (HTTP)",
        later(status("100")),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: nothing
        """,
        left_open=True,
    ),
    case(
        "local/an informational status",
        "the filters see it, the client gets no answer (Envoy, HTTP)",
        answer(100, "x"),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(100, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 1, 1) -> Continue
        upstream: nothing
        client: nothing
        """,
        left_open=True,
    ),
    case(
        "local/an informational status without a body",
        "likewise (Envoy, HTTP)",
        answer(199),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(199, -1) -> Ok
        proxy_on_response_headers(2, 1, 1) -> Continue
        upstream: nothing
        client: nothing
        """,
        left_open=True,
    ),
    case(
        "local/101",
        "is no interim answer (Envoy)",
        answer(101, "x"),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(101, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 1, 1) -> Continue
        upstream: nothing
        client: 101
          content-length: 1
          content-type: text/plain
          body "x"
        """,
        left_open=True,
    ),
    case(
        "local/a status below 100",
        "has no length where it has no body: the client waits for the end (Envoy http1/codec_impl.cc)",
        answer(99),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(99, -1) -> Ok
        proxy_on_response_headers(2, 1, 1) -> Continue
        upstream: nothing
        client: 99, cut short
        """,
        left_open=True,
    ),
    case(
        "local/a status of 17 bits",
        "loses what is beyond 16 (Envoy context.cc)",
        answer(65536 + 404, "x"),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(65940, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 1, 1) -> Continue
        upstream: nothing
        client: 404
          content-length: 1
          content-type: text/plain
          body "x"
        """,
    ),
]
