"""Properties."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, POST, request, response
from tests.core.wat import OUT, Show, call, show


def prop(*path: str, kind: Any = "text") -> Show:
    """Read a property and log it."""
    return show("prop", "\0".join(path), OUT, OUT, kind=kind)


ASKED = request(
    "POST", "/a/b?c=d&e", "User-Agent: me", "Referer: there", "X-Request-Id: 7", "x-a: 1", "x-a: 2", "content-length: 3", body=b"abc"
)

CASES = [
    case(
        "properties/the request's line",
        "path with query, without, the query, host, scheme, method (Envoy attributes)",
        plugin(request_headers=[prop("request", name) for name in ("path", "url_path", "query", "host", "scheme", "method", "protocol")]),
        """
        proxy_on_request_headers(2, 11, 0) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "/a/b?c=d&e" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "/a/b" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "c=d&e" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "h" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "http" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "POST" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "HTTP/1.1" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[ASKED],
    ),
    case(
        "properties/the request's named headers",
        "referer, user agent and id have names of their own (Envoy attributes)",
        plugin(request_headers=[prop("request", name) for name in ("referer", "useragent", "id")]),
        """
        proxy_on_request_headers(2, 11, 0) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "there" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "me" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "7" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[ASKED],
    ),
    case(
        "properties/a header by name",
        "repeats are joined by a comma; the name is not case-sensitive; NotFound without one (Envoy)",
        plugin(request_headers=[prop("request", "headers", "x-a"), prop("request", "headers", "X-A"), prop("request", "headers", "none")]),
        """
        proxy_on_request_headers(2, 11, 0) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "1,2" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "1,2" -> Ok
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
        traffic=[ASKED],
    ),
    case(
        "properties/all headers",
        "as a pair list, in no order that could be relied on (Envoy: a hash map)",
        plugin(request_headers=[call("prop", "request\0headers", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_get_property() -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1")],
    ),
    case(
        "properties/a header that is missing",
        "behind one of the named ones is NotFound; a query that is missing is empty (Envoy)",
        plugin(request_headers=[prop("request", "referer"), prop("request", "id"), prop("request", "query")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/the request's size",
        "is its content-length from the start (Envoy)",
        plugin(request_headers=[prop("request", "size", kind="number")], request_body=[]),
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "6" -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "properties/the request in the response phase",
        "what comes from its headers is NotFound, as the map is out of reach; in the log it is back (Envoy)",
        plugin(
            response_headers=[prop("request", "path"), prop("request", "headers", "x-a"), prop("request", "protocol")],
            log=[prop("request", "path"), prop("request", "headers", "x-a")],
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "HTTP/1.1" -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "/a/b?c=d&e" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "1,2" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[ASKED],
    ),
    case(
        "properties/the response",
        "code and headers in its callback and in the log (Envoy)",
        plugin(
            request_headers=[prop("response", "code", kind="number")],
            response_headers=[prop("response", "code", kind="number"), prop("response", "headers", "x-a")],
            log=[prop("response", "code", kind="number"), prop("response", "headers", "x-a"), prop("response", "code_details")],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> NotFound
        proxy_on_response_headers(2, 3, 1) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "404" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "1" -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "404" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "via_upstream" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[(GET, response(404, "x-a: 1", "content-length: 0"))],
    ),
    case(
        "properties/sizes in the log",
        "of bodies, without headers (Envoy)",
        plugin(log=[prop("request", "size", kind="number"), prop("response", "size", kind="number")]),
        """
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "6" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "2" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
    case(
        "properties/response flags and gRPC status",
        "no flags are 0; without a gRPC status the HTTP code stands for one: 200 is UNKNOWN, 2 (Envoy)",
        plugin(log=[prop("response", "flags", kind="number"), prop("response", "grpc_status", kind="number")]),
        """
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "0" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "2" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/a gRPC status",
        "from the trailers or headers of the response (Envoy)",
        plugin(log=[prop("response", "grpc_status", kind="number")]),
        """
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "5" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=[(GET, response(200, "content-type: application/grpc", "grpc-status: 5", "content-length: 0"))],
    ),
    case(
        "properties/the plugin's names",
        "name, root_id and vm_id, in a root context too (Envoy)",
        plugin(
            root_id="root",
            vm_id="kit-names",
            configure=[prop("plugin_name"), prop("plugin_root_id"), prop("plugin_vm_id")],
            request_headers=[prop("plugin_name"), prop("plugin_root_id"), prop("plugin_vm_id")],
        ),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_property() -> Ok
          proxy_log(info) "a" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "root" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "kit-names" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "a" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "root" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "kit-names" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/a root context has no stream",
        "what belongs to one is NotFound there (Envoy)",
        plugin(
            configure=[prop("request", "path"), prop("source", "address"), prop("response", "code"), prop("connection_id", kind="number")]
        ),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/no such name",
        "NotFound, of a known object too; so is a path of one empty segment (Envoy)",
        plugin(
            request_headers=[
                prop("nothing"),
                prop("request", "nothing"),
                prop("request", "path", "more"),
                prop("nothing", "at", "all"),
                prop("", ""),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/a whole object",
        "cannot be serialised: SerializationFailure; so is an empty path (Envoy)",
        plugin(request_headers=[prop("request"), prop("response"), prop("connection"), prop("source"), prop("")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> SerializationFailure
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/names of old",
        "node, cluster_name, route_name and their like are NotFound; they are under xds (Envoy since 1.33)",
        plugin(request_headers=[prop(name) for name in ("node", "cluster_name", "route_name", "listener_direction", "cluster_metadata")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/no TLS",
        "mtls is false, certificates are NotFound, the server name is empty (Envoy)",
        plugin(
            request_headers=[
                prop("connection", "mtls"),
                prop("connection", "tls_version"),
                prop("connection", "uri_san_peer_certificate"),
                prop("connection", "requested_server_name"),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "\\u0000" -> Ok
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
          proxy_get_property() -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/set and read",
        "what a filter sets is read by its name, also under filter_state with the prefix wasm. (Envoy)",
        plugin(
            request_headers=[call("set_prop", "mine", "value"), prop("mine"), prop("filter_state", "wasm.mine")],
            response_headers=[prop("mine")],
            log=[prop("mine")],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_property() -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "value" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "value" -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "value" -> Ok
        proxy_on_log(2)
          proxy_get_property() -> Ok
          proxy_log(info) "value" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/set again",
        "the new value counts (Envoy)",
        plugin(
            request_headers=[
                call("set_prop", "mine", "1"),
                call("set_prop", "mine", "22"),
                prop("mine"),
                call("set_prop", "mine", ""),
                prop("mine"),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_property() -> Ok
          proxy_set_property() -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "22" -> Ok
          proxy_set_property() -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/set for the next filter",
        "the stream's state is shared by the chain, whatever the VM (Envoy)",
        [plugin(request_headers=[call("set_prop", "kit.state", "a")]), plugin(request_headers=[prop("kit.state")])],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_property() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "a" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/set with several segments",
        "is stored, and cannot be read back by that path (Envoy)",
        plugin(request_headers=[call("set_prop", "kit\0two", "v"), prop("kit\0two"), prop("kit")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_property() -> Ok
          proxy_get_property() -> NotFound
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/set under a built-in name",
        "is stored; the built-in is what is read (Envoy)",
        plugin(request_headers=[call("set_prop", "request", "v"), prop("request"), prop("filter_state", "wasm.request")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_property() -> Ok
          proxy_get_property() -> SerializationFailure
          proxy_get_property() -> Ok
          proxy_log(info) "v" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/set without a stream",
        "NotFound (Envoy)",
        plugin(configure=[call("set_prop", "mine", "v")]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_set_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "properties/not for the next exchange",
        "what is set lives as long as the stream (Envoy)",
        plugin(request_headers=[prop("mine"), call("set_prop", "mine", "v")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_set_property() -> Ok
        proxy_on_request_headers(3, 5, 1) -> Continue
          proxy_get_property() -> NotFound
          proxy_set_property() -> Ok
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
]
