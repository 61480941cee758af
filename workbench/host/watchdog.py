"""Bounds the time of one call into a filter, and cancels, from within a run of the core that is one long native call.

A thread advances the engine's epoch; the store then calls back between two instructions of the running wasm, and the answer is
either a little more time or the end of the call. wasmtime's Python package has no door to that callback but its raw bindings.
"""

from __future__ import annotations

import ctypes
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, IntEnum
from types import TracebackType
from typing import Any, Protocol

import wasmtime
from wasmtime import _bindings as raw

__all__ = ["Runs", "Verdict", "Watch", "Watchdog"]

_TICK_S = 0.01
_PATIENCE = 200  # ticks for which a cancelled run may stay in the host before it is stopped there
_set_callback = raw._wasmtime_store_epoch_deadline_callback
_Callback: Any = _set_callback.argtypes[1]
_Finalizer: Any = _set_callback.argtypes[3]


class Verdict(Enum):
    """Why the watchdog ended a call."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    FAULT = "fault"


class Runs(IntEnum):
    """Who runs: the first word of the watch page."""

    FILTER = 0
    HOST = 1
    HOSTCALL = 2
    """The host, on behalf of a filter's call."""


class Watch:
    """The gate's page that says who runs; it never moves, so it is read and written in place while wasm runs."""

    def __init__(self, address: int) -> None:
        self._runs = ctypes.c_int32.from_address(address)
        self._calls = ctypes.c_int64.from_address(address + 8)
        self._vm = ctypes.c_uint32.from_address(address + 16)
        self._stop = ctypes.c_int32.from_address(address + 24)

    @property
    def runs(self) -> Runs:
        """Who runs; after a trap, who ran."""
        return Runs(self._runs.value)

    @property
    def calls(self) -> int:
        """How many calls into filters there were."""
        return self._calls.value

    @property
    def vm(self) -> int:
        """The VM entered last."""
        return self._vm.value

    def stop_after_hostcall(self) -> None:
        """The filter traps when the hostcall that runs now is done."""
        self._stop.value = 1

    def set_runs(self, who: Runs) -> None:
        """Say who runs, where Python stands between a filter and the host."""
        self._runs.value = who

    def host_again(self) -> None:
        """After a trap: the host runs, and nothing is to stop."""
        self._stop.value = 0
        self._runs.value = Runs.HOST

    @contextmanager
    def filter_call(self) -> Iterator[None]:
        """Marks a call into a filter that does not go through the gate; after a trap the mark stays, as it does there."""
        self._calls.value += 1
        self._runs.value = Runs.FILTER
        yield
        self._runs.value = Runs.HOST


class Sampler(Protocol):
    """Who looks at running wasm at each tick of the watchdog, `interval_s` seconds apart."""

    interval_s: float

    def sample(self, runs: Runs) -> None:
        """Look; must not raise."""


class Watchdog:
    """Watches one store while it is entered as a context manager.

    `limit_s` bounds one call into a filter, its hostcalls included, in seconds of processor time: a busy machine, a debugger or
    a sleeping laptop fails no filter. `cancel` ends the run as soon as a filter runs. `verdict` says what it did, until `clear()`.
    A `sampler` is told at each tick who runs, and sets their distance.
    What a filter makes the host keep is bounded by the core itself, at each hostcall and so alike in every run.
    """

    def __init__(
        self,
        store: wasmtime.Store,
        watch: Watch,
        limit_s: float,
        cancel: threading.Event,
        sampler: Sampler | None = None,
    ) -> None:
        self.verdict: Verdict | None = None
        self.fault: BaseException | None = None
        self._engine = store.engine
        self._watch = watch
        self._limit_ns = int(limit_s * 1e9)
        self._cancel = cancel
        self._sampler = sampler
        self._tick_s = _TICK_S if sampler is None else sampler.interval_s
        self._patience = int(_PATIENCE * _TICK_S / self._tick_s)
        self._call = -1
        self._since = 0
        self._paused_ns = 0  # within the call that is watched, for which others than filter and host are to blame
        self._pause_began: int | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # kept here and knowing this object only weakly: a circle would keep the store, and all its memory, until the next collection
        this = weakref.ref(self)
        self._callback = _Callback(lambda context, data, delta, kind: _on_tick(this, delta, kind))
        _set_callback(store.ptr(), self._callback, None, ctypes.cast(0, _Finalizer))
        store.set_epoch_deadline(1)

    def __enter__(self) -> Watchdog:
        self._stop.clear()
        self._thread = threading.Thread(target=self._advance, name="workbench-watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def clear(self) -> None:
        """Forget the verdict; the next call into a filter has the whole time."""
        self.verdict = None
        self._call = -1

    @contextmanager
    def counting(self, counts: bool) -> Iterator[None]:
        """Whether the time within is the filter's: that of a user's function, called in the midst of a call, is not. The two may nest."""
        before = self._pause_began is None
        self._count(counts)
        try:
            yield
        finally:
            self._count(before)

    def _count(self, counts: bool) -> None:
        now = time.thread_time_ns()
        if self._pause_began is not None:
            self._paused_ns += now - self._pause_began
        self._pause_began = None if counts else now

    def _advance(self) -> None:
        while not self._stop.wait(self._tick_s):
            self._engine.increment_epoch()

    def _ends_now(self) -> bool:
        """True where the running wasm is to trap at once; a hostcall is let through to its end first."""
        now, call, runs = time.thread_time_ns(), self._watch.calls, self._watch.runs
        if self._sampler is not None:
            self._sampler.sample(runs)
        if call != self._call:
            self._call, self._since, self._paused_ns = call, now, 0
            if self._pause_began is not None:
                self._pause_began = now
        verdict = self._judge(now)
        if verdict is None:
            return False
        if runs is Runs.HOST:
            # between two calls only a cancelled run is ended, and late: it could leave a record half written
            self._patience -= verdict is Verdict.CANCELLED
            if self._patience > 0:
                return False
        self.verdict = verdict
        if runs is Runs.HOSTCALL:
            self._watch.stop_after_hostcall()
            return False
        return True

    def _judge(self, now: int) -> Verdict | None:
        if self._cancel.is_set():
            return Verdict.CANCELLED
        until = now if self._pause_began is None else self._pause_began
        return Verdict.TIMEOUT if until - self._since - self._paused_ns > self._limit_ns else None


def _on_tick(this: weakref.ref[Watchdog], delta: Any, kind: Any) -> int:
    """The store's callback: a pointer to an error, or 0 for one more tick. Nothing may be raised through the native frames below."""
    watchdog = this()
    if watchdog is None:
        return 0
    try:
        delta[0], kind[0] = 1, 0
        ends = watchdog._ends_now()
    except BaseException as error:
        watchdog.verdict, watchdog.fault, ends = Verdict.FAULT, error, True
    return _error("ended by the watchdog") if ends else 0


def _error(message: str) -> int:
    pointer = raw.wasmtime_error_new(ctypes.create_string_buffer(message.encode()))
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0
