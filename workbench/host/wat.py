"""The small modules between the core and the filters, as WAT text generated from the core's own types.

gate     once: the core's calls into filters, jumps through one table with a row a VM
imports  for each VM: the filter's calls into the core; compiled once, the VM's number is a global that it imports
bridge   for each VM: copies between the filter's memory and the core's
denied   for each VM that lacks capabilities: the imports it may not call
hooks    for each VM with intercepted hostcalls: from the filter to Python, and out again
"""

from __future__ import annotations

from collections.abc import Sequence

from .abi import BRIDGE, FUEL, Abi, GuestFunction, HostFunction, HostInterface
from .binary import FuncType
from .watchdog import Runs

__all__ = ["BRIDGE_WAT", "WITHOUT_RESULT", "core_exports", "denied_wat", "gate_wat", "hooks_wat", "imports_wat"]

WITHOUT_RESULT = "void "
"""Before the name of an import's variant that gives no result."""

_PROBE_VALUES = 2048

BRIDGE_WAT = """
(module $workbench.bridge
  (import "core" "memory" (memory $core 1))
  (import "filter" "memory" (memory $filter 1))
  (func $outside (param $at i32) (param $size i32) (result i32)
    (i64.gt_u (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size)))
              (i64.shl (i64.extend_i32_u (memory.size $filter)) (i64.const 16))))
  (func (export "memory_read") (param $from i32) (param $to i32) (param $size i32) (result i32)
    (if (call $outside (local.get $from) (local.get $size)) (then (return (i32.const 0))))
    (memory.copy $core $filter (local.get $to) (local.get $from) (local.get $size))
    (i32.const 1))
  (func (export "memory_write") (param $from i32) (param $to i32) (param $size i32) (result i32)
    (if (call $outside (local.get $to) (local.get $size)) (then (return (i32.const 0))))
    (memory.copy $filter $core (local.get $to) (local.get $from) (local.get $size))
    (i32.const 1))
  (func (export "memory_store32") (param $to i32) (param $value i32) (result i32)
    (if (call $outside (local.get $to) (i32.const 4)) (then (return (i32.const 0))))
    (i32.store $filter (local.get $to) (local.get $value))
    (i32.const 1))
  (func (export "memory_store64") (param $to i32) (param $value i64) (result i32)
    (if (call $outside (local.get $to) (i32.const 8)) (then (return (i32.const 0))))
    (i64.store $filter (local.get $to) (local.get $value))
    (i32.const 1))
  (func (export "memory_pages") (result i32) (memory.size $filter)))
"""


def gate_wat(guest: Sequence[GuestFunction], vms: int, fuel: bool = False) -> str:
    """The gate for at most `vms` VMs: exports each guest function, `table`, and the page `watch`.

    `watch` (see `watchdog.Watch`): i32 at 0 says who runs, i64 at 8 counts the calls into filters, i32 at 16 is the VM entered last,
    i32 at 24 asks the filter to end, i64 at 32 is what the filter executed in its call where `fuel` is counted, i64 at 40 what was left
    when it began to run; the rest stays 0. The allocator runs within a hostcall, so it belongs to the call counted already.
    """
    parts = [f'(module $workbench.gate {_counter(fuel)} (memory (export "watch") 1 1)', f'(data (i32.const 0) "\\{Runs.HOST.value:02x}")']
    parts.append(f'(table (export "table") {vms * len(guest)} funcref)')
    for each in guest:
        if each.name == FUEL:
            parts.append(f'(func (export "{FUEL}") (param i32) {_signature(each.type)} (i64.load (i32.const 32)))')
            continue
        # the VM's number is the first parameter, so the filter's own begin at 1
        values = "".join(f"(local.get {i}) " for i in range(1, len(each.type.params) + 1))
        index = f"(i32.add (i32.mul (local.get 0) (i32.const {len(guest)})) (i32.const {each.slot}))"
        call = f"(call_indirect (type $t{each.slot}) {values}{index})"
        if each.name not in BRIDGE:
            nested = each.name == "malloc"
            count = "" if nested else "(i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))"
            fresh = "(i64.store (i32.const 32) (i64.const 0))" if fuel and not nested else ""
            enter = f"(i32.store (i32.const 16) (local.get 0)) {_runs(Runs.FILTER)} {count} {fresh} {_begin(fuel)}"
            call = f"{enter} {call} {_end(fuel)} {_runs(Runs.HOSTCALL if nested else Runs.HOST)}"
        parts.append(f"(type $t{each.slot} {_func(each.type)})")
        parts.append(f'(func (export "{each.name}") (param i32) {_signature(each.type)} {call})')
    return "\n".join(parts) + ")"


