"""Istio: from WasmPlugins, TrafficExtensions and EnvoyFilters to the chain of Wasm filters that a proxy of the mesh gets of them.

    found = wb.config.istio.load("plugins.yaml", modules={"oci://registry.example/limit:1": "build/limit.wasm"})
    found.chain().replay(capture)

Read are WasmPlugin and TrafficExtension (extensions.istio.io/v1alpha1) and EnvoyFilter (networking.istio.io/v1alpha3), one or many in a
file, in any order. Their order, their configuration to the byte and their names are those that istiod makes; which workloads they are for
is told in notes, as every exchange of a capture meets them all. A mistake is a `ConfigError` with file and line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..services.yamlfile import Item
from .configured import Configured
from .documents import fault, mapping, read_documents, string
from .envoy_filter import Patch, Slots, read_patches
from .listeners import FilterList, read_filters
from .modules import Modules
from .plugin_config import Reading
from .scalars import in_kubernetes
from .wasm_plugin import Plugin, in_order, read_extension, read_plugin_object

if TYPE_CHECKING:
    from ..chain import Kind

__all__ = ["load"]

_VERSIONS = {
    "WasmPlugin": "extensions.istio.io/v1alpha1",
    "TrafficExtension": "extensions.istio.io/v1alpha1",
    "EnvoyFilter": "networking.istio.io/v1alpha3",
}


def load(
    *paths: str | os.PathLike[str],
    modules: Mapping[str, str | os.PathLike[str]] | None = None,
    env: Mapping[str, str] | None = None,
    kind: Kind | None = None,
) -> Configured:
    """Read the chain of files.

    modules  where code lies here, by the `url` that names it, or the path of a `file://` one that is not here
    env      the proxy's environment, for variables with `valueFrom: HOST`
    kind     `http` or `tcp`, needed only where there are filters for both

    Raises ConfigError with file, line and remedy for what cannot be read, meant or found.
    """
    files = tuple(os.fspath(path) for path in paths)
    where = ", ".join(files)
    reading = Reading(Modules(modules), env or {})
    plugins: list[Plugin] = []
    patches: list[Patch] = []
    extensions: dict[str, Item] = {}
    for path in paths:
        for item in read_documents(path, in_kubernetes):
            _read(item, plugins, patches, extensions, reading)
    ordered = in_order(plugins, reading)
    chains = {of: Slots(of, ordered) for of in ("http", "tcp")}
    for patch in sorted(patches, key=lambda each: each.order):
        chains[patch.kind].patch(patch, reading)
    chosen = _kind(chains, kind, where)
    filters = read_filters(FilterList("", "", chosen, tuple(chains[chosen].entries)), extensions, reading)
    reading.modules.check_used(where)
    if not filters:
        raise ConfigError("no Wasm filter to replay in these files", where=where, remedy="; ".join(reading.notes) or "Give a WasmPlugin")
    return Configured(files, "mesh", chosen, filters, tuple(reading.notes))


def _read(item: Item, plugins: list[Plugin], patches: list[Patch], extensions: dict[str, Item], reading: Reading) -> None:
    fields = mapping(item, None, ("apiVersion", "kind"))
    version, kind = string(fields["apiVersion"]), string(fields["kind"])
    known = _VERSIONS.get(kind, "")
    if version.partition("/")[0] != known.partition("/")[0]:
        reading.note(item, f"{kind} is not read")
        return
    if version != known:
        raise fault(fields["apiVersion"], f"unknown version {version!r} of {kind}", f"Write {known}")
    if kind == "EnvoyFilter":
        found, given = read_patches(item, reading)
        patches += found
        extensions |= given
        return
    plugin = read_plugin_object(item, reading) if kind == "WasmPlugin" else read_extension(item, reading)
    if plugin is not None:
        if plugin.name in [each.name for each in plugins]:
            raise fault(item, f"a second plugin {plugin.name}", "Keep one of them")
        plugins.append(plugin)


def _kind(chains: dict[str, Slots], kind: Kind | None, where: str) -> Kind:
    there: list[Kind] = [of for of in ("http", "tcp") if chains[of].entries]
    if kind is not None:
        if kind not in there:
            raise ConfigError(f"no filters of the kind {kind!r}", where=where, remedy=f"There are {' and '.join(there) or 'none'}")
        return kind
    if len(there) > 1:
        raise ConfigError("filters for HTTP and for TCP", where=where, remedy='Choose with kind="http", kind="tcp" or --kind')
    return there[0] if there else "http"
