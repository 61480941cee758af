"""Instructions that filters execute, counted by wasmtime as fuel: a unit that is the same on every machine and in every run.

wasmtime counts for a whole store, the core's instructions too, and what is left of the fuel can be read through its C API alone. So the
gate and the imports ask at each change between filter and host, and add up what lies within the filter. Each such question enters
Python, about a microsecond: only a replay that is told to pays for it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import wasmtime
from wasmtime import _bindings as raw

__all__ = ["FuelCounter", "fuel_counter"]

_PLENTY = 1 << 62
_Answer = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_GetFuel = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True)
class FuelCounter:
    """`left` is a function `() -> i64` for wasm: the fuel that is left in its store. `kept` is what it calls, which must live as long."""

    left: wasmtime.Func
    kept: Any


def fuel_counter(store: wasmtime.Store) -> FuelCounter:
    """Fill the store with more fuel than any replay uses, and give what reads it. The store is one of `compiled.engine(fuel=True)`."""
    store.set_fuel(_PLENTY)
    get: Any = _GetFuel(ctypes.cast(raw._wasmtime_context_get_fuel, ctypes.c_void_p).value or 0)
    # the result goes where wasm expects it: a value is 8 bytes there, as the number that wasmtime writes
    answer = _Answer(lambda context, caller, values, count: get(context, values))
    define: Any = raw._wasmtime_func_new_unchecked
    type_, function = wasmtime.FuncType([], [wasmtime.ValType.i64()]), raw.wasmtime_func_t()
    context = store._context()
    define(
        context,
        type_.ptr(),
        ctypes.cast(answer, define.argtypes[2]),
        ctypes.cast(context, ctypes.c_void_p),
        ctypes.cast(0, define.argtypes[4]),
        ctypes.byref(function),
    )
    return FuelCounter(wasmtime.Func._from_raw(function), answer)
