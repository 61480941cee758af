"""Envoy's description of one Wasm filter, `envoy.extensions.wasm.v3.PluginConfig`, as a `Filter`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..services.yamlfile import Item
from .documents import fault, string, strings
from .modules import Modules, inline
from .protojson import STRUCT, any_bytes, data, flag, message, option, pairs

if TYPE_CHECKING:
    from ..filter import Filter

__all__ = ["Reading", "checksum", "read_plugin"]

_PLUGIN = (
    *("name", "root_id", "vm_config", "configuration", "fail_open", "failure_policy", "reload_config"),
    *("capability_restriction_config", "allow_on_headers_stop_iteration"),
)
_VM = ("vm_id", "runtime", "code", "configuration", "allow_precompiled", "nack_on_code_cache_miss", "environment_variables")
_SOURCES = ("filename", "inline_bytes", "inline_string", "environment_variable")
_POLICY_NUMBERS = {"UNSPECIFIED": 0, "FAIL_RELOAD": 1, "FAIL_CLOSED": 2, "FAIL_OPEN": 3}
_RUNTIMES = tuple(f"envoy.wasm.runtime.{name}" for name in ("v8", "wasmtime", "wamr", "wavm", "null"))
_NATIVE = _RUNTIMES[-1]
_MEANINGLESS = {
    "nack_on_code_cache_miss": "the module is there from the start",
    "allow_precompiled": "modules are compiled here",
}
_USUAL_ENTRIES = ("envoy.filters.http.wasm", "envoy.filters.network.wasm")
_LONGEST_NOTE = 400
_SHA256 = re.compile("[0-9a-fA-F]{64}")


@dataclass
class Reading:
    """What goes along while files are read: where modules are, the environment of the proxy, and notes of what no replay shows."""

    modules: Modules
    env: Mapping[str, str]
    notes: list[str] = field(default_factory=list)

    def note(self, item: Item, text: str) -> None:
        """Keep it, with its place; what is longer than anybody reads is cut."""
        self.notes.append(f"{item.where}: {text if len(text) <= _LONGEST_NOTE else text[:_LONGEST_NOTE] + '…'}")


def read_plugin(item: Item, entry: str, reading: Reading) -> Filter | None:
    """The filter of a PluginConfig, None for one of Envoy's own code; `entry` is what the filter chain calls it.

    Its name is the plugin's own, else the entry's, else the module's. Raises ConfigError for what Envoy refuses.
    """
    from ..filter import Filter

    fields = message(item, _PLUGIN)
    vm = message(fields["vm_config"], _VM) if "vm_config" in fields else {}
    name = _text(fields, "name") or ("" if entry in _USUAL_ENTRIES else entry)
    if _runtime(vm) == _NATIVE:
        reading.note(vm["runtime"], f"{name or 'a filter'} is compiled into Envoy and not replayed")
        return None
    if "code" not in vm:
        raise fault(fields.get("vm_config", item), "has no code", "Say where the module is, in vm_config.code")
    policy, fail_open = _policy(fields, reading)
    path, expected = _code(vm["code"], reading)
    for each, what in _MEANINGLESS.items():
        if each in vm:
            reading.note(vm[each], f"{each} means nothing here: {what}")
    try:
        return Filter(
            path,
            _configuration(fields, name, reading),
            name=name or None,
            root_id=_text(fields, "root_id"),
            vm_config=_configuration(vm, name, reading),
            vm_id=_text(vm, "vm_id"),
            env=_environment(vm, reading),
            failure_policy=policy,
            fail_open=fail_open,
            allow_on_headers_stop_iteration=flag(fields.get("allow_on_headers_stop_iteration")),
            allowed_capabilities=_capabilities(fields),
            expected_sha256=expected,
        )
    except ConfigError as error:
        raise error if error.where.startswith(item.file) else fault(item, error.what, error.remedy) from None


def _text(fields: dict[str, Item], name: str) -> str:
    return string(fields[name], empty=True) if name in fields else ""


def _runtime(vm: dict[str, Item]) -> str:
    name = _text(vm, "runtime")
    if name and name not in _RUNTIMES:
        raise fault(vm["runtime"], f"Envoy has no runtime {name!r}", f"Give one of {', '.join(_RUNTIMES)}")
    return name


def _configuration(fields: dict[str, Item], name: str, reading: Reading) -> bytes:
    given = fields.get("configuration")
    found, kind = any_bytes(given)
    if kind == STRUCT:
        assert given is not None
        told = "Envoy gives a Struct to the filter as protobuf, not as JSON; write JSON into a google.protobuf.StringValue"
        reading.note(given, f"configuration of {name or 'the filter'}: {told}")
    return found


def _policy(fields: dict[str, Item], reading: Reading) -> tuple[str, bool]:
    """The failure policy, and whether it is Envoy's older form of open."""
    from ..envoy.config import POLICIES

    given = option(fields["failure_policy"], _POLICY_NUMBERS) if "failure_policy" in fields else "UNSPECIFIED"
    old = flag(fields.get("fail_open"))
    if old and given != "UNSPECIFIED":
        raise fault(fields["fail_open"], "stands beside failure_policy, which Envoy refuses", "Keep one of them")
    names = {told: own for own, told in POLICIES.items()}
    if "reload_config" in fields and given == "FAIL_RELOAD":
        reading.note(fields["reload_config"], "reload_config is not read: a failed VM comes back after a second at the earliest")
    return names.get(given, "closed"), old


