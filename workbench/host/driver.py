"""Drives a replay: feeds the core, takes its trace, and answers traps, refusals and the need for fresh VMs."""

from __future__ import annotations

import signal
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import wasmtime

from ..errors import FilterLoadError, InterceptError, ReplayError
from ..services.answering import Answering
from ..services.calls import Service
from ..trace.records import NO_FILTER
from ..trace.trace import Trace
from .binary import shown
from .compose import Composition, core_interface
from .faults import describe
from .foreign import ForeignFunction
from .homes import Failed, FilterSpec, Homes
from .hook import Hook
from .intercept import Hooks, let_go
from .module import FilterModule
from .profiler import Profiler
from .settings import Settings
from .watchdog import Runs, Verdict, Watchdog

__all__ = ["Batch", "FilterSpec", "Settings", "Swap", "replay"]

_TRACE_LIMIT = 8 << 20  # bytes that the core gathers before it hands them over
_PROGRESS_S = 0.1
_LOGS_SHOWN = 5
_ROWS_LOOKED_AT = 1000
_DONE, _TRACE_FULL, _NEEDS_VM, _NEEDS_ANSWER = 0, 1, 2, 3


class Batch(Protocol):
    """Packed exchanges (`capture.packing`), ordered by start; `start_ns` is that of the first."""

    @property
    def data(self) -> bytes: ...
    @property
    def count(self) -> int: ...
    @property
    def start_ns(self) -> int: ...


@dataclass(frozen=True)
class Swap:
    """At a virtual time, nanoseconds since the Unix epoch, the filter at place `old` makes way for the one at place `new`, behind it.

    Exchanges under way stay with the old one; those that begin from then on meet the new one, which starts at that moment.
    """

    old: int
    new: int
    time_ns: int


Progress = Callable[[int, int], None]
Grown = Callable[[Trace], None]


def replay(
    filters: Sequence[FilterSpec],
    batches: Iterable[Batch],
    settings: Settings | None = None,
    *,
    hooks: Sequence[Hook] = (),
    foreign: Mapping[str, ForeignFunction] | None = None,
    progress: Progress | None = None,
    total: int = 0,
    cancel: threading.Event | None = None,
    clusters: Mapping[str, Service] | None = None,
    swaps: Sequence[Swap] = (),
    grown: Grown | None = None,
    profiler: Profiler | None = None,
) -> Trace:
    """Replay `batches` through `filters` (requests first to last, responses last to first).

    `hooks` step into hostcalls (`host.intercept`), `foreign` are further foreign functions by name. `clusters` are the services that
    filters can call, by the name of Envoy's cluster; a call to any other is refused, as there. `swaps` say when filters make way for
    others. `progress` gets the exchanges done and `total`, at most ten times a second and once at the end; as often, but before it,
    `grown` gets the trace, which goes on growing. A `profiler` samples what filters execute, and has its result afterwards. Setting
    `cancel`, or an interrupt (SIGINT) where this runs in the main thread, ends the replay early: the trace holds what was done and its
    `complete` is False.

    Raises `FilterLoadError` for a filter that cannot be loaded or, unless `settings.start_anyway`, does not start; `InterceptError`
    for a hook that raises, with the trace up to there; `ReplayError` where the host itself fails. A filter that fails later is a
    result, in the trace.
    """
    settings = settings or Settings()
    modules = _load(filters)
    run = _Run(
        filters,
        modules,
        settings,
        hooks,
        foreign or {},
        cancel or threading.Event(),
        progress,
        total,
        clusters or {},
        swaps,
        grown,
        profiler,
    )
    services = run.services
    try:
        with _interruptible(run.interrupt), run.watchdog:
            run.begin(batches)
    except _Cancelled:
        run.trace.complete = False
    except InterceptError as error:
        run.trace.complete = False
        run.drain()
        run.report(final=True)
        error.trace = run.trace
        del run  # what is raised from here keeps nothing but the trace
        let_go(error)
        raise error.with_traceback(None) from error.__cause__
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        if run.watchdog.fault is not None:
            raise ReplayError("the watchdog failed") from run.watchdog.fault
        raise _core_failed(error) from error
    finally:
        services.close()
        if profiler is not None:
            profiler.finish()
    run.drain()
    run.report(final=True)
    return run.trace


