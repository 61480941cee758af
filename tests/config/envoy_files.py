"""Envoy configurations that several tests read: the parts of a bootstrap around a list of filters."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
ADD_HEADER = REPO / "sample_filters" / "add_header" / "add_header.wasm"
TOKEN_BUCKET = REPO / "sample_filters" / "token_bucket" / "token_bucket.wasm"

TYPE = "type.googleapis.com/"
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router"}}


def plugin(name: str, wasm: Path, **fields: Any) -> dict[str, Any]:
    """A PluginConfig."""
    vm = {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": str(wasm)}}, **fields.pop("vm_config", {})}
    return {"name": name, "vm_config": vm, **fields}


def wasm(name: str, config: dict[str, Any], kind: str = "http") -> dict[str, Any]:
    """A Wasm filter of a filter chain."""
    return {"name": name, "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.{kind}.wasm.v3.Wasm", "config": config}}


def text_value(value: str) -> dict[str, Any]:
    """An Any with text."""
    return {"@type": f"{TYPE}google.protobuf.StringValue", "value": value}


def manager(*filters: dict[str, Any]) -> dict[str, Any]:
    """An HTTP connection manager as a network filter."""
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    fields = {"stat_prefix": "in", "route_config": {"name": "r", "virtual_hosts": []}, "http_filters": [*filters, ROUTER]}
    return {"name": "http", "typed_config": {"@type": f"{TYPE}{kind}", **fields}}


def tcp_proxy() -> dict[str, Any]:
    """The end of a chain of network filters."""
    fields = {"stat_prefix": "tcp", "cluster": "upstream"}
    return {"name": "tcp", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", **fields}}


def listener(name: str, *chains: list[dict[str, Any]]) -> dict[str, Any]:
    """A listener on a free port; of several filter chains each is for another port of the client."""
    made: list[dict[str, Any]] = [{"filters": each} for each in chains]
    for number, each in enumerate(made[1:], 1):
        each["filter_chain_match"] = {"source_ports": [number]}
    return {"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}, "filter_chains": made}


def bootstrap(*listeners: dict[str, Any]) -> dict[str, Any]:
    """The whole."""
    upstream = {"name": "upstream", "type": "STATIC", "load_assignment": {"cluster_name": "upstream"}}
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    return {"admin": admin, "static_resources": {"listeners": list(listeners), "clusters": [upstream]}}


def written(folder: Path, value: Any, name: str = "envoy.yaml") -> Path:
    """A file of it: JSON is YAML too. Text is written as it stands."""
    path = folder / name
    path.write_text(textwrap.dedent(value) if isinstance(value, str) else json.dumps(value, indent=1), encoding="utf-8")
    return path
