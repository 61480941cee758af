"""What a filter may import and export, by ABI version, derived from `core.wasm` itself: there is no second list of host functions.

The core's exports `proxy_*`, `env_*` and `wasi_*` are the host functions, its imports of module `guest` are what it calls in a
filter; both have the VM's number as a first parameter that the filter does not see. Only what the versions leave out stands here.
Source: proxy-wasm-cpp-host, `src/wasm.cc` (`registerCallbacks`, `getFunctions`) and `src/bytecode_util.cc`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from .binary import FuncType, WasmBinary

__all__ = ["ALLOCATORS", "BRIDGE", "FAULT", "FUEL", "Abi", "GuestFunction", "HostFunction", "HostInterface"]


class Abi(IntEnum):
    """The version by the number that the core takes."""

    V0_1_0 = 10
    V0_2_0 = 20
    V0_2_1 = 21

    @property
    def marker(self) -> str:
        """The function whose export says so."""
        return f"proxy_abi_{self.name.lower().replace('v0', 'version_0')}"

    def __str__(self) -> str:
        return self.name[1:].replace("_", ".")


BRIDGE = ("memory_read", "memory_write", "memory_store32", "memory_store64", "memory_pages")
"""What the core imports from `guest` that the bridge gives, not the filter."""

FUEL = "workbench_fuel"
"""What the core asks the gate for behind a callback: how many instructions the filter executed in it, 0 where none are counted."""

FAULT = "workbench_fault"
"""What the core calls to end a filter: the place stays empty, whatever the filter exports, so that the call traps."""

ALLOCATORS = ("malloc", "proxy_on_memory_allocate")
"""The filter's allocator, in the order of preference; the core knows it by the first name."""

_WASI = ("wasi_snapshot_preview1", "wasi_unstable")
_CONTINUE = ("proxy_continue_request", "proxy_continue_response", "proxy_clear_route_cache")
_ONLY_0_1 = frozenset({"proxy_get_configuration", *_CONTINUE})
_ABSENT: dict[Abi, frozenset[str]] = {
    Abi.V0_1_0: frozenset({"proxy_continue_stream", "proxy_close_stream", "proxy_get_log_level"}),
    Abi.V0_2_0: _ONLY_0_1 | {"proxy_get_log_level"},
    Abi.V0_2_1: _ONLY_0_1,
}
_NOT_CALLED: dict[Abi, frozenset[str]] = {Abi.V0_1_0: frozenset({"proxy_on_foreign_function"})}
_FORM_0_1 = "_abi_01"


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A function that filters import: `name` there, `export` in the core, `type` as the filter sees it."""

    module: str
    name: str
    export: str
    type: FuncType


@dataclass(frozen=True, slots=True)
class GuestFunction:
    """A function that the core calls in a filter: `slot` in the gate, `name` in the core, `type` without the VM's number."""

    slot: int
    name: str
    type: FuncType


@dataclass(frozen=True)
class HostInterface:
    """The core's outside as far as filters meet it."""

    host: tuple[HostFunction, ...]
    guest: tuple[GuestFunction, ...]

    @classmethod
    def of(cls, core: WasmBinary) -> HostInterface:
        """Read it from the core's exports and imports."""
        host = []
        for export in core.exports:
            if export.type is None:
                continue
            prefix = export.name.partition("_")[0]
            if prefix not in ("proxy", "env", "wasi"):
                continue
            type_ = _without_vm(export.type)
            if prefix == "wasi":
                host += [HostFunction(module, export.name.removeprefix("wasi_"), export.name, type_) for module in _WASI]
            else:
                host.append(HostFunction("env", export.name.removeprefix("env_"), export.name, type_))
        wanted = [each for each in core.imports if each.module == "guest" and each.type is not None]
        guest = [GuestFunction(slot, each.name, _without_vm(each.type)) for slot, each in enumerate(wanted) if each.type is not None]
        return cls(tuple(host), tuple(guest))

    def imports(self, abi: Abi) -> dict[tuple[str, str], HostFunction]:
        """What a filter of that version may import, by module and name."""
        absent = _ABSENT[abi]
        return {(each.module, each.name): each for each in self.host if each.name not in absent}

    def lenient(self, abi: Abi) -> dict[tuple[str, str], HostFunction]:
        """Imports also taken without their result: the text of ABI 0.1.0 has none there, Envoy's host does."""
        if abi != Abi.V0_1_0:
            return {}
        known = self.imports(abi)
        return {("env", name): known["env", name] for name in _CONTINUE if ("env", name) in known}

    def versions_with(self, module: str, name: str) -> list[Abi]:
        """The versions in which a filter may import this."""
        return [abi for abi in Abi if (module, name) in self.imports(abi)]

    def callbacks(self, abi: Abi) -> dict[str, GuestFunction]:
        """What the core calls in a filter of that version, by the name of the filter's export; the allocator under both its names."""
        by_name = self._filter_functions
        found = {}
        for each in by_name.values():
            name = each.name.removesuffix(_FORM_0_1)
            if name in _NOT_CALLED.get(abi, ()):
                continue
            if name + _FORM_0_1 in by_name and (each.name == name) == (abi == Abi.V0_1_0):
                continue
            found[name] = each
        if "malloc" in found:
            found |= dict.fromkeys(ALLOCATORS, found["malloc"])
        return found

    def looked_up(self, abi: Abi, exports: Collection[str]) -> dict[str, GuestFunction]:
        """What the core calls in a filter that exports these names, by name: as Envoy's host, one allocator and one way to start."""
        ignored = {ALLOCATORS[1]} if ALLOCATORS[0] in exports else set()
        ignored |= {"_start"} if "_initialize" in exports else {"main", "__main_void"}
        if "main" in exports:
            ignored.add("__main_void")
        return {name: each for name, each in self.callbacks(abi).items() if name in exports and name not in ignored}

    @cached_property
    def _filter_functions(self) -> dict[str, GuestFunction]:
        return {each.name: each for each in self.guest if each.name not in (*BRIDGE, FAULT, FUEL)}


def _without_vm(type_: FuncType) -> FuncType:
    return FuncType(type_.params[1:], type_.results)