def _load(filters: Sequence[FilterSpec]) -> list[FilterModule]:
    """The modules of the filters; the same file with the same limit is read once."""
    interface = core_interface()
    loaded: dict[tuple[Path, int], FilterModule] = {}
    for each in filters:
        key = (each.path, each.memory_limit)
        if key not in loaded:
            loaded[key] = FilterModule.load(each.path, interface, each.memory_limit)
        module = loaded[key]
        if each.expected_sha256 and each.expected_sha256.lower() != module.sha256:
            raise FilterLoadError(
                f"filter {each.name}: its SHA-256 is {module.sha256}, and {shown(each.expected_sha256)} is expected",
                where=str(each.path),
                remedy="Take the module that was meant, or change expected_sha256",
            )
    return [loaded[each.path, each.memory_limit] for each in filters]


@contextmanager
def _interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Turns SIGINT into a cancelled replay: an exception could come at any instruction, within the watchdog's callback too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupted(number: int, frame: FrameType | None) -> None:
        interrupt()

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        # None: a handler that Python did not set and cannot put back
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


class _Cancelled(Exception):
    """The user wants no more."""


def _core_failed(error: Exception) -> ReplayError:
    text = " ".join(str(error).split())
    return ReplayError(f"the host core failed: {shown(text, 400)}", remedy="This is a fault of the workbench: report it")


