"""The clock that the core reads at both ends of every call: it must cost next to nothing, so it never enters Python code.

wasmtime calls a raw callback with a pointer of ours first and takes 0 for "no trap". The pointer is the clock's own page, and the
callback, called from wasm directly at about 40 ns, is
- from CPython 3.13 on, the interpreter's own `PyTime_MonotonicRaw` as it is: it writes nanoseconds there (Python C API, "Time");
- before, on Linux on x86-64, `clock_gettime` of the C library, which wants the clock's number first: thirty bytes of machine code in
  front of it put the two in order.
Elsewhere, and where the system refuses memory for code, WASI's `clock_time_get` of wasmtime serves, at three to four times the price.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from functools import cache
from typing import Any

import wasmtime
from wasmtime import _bindings as raw

from .compiled import assembled, compiled, engine

__all__ = ["clock_function"]

_RAW_WAT = """
(module $workbench.clock
  (import "clock" "write" (func $write))
  (import "clock" "page" (memory 1 1))
  (func (export "now") (result i64) (call $write) %s))
"""
_NANOSECONDS = "(i64.load (i32.const 0))"
_TIMESPEC = "(i64.add (i64.mul (i64.load (i32.const 0)) (i64.const 1000000000)) (i64.load (i32.const 8)))"

_WASI_WAT = """
(module $workbench.clock
  (import "wasi_snapshot_preview1" "clock_time_get" (func $get (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "now") (result i64)
    (drop (call $get (i32.const 1) (i64.const 1) (i32.const 0)))
    (i64.load (i32.const 0))))
"""

# int (*)(struct timespec *page): clock_gettime(CLOCK_MONOTONIC, page); return 0  -- System V calling convention, x86-64
_BEFORE_ADDRESS = bytes.fromhex(
    "f30f1efa"  # endbr64           where calls through pointers must land
    "4883ec08"  # sub rsp, 8        the stack stays on 16 bytes
    "4889fe"  # mov rsi, rdi        the page, now the second argument
    "bf01000000"  # mov edi, 1      CLOCK_MONOTONIC, the first
    "48b8"  # mov rax, ...          the function's address
)
_AFTER_ADDRESS = bytes.fromhex(
    "ffd0"  # call rax
    "31c0"  # xor eax, eax          no trap
    "4883c408"  # add rsp, 8
    "c3"  # ret
)


def clock_function(store: wasmtime.Store, fuel: bool = False) -> wasmtime.Func:
    """A function `() -> i64` in `store`, which is one of `engine(fuel)`: nanoseconds, monotonic."""
    if sys.implementation.name == "cpython" and sys.version_info >= (3, 13) and ctypes.sizeof(ctypes.c_void_p) == 8:
        return _raw(store, fuel, ctypes.cast(ctypes.pythonapi.PyTime_MonotonicRaw, ctypes.c_void_p).value or 0, _NANOSECONDS)
    address = _gettime_address()
    return _wasi(store, fuel) if address is None else _raw(store, fuel, address, _TIMESPEC)


@cache
def _gettime_address() -> int | None:
    """Where the code in front of `clock_gettime` lies, executable and no longer writable; None where there can be none.

    It is never unmapped: a thread may still replay while the interpreter ends.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    library = ctypes.CDLL(None)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    library.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    function = ctypes.cast(library.clock_gettime, ctypes.c_void_p).value or 0
    code = _BEFORE_ADDRESS + function.to_bytes(8, "little") + _AFTER_ADDRESS
    address = library.mmap(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if address == ctypes.c_void_p(-1).value:
        return None
    ctypes.memmove(address, code, len(code))
    return None if library.mprotect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC) else int(address)


def _raw(store: wasmtime.Store, fuel: bool, address: int, reading: str) -> wasmtime.Func:
    """`address` is of a C function that writes the time to the pointer it is given and returns 0; `reading` is WAT for what it wrote."""
    page = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, 1)))
    define: Any = raw._wasmtime_func_new_unchecked
    type_, function = wasmtime.FuncType([], []), raw.wasmtime_func_t()
    callback, no_finalizer = ctypes.cast(address, define.argtypes[2]), ctypes.cast(0, define.argtypes[4])
    written = ctypes.c_void_p(ctypes.addressof(page.data_ptr(store).contents))
    define(store._context(), type_.ptr(), callback, written, no_finalizer, ctypes.byref(function))
    module = compiled(assembled(_RAW_WAT % reading), fuel)
    return _now(store, wasmtime.Instance(store, module, [wasmtime.Func._from_raw(function), page]))


def _wasi(store: wasmtime.Store, fuel: bool) -> wasmtime.Func:
    store.set_wasi(wasmtime.WasiConfig())
    linker = wasmtime.Linker(engine(fuel))
    linker.define_wasi()
    return _now(store, linker.instantiate(store, compiled(assembled(_WASI_WAT), fuel)))


def _now(store: wasmtime.Store, instance: wasmtime.Instance) -> wasmtime.Func:
    now = instance.exports(store)["now"]
    assert isinstance(now, wasmtime.Func)
    return now
