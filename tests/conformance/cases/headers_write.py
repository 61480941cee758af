"""Header maps: what a filter changes, and what then cannot be sent."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, request, response
from tests.core.wat import OUT, call, pairs, show

CASES = [
    case(
        "headers/add appends",
        "add makes a further entry at the end, beside one of the same name; the name in lower case (spec, Envoy)",
        plugin(request_headers=[call("add", 0, "X-A", "2"), show("pairs", 0, OUT, OUT, kind="pairs")]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
          proxy_get_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_log(info) ":authority: h; :path: /p; :method: GET; :scheme: http; x-a: 1; x-forwarded-proto: http; x-a: 2; " -> Ok
        upstream: GET h/p
          x-a: 1
          x-a: 2
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1")],
    ),
    case(
        "headers/add joins an inline header",
        "names that Envoy keeps in a slot of their own get the value behind a comma (Envoy header_map_impl.cc)",
        plugin(request_headers=[call("add", 0, "user-agent", "b")]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p
          user-agent: a,b
        client: as answered
        """,
        traffic=[request("GET", "/p", "User-Agent: a")],
    ),
    case(
        "headers/add to :path",
        "pseudo headers are inline too: the values are joined (Envoy)",
        plugin(request_headers=[call("add", 0, ":path", "q")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p,q
        client: as answered
        """,
    ),
    case(
        "headers/add of a cookie",
        "makes an entry of its own (Envoy)",
        plugin(request_headers=[call("add", 0, "cookie", "b=2")]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p
          cookie: a=1
          cookie: b=2
        client: as answered
        """,
        traffic=[request("GET", "/p", "cookie: a=1")],
    ),
    case(
        "headers/replace takes all of a name",
        "every entry goes, one comes, at the end (Envoy)",
        plugin(request_headers=[call("replace", 0, "X-A", "3")]),
        """
        proxy_on_request_headers(2, 8, 1) -> Continue
          proxy_replace_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p
          x-b: 1
          x-a: 3
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1", "x-a: 2", "x-b: 1")],
    ),
    case(
        "headers/replace of a name that is not there",
        "adds it (spec)",
        plugin(request_headers=[call("replace", 0, "x-a", "1")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_replace_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p
          x-a: 1
        client: as answered
        """,
    ),
    case(
        "headers/remove takes all of a name",
        "and is Ok where there is none (spec)",
        plugin(request_headers=[call("remove", 0, "X-A"), call("remove", 0, "none")]),
        """
        proxy_on_request_headers(2, 8, 1) -> Continue
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p
          x-b: 1
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1", "x-b: 1", "x-a: 2")],
    ),
    case(
        "headers/an empty name",
        "is taken by the map; the upstream's codec writes it (Envoy)",
        plugin(request_headers=[call("add", 0, "", "v"), show("get", 0, "", OUT, OUT), call("remove", 0, "")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "v" -> Ok
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "headers/set_pairs takes the place of all",
        "everything goes, each pair is added as by add: inline names joined (Envoy)",
        plugin(
            request_headers=[
                call(
                    "set_pairs",
                    0,
                    pairs((":method", "PUT"), (":path", "/s"), (":authority", "h"), ("x-forwarded-proto", "http"), ("A", "1"), ("a", "2")),
                )
            ]
        ),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_set_header_map_pairs(HttpRequestHeaders) -> Ok
        upstream: PUT h/s
          a: 1
          a: 2
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1")],
    ),
    case(
        "headers/set_pairs of a malformed list",
        "Ok, and the map is empty (cpp-host pairs_util.cc: silently no pairs); then there is no route",
        plugin(request_headers=[call("set_pairs", 0, b"\xff\xff\xff\xff"), show("size", 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_get_header_map_size(HttpRequestHeaders) -> Ok
          proxy_log(info) "0" -> Ok
        upstream: nothing
        client: 404
        """,
    ),
    case(
        "headers/set_pairs of more than 1024",
        "is a malformed list: at most 1024 pairs (cpp-host limits.h)",
        plugin(request_headers=[call("set_pairs", 0, b"\x01\x04\0\0" + bytes(10 * 1025)), show("size", 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_header_map_pairs(HttpRequestHeaders) -> Ok
          proxy_get_header_map_size(HttpRequestHeaders) -> Ok
          proxy_log(info) "0" -> Ok
        upstream: nothing
        client: 404
        """,
    ),
    case(
        "headers/response headers are changed",
        "what a filter adds, replaces and removes reaches the client (spec)",
        plugin(response_headers=[call("add", 2, "x-new", "1"), call("replace", 2, "x-a", "2"), call("remove", 2, "x-b")]),
        """
        proxy_on_response_headers(2, 4, 0) -> Continue
          proxy_add_header_map_value(HttpResponseHeaders) -> Ok
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
          proxy_remove_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 200
          content-length: 2
          x-new: 1
          x-a: 2
          body "ok"
        """,
        traffic=[(GET, response(200, "x-a: 1", "x-b: 1", "content-length: 2", body=b"ok"))],
    ),
    case(
        "headers/a status is replaced",
        "the client gets the new one (Envoy)",
        plugin(response_headers=[call("replace", 2, ":status", "418")]),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_replace_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 418
          content-length: 2
          body "ok"
        """,
    ),
    case(
        "headers/a response without status",
        "becomes a 502 that no filter sees (Envoy filter_manager.cc)",
        plugin(response_headers=[call("remove", 2, ":status")], response_body=[]),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_remove_header_map_value(HttpResponseHeaders) -> Ok
        upstream: as sent
        client: 502
          content-length: 32
          content-type: text/plain
          body "missing required header: :status"
        """,
    ),
    case(
        "headers/a request without path",
        "has no route: 404 (Envoy)",
        plugin(request_headers=[call("remove", 0, ":path")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        upstream: nothing
        client: 404
        """,
    ),
    case(
        "headers/a request without method",
        "is refused by the upstream's codec: 503 through the response filters (Envoy)",
        plugin(request_headers=[call("remove", 0, ":method")], response_headers=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: nothing
        client: 503
          content-length: 32
          content-type: text/plain
          body "missing required header: :method"
        """,
    ),
    case(
        "headers/a name that is no token",
        "is taken by the map and refused when the request is sent (Envoy codec)",
        plugin(request_headers=[call("add", 0, "bad name", "v")], response_headers=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: nothing
        client: 503
          content-length: 29
          content-type: text/plain
          body "invalid header name: bad name"
        """,
    ),
    case(
        "headers/a value with a line break",
        "is taken by the map and refused when the request is sent (Envoy codec)",
        plugin(request_headers=[call("add", 0, "x", "a\r\nb")], response_headers=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_response_headers(2, 3, 0) -> Continue
        upstream: nothing
        client: 503
          content-length: 27
          content-type: text/plain
          body "invalid header value for: x"
        """,
    ),
    case(
        "headers/x-forwarded-proto removed",
        "leaves Envoy without a route (observed)",
        plugin(request_headers=[call("remove", 0, "x-forwarded-proto")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        upstream: nothing
        client: 404
        """,
    ),
]
