"""Istio's WasmPlugin, and its successor TrafficExtension, as the Wasm filters that istiod makes of them, in istiod's order.

extensions.istio.io/v1alpha1; https://istio.io/latest/docs/reference/config/proxy_extensions/wasm-plugin/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..services.yamlfile import Item
from .documents import choice, fault, listed, mapping, string
from .go_json import go_json
from .listeners import HTTP_WASM, NETWORK_WASM
from .mesh_object import audience, note_audience, read_object
from .plugin_config import Reading, checksum
from .protojson import written

__all__ = ["PHASES", "Plugin", "in_order", "read_extension", "read_plugin_object"]

PHASES = ("AUTHN", "AUTHZ", "STATS", "UNSPECIFIED_PHASE")
"""The phases in the order in which requests meet them."""

_WHERE = ("selector", "targetRef", "targetRefs", "match")
_OF_WASM = (
    *("url", "sha256", "imagePullPolicy", "imagePullSecret", "verificationKey", "pluginConfig", "pluginName"),
    *("failStrategy", "vmConfig", "type"),
)
_STRATEGIES = {"FAIL_CLOSE": "FAIL_CLOSED", "FAIL_OPEN": "FAIL_OPEN", "FAIL_RELOAD": "FAIL_RELOAD"}
_TYPES = {"UNSPECIFIED_PLUGIN_TYPE": "http", "HTTP": "http", "NETWORK": "tcp"}
_SCHEMES = ("file", "http", "https", "oci")
_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")
_LEAST = -(1 << 31)


@dataclass(frozen=True)
class Plugin:
    """One plugin: its place in the order, and the filter as an entry of Envoy's filter chain."""

    name: str
    kind: str
    phase: str
    priority: int | None
    created: str
    entry: Item

    @property
    def order(self) -> tuple[Any, ...]:
        """istiod's: phases, priorities from the highest on, one that is not set behind all, then the oldest, then by name."""
        own = _LEAST if self.priority is None else self.priority
        namespace, _, name = self.name.partition(".")
        return PHASES.index(self.phase), -own, self.created, name, namespace


def read_plugin_object(item: Item, reading: Reading) -> Plugin:
    """A WasmPlugin. Raises ConfigError for what the API server or istiod would refuse."""
    found = read_object(item, (*_WHERE, "phase", "priority", *_OF_WASM), ("url",))
    wasm = {name: value for name, value in found.spec.items() if name in _OF_WASM}
    return _plugin(item, f"{found.namespace}.{found.name}", found.created, found.spec, wasm, reading)


def read_extension(item: Item, reading: Reading) -> Plugin | None:
    """A TrafficExtension, None for one of Lua, which is noted."""
    found = read_object(item, ("selector", "targetRefs", "match", "phase", "priority", "wasm", "lua"))
    name = f"{found.namespace}.{found.name}"
    if ("wasm" in found.spec) == ("lua" in found.spec):
        raise fault(item, "has both wasm and lua, or neither", "Give one of them")
    if "lua" in found.spec:
        reading.note(found.spec["lua"], f"{name} is Lua and not replayed")
        return None
    return _plugin(item, name, found.created, found.spec, mapping(found.spec["wasm"], _OF_WASM, ("url",)), reading)


def _plugin(item: Item, name: str, created: str, spec: dict[str, Item], wasm: dict[str, Item], reading: Reading) -> Plugin:
    note_audience(item, name, audience(spec), reading)
    phase = choice(spec["phase"], _phases()) if "phase" in spec else "UNSPECIFIED_PHASE"
    kind = _TYPES[choice(wasm["type"], _TYPES)] if "type" in wasm else "http"
    strategy = _STRATEGIES[choice(wasm["failStrategy"], _STRATEGIES)] if "failStrategy" in wasm else "FAIL_CLOSED"
    config: dict[str, Any] = {
        "name": name,
        "root_id": wasm.get("pluginName", ""),
        "failure_policy": strategy,
        "vm_config": {"code": _code(wasm, name, reading), **_environment(wasm)},
    }
    if "pluginConfig" in wasm and mapping(wasm["pluginConfig"], None):
        config["configuration"] = _configuration(wasm["pluginConfig"])
    message = {"@type": f"type.googleapis.com/{HTTP_WASM if kind == 'http' else NETWORK_WASM}", "config": config}
    entry = written({"name": name, "typed_config": message}, item)
    return Plugin(name, kind, _phases()[phase] if "phase" in spec else phase, _priority(spec), created, entry)