def _capabilities(fields: dict[str, Item]) -> tuple[str, ...]:
    if "capability_restriction_config" not in fields:
        return ()
    return tuple(pairs(message(fields["capability_restriction_config"], ("allowed_capabilities",)).get("allowed_capabilities")))


def _environment(vm: dict[str, Item], reading: Reading) -> dict[str, str]:
    """The variables of a VM: those with values, and those of the proxy, which are noted where nobody told them."""
    if "environment_variables" not in vm:
        return {}
    given = message(vm["environment_variables"], ("host_env_keys", "key_values"))
    values = {name: "" if each.value is None else string(each, empty=True) for name, each in pairs(given.get("key_values")).items()}
    keys = strings(given["host_env_keys"]) if "host_env_keys" in given else []
    for key in keys:
        if key in values:
            raise fault(given["host_env_keys"], f"{key} has a value of its own already, which Envoy refuses", "Keep one of them")
        if key not in reading.env:
            told = f"{key} comes from the proxy's environment; nobody said env={{'{key}': …}} or --host-env {key}=…, so it is not set"
            reading.note(given["host_env_keys"], told)
    return {**{key: reading.env[key] for key in keys if key in reading.env}, **values}


def checksum(item: Item) -> str:
    """A SHA-256 in hexadecimal, perhaps empty."""
    found = string(item, empty=True)
    if found and not _SHA256.fullmatch(found):
        raise fault(item, "is not 64 hexadecimal digits", "Copy it from `workbench inspect`")
    return found.lower()


def _code(item: Item, reading: Reading) -> tuple[Path, str]:
    """Where the module is, and which SHA-256 it must have, if any."""
    given = message(item, ("local", "remote"))
    if len(given) != 1:
        raise fault(item, f"has {' and '.join(given) or 'nothing'}", "Give one of local, remote")
    if "remote" in given:
        remote = message(given["remote"], ("http_uri", "sha256", "retry_policy"), ("http_uri",))
        uri = message(remote["http_uri"], ("uri", "cluster", "timeout"), ("uri",))["uri"]
        return reading.modules.fetched(string(uri), uri), checksum(remote["sha256"]) if "sha256" in remote else ""
    local = message(given["local"], (*_SOURCES, "watched_directory"))
    sources = [name for name in _SOURCES if name in local]
    if len(sources) != 1:
        raise fault(given["local"], f"has {' and '.join(sources) or 'no code'}", f"Give one of {', '.join(_SOURCES)}")
    source, value = sources[0], local[sources[0]]
    if source == "inline_bytes":
        return inline(data(value)), ""
    if source == "inline_string":
        return inline(string(value).encode("utf-8", "surrogateescape")), ""
    if source == "filename":
        return reading.modules.local(string(value), value), ""
    return reading.modules.fetched(string(value), value), ""
