"""HTTP calls to other services: who may call, when answers come, and what is reached in them."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.conformance.cases.callouts import GO_ON, STATUS, ask, head
from tests.core.wat import OUT, Nth, Ret, call, pairs, show

CASES = [
    case(
        "callouts/tokens",
        "4, 8, …: the kind in the low bits; a refused call takes none (proxy-wasm-cpp-host, nextHttpCallToken)",
        plugin(
            request_headers=[
                show("http_call", "http", head("/soon"), b"", b"", 5000, OUT),
                ask("/ok", cluster="none"),
                show("http_call", "http", head("/slow"), b"", b"", 5000, OUT),
                Ret(1),
            ],
            http_call_response=[Nth(2, GO_ON)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
          proxy_log(info) "4" -> Ok
          proxy_http_call(5000) -> BadArgument
          proxy_http_call(5000) -> Ok
          proxy_log(info) "8" -> Ok
        proxy_on_http_call_response(1, 4, 3, 0, 0)
        proxy_on_http_call_response(1, 8, 3, 0, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/two at once",
        "answered in the order in which the answers come (Envoy)",
        plugin(request_headers=[ask("/slow"), ask("/soon"), Ret(1)], http_call_response=[STATUS, Nth(2, GO_ON)]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 8, 3, 0, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
        proxy_on_http_call_response(1, 4, 3, 0, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/one after the other",
        "an answer may ask for the next (Envoy)",
        plugin(request_headers=[ask("/ok"), Ret(1)], http_call_response=[STATUS, Nth(1, (ask("/denied"),)), Nth(2, GO_ON)]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 8, 5, 0, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "403" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/the stream behind the answer",
        "its maps are reached when its context is made effective, and are no more once it goes on (Envoy context.cc)",
        plugin(
            request_headers=[ask("/ok"), Ret(1)],
            http_call_response=[
                call("get", 0, ":path", OUT, OUT),
                call("effective", 2),
                show("get", 0, ":path", OUT, OUT),
                STATUS,
                call("add", 0, "x-user", "jane"),
                call("cont", 0),
                call("get", 0, ":path", OUT, OUT),
                STATUS,
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_set_effective_context(2) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
        upstream: GET h/p
          x-user: jane
        client: as answered
        """,
    ),
    case(
        "callouts/an answer is for reading",
        "writes to it and its size in bytes are refused (Envoy context.cc, getMap)",
        plugin(
            request_headers=[ask("/ok"), Ret(1)],
            http_call_response=[
                call("add", 6, "a", "b"),
                call("replace", 6, "x-a", "b"),
                call("remove", 6, "x-a"),
                call("size", 6, OUT),
                call("set_body", 4, 0, 0, "x"),
                *GO_ON,
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_add_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_replace_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_remove_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_get_header_map_size(HttpCallResponseHeaders) -> BadArgument
          proxy_set_buffer_bytes(HttpCallResponseBody, 0, 0) -> BadArgument
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/outside of an answer",
        "there are no maps 6 and 7, and no buffer 4 (Envoy context.cc)",
        plugin(
            request_headers=[
                call("get", 6, ":status", OUT, OUT),
                call("pairs", 6, OUT, OUT),
                call("get", 7, "t", OUT, OUT),
                call("body", 4, 0, 9, OUT, OUT),
                call("status", OUT, OUT, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpCallResponseHeaders) -> BadArgument
          proxy_get_header_map_pairs(HttpCallResponseHeaders) -> Ok
          proxy_get_header_map_value(HttpCallResponseTrailers) -> BadArgument
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, 9) -> NotFound
          proxy_get_status() -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/the status stays",
        "its text does not (Envoy context.cc, onHttpCallFailure)",
        plugin(
            request_headers=[ask("/reset"), Ret(1)],
            http_call_response=[*GO_ON],
            response_headers=[show("status", OUT, OUT, OUT, kind="u32")],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 0, 0, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_get_status() -> Ok
          proxy_log(info) "11 0 0" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/a local response in the answer",
        "takes the place of the upstream's (Envoy)",
        plugin(
            request_headers=[ask("/denied"), Ret(1)],
            http_call_response=[call("effective", 2), call("local", 403, "", "denied", pairs(("x-by", "auth")), -1)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 5, 0, 0)
          proxy_set_effective_context(2) -> Ok
          proxy_send_local_response(403, -1) -> Ok
        upstream: nothing
        client: 403
          x-by: auth
          content-length: 6
          content-type: text/plain
          body "denied"
        """,
    ),
    case(
        "callouts/from a tick",
        "root contexts call too (Envoy)",
        plugin(request_headers=[call("tick", 20), Ret(1)], tick=[call("tick", 0), ask("/ok")], http_call_response=[STATUS, *GO_ON]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/two filters",
        "each hears its own answers, and counts its own tokens (Envoy)",
        [
            plugin(request_headers=[ask("/ok"), Ret(1)], http_call_response=[STATUS, *GO_ON]),
            plugin(request_headers=[ask("/denied"), Ret(1)], http_call_response=[STATUS, *GO_ON]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 5, 0, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "403" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "callouts/a response waits",
        "for an answer as a request does (Envoy)",
        plugin(
            response_headers=[ask("/ok"), Ret(1)],
            http_call_response=[STATUS, call("effective", 2), call("add", 2, "x-user", "jane"), call("cont", 1)],
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_header_map_value(HttpCallResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_add_header_map_value(HttpResponseHeaders) -> Ok
          proxy_continue_stream(Response) -> Ok
        upstream: as sent
        client: 200
          content-length: 2
          x-user: jane
          body "ok"
        """,
    ),
]
