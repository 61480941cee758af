"""Envoy's bootstrap for a chain of Wasm filters between a loopback client and a loopback upstream, of HTTP or of TCP.

The settings are those with which Envoy adds least of its own: no request id, no `server` of its own, no `x-envoy-*` from the router, no
route timeout, headers as they come. What is left is found with a run without filters (`judge`).
Field names: Envoy API v3 (`envoy.config.bootstrap.v3.Bootstrap` and below).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast

from workbench.errors import ConfigError

__all__ = ["PLAIN", "POLICIES", "TCP", "TLS", "UPSTREAM", "Cluster", "FilterSpec", "Plugin", "bootstrap", "tcp_bootstrap"]

UPSTREAM = "upstream"
"""Name of the cluster that the route leads to."""
PLAIN, TLS = "plain", "tls"
"""Names of the listeners."""
TCP = "tcp"
"""Name of the one listener of `tcp_bootstrap`."""

_TYPE = "type.googleapis.com/"
POLICIES = {"closed": "FAIL_CLOSED", "open": "FAIL_OPEN", "reload": "FAIL_RELOAD"}
"""Failure policies by their names here: what `envoy.extensions.wasm.v3.FailurePolicy` calls them."""


FailurePolicy: TypeAlias = Literal["closed", "open", "reload"]


class Plugin(Protocol):
    """A filter as a chain describes it."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def root_id(self) -> str: ...
    @property
    def config(self) -> bytes: ...
    @property
    def vm_id(self) -> str: ...
    @property
    def vm_config(self) -> bytes: ...
    @property
    def env(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def failure_policy(self) -> str: ...
    @property
    def fail_open(self) -> bool: ...
    @property
    def allow_on_headers_stop_iteration(self) -> bool: ...
    @property
    def allowed_capabilities(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """One Wasm filter as Envoy is told of it. Configurations are bytes and reach the filter exactly.

    `fail_open_old` is the deprecated `fail_open: true`, which behaves unlike `failure_policy="open"`; only one of the two can be given.
    """

    name: str
    wasm: Path
    root_id: str = ""
    configuration: bytes = b""
    vm_id: str = ""
    vm_configuration: bytes = b""
    failure_policy: FailurePolicy = "closed"
    fail_open_old: bool = False
    allow_on_headers_stop_iteration: bool = False
    env: tuple[tuple[str, str], ...] = field(default=())
    allowed_capabilities: tuple[str, ...] = ()

    @classmethod
    def of(cls, filter: Plugin) -> FilterSpec:
        """What Envoy is told of a chain's filter. Raises ConfigError for the failure policy `restart`, which Envoy has not."""
        if filter.failure_policy not in POLICIES:
            raise _no_policy(filter.name, filter.failure_policy)
        return cls(
            filter.name,
            filter.path,
            filter.root_id,
            filter.config,
            filter.vm_id,
            filter.vm_config,
            cast(FailurePolicy, filter.failure_policy),
            filter.fail_open,
            filter.allow_on_headers_stop_iteration,
            filter.env,
            filter.allowed_capabilities,
        )


@dataclass(frozen=True, slots=True)
class Cluster:
    """A further cluster, for callouts: its name and the loopback port of the service."""

    name: str
    port: int
    http2: bool = False


def bootstrap(
    filters: Sequence[FilterSpec],
    upstream_port: int,
    *,
    certificate: tuple[Path, Path] | None = None,
    clusters: Iterable[Cluster] = (),
    access_log: Path | None = None,
    websocket: bool = False,
    http2: bool = False,
) -> dict[str, Any]:
    """The whole bootstrap. With `certificate` (chain and key, PEM) there is a second listener, over TLS, with the same chain.

    With `access_log` each stream leaves a line there: the client's port, and when the request began in seconds with nanoseconds.
    `websocket` lets requests for a WebSocket become one (`upgrade_configs`); `http2` speaks HTTP/2 on both sides.
    Both listeners share VMs and root contexts, as Envoy keys them by content. Raises ConfigError for a chain that Envoy cannot have.
    """
    _check(filters)
    chain = [_wasm_filter(spec) for spec in filters]
    options: dict[str, Any] = {
        "access_log": [] if access_log is None else [_access_log(access_log)],
        "upgrade_configs": [{"upgrade_type": "websocket"}] if websocket else [],
    }
    if http2:
        options |= {"codec_type": "HTTP2", "http_protocol_options": {}}
    listeners = [_listener(PLAIN, chain, None, options)]
    if certificate is not None:
        listeners.append(_listener(TLS, chain, certificate, options))
    return _whole(
        listeners,
        [
            # One request a connection: an upstream that closes can then never be taken for one that refuses the next request.
            _cluster(UPSTREAM, upstream_port, {"max_requests_per_connection": 1}, http2=http2),
            *(_cluster(c.name, c.port, {}, http2=c.http2) for c in clusters),
        ],
    )


def tcp_bootstrap(filters: Sequence[FilterSpec], upstream_port: int, *, clusters: Iterable[Cluster] = ()) -> dict[str, Any]:
    """The bootstrap for network filters: one listener, the filters, and tcp_proxy to the upstream behind them.

    Raises ConfigError for a chain that Envoy cannot have.
    """
    _check(filters)
    proxy = {"stat_prefix": TCP, "cluster": UPSTREAM}
    chain = [
        *(_wasm_filter(spec, "network") for spec in filters),
        _typed("envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", proxy),
    ]
    listener = {"name": TCP, "address": _address(0), "filter_chains": [{"filters": chain}]}
    return _whole([listener], [_cluster(UPSTREAM, upstream_port, {}), *(_cluster(c.name, c.port, {}, http2=c.http2) for c in clusters)])


def _whole(listeners: list[dict[str, Any]], clusters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "admin": {"address": _address(0)},
        "node": {"id": "workbench", "cluster": "workbench"},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def _check(filters: Sequence[FilterSpec]) -> None:
    names = [spec.name for spec in filters]
    for spec in filters:
        if not spec.name or names.count(spec.name) > 1:
            raise ConfigError(
                "filters need different names, none empty", where=repr(spec.name), remedy="Give each filter a name of its own"
            )
        if spec.failure_policy not in POLICIES:
            raise _no_policy(spec.name, spec.failure_policy)
        if spec.fail_open_old and spec.failure_policy != "closed":
            raise ConfigError("fail_open and failure_policy exclude each other in Envoy", where=spec.name, remedy="Give only one")
        if not spec.wasm.is_file():
            raise ConfigError("no such file", where=str(spec.wasm), remedy="Give the path of a .wasm file")


def _no_policy(name: str, policy: str) -> ConfigError:
    return ConfigError(f"Envoy has no failure policy {policy!r}", where=name, remedy=f"Use one of {', '.join(POLICIES)}")


def _wasm_filter(spec: FilterSpec, kind: Literal["http", "network"] = "http") -> dict[str, Any]:
    vm: dict[str, Any] = {
        "vm_id": spec.vm_id,
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"filename": str(spec.wasm.resolve())}},
    }
    if spec.vm_configuration:
        vm["configuration"] = _any_bytes(spec.vm_configuration)
    if spec.env:
        vm["environment_variables"] = {"key_values": dict(spec.env)}
    plugin: dict[str, Any] = {"name": spec.name, "root_id": spec.root_id, "vm_config": vm}
    if spec.configuration:
        plugin["configuration"] = _any_bytes(spec.configuration)
    if spec.fail_open_old:
        plugin["fail_open"] = True
    else:
        plugin["failure_policy"] = POLICIES[spec.failure_policy]
    if spec.allowed_capabilities:
        plugin["capability_restriction_config"] = {"allowed_capabilities": {name: {} for name in spec.allowed_capabilities}}
    if spec.allow_on_headers_stop_iteration:
        plugin["allow_on_headers_stop_iteration"] = True
    return _typed(spec.name, f"envoy.extensions.filters.{kind}.wasm.v3.Wasm", {"config": plugin})


def _any_bytes(data: bytes) -> dict[str, Any]:
    """`data` as an Any that Envoy hands to the filter as exactly these bytes."""
    try:
        return {"@type": _TYPE + "google.protobuf.StringValue", "value": data.decode()}
    except UnicodeDecodeError:
        return {"@type": _TYPE + "google.protobuf.BytesValue", "value": base64.b64encode(data).decode()}


def _access_log(path: Path) -> dict[str, Any]:
    line = {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_PORT% %START_TIME(%s.%9f)%\n"}
    fields = {"path": str(path), "log_format": {"text_format_source": line}}
    return _typed("file", "envoy.extensions.access_loggers.file.v3.FileAccessLog", fields)


def _listener(name: str, chain: list[dict[str, Any]], certificate: tuple[Path, Path] | None, options: dict[str, Any]) -> dict[str, Any]:
    manager: dict[str, Any] = {
        "stat_prefix": name,
        "codec_type": "HTTP1",
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": {"accept_http_10": True, "enable_trailers": True},
        "http_filters": [
            *chain,
            _typed("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", {"suppress_envoy_headers": True}),
        ],
        "route_config": {
            "name": "route",
            "virtual_hosts": [
                {
                    "name": "any",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": UPSTREAM, "timeout": "0s"}}],
                }
            ],
        },
        **options,
    }
    filter_chain: dict[str, Any] = {
        "filters": [
            _typed(
                "envoy.filters.network.http_connection_manager",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                manager,
            )
        ]
    }
    if certificate is not None:
        pem, key = certificate
        files = {"certificate_chain": {"filename": str(pem)}, "private_key": {"filename": str(key)}}
        filter_chain["transport_socket"] = _typed(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            {"common_tls_context": {"tls_certificates": [files]}},
        )
    return {"name": name, "address": _address(0), "filter_chains": [filter_chain]}


def _cluster(name: str, port: int, common: dict[str, Any], *, http2: bool = False) -> dict[str, Any]:
    codec: dict[str, Any] = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {"enable_trailers": True}}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]},
        "typed_extension_protocol_options": {
            options: {"@type": _TYPE + options, "common_http_protocol_options": common, "explicit_http_config": codec}
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _typed(name: str, message: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": _TYPE + message, **fields}}
