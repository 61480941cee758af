"""Links the core and the filters in one wasmtime store, as `workbench/core/README.md` says.

The circle (filters import the core's functions, the core calls theirs and copies from their memory) opens at the gate: a table that
is there before the core and filled as VMs come. So the core outlives every filter, and a VM can be added at any time.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import wasmtime

from ..capture.exchange import Pairs
from ..capture.packing import pack_pairs, pack_str
from ..errors import FilterLoadError, ReplayError
from ..trace.records import Schema
from .abi import BRIDGE, HostFunction, HostInterface
from .binary import WasmBinary, shown
from .capabilities import allowed_callbacks, denied, operands
from .clock import clock_function
from .compiled import assembled, compiled, engine
from .fuel import fuel_counter
from .module import FilterModule
from .wat import BRIDGE_WAT, WITHOUT_RESULT, core_exports, denied_wat, gate_wat, hooks_wat, imports_wat
from .watchdog import Watch

__all__ = ["Composition", "Vm", "VmsUsedUp", "core_interface"]

_CORE = Path(__file__).with_name("core.wasm")
_CORE_PAGES = 64, 32768  # to start with, and at most: 2 GiB
_MOST_TABLE_ENTRIES = 1 << 17
_MOST_LEFT_BEHIND = 2 << 30
_MOST_ROOM = 16 << 20
_MADV_DONTNEED = 4
_NUMBER_TYPE = wasmtime.GlobalType(wasmtime.ValType.i32(), False)
_Exports: TypeAlias = Mapping[str, Any]


class VmsUsedUp(Exception):
    """No further VM: instances are freed only with their store, so their number is bounded."""


@dataclass(frozen=True)
class Vm:
    """A filter's VM by its number in the core. `imports` are its hostcalls as `wat.imports_wat` exports them, `denied` those that it
    lacks the capability for, by their names in the core."""

    number: int
    module: FilterModule
    exports: _Exports
    memory: wasmtime.Memory
    imports: _Exports
    denied: _Exports


@cache
def _core() -> tuple[bytes, HostInterface]:
    try:
        data = _CORE.read_bytes()
    except OSError as error:
        raise ReplayError(
            "the host core is missing", where=_CORE.name, remedy="Install the package again, or build it: make core"
        ) from error
    return data, HostInterface.of(WasmBinary.parse(data, _CORE.name))


def core_interface() -> HostInterface:
    """What filters meet of the core that is installed."""
    return _core()[1]


class Composition:
    """One store with the core in it; VMs are added. It and everything in it is freed at once, when it is dropped.

    With `fuel` the instructions that filters execute are counted, for a price at each hostcall (`fuel`)."""

    def __init__(self, most_vms: int = 1000, fuel: bool = False) -> None:
        data, self.interface = _core()
        self.store = wasmtime.Store(engine(fuel))
        self.store.set_limits(table_elements=_MOST_TABLE_ENTRIES, instances=5 * most_vms + 10, memories=most_vms + 10)
        self.store.set_epoch_deadline(1 << 60)  # until a watchdog takes over
        self.vms: list[Vm] = []
        self._most_vms = most_vms
        self._fuel = fuel_counter(self.store) if fuel else None
        self._code: dict[tuple[str, int], wasmtime.Module] = {}
        self._left_behind = 0
        self._room, self._used = np.empty(0, np.uint8), 0
        gate = self._instance(assembled(gate_wat(self.interface.guest, most_vms, fuel)), self._counter())
        self._gate_table: wasmtime.Table = gate["table"]
        self._watch_page: wasmtime.Memory = gate["watch"]
        self.watch = Watch(_address(self._watch_page, self.store))
        self.memory = wasmtime.Memory(self.store, wasmtime.MemoryType(wasmtime.Limits(*_CORE_PAGES)))
        given = {("env", "memory"): self.memory, ("clock", "now"): clock_function(self.store, fuel)}
        given |= {("guest", each.name): gate[each.name] for each in self.interface.guest}
        self._core = self._instance(data, given)
        self._stack: wasmtime.Global = self._core["__stack_pointer"]
        self._stack_base = self._stack.value(self.store)
        self.schema = Schema.parse(self.read(self.call("schema_ptr"), self.call("schema_len")).decode())
        self._imports_wasm = assembled(imports_wat(self.interface, fuel))
        self._bridge_wasm = assembled(BRIDGE_WAT)

    def _instance(self, wasm: bytes, given: Mapping[tuple[str, str], Any]) -> _Exports:
        module = compiled(wasm, self._fuel is not None)
        externs = [given[each.module, each.name or ""] for each in module.imports]
        return wasmtime.Instance(self.store, module, externs).exports(self.store)

    def _counter(self) -> dict[tuple[str, str], Any]:
        return {} if self._fuel is None else {("fuel", "left"): self._fuel.left}

    def call(self, name: str, *args: int) -> int:
        """Call one of the core's functions; unsigned result, 0 where it has none. Traps come out as wasmtime's errors."""
        function: wasmtime.Func = self._core[name]
        result = function(self.store, *args)
        return 0 if result is None else int(result) & 0xFFFFFFFF

    def put(self, data: bytes) -> int:
        """Copy bytes into the core's memory; gives their place, which `core_free` takes back."""
        at = self.call("core_alloc", len(data))
        self.write(at, data)
        return at

    def write(self, at: int, data: bytes) -> None:
        """Copy bytes to a place in the core's memory that the core gave for them."""
        ctypes.memmove(_address(self.memory, self.store) + at, data, len(data))

    def call_with(self, name: str, data: bytes, *before: int) -> int:
        """Call a function that takes a structure by pointer and length, after other numbers, and keeps no pointer to it."""
        at = self.put(data)
        result = self.call(name, *before, at, len(data))
        self.call("core_free", at, len(data))
        return result

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the core's memory."""
        return ctypes.string_at(_address(self.memory, self.store) + at, size)

    def take(self, at: int, size: int) -> memoryview:
        """The same for what is kept. Much of it lies one behind the other in rooms so large that numpy asks the system for large pages:
        with small ones a page fault for each 4 KiB costs more than the copy."""
        if size > len(self._room) - self._used:
            self._room, self._used = np.empty(max(size, min(2 * len(self._room), _MOST_ROOM)), np.uint8), 0
        copy = self._room[self._used : self._used + size]
        self._used += -(-size // 64) * 64
        ctypes.memmove(copy.ctypes.data, _address(self.memory, self.store) + at, size)
        return copy.data

    def unwind(self) -> None:
        """After a trap: give the core its stack back, whose frames were dropped without running."""
        self._stack.set_value(self.store, self._stack_base)
        self.watch.host_again()

    def add_vm(
        self, module: FilterModule, vm_id: bytes = b"", vm_config: bytes = b"", env: Pairs = (), allowed: tuple[str, ...] = ()
    ) -> Vm:
        """Instantiate a filter as a further VM and tell the core of it; nothing in it has run but a wasm start section.

        `allowed` are the capabilities that the VM is restricted to, see `capabilities`; none for all.
        Raises `FilterLoadError` for invalid code, `VmsUsedUp`, and wasmtime's error where the start section traps or memory is wanting.
        """
        number = len(self.vms)
        if number >= self._most_vms or self._left_behind > _MOST_LEFT_BEHIND:
            raise VmsUsedUp
        code = self.machine_code(module)
        known = self.interface.imports(module.abi)
        called = allowed_callbacks(module.called, allowed)
        head = struct.pack("<IIQ", number, module.abi, self._export_bits(called))
        self.call_with("vm_add", head + pack_str(vm_id) + pack_str(vm_config) + pack_pairs(env))
        number_global = wasmtime.Global(self.store, _NUMBER_TYPE, wasmtime.Val.i32(number))
        given = {("core", each.export): self._core[each.export] for each in core_exports(self.interface)}
        given |= {("gate", "watch"): self._watch_page, ("vm", "number"): number_global} | self._counter()
        imports = self._instance(self._imports_wasm, given)
        without = self._deny(imports, [known[each.module, each.name] for each in module.binary.imports], allowed, number_global)
        wanted = []
        for each in module.binary.imports:
            function = known[each.module, each.name]
            wanted.append(imports[function.export if each.type == function.type else WITHOUT_RESULT + function.export])
        with self.watch.filter_call():
            filter_: _Exports = wasmtime.Instance(self.store, code, wanted).exports(self.store)
        memory: wasmtime.Memory = filter_["memory"]
        bridge = self._instance(self._bridge_wasm, {("core", "memory"): self.memory, ("filter", "memory"): memory})
        row = number * len(self.interface.guest)
        functions = {each.slot: bridge[each.name] for each in self.interface.guest if each.name in BRIDGE}
        functions |= {each.slot: filter_[name] for name, each in called.items()}
        for slot, function in functions.items():
            self._gate_table.set(self.store, row + slot, function)
        vm = Vm(number, module, filter_, memory, imports, without)
        self.vms.append(vm)
        return vm

    def intercept(self, vm: Vm, functions: Mapping[str, Callable[..., int | None]]) -> None:
        """Lead these host functions of one VM, by their names in the core, to Python; those of every other VM stay as they are.

        A Python function gets wasm's numbers and must not raise; after `watch.stop_after_hostcall()` the filter traps.
        """
        known = core_exports(self.interface)
        chosen = [each for each in known if each.export in functions]
        given: dict[tuple[str, str], Any] = {("gate", "watch"): self._watch_page}
        for each in chosen:
            params, results = ([getattr(wasmtime.ValType, name)() for name in names] for names in (each.type.params, each.type.results))
            function = wasmtime.Func(self.store, wasmtime.FuncType(params, results), functions[each.export])
            given["python", each.export] = function
        hooks = self._instance(bytes(wasmtime.wat2wasm(hooks_wat(chosen))), given)
        table: wasmtime.Table = vm.imports["table"]
        for each in chosen:
            table.set(self.store, known.index(each), hooks[each.export])

    def direct(self, vm: Vm, export: str, values: tuple[int, ...]) -> int:
        """A host function itself, called for a VM's filter from within one of its calls; 0 where it has no result."""
        function: wasmtime.Func = vm.denied.get(export) or vm.imports[f"direct {export}"]
        result = function(self.store, *values)
        return 0 if result is None else int(result) & 0xFFFFFFFF

    def read_filter(self, vm: Vm, at: int, size: int) -> bytes | None:
        """Bytes of a filter's memory; None where the range is not inside it."""
        if at + size > vm.memory.data_len(self.store):
            return None
        return ctypes.string_at(_address(vm.memory, self.store) + at, size)

    def write_filter(self, vm: Vm, at: int, data: bytes) -> bool:
        """Bytes into a filter's memory; False where they do not fit inside it."""
        if at + len(data) > vm.memory.data_len(self.store):
            return False
        ctypes.memmove(_address(vm.memory, self.store) + at, data, len(data))
        return True

    def machine_code(self, module: FilterModule) -> wasmtime.Module:
        """A filter's module compiled for this store; `FilterLoadError` for invalid code."""
        key = module.sha256, module.memory_limit
        if key not in self._code:
            try:
                self._code[key] = compiled(module.code, self._fuel is not None)
            except wasmtime.WasmtimeError as error:
                reason = shown(" ".join(str(error).split()), 300)
                raise FilterLoadError(f"invalid code: {reason}", where=str(module.path), remedy="Build or copy it again") from None
        return self._code[key]

    def _export_bits(self, called: Mapping[str, object]) -> int:
        return sum(1 << bit for bit, callback in enumerate(self.schema.callbacks) if callback.name in called)

    def _deny(self, imports: _Exports, functions: Sequence[HostFunction], allowed: tuple[str, ...], number: wasmtime.Global) -> _Exports:
        """Put what a VM may not call out of its reach; gives what answers instead."""
        chosen = {each.export: each for each in functions if denied(each, allowed)}
        if not chosen:
            return {}
        parts = [(each, operands(each, self.schema.hostcalls, self.put(each.name.encode()))) for each in chosen.values()]
        given: dict[tuple[str, str], Any] = {("core", "intercept_deny"): self._core["intercept_deny"], ("vm", "number"): number}
        given |= {("gate", "watch"): self._watch_page} | self._counter()
        instead = self._instance(bytes(wasmtime.wat2wasm(denied_wat(parts, self._fuel is not None))), given)
        slots = {each.export: slot for slot, each in enumerate(core_exports(self.interface))}
        table: wasmtime.Table = imports["table"]
        for export in chosen:
            table.set(self.store, slots[export], instead[export])
        return {export: instead[export] for export in chosen}

    def memory_entered(self) -> tuple[int, int]:
        """Bytes of memory, and their limit, of the VM entered last."""
        number = self.watch.vm
        if number >= len(self.vms):
            return 0, 0
        return self.vms[number].memory.data_len(self.store), self.vms[number].module.memory_limit

    def leave_behind(self, vm: Vm) -> None:
        """A VM that is never entered again: gives its memory back where the system can, since its instance stays."""
        size = vm.memory.data_len(self.store)
        if (
            sys.platform == "linux"
            and _libc().madvise(ctypes.c_void_p(_address(vm.memory, self.store)), ctypes.c_size_t(size), _MADV_DONTNEED) == 0
        ):
            return
        self._left_behind += size


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _address(memory: wasmtime.Memory, store: wasmtime.Store) -> int:
    return ctypes.addressof(memory.data_ptr(store).contents)
