"""Exchanges that become WebSockets, where Envoy's upgrade_configs allow it."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import websocket
from tests.core.wat import OUT, Nth, Ret, call, pairs, show
from workbench.capture import Ending

BOTH = ("request_headers", "request_body", "response_headers", "response_body", "log")
TALK = websocket(">hello", "<hello!")

CASES = [
    case(
        "websocket/frames are body",
        "an empty piece follows each side's headers, frames follow in pieces without an end, and nothing ends but the stream (Envoy)",
        plugin(**dict.fromkeys(BOTH, ())),
        """
        proxy_on_request_headers(2, 7, 0) -> Continue
        proxy_on_request_body(2, 0, 0) -> Continue
        proxy_on_response_headers(2, 4, 0) -> Continue
        proxy_on_response_body(2, 0, 0) -> Continue
        proxy_on_request_body(2, 11, 0) -> Continue
        proxy_on_response_body(2, 8, 0) -> Continue
        proxy_on_response_body(2, 0, 0) -> Continue
        proxy_on_log(2)
        upstream: as sent
        client: as answered
        """,
        traffic=[TALK],
    ),
    case(
        "websocket/the client goes",
        "no last piece: the stream is over (Envoy)",
        plugin(**dict.fromkeys(BOTH, ())),
        """
        proxy_on_request_headers(2, 7, 0) -> Continue
        proxy_on_request_body(2, 0, 0) -> Continue
        proxy_on_response_headers(2, 4, 0) -> Continue
        proxy_on_response_body(2, 0, 0) -> Continue
        proxy_on_request_body(2, 11, 0) -> Continue
        proxy_on_response_body(2, 8, 0) -> Continue
        proxy_on_log(2)
        upstream: as sent
        client: as answered
        """,
        traffic=[websocket(">hello", "<hello!", ending=Ending.CLIENT)],
    ),
    case(
        "websocket/connection and upgrade",
        "stay in the headers of both messages, also behind the filters (Envoy conn_manager_utility.cc)",
        plugin(
            request_headers=[
                show("get", 0, "connection", OUT, OUT),
                show("get", 0, "upgrade", OUT, OUT),
                show("get", 0, "keep-alive", OUT, OUT),
            ],
            response_headers=[show("get", 2, "connection", OUT, OUT), show("get", 2, "upgrade", OUT, OUT)],
        ),
        """
        proxy_on_request_headers(2, 7, 0) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "Upgrade" -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "websocket" -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> NotFound
        proxy_on_response_headers(2, 4, 0) -> Continue
          proxy_get_header_map_value(HttpResponseHeaders) -> Ok
          proxy_log(info) "Upgrade" -> Ok
          proxy_get_header_map_value(HttpResponseHeaders) -> Ok
          proxy_log(info) "websocket" -> Ok
        upstream: GET h/chat
          connection: Upgrade
          upgrade: websocket
        client: as answered
        """,
        traffic=[websocket(more=("Keep-Alive: 5",))],
    ),
    case(
        "websocket/a change of an empty piece",
        "is sent like any other (Envoy)",
        plugin(request_body=[call("set_body", 0, 0, 0, "+")], response_body=[Nth(1, (call("set_body", 1, 0, 0, "-"),))]),
        r"""
        proxy_on_request_body(2, 0, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> Ok
        proxy_on_response_body(2, 0, 0) -> Continue
          proxy_set_buffer_bytes(HttpResponseBody, 0, 0) -> Ok
        proxy_on_request_body(2, 11, 0) -> Continue
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> Ok
        proxy_on_response_body(2, 8, 0) -> Continue
        proxy_on_response_body(2, 0, 0) -> Continue
        upstream: GET h/chat
          connection: Upgrade
          upgrade: websocket
          body b"++\x81\x857\xfa!=_\x9fMQX"
        client: 101
          upgrade: websocket
          sec-websocket-accept: a
          body b"-\x81\x06hello!"
        """,
        traffic=[TALK],
    ),
    case(
        "websocket/a frame is held",
        "it comes again with the next (10.3)",
        plugin(request_body=[Nth(2, (Ret(1),))]),
        """
        proxy_on_request_body(2, 0, 0) -> Continue
        proxy_on_request_body(2, 11, 0) -> StopIterationAndBuffer
        proxy_on_request_body(2, 21, 0) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[websocket(">hello", ">more", "<both")],
    ),
    case(
        "websocket/answered by the filter",
        "as any other request: the response goes through the filters, no frame is seen (section 11)",
        plugin(request_headers=[call("local", 403, "", "no", pairs(), 0)], **dict.fromkeys(BOTH[1:], ())),
        """
        proxy_on_request_headers(2, 7, 0) -> Continue
          proxy_send_local_response(403, 0) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        proxy_on_response_body(2, 2, 1) -> Continue
        proxy_on_log(2)
        upstream: nothing
        client: 403
          content-length: 2
          content-type: text/plain
          body "no"
        """,
        traffic=[TALK],
    ),
]
