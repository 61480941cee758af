"""Samples of what filters execute, by function: wasmtime's guest profiler, asked from the watchdog's tick.

The watchdog owns the one callback that interrupts running wasm, so a profile is taken there. wasmtime's Python package has no door to
the profiler but its raw bindings. Functions have the names of the module's `name` section, else their numbers.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any

import wasmtime
from wasmtime import _bindings as raw

from .watchdog import Runs

__all__ = ["Profiler"]


class Profiler:
    """One profile of one store. `interval_s` is the time between two samples that is aimed at, `samples` how many there were."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.samples = 0
        self.result = b""
        self._profiler: Any = None
        self._store: wasmtime.Store | None = None
        self._last = 0

    def attach(self, store: wasmtime.Store, modules: Sequence[tuple[str, wasmtime.Module]]) -> None:
        """Sample this store from now on; `modules` are the filters' by name. Frames of any other module are left out."""
        names = [_vector(name.encode()) for name, _ in modules]
        listed = (raw.wasmtime_guestprofiler_modules * len(modules))()
        for place, (name, (_, module)) in enumerate(zip(names, modules, strict=True)):
            listed[place].name = ctypes.pointer(name)
            listed[place].mod = module.ptr()
        title = _vector(b"filters")
        new: Any = raw._wasmtime_guestprofiler_new
        self._profiler = new(store.engine.ptr(), ctypes.byref(title), int(self.interval_s * 1e9), listed, len(modules))
        self._store = store
        self._last = time.thread_time_ns()

    def sample(self, runs: Runs) -> None:
        """Called in the midst of running wasm: keeps the stack, where it is a filter's or of a hostcall that a filter made."""
        now = time.thread_time_ns()
        delta, self._last = now - self._last, now
        if self._profiler is None or self._store is None or runs is Runs.HOST:
            return
        take: Any = raw._wasmtime_guestprofiler_sample
        take(self._profiler, self._store.ptr(), delta)
        self.samples += 1

    def finish(self) -> None:
        """End it: `result` is the profile then, as JSON in the format of Firefox's profiler."""
        if self._profiler is None:
            return
        profiler, self._profiler, self._store = self._profiler, None, None
        out = raw.wasm_byte_vec_t()
        end: Any = raw._wasmtime_guestprofiler_finish  # frees it too
        if error := end(profiler, ctypes.byref(out)):
            raise wasmtime.WasmtimeError._from_ptr(error)
        self.result = ctypes.string_at(out.data, out.size)
        raw.wasm_byte_vec_delete(ctypes.byref(out))


def _vector(data: bytes) -> Any:
    vector: Any = raw.wasm_byte_vec_t()
    vector.size = len(data)
    vector.data = ctypes.cast(ctypes.create_string_buffer(data, len(data)), type(vector.data))
    return vector
