"""The clock that the core reads at both ends of every call: it must cost next to nothing, so it never enters Python code.

From CPython 3.13 on the interpreter's own `PyTime_MonotonicRaw` is called from wasm directly, about 40 ns. It takes one pointer and
writes nanoseconds there (Python C API, "Time"); wasmtime's raw callbacks pass a pointer of ours first and take 0 for "no trap", so it
fits as it is, and the pointer is the clock's own page. Elsewhere WASI's `clock_time_get` of wasmtime serves, three times as dear.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import wasmtime
from wasmtime import _bindings as raw

from .compiled import compiled, engine

__all__ = ["clock_function"]

_PYTHON_WAT = """
(module $workbench.clock
  (import "python" "monotonic" (func $write))
  (import "python" "page" (memory 1 1))
  (func (export "now") (result i64) (call $write) (i64.load (i32.const 0))))
"""

_WASI_WAT = """
(module $workbench.clock
  (import "wasi_snapshot_preview1" "clock_time_get" (func $get (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "now") (result i64)
    (drop (call $get (i32.const 1) (i64.const 1) (i32.const 0)))
    (i64.load (i32.const 0))))
"""


def clock_function(store: wasmtime.Store, fuel: bool = False) -> wasmtime.Func:
    """A function `() -> i64` in `store`, which is one of `engine(fuel)`: nanoseconds, monotonic."""
    if sys.implementation.name == "cpython" and sys.version_info >= (3, 13) and ctypes.sizeof(ctypes.c_void_p) == 8:
        return _of_python(store, fuel)
    store.set_wasi(wasmtime.WasiConfig())
    linker = wasmtime.Linker(engine(fuel))
    linker.define_wasi()
    return _now(store, linker.instantiate(store, compiled(bytes(wasmtime.wat2wasm(_WASI_WAT)), fuel)))


def _of_python(store: wasmtime.Store, fuel: bool) -> wasmtime.Func:
    page = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, 1)))
    address = ctypes.addressof(page.data_ptr(store).contents)
    define: Any = raw._wasmtime_func_new_unchecked
    type_, function = wasmtime.FuncType([], []), raw.wasmtime_func_t()
    callback = ctypes.cast(ctypes.pythonapi.PyTime_MonotonicRaw, define.argtypes[2])
    no_finalizer = ctypes.cast(0, define.argtypes[4])
    define(store._context(), type_.ptr(), callback, ctypes.c_void_p(address), no_finalizer, ctypes.byref(function))
    module = compiled(bytes(wasmtime.wat2wasm(_PYTHON_WAT)), fuel)
    return _now(store, wasmtime.Instance(store, module, [wasmtime.Func._from_raw(function), page]))


def _now(store: wasmtime.Store, instance: wasmtime.Instance) -> wasmtime.Func:
    now = instance.exports(store)["now"]
    assert isinstance(now, wasmtime.Func)
    return now