class _Run:
    """One replay while it goes on."""

    def __init__(
        self,
        filters: Sequence[FilterSpec],
        modules: Sequence[FilterModule],
        settings: Settings,
        hooks: Sequence[Hook],
        foreign: Mapping[str, ForeignFunction],
        cancel: threading.Event,
        progress: Progress | None,
        total: int,
        clusters: Mapping[str, Service],
        swaps: Sequence[Swap],
        grown: Grown | None,
        profiler: Profiler | None,
    ) -> None:
        self.filters = filters
        self.settings = settings
        self.cancel = cancel
        # a thread more for the main one and one for its trials
        self.host = Composition(max(settings.most_vms, (settings.workers + 2) * len(filters)), settings.fuel)
        self.watchdog = Watchdog(self.host.store, self.host.watch, settings.callback_limit_s, cancel, profiler)
        if profiler is not None:
            names = [each.name for each in filters]
            profiler.attach(self.host.store, [(name, self.host.machine_code(module)) for name, module in zip(names, modules, strict=True)])
        self.trace = Trace(self.host.schema, tuple(each.name for each in filters))
        self.services = Answering(clusters, self.trace.filters)
        self.hooks = Hooks(self.host, self.watchdog, hooks, self.trace.filters, foreign)
        self.homes = Homes(
            filters,
            modules,
            self.host,
            self.hooks.bind,
            workers=settings.workers,
            main_thread=settings.main_thread,
            successors={each.old: each.new for each in swaps},
        )
        self._swaps = swaps
        self._progress = progress
        self._grown = grown
        self._total = total
        self._reported = 0.0
        self._asking = False

    def interrupt(self) -> None:
        """End the replay as soon as a filter or a hook runs; a service that is being asked is left at once."""
        self.cancel.set()
        self.hooks.interrupt()
        if self._asking:
            self._asking = False
            raise KeyboardInterrupt

    def begin(self, batches: Iterable[Batch]) -> None:
        """Start the filters, replay everything, finish."""
        upcoming = iter(batches)
        batch = next(upcoming, None)
        settings = self.settings
        start = batch.start_ns if batch else 0
        self.host.call_with(
            "configure",
            struct.pack(
                "<QQ6I",
                settings.seed,
                start,
                settings.chunk_size,
                settings.buffer_limit,
                _TRACE_LIMIT,
                settings.log_level,
                settings.workers,
                settings.websocket,
            ),
        )
        self.host.call_with("clusters", self.services.names)
        self.homes.start(self)
        for swap in self._swaps:
            self.host.call("swap_plan", swap.old, max(swap.time_ns, start))
        while batch is not None:
            self._check()
            following = next(upcoming, None)
            self._feed(batch, following.start_ns if following else -1)
            batch = following
        self._drive("finish")

    def _feed(self, batch: Batch, horizon: int) -> None:
        at = self.host.put(batch.data)
        self._drive("run", at, len(batch.data), horizon)
        self.host.call("core_free", at, len(batch.data))
        self.drain()
        self.report()

    def complain(self, number: int, message: str) -> None:
        """A filter does not start. That ends the replay, unless the user wants it anyway."""
        if not self.settings.start_anyway:
            self.drain()
            raise self._load_error(number, message)

    def _load_error(self, number: int, message: str) -> FilterLoadError:
        callback, logs = "its start", []
        for seq in range(max(0, len(self.trace) - _ROWS_LOOKED_AT), len(self.trace)):
            row = self.trace.row(seq)
            name = self.trace.name(row)
            if name == "failure":
                callback = row.fields[1].decode()
            elif name in ("proxy_log", "fd_write") and row.fields and row.filter in (number, NO_FILTER):
                logs.append(shown(row.fields[-1].decode("utf-8", "replace").strip(), 300))
        text = f"filter {self.filters[number].name}: {message}, in {callback}"
        if logs:
            text += f"; it logged last: {' | '.join(logs[-_LOGS_SHOWN:])}"
        remedy = "Check config, vm_config and root_id, or replay it anyway with start_anyway=True"
        error = FilterLoadError(text, where=str(self.filters[number].path), remedy=remedy)
        error.refused = True
        return error

    def _drive(self, name: str, *args: int) -> None:
        """Call the core and go on until it is done with it, whatever comes up meanwhile."""
        status = self._enter_whole(name, *args)
        while status != _DONE:
            self._check()
            following = "resume"
            if status == _TRACE_FULL:
                self.drain()
                self.report()
            elif status == _NEEDS_VM:
                self._renew()
            elif status == _NEEDS_ANSWER:
                self._answer()
                following = "answered"
            else:
                raise ReplayError(f"the host core answered {status}")
            status = self._enter_whole(following)

    def _enter_whole(self, name: str, *args: int) -> int:
        while True:
            try:
                return self.enter(name, *args)
            except Failed as failure:
                self.recover(failure)
                # what is left to finish is found by asking again, all else is in the core's state
                if name != "finish":
                    name, args = "resume", ()

    def enter(self, name: str, *args: int) -> int:
        """Call the core where that may call a filter. Raises `Failed` for a call that did not come back."""
        try:
            return self.host.call(name, *args)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise self.failure(error) from None

    def failure(self, error: wasmtime.Trap | wasmtime.WasmtimeError) -> Failed:
        """Brings the core back in order after a trap, and says what it means; raises unless it is a filter's failure."""
        verdict, in_host = self.watchdog.verdict, self.host.watch.runs is not Runs.FILTER
        self.watchdog.clear()
        self.host.unwind()
        error.__traceback__ = None  # a frame of wasmtime's in it points back: the circle would keep the store until the next collection
        error, interrupted = self.hooks.take(error)
        if verdict is Verdict.CANCELLED or interrupted:
            raise _Cancelled
        if verdict is Verdict.FAULT:
            raise ReplayError("the watchdog failed") from self.watchdog.fault
        if in_host:
            raise _core_failed(error)
        memory, limit = self.host.memory_entered()
        return Failed(*describe(error, verdict, self.settings.callback_limit_s, memory, limit))

    def recover(self, failure: Failed) -> None:
        """Tell the core of it, which knows better where it ended the filter itself."""
        self.homes.lost(self.host.vms[self.host.watch.vm])
        self.host.call_with("recover", failure.message.encode(), failure.kind)
        failure.message = self.host.read(self.host.call("failure_ptr"), self.host.call("failure_len")).decode()

    def _answer(self) -> None:
        """What filters asked of other services, asked of whoever answers for them."""
        at = self.host.call("questions")
        size = int.from_bytes(self.host.read(at, 4), "little")
        questions = self.host.read(at + 4, size)
        try:
            try:
                self._asking = True
                answers = self.services.answer_all(questions)
            finally:
                self._asking = False
        except KeyboardInterrupt:
            raise _Cancelled from None
        self.host.write(self.host.call("answer_room", len(answers)), answers)

    def _renew(self) -> None:
        """A fresh VM for the filter that the core names."""
        wanted = self.host.call("needs")
        self.homes.renew(self, wanted & 0xFF, wanted >> 8 & 0xFF, wanted >> 16)

    def _check(self) -> None:
        if self.cancel.is_set():
            raise _Cancelled

    def drain(self) -> None:
        """Take over what the core has recorded."""
        rows, rows_size, blob, blob_size = struct.unpack("<4I", self.host.read(self.host.call("trace_place"), 16))
        if rows_size:
            self.trace.append(self.host.take(rows, rows_size), self.host.take(blob, blob_size))
        self.host.call("trace_clear")

    def report(self, final: bool = False) -> None:
        """Tell the user's callback how far the replay is, unless it has just been told."""
        now = time.monotonic()
        if not final and now - self._reported < _PROGRESS_S:
            return
        self._reported = now
        if self._grown is not None and not final:
            self._grown(self.trace)
        if self._progress is not None:
            self._progress(self.host.call("exchanges_done"), self._total)
