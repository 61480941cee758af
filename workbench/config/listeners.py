"""Filter chains within Envoy's configuration, whichever part of it a file holds.

That may be a bootstrap, a list of listeners or one, a filter chain, an HTTP connection manager, a list of filters, one filter or only its
configuration; what Envoy reads from files while it runs (`resources`); or what its admin interface writes at `/config_dump`.
Field names: Envoy API v3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..services.yamlfile import Item
from .documents import fault, mapping, shown, string
from .plugin_config import Reading, read_plugin
from .protojson import flag, message, messages, typed, written

if TYPE_CHECKING:
    from ..chain import Kind
    from ..filter import Filter

__all__ = ["HTTP_WASM", "NETWORK_WASM", "FilterList", "extensions_of", "filter_lists", "note_other_wasm", "read_filters"]

HTTP_WASM = "envoy.extensions.filters.http.wasm.v3.Wasm"
NETWORK_WASM = "envoy.extensions.filters.network.wasm.v3.Wasm"
"""What a Wasm filter's configuration is called."""

_OTHER_WASM = {
    "envoy.extensions.wasm.v3.WasmService": "a service",
    "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog": "an access logger",
    "envoy.extensions.stat_sinks.wasm.v3.Wasm": "a sink of statistics",
}
_WASM = {HTTP_WASM: "http", NETWORK_WASM: "tcp"}
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_LISTENER, _EXTENSION = "envoy.config.listener.v3.Listener", "envoy.config.core.v3.TypedExtensionConfig"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_LISTENERS_DUMP, _BOOTSTRAP_DUMP, _ECDS_DUMP = (f"envoy.admin.v3.{name}ConfigDump" for name in ("Listeners", "Bootstrap", "Ecds"))
_BUFFER_LIMIT = 1 << 20  # Envoy's default, and that of a replay
_ENTRY = ("name", "typed_config", "config_discovery", "is_optional", "disabled")
_FORMS = "a bootstrap, a listener, an HTTP connection manager, a list of http_filters or one filter"


@dataclass(frozen=True)
class FilterList:
    """The filters of one chain; `listener` and `chain` are the names by which it is chosen, empty where a file holds the filters alone.

    `outer` are network filters around those of HTTP, `buffer_limit` is what the listener lets filters hold back, where it says so.
    """

    listener: str
    chain: str
    kind: Kind
    entries: tuple[Item, ...]
    outer: tuple[Item, ...] = ()
    buffer_limit: Item | None = None

    @property
    def name(self) -> str:
        """What it is called among others."""
        return f"{self.listener}/{self.chain}" if self.chain else self.listener

    def has_wasm(self, extensions: dict[str, Item]) -> bool:
        """Whether one of the filters may be Wasm."""
        return any(_type_of(_resolved(each, extensions)) in _WASM for each in self.entries)


def _type_of(entry: Item) -> str:
    """The name of the message that configures a filter, empty where that is not there."""
    config = message(entry).get("typed_config")
    return "" if config is None else typed(config)[0]


def filter_lists(document: Item) -> list[FilterList]:
    """Every chain of a document. Raises ConfigError for one that holds none."""
    if isinstance(document.value, list):
        return [_of_filters("", "", document.value)]
    fields = message(document)
    if "@type" in fields:
        name, inner = typed(document)
        if name in _WASM:
            return [_of_filters("", "", [written({"typed_config": document}, document)])]
        document, fields = inner, message(inner)
    form = _form(fields)
    if form == "manager":
        return [FilterList("", "", "http", tuple(messages(fields["http_filters"])))]
    if form == "filters":
        return [_of_filters("", "", messages(fields["filters"]))]
    if form == "entry":
        return [_of_filters("", "", [document])]
    if form == "plugin":
        config = fields.get("config", document)
        entry = {"typed_config": {"@type": f"type.googleapis.com/{HTTP_WASM}", "config": config}}
        return [_of_filters("", "", [written(entry, document)])]
    if form == "":
        raise fault(document, "this is no configuration of Envoy with filters in it", f"Give {_FORMS}")
    listeners = list(_listeners(document, fields))
    return [found for number, each in enumerate(listeners) for found in _of_listener(each, str(number) if len(listeners) > 1 else "")]


def _form(fields: dict[str, Item]) -> str:
    """What a mapping is, by its fields."""
    by = {
        **dict.fromkeys(("static_resources", "listeners", "resources", "configs", "filter_chains", "default_filter_chain"), "listeners"),
        **{"http_filters": "manager", "filters": "filters", "typed_config": "entry", "config_discovery": "entry"},
        **{"config": "plugin", "vm_config": "plugin"},
    }
    return next((by[name] for name in by if name in fields), "")


def _listeners(document: Item, fields: dict[str, Item]) -> Iterator[Item]:
    if "filter_chains" in fields or "default_filter_chain" in fields:
        yield document
    elif "configs" in fields:
        yield from _dumped(messages(fields["configs"]))
    elif "resources" in fields:
        for each in messages(fields["resources"]):
            name, inner = typed(each)
            if name == _LISTENER:
                yield inner
    else:
        holder = message(fields["static_resources"]) if "static_resources" in fields else fields
        yield from messages(holder.get("listeners"))


def _dumped(configs: list[Item]) -> Iterator[Item]:
    """The listeners of what `/config_dump` writes, also where only listeners were asked of it; those of the bootstrap stand there twice."""
    given = [(name, message(inner)) for name, inner in map(typed, configs)]
    if _LISTENERS_DUMP not in [name for name, _ in given]:
        for bootstrap in [fields["bootstrap"] for name, fields in given if name == _BOOTSTRAP_DUMP and "bootstrap" in fields]:
            yield from _listeners(bootstrap, message(bootstrap))
    states = [fields for name, fields in given if name.startswith(f"{_LISTENERS_DUMP}.")]
    for fields in [fields for name, fields in given if name == _LISTENERS_DUMP]:
        states += map(message, (*messages(fields.get("static_listeners")), *messages(fields.get("dynamic_listeners"))))
    for state in states:
        active = message(state["active_state"]) if "active_state" in state else state
        if "listener" in active:
            yield active["listener"]


