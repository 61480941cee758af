"""Istio's EnvoyFilter: patches of the filter chains that istiod makes, as far as they put Wasm filters there.

networking.istio.io/v1alpha3; https://istio.io/latest/docs/reference/config/networking/envoy-filter/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..services.yamlfile import Item
from .documents import choice, fault, listed, mapping, string
from .mesh_object import audience, note_audience, plainly, read_object
from .plugin_config import Reading
from .protojson import message
from .wasm_plugin import PHASES, Plugin

__all__ = ["Patch", "Slots", "read_patches"]

_ROOT_NAMESPACE = "istio-system"
_OPERATIONS = ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER", "REPLACE", "REMOVE", "MERGE", "INVALID")
_APPLIES = {"HTTP_FILTER": "http", "NETWORK_FILTER": "tcp"}
_HTTP_END, _TCP_END = "envoy.filters.http.router", "envoy.filters.network.tcp_proxy"
# where a phase's plugins stand among Istio's own filters: before these
_OWN = {
    "AUTHN": ("istio.metadata_exchange", "envoy.filters.http.ext_authz"),
    "AUTHZ": ("envoy.filters.http.jwt_authn", "istio_authn"),
    "STATS": ("envoy.filters.http.rbac",),
    "UNSPECIFIED_PHASE": (),
}
_LAST = ("envoy.filters.http.grpc_web", "envoy.filters.http.grpc_stats", "istio.alpn", "envoy.filters.http.fault",
         "envoy.filters.http.cors", "istio.stats", _HTTP_END)  # fmt: skip


@dataclass(frozen=True)
class _Slot:
    """A filter of a chain by its name; Istio's own have no entry."""

    name: str
    entry: Item | None = None


@dataclass(frozen=True)
class Patch:
    """One patch of a filter chain of some kind: `anchor` is the filter that it refers to by name, `order` when it is done."""

    order: tuple[Any, ...]
    item: Item
    kind: str
    operation: str
    anchor: str
    value: Item | None


class Slots:
    """A proxy's filters of one kind, `http` or `tcp`, with Istio's own among them as far as they have a name to refer to."""

    def __init__(self, kind: str, plugins: Iterable[Plugin]) -> None:
        self.kind = kind
        self._slots: list[_Slot] = []
        every = [each for each in plugins if each.kind == kind]
        for phase in PHASES:
            self._slots += [_Slot(name) for name in _OWN[phase] if kind == "http"]
            self._slots += [_Slot(each.name, each.entry) for each in every if each.phase == phase]
        self._slots += [_Slot(name) for name in (_LAST if kind == "http" else (_TCP_END,))]

    @property
    def entries(self) -> list[Item]:
        """Those that files put there, in their order."""
        return [each.entry for each in self._slots if each.entry is not None]

    def patch(self, patch: Patch, reading: Reading) -> None:
        """Do as istiod does. Raises ConfigError for a filter behind the last one that Envoy allows."""
        names = [each.name for each in self._slots]
        at, last = names.index(patch.anchor) if patch.anchor in names else None, len(names) - 1
        if patch.operation in ("REMOVE", "REPLACE"):
            if at is None or at == last:
                reading.note(patch.item, f"{patch.operation} of {patch.anchor or 'no filter by name'} changes nothing in these files")
            else:
                self._slots[at : at + 1] = [_Slot(_name(patch.value), patch.value)] if patch.operation == "REPLACE" else []
            return
        if patch.operation == "INSERT_FIRST" or (patch.operation == "INSERT_BEFORE" and not patch.anchor):
            where = 0
        elif patch.operation == "ADD" or not patch.anchor:
            where = last + 1
        elif at is None:
            where = last
            reading.note(patch.item, f"{patch.anchor} is not in these files: {_name(patch.value)} is taken as the last filter")
        else:
            where = at + (patch.operation == "INSERT_AFTER")
        if where > last:
            remedy = f"Put it there with INSERT_BEFORE and {names[last]}"
            raise fault(patch.item, f"{_name(patch.value)} would stand behind {names[last]}, which Envoy refuses", remedy)
        self._slots.insert(where, _Slot(_name(patch.value), patch.value))


def _name(value: Item | None) -> str:
    fields = {} if value is None else message(value)
    return string(fields["name"], empty=True) if "name" in fields else ""


def read_patches(item: Item, reading: Reading) -> tuple[list[Patch], dict[str, Item]]:
    """The patches of an EnvoyFilter that are about filters, and the configurations that it gives to filters by their names; others are
    noted. Raises ConfigError for what the API server or istiod would refuse."""
    found = read_object(item, ("workloadSelector", "targetRefs", "configPatches", "priority"))
    name = f"{found.namespace}.{found.name}"
    note_audience(item, name, audience(found.spec), reading)
    priority = found.spec["priority"].value if "priority" in found.spec else 0
    if type(priority) is not int:
        raise fault(found.spec["priority"], "is no whole number", "Write digits without quotes")
    order = (priority, found.namespace != _ROOT_NAMESPACE, found.created, f"{found.name}.{found.namespace}")
    patches: list[Patch] = []
    extensions: dict[str, Item] = {}
    for each in listed(found.spec["configPatches"]) if "configPatches" in found.spec else ():
        fields = mapping(each, ("applyTo", "match", "patch"), ("applyTo", "patch"))
        applies = string(fields["applyTo"])
        given = mapping(fields["patch"], ("operation", "value", "filterClass"), ("operation",))
        operation, value = choice(given["operation"], _OPERATIONS), given.get("value")
        if value is None and operation != "REMOVE":
            raise fault(fields["patch"], "has no value", "Say what is put there")
        if applies == "EXTENSION_CONFIG" and operation == "ADD" and value is not None:
            extension = message(value, None, ("name", "typed_config"))
            extensions[string(extension["name"])] = extension["typed_config"]
        elif applies not in _APPLIES or operation == "MERGE":
            reading.note(each, f"{name}: {operation} of {applies} is not read")
        else:
            anchor, where = _match(fields.get("match"), applies)
            note_audience(each, name, where, reading)
            patches.append(Patch(order, each, _APPLIES[applies], operation, anchor, value))
    return patches, extensions


def _match(item: Item | None, applies: str) -> tuple[str, str]:
    """The filter that a patch refers to, and what else must be so, in words."""
    if item is None:
        return "", ""
    match = mapping(item, ("context", "proxy", "listener", "routeConfiguration", "cluster", "waypoint"))
    context = string(match["context"]) if "context" in match else "ANY"
    told = [] if context == "ANY" else [context]
    for name, each in (mapping(match["proxy"], None) if "proxy" in match else {}).items():
        told.append(f"{name} {plainly(each)}")
    if "listener" not in match:
        return "", ", ".join(told)
    listener = mapping(match["listener"], None)
    told += [f"listener {name} {plainly(value)}" for name, value in listener.items() if name in ("name", "portNumber")]
    chain = mapping(listener["filterChain"], None) if "filterChain" in listener else {}
    told += [f"filter chain {name} {plainly(value)}" for name, value in chain.items() if name != "filter"]
    of = mapping(chain["filter"], ("name", "subFilter")) if "filter" in chain else {}
    if applies == "NETWORK_FILTER":
        return string(of["name"]) if "name" in of else "", ", ".join(told)
    sub = mapping(of["subFilter"], ("name",)) if "subFilter" in of else {}
    return string(sub["name"]) if "name" in sub else "", ", ".join(told)
