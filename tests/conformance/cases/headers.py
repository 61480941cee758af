"""Header maps: what the callback that they belong to is shown."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, request, response
from tests.core.wat import OUT, call, show
from workbench.host.abi import Abi

CASES = [
    case(
        "headers/get gives the first value",
        "a name that stands twice has two entries, get gives the first (Envoy header_map_impl.cc)",
        plugin(request_headers=[show("get", 0, "x-a", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 7, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1", "x-a: 2")],
    ),
    case(
        "headers/get does not mind case",
        "names are compared in lower case (Envoy)",
        plugin(request_headers=[show("get", 0, "X-a", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-A: 1")],
    ),
    case(
        "headers/get of a name that is not there",
        "NotFound (spec, from 0.2.0)",
        plugin(request_headers=[show("get", 0, "none", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/get of a name that is not there, ABI 0.1.0",
        "Ok and empty, as before NotFound was (cpp-host exports.cc)",
        plugin(abi=Abi.V0_1_0, request_headers=[show("get", 0, "none", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/get of an empty value",
        "Ok with nothing, no allocation (cpp-host)",
        plugin(request_headers=[show("get", 0, "x-a", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a:")],
    ),
    case(
        "headers/host is the authority",
        "`host` and `:authority` are one slot of a request (Envoy header_map_impl.h)",
        plugin(
            request_headers=[show("get", 0, "host", OUT, OUT), call("replace", 0, "host", "other"), show("get", 0, ":authority", OUT, OUT)]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "h" -> Ok
          proxy_replace_header_map_value(HttpRequestHeaders) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "other" -> Ok
        upstream: GET other/p
        client: as answered
        """,
    ),
    case(
        "headers/pairs lists all in order",
        "pseudo headers first, repeats kept, the proxy's own last (Envoy)",
        plugin(request_headers=[show("pairs", 0, OUT, OUT, kind="pairs")]),
        """
        proxy_on_request_headers(2, 8, 1) -> Continue
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_log(info) ":authority: h; :path: /p; :method: GET; :scheme: http; x-b: 1; x-a: 2; x-b: 3; x-forwarded-proto: http; " -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-b: 1", "x-a: 2", "x-b: 3")],
    ),
    case(
        "headers/pairs of a response",
        ":status first, then the fields as they came (Envoy)",
        plugin(response_headers=[show("pairs", 2, OUT, OUT, kind="pairs")]),
        """
        proxy_on_response_headers(2, 5, 1) -> Continue
          proxy_get_header_map_pairs(HttpResponseHeaders) -> Ok
          proxy_log(info) ":status: 200; x-a: 1; set-cookie: a; set-cookie: b; content-length: 0; " -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[(GET, response(200, "X-A: 1", "set-cookie: a", "set-cookie: b", "content-length: 0"))],
    ),
    case(
        "headers/the count has pseudo headers in it",
        "num_headers counts entries, four of a request are pseudo headers and one is x-forwarded-proto (Envoy)",
        plugin(request_headers=[], response_headers=[]),
        """
        proxy_on_request_headers(2, 8, 1) -> Continue
        proxy_on_response_headers(2, 1, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[(request("GET", "/p", "a: 1", "b: 2", "b: 3"), response(204))],
    ),
    case(
        "headers/end of stream without a body",
        "the headers callback has end_of_stream 1 and no body callback follows (spec)",
        plugin(request_headers=[], request_body=[], response_headers=[], response_body=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[(GET, response(200, "content-length: 0"))],
    ),
    case(
        "headers/the 0.1.0 callback has no end of stream",
        "on_request_headers and on_response_headers take two arguments there (spec 0.1.0)",
        plugin(abi=Abi.V0_1_0, request_headers=[], response_headers=[]),
        """
        proxy_on_request_headers(2, 5) -> Continue
        proxy_on_response_headers(2, 2) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/size is in bytes",
        "the sum of names and values, not the number of entries nor the serialised size (Envoy; the spec says the latter)",
        plugin(request_headers=[show("size", 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_header_map_size(HttpRequestHeaders) -> Ok
          proxy_log(info) "60" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/hop-by-hop fields are not shown",
        "connection, keep-alive, te and transfer-encoding are gone before the first filter, and what connection names (Envoy)",
        plugin(request_headers=[show("pairs", 0, OUT, OUT, kind="pairs")]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_log(info) ":authority: h; :path: /p; :method: GET; :scheme: http; x-end: 1; x-forwarded-proto: http; " -> Ok
        upstream: GET h/p
          x-end: 1
        client: as answered
        """,
        traffic=[request("GET", "/p", "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "TE: gzip", "X-End: 1")],
    ),
    case(
        "headers/a repeated inline name is one",
        "the codec joins the lines of a name that has a slot of its own (Envoy)",
        plugin(request_headers=[show("get", 0, "user-agent", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "a,b" -> Ok
        upstream: GET h/p
          user-agent: a,b
        client: as answered
        """,
        traffic=[request("GET", "/p", "User-Agent: a", "user-agent: b")],
    ),
    case(
        "headers/a chain changes in order",
        "requests pass the filters first to last, responses last to first (spec)",
        [
            plugin(request_headers=[call("add", 0, "x-a", "1")], response_headers=[show("get", 2, "x-b", OUT, OUT)]),
            plugin(request_headers=[show("get", 0, "x-a", OUT, OUT)], response_headers=[call("add", 2, "x-b", "1")]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "1" -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_add_header_map_value(HttpResponseHeaders) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
          proxy_get_header_map_value(HttpResponseHeaders) -> Ok
          proxy_log(info) "1" -> Ok
        upstream: GET h/p
          x-a: 1
        client: 200
          content-length: 2
          x-b: 1
          body "ok"
        """,
    ),
    case(
        "headers/a path is replaced",
        "the upstream is asked for the new one (spec)",
        plugin(request_headers=[call("replace", 0, ":path", "/other?q=1")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_replace_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/other?q=1
        client: as answered
        """,
    ),
]