def _phases() -> dict[str, str]:
    """What phases are called in either kind of object."""
    longer = {f"EXECUTION_PHASE_{name}": name for name in PHASES[:3]}
    return {**{name: name for name in PHASES}, **longer, "EXECUTION_PHASE_UNSPECIFIED": "UNSPECIFIED_PHASE"}


def _priority(spec: dict[str, Item]) -> int | None:
    if "priority" not in spec:
        return None
    given = spec["priority"]
    if type(given.value) is not int or not _LEAST <= given.value < -_LEAST:
        raise fault(given, "is no whole number of 32 bits", "Write digits without quotes")
    return int(given.value)


def _code(wasm: dict[str, Item], name: str, reading: Reading) -> dict[str, Any]:
    """Where Envoy would get the module from; what an image's checksum is of, is no module."""
    url = string(wasm["url"])
    scheme = url.partition("://")[0].lower() if "://" in url else "oci"
    if scheme not in _SCHEMES:
        raise fault(wasm["url"], f"has the scheme {scheme!r}", f"Give one of {', '.join(_SCHEMES)}")
    digest, expected = _DIGEST.search(url), checksum(wasm["sha256"]) if "sha256" in wasm else ""
    if scheme == "file":
        # istiod leaves the checksum of a file out
        return {"local": {"filename": replace(wasm["url"], value=url.partition("://")[2])}}
    if scheme != "oci":
        return {"remote": {"http_uri": {"uri": wasm["url"]}, "sha256": written(expected, wasm.get("sha256", wasm["url"]), "sha256")}}
    if digest is not None and expected not in ("", digest[1]):
        raise fault(wasm["sha256"], "is not the one in the url", "Keep one of them")
    if expected or digest is not None:
        reading.note(wasm.get("sha256", wasm["url"]), f"the checksum of {name} is that of an image and not looked at")
    return {"remote": {"http_uri": {"uri": wasm["url"]}}}


def _configuration(given: Item) -> dict[str, Any]:
    try:
        text = go_json(given.plain()).decode()
    except ValueError as error:
        raise fault(given, f"cannot be written as JSON: {error}", "Mend it") from None
    return {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": replace(given, value=text)}


def _environment(wasm: dict[str, Item]) -> dict[str, Any]:
    if "vmConfig" not in wasm:
        return {}
    given = mapping(wasm["vmConfig"], ("env",))
    values: dict[str, Item] = {}
    keys: list[Item] = []
    for each in listed(given["env"]) if "env" in given else ():
        fields = mapping(each, ("name", "valueFrom", "value"), ("name",))
        name, source = string(fields["name"]), choice(fields["valueFrom"], ("INLINE", "HOST")) if "valueFrom" in fields else "INLINE"
        if name in values or name in [key.value for key in keys]:
            raise fault(fields["name"], f"{name} is here a second time", "Keep one of them")
        if source == "HOST" and "value" in fields:
            raise fault(fields["value"], f"{name} comes from the proxy's environment and has a value", "Remove it, or valueFrom")
        if source == "HOST":
            keys.append(fields["name"])
        else:
            values[name] = fields.get("value", replace(fields["name"], value=""))
    return {"environment_variables": {"host_env_keys": keys, "key_values": values}}


def in_order(plugins: list[Plugin], reading: Reading) -> list[Plugin]:
    """The plugins as a proxy has them; what their order hangs on where the files do not settle it is noted."""
    found = sorted(plugins, key=lambda each: each.order)
    for one, other in pairwise(found):
        if one.order[:3] == other.order[:3]:
            told = f"{one.name} comes before {other.name} by name alone; phase and priority say no order, nor does their age"
            reading.note(other.entry, told)
        elif one.phase == other.phase and other.priority is None and one.priority is not None and one.priority < 0:
            told = f"{one.name} comes before {other.name}: istiod takes a priority that is not set for less than any; its API calls it 0"
            reading.note(other.entry, told)
    return found