def imports_wat(interface: HostInterface, fuel: bool = False) -> str:
    """Every host function as filters import it, through a table, so that any of them can be replaced for one VM while it lives.

    Exports NAME (through the table, whose slots follow `core_exports`) and `direct NAME` (always the core's), named as in the core.
    Before the core is entered a probe takes 32 KiB of native stack and gives it back: where a filter has used the stack up, it
    runs out here, in the filter's name, and not in the middle of the core's work. After it has been left comes the place where
    the watchdog can end a filter that spends its time in hostcalls.
    """
    functions = core_exports(interface)
    parts = [f"(module $workbench.imports {_counter(fuel)}"]
    for slot, each in enumerate(functions):
        parts.append(f"(type $t{slot} {_func(each.type)})")
        parts.append(f'(import "core" "{each.export}" (func $core{slot} (param i32) {_signature(each.type)}))')
    parts.append('(import "gate" "watch" (memory 1 1)) (import "vm" "number" (global $vm i32))')
    parts.append(f'(table (export "table") {len(functions)} funcref)')
    parts.append("(elem (i32.const 0) func " + " ".join(f"$direct{slot}" for slot in range(len(functions))) + ")")
    parts.append(_probe())
    lenient = {each.export for each in interface.lenient(Abi.V0_1_0).values()}
    for slot, each in enumerate(functions):
        values = "".join(f"(local.get {i}) " for i in range(len(each.type.params)))
        parts.append(
            f'(func $direct{slot} (export "direct {each.export}") (type $t{slot}) (call $probe) {_end(fuel)} {_runs(Runs.HOSTCALL)}'
            f" (call $core{slot} (global.get $vm) {values}) {_runs(Runs.FILTER)} {_begin(fuel)}"
            " (if (i32.load (i32.const 24)) (then (unreachable))))"
        )
        parts.append(f'(func $f{slot} (export "{each.export}") (type $t{slot}) (call_indirect (type $t{slot}) {values}(i32.const {slot})))')
        if each.export in lenient:
            params = _signature(FuncType(each.type.params))
            parts.append(f'(func (export "{WITHOUT_RESULT}{each.export}") {params} (drop (call $f{slot} {values})))')
    return "\n".join(parts) + ")"


def hooks_wat(functions: Sequence[HostFunction]) -> str:
    """Ways for hostcalls into `python`, and out of them by a trap where the word at 24 of `watch` asks for it.

    Exports and imports are named as in the core. The trap is made here because nothing can be raised through wasm from Python.
    """
    parts = ['(module $workbench.hooks (import "gate" "watch" (memory 1 1))']
    for slot, each in enumerate(functions):
        parts.append(f'(import "python" "{each.export}" (func $python{slot} {_signature(each.type)}))')
    for slot, each in enumerate(functions):
        values = "".join(f"(local.get {i}) " for i in range(len(each.type.params)))
        parts.append(f'(func (export "{each.export}") {_signature(each.type)} (call $python{slot} {values})')
        parts.append("(if (i32.load (i32.const 24)) (then (unreachable))))")
    return "\n".join(parts) + ")"


def denied_wat(functions: Sequence[tuple[HostFunction, Sequence[str]]], fuel: bool = False) -> str:
    """Imports that a filter has no capability for: each with the operands, behind the VM's number, that `intercept_deny` gets for it."""
    deny = '(import "core" "intercept_deny" (func $deny (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))'
    imports = '(import "gate" "watch" (memory 1 1)) (import "vm" "number" (global $vm i32))'
    parts = [f"(module $workbench.imports {_counter(fuel)} {deny} {imports}"]
    for each, operands in functions:
        given = "(local.get $status)" if each.type.results else ""
        parts.append(f'(func (export "{each.export}") {_signature(each.type)} (local $status i32) {_end(fuel)} {_runs(Runs.HOSTCALL)}')
        parts.append(f"(local.set $status (call $deny (global.get $vm) {' '.join(operands)})) {_runs(Runs.FILTER)} {_begin(fuel)} {given})")
    return "\n".join(parts) + ")"


def core_exports(interface: HostInterface) -> list[HostFunction]:
    """The host functions, each of the core's exports once."""
    return list({each.export: each for each in interface.host}.values())


def _counter(fuel: bool) -> str:
    return '(import "fuel" "left" (func $left (result i64)))' if fuel else ""


def _begin(fuel: bool) -> str:
    """The filter runs from here on."""
    return "(i64.store (i32.const 40) (call $left))" if fuel else ""


def _end(fuel: bool) -> str:
    """The filter ran up to here."""
    spent = "(i64.sub (i64.load (i32.const 40)) (call $left))"
    return f"(i64.store (i32.const 32) (i64.add (i64.load (i32.const 32)) {spent}))" if fuel else ""


def _runs(who: Runs) -> str:
    return f"(i32.store (i32.const 0) (i32.const {who.value}))"


def _signature(type_: FuncType) -> str:
    params = f"(param {' '.join(type_.params)})" if type_.params else ""
    results = f"(result {' '.join(type_.results)})" if type_.results else ""
    return f"{params} {results}"


def _func(type_: FuncType) -> str:
    return f"(func {_signature(type_)})"


def _probe() -> str:
    # The frame is large because the values live across a call on a branch that is never taken: the word at 4 of `watch` stays 0.
    # The compiled function still checks, on entry, that its whole frame fits the stack.
    values = range(_PROBE_VALUES)
    loads = "".join(f"(local.set {i} (v128.load offset={16 * i} (i32.const 0)))" for i in values)
    stores = "".join(f"(v128.store offset={16 * i} (i32.const 0) (local.get {i}))" for i in values)
    locals_ = f"(local {'v128 ' * _PROBE_VALUES})"
    return f"(func $nothing) (func $probe {locals_} (if (i32.load offset=4 (i32.const 0)) (then {loads} (call $nothing) {stores})))"
