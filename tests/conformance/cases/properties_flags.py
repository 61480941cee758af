"""Properties: what went wrong with an exchange."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.conformance.cases.properties import prop
from tests.core.traffic import GET, request, response
from tests.core.wat import call

FLAGS = prop("response", "flags", kind="number")

CASES = [
    case(
        "properties/the upstream fails",
        "503 with the reason in the details, flag 6: connection termination (Envoy)",
        plugin(log=[FLAGS, prop("response", "code_details")]),
        """
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "64" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "upstream_reset_before_response_started{connection_termination}" -> Ok
        upstream: as sent
        client: 503
          content-length: 95
          content-type: text/plain
          body "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
        """,
        traffic=[(GET, None)],
    ),
    case(
        "properties/the upstream answers what is no HTTP",
        "502, flag 23: protocol error (Envoy)",
        plugin(log=[FLAGS, prop("response", "code_details")]),
        """
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "8388608" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "upstream_reset_before_response_started{protocol_error}" -> Ok
        upstream: as sent
        client: 502
          content-length: 87
          content-type: text/plain
          body "upstream connect error or disconnect/reset before headers. reset reason: protocol error"
        """,
        traffic=[(GET, response(200, "content-length: x"))],
    ),
    case(
        "properties/no route",
        "404, flag 8; there is no name of a route or cluster then (Envoy)",
        plugin(request_headers=[call("remove", 0, ":path")], log=[FLAGS, prop("xds", "route_name"), prop("xds", "cluster_name")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "256" -> Ok
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
        upstream: nothing
        client: 404
        """,
    ),
    case(
        "properties/a request that cannot be sent",
        "503, flag 18: the filter's fault counts as the client's (Envoy)",
        plugin(request_headers=[call("remove", 0, ":method")], log=[FLAGS, prop("response", "code_details")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_remove_header_map_value(HttpRequestHeaders) -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "262144" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "filter_removed_required_request_headers{missing_required_header:_:method}" -> Ok
        upstream: nothing
        client: 503
          content-length: 32
          content-type: text/plain
          body "missing required header: :method"
        """,
    ),
    case(
        "properties/a request that Envoy refuses",
        "no filter is asked, but the log tells it, and flag 18 (Envoy)",
        plugin(
            every=True, without=["vm_start", "configure"], log=[FLAGS, prop("response", "code_details"), prop("xds", "virtual_host_name")]
        ),
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 1)
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "262144" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "http1.codec_error" -> Ok
          proxy_get_property() -> NotFound
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: nothing
        client: 400
          content-length: 11
          content-type: text/plain
          body "Bad Request"
        """,
        traffic=[request("GET", "/a b")],
    ),
]
