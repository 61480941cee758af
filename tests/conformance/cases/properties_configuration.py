"""Properties of Envoy's configuration that a replay answers without one."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, call, show

PLAIN, HOST, NODE, WHOLE, BELOW = (
    show("prop", path.replace(".", "\0"), OUT, OUT)
    for path in ("cluster_name", "xds.upstream_host_metadata", "xds.node.metadata", "xds", "xds.cluster_name.x")
)
CLUSTER = call("proxy_get_property", "xds\0cluster_name", OUT, OUT)
ROUTE = call("proxy_get_property", "xds\0route_name", OUT, OUT)
ALL = [PLAIN, CLUSTER, ROUTE, HOST, NODE, WHOLE, BELOW]

CASES = [
    case(
        "properties/names of the configuration",
        "stand below xds only; the upstream's host has metadata once it has answered (Envoy context.cc)",
        plugin(request_headers=ALL, response_headers=ALL),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_get_property() -> Ok
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> NotFound
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_get_property() -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/names of the configuration for a root context",
        "it has the node alone (Envoy context.cc)",
        plugin(configure=ALL),
        r"""
        proxy_on_configure(1, 0) -> true
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/names of the configuration in an answer",
        "there is a route, and no upstream's host (Envoy context.cc)",
        plugin(request_headers=[call("local", 403, "", "", "", -1)], response_headers=ALL, log=ALL),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 1, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_get_property() -> Ok
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> NotFound
        proxy_on_log(2)
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_get_property() -> Ok
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> NotFound
        upstream: nothing
        client: 403
        """,
    ),
]
