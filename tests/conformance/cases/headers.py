"""Header maps."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import request
from tests.core.wat import OUT, call, show

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
        "headers/add appends",
        "add makes a further entry at the end, beside one of the same name (spec)",
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
]