def extensions_of(document: Item) -> dict[str, Item]:
    """What filters with `config_discovery` find in a document, by name: among its `resources`, or in what `/config_dump` writes."""
    found: dict[str, Item] = {}
    fields = {} if isinstance(document.value, list) else message(document)
    given = [typed(each) for each in messages(fields.get("resources"))]
    for name, inner in map(typed, messages(fields.get("configs"))):
        if name == _ECDS_DUMP:
            filters = [message(each).get("ecds_filter") for each in messages(message(inner).get("ecds_filters"))]
            given += [typed(each) for each in filters if each is not None]
    for name, inner in given:
        extension = message(inner)
        if name == _EXTENSION and "name" in extension and "typed_config" in extension:
            found[string(extension["name"])] = extension["typed_config"]
    return found


def _of_listener(listener: Item, usual: str) -> Iterator[FilterList]:
    fields = message(listener)
    name = (string(fields["name"], empty=True) if "name" in fields else "") or usual
    chains = messages(fields.get("filter_chains"))
    every = [*chains, *([fields["default_filter_chain"]] if "default_filter_chain" in fields else ())]
    for number, each in enumerate(every):
        chain = message(each)
        own = string(chain["name"], empty=True) if "name" in chain else ""
        place = own or (str(number) if number < len(chains) else "default")
        found = _of_filters(name, place if len(every) > 1 else "", messages(chain.get("filters")))
        yield replace(found, buffer_limit=fields.get("per_connection_buffer_limit_bytes"))


def _of_filters(listener: str, chain: str, entries: list[Item]) -> FilterList:
    """Network filters, of which the HTTP connection manager has filters of its own, or HTTP filters."""
    types = [_type_of(each) for each in entries]
    if _MANAGER in types:
        at = types.index(_MANAGER)
        manager = message(typed(message(entries[at])["typed_config"])[1])
        outer = (*entries[:at], *entries[at + 1 :])
        return FilterList(listener, chain, "http", tuple(messages(manager.get("http_filters"))), outer)
    tcp = NETWORK_WASM in types or any(name.startswith("envoy.extensions.filters.network.") for name in types)
    return FilterList(listener, chain, "tcp" if tcp else "http", tuple(entries))


def _resolved(entry: Item, extensions: dict[str, Item]) -> Item:
    """A filter whose configuration is discovered, with what is found of it, or its default."""
    fields = message(entry)
    discovery = fields.get("config_discovery")
    if discovery is None:
        return entry
    name = string(fields["name"]) if "name" in fields else ""
    found = extensions.get(name) or message(discovery).get("default_config")
    rest = {key: value for key, value in fields.items() if key != "config_discovery"}
    return replace(entry, value=rest if found is None else {**rest, "typed_config": found})


def read_filters(filters: FilterList, extensions: dict[str, Item], reading: Reading) -> tuple[Filter, ...]:
    """The Wasm filters of a chain in their order; every other one is noted. Raises ConfigError for what Envoy refuses."""
    limit = filters.buffer_limit
    if limit is not None and str(limit.value) != str(_BUFFER_LIMIT):
        reading.note(limit, f"a replay lets filters hold back {_BUFFER_LIMIT} bytes unless it is told buffer_limit={shown(limit)}")
    for each in filters.outer:
        reading.note(each, f"{_called(each)} stands before HTTP and is not replayed")
    found: list[Filter] = []
    for each in filters.entries:
        fields, entry = message(each), _resolved(each, extensions)
        kind = _type_of(entry)
        if kind not in _WASM:
            if "typed_config" not in message(entry) and "config_discovery" in fields:
                reading.note(each, f"{_called(each)} gets its configuration from elsewhere and is not replayed")
            elif kind not in (_ROUTER, _TCP_PROXY):
                reading.note(each, f"{_called(each)} is no Wasm filter and not replayed")
            continue
        mapping(replace(each, value=fields), _ENTRY)
        if _WASM[kind] != filters.kind:
            raise fault(each, f"{kind} is no filter for this chain", f"Give {HTTP_WASM if filters.kind == 'http' else NETWORK_WASM}")
        if flag(fields.get("disabled")):
            reading.note(each, f"{_called(each)} is disabled until a route enables it, and not replayed")
            continue
        wasm = message(typed(message(entry)["typed_config"])[1], ("config",), ("config",))
        made = read_plugin(wasm["config"], string(fields["name"], empty=True) if "name" in fields else "", reading)
        if made is not None:
            found.append(made)
    return tuple(found)


def note_other_wasm(item: Item, reading: Reading) -> None:
    """Note the modules of a document that are no filters: services beside the traffic, access loggers, sinks of statistics."""
    inner = item.value.values() if isinstance(item.value, dict) else item.value if isinstance(item.value, list) else ()
    for each in inner:
        if each.name == "@type" and isinstance(each.value, str) and each.value.rpartition("/")[2] in _OTHER_WASM:
            reading.note(item, f"{_OTHER_WASM[each.value.rpartition('/')[2]]} of Wasm is no filter and not replayed")
        note_other_wasm(each, reading)


def _called(entry: Item) -> str:
    """A filter by its name, or its type."""
    fields = message(entry)
    name = fields["name"].value if "name" in fields else ""
    return str(name or _type_of(entry) or "a filter")[:200]
