"""Envoy: from its own configuration, YAML or JSON, to the chain of Wasm filters that it runs.

    found = wb.config.envoy.load("envoy.yaml")
    found.chain().replay(capture)
    wb.config.envoy.load("envoy.yaml", listener="ingress", modules={"https://modules.example/limit.wasm": "build/limit.wasm"})

Read are a bootstrap, a listener, an HTTP connection manager, a list of `http_filters`, one filter or its configuration, resources as Envoy
reads them from files, and what its admin interface writes at `/config_dump` (of a large mesh, with `?resource=dynamic_listeners`); in
files called `.json` as JSON, else as YAML, with Envoy's own view of what a number is. Everything is made as if by Envoy; what it
refuses, and what no replay could do, is a `ConfigError` with file and line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigError
from ..services.yamlfile import Item
from .configured import Configured
from .listeners import FilterList, extensions_of, filter_lists, note_other_wasm, read_filters
from .modules import Modules
from .plugin_config import Reading
from .protojson import read_file

__all__ = ["load"]


def load(
    path: str | os.PathLike[str],
    *,
    listener: str | None = None,
    modules: Mapping[str, str | os.PathLike[str]] | None = None,
    env: Mapping[str, str] | None = None,
) -> Configured:
    """Read the chain of a file.

    listener  whose chain, needed only where several differ: a listener's name, or with its filter chain's, `NAME/CHAIN`
    modules   where code lies here, by what the configuration calls it: a remote source's address, or a file name that is not here
    env       the proxy's environment, for the variables that a VM gets of it (`host_env_keys`)

    Raises ConfigError with file, line and remedy for what cannot be read, chosen or found.
    """
    file = os.fspath(path)
    documents = read_file(Path(path))
    extensions = {name: item for each in documents for name, item in extensions_of(each).items()}
    chosen = _choose([found for each in documents for found in filter_lists(each)], extensions, listener, documents[0])
    reading = Reading(Modules(modules), env or {})
    filters = read_filters(chosen, extensions, reading)
    for each in documents:
        note_other_wasm(each, reading)
    reading.modules.check_used(file)
    if not filters:
        raise ConfigError("no Wasm filter to replay in this chain", where=file, remedy="; ".join(reading.notes))
    place = f"listener {chosen.name}" if chosen.name else "filters"
    return Configured((file,), place, chosen.kind, filters, tuple(reading.notes))


def _choose(lists: list[FilterList], extensions: dict[str, Item], listener: str | None, spot: Item) -> FilterList:
    """The chain that is meant; of several that say the same, the first."""
    names = ", ".join(dict.fromkeys(each.name for each in lists if each.name)) or "none with a name"
    if listener is not None:
        named = [each for each in lists if listener in (each.name, each.listener)]
        if not named:
            raise ConfigError(f"no listener {listener!r}", where=spot.file, remedy=f"There are {names}")
        lists = named
    with_wasm = [each for each in lists if each.has_wasm(extensions)]
    if not with_wasm:
        raise ConfigError("no Wasm filter in this configuration", where=spot.file, remedy=f"Listeners in it: {names}")
    first, *rest = with_wasm
    differing = [first, *(each for each in rest if _plain(each) != _plain(first))]
    if len(differing) > 1:
        every = ", ".join(each.name or "one without a name" for each in differing)
        raise ConfigError(
            f"several chains with Wasm filters: {every}", where=spot.file, remedy="Choose one with listener=NAME or --listener NAME"
        )
    return first


def _plain(filters: FilterList) -> tuple[str, list[object]]:
    return filters.kind, [each.plain() for each in filters.entries]
