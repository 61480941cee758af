"""Which VM each filter lives in, on each thread of the proxy: how it starts there, and gets a fresh one when that has failed.

The order is Envoy's (1.40, as it behaves): on the main thread each filter is tried in a VM that is thrown away, then started; then come
the workers, one after the other. Without the main thread the first start of a filter is also its trial. Left out is Envoy's base VM, in
which nothing but the module's start functions runs: it shows in log lines alone. Where Envoy takes a configuration while it runs, main
thread and workers start at the same time, in any order; here it is that of Envoy's own start.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import wasmtime

from ..capture.packing import pack_str
from ..errors import FilterLoadError
from ..trace.records import FailureKind, Policy
from .compose import Composition, Vm, VmsUsedUp
from .module import FilterModule
from .watchdog import Runs, Watchdog

__all__ = ["Failed", "FilterSpec", "Homes"]

_RELOAD, _SWAP = 1, 3
_DEAD, _ABSENT, _NOT_YET = 1, 2, 3


class FilterSpec(Protocol):
    """What the driver wants to know of a filter, see `workbench.chain.Filter`."""

    @property
    def path(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def config(self) -> bytes: ...
    @property
    def root_id(self) -> str: ...
    @property
    def vm_config(self) -> bytes: ...
    @property
    def vm_id(self) -> str: ...
    @property
    def env(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def fail_open(self) -> bool: ...
    @property
    def allow_on_headers_stop_iteration(self) -> bool: ...
    @property
    def memory_limit(self) -> int: ...
    @property
    def allowed_capabilities(self) -> tuple[str, ...]: ...
    @property
    def expected_sha256(self) -> str: ...


class Failed(Exception):
    """A call into a filter did not return, and the core has not been told."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Driver(Protocol):
    """What the homes need of the run they belong to; they do not keep it, since the run keeps them."""

    @property
    def watchdog(self) -> Watchdog:
        """What bounds the calls into filters."""

    def enter(self, name: str, *args: int) -> int:
        """Call the core where that may call a filter. Raises `Failed`."""

    def failure(self, error: wasmtime.Trap | wasmtime.WasmtimeError) -> Failed:
        """What an error that came out of a filter means."""

    def recover(self, failure: Failed) -> None:
        """Tell the core, and `Homes.lost`."""

    def complain(self, number: int, message: str) -> None:
        """A filter did not start at its trial. Where this comes back, the filter fails each exchange by its policy."""


class Homes:
    """The filters' VMs. Threads are numbered as in the core: workers from 0, then the main thread, then the trial.

    `bind` is told of each new VM, and of the places of the filters that may live in it. `successors` are the filters that begin only
    when another's time is over, by the other's place.
    """

    def __init__(
        self,
        filters: Sequence[FilterSpec],
        modules: Sequence[FilterModule],
        host: Composition,
        bind: Callable[[Vm, list[int]], None],
        *,
        workers: int = 1,
        main_thread: bool = False,
        successors: Mapping[int, int] | None = None,
    ) -> None:
        self._filters = filters
        self._successors = dict(successors or {})
        self._modules = modules
        self._host = host
        self._bind = bind
        self._workers = workers
        self._main_thread = main_thread
        # filters with the same id, VM configuration, code, environment and capabilities share one VM a thread, as in Envoy
        self._keys = [
            (each.vm_id, each.vm_config, module.sha256, each.memory_limit, frozenset(each.env), frozenset(each.allowed_capabilities))
            for each, module in zip(filters, modules, strict=True)
        ]
        self._shared: dict[tuple[int, object], Vm] = {}
        self._homes: dict[tuple[int, int], Vm] = {}
        self._lost: set[int] = set()
        self._unusable: set[int] = set()
        self._given_up: set[tuple[int, int]] = set()

    def lost(self, vm: Vm) -> None:
        """A VM is never entered again."""
        self._lost.add(vm.number)
        self._host.leave_behind(vm)

    def start(self, driver: Driver) -> None:
        """Start every filter on every thread."""
        main, trial = self._workers, self._workers + 1
        for thread in range(trial + 1 if self._main_thread else self._workers):
            self._host.call("worker_enter", thread)
            names: list[str] = []
            for number, spec in enumerate(self._filters):
                # it is one plugin in the proxy's configuration, whatever its module
                before = next((old for old, new in self._successors.items() if new == number), None)
                names.append(spec.name if before is None else names[before])
                self._add(spec, names[-1])
                if before is not None:
                    self._host.call("filter_leave", number, _NOT_YET)
        places = [place for place in range(len(self._filters)) if place not in self._successors.values()]
        if self._main_thread:
            for number in places:
                self._try_out(driver, trial, number)
                self._start(driver, main, number)
        for worker in range(self._workers):
            for number in places:
                self._start(driver, worker, number)

    def _add(self, spec: FilterSpec, name: str) -> None:
        flags = int(spec.allow_on_headers_stop_iteration) | int(spec.fail_open) << 1
        texts = (name.encode(), spec.root_id.encode(), spec.config)
        self._host.call_with("filter_add", struct.pack("<III", 0, spec.policy, flags) + b"".join(map(pack_str, texts)))

    def _try_out(self, driver: Driver, trial: int, number: int) -> None:
        self._host.call("worker_enter", trial)
        vm = self._new_vm(driver, number)
        message = self._start_in(driver, number, vm, boot=True)
        self._close(vm)
        if message:
            driver.complain(number, message)
            self._unusable.add(number)

    def _start(self, driver: Driver, thread: int, number: int) -> None:
        call = self._host.call
        call("worker_enter", thread)
        if number in self._unusable:
            call("filter_leave", number, _DEAD)
            return
        vm, fresh = self._vm(driver, thread, number)
        message = self._start_in(driver, number, vm, boot=fresh)
        if not message:
            self._homes[thread, number] = vm
            return
        if not self._main_thread:
            driver.complain(number, message)
        call("filter_home", number, vm.number)
        alone = vm not in self._homes.values()
        if not self._main_thread:
            call("filter_leave", number, _DEAD)
            if alone:
                self._close(vm)
            return
        # it went through its trial: Envoy serves on without it, whatever its policy
        if alone:
            self._end(driver, number, vm)
        call("filter_leave", number, _ABSENT)

    def renew(self, driver: Driver, number: int, thread: int, reason: int) -> None:
        """A fresh VM for the filter that the core names; a restart is for those of its policy that lived with it, too."""
        if reason == _SWAP:
            self._swap(driver, number)
            return
        self._host.call("worker_enter", thread)
        if (thread, number) in self._given_up:
            return
        old, policy = self._homes.get((thread, number)), self._filters[number].policy
        together = [
            each for (where, each), home in self._homes.items() if where == thread and home is old and self._filters[each].policy == policy
        ]
        for each in sorted(together) if reason != _RELOAD and together else [number]:
            self._move(driver, thread, each, again=reason == _RELOAD)

    def _swap(self, driver: Driver, number: int) -> None:
        """A filter's successor starts on every thread, in the order of a start. Where its first start fails the old one stays, as where
        Envoy rejects an update; a thread on which a later one fails keeps the old one too."""
        new, main = self._successors[number], self._workers
        threads = [main + 1, main] if self._main_thread else []
        for place, thread in enumerate([*threads, *range(self._workers)]):
            self._host.call("worker_enter", thread)
            try:
                vm, fresh = self._vm(driver, thread, new)
                message = self._start_in(driver, new, vm, boot=fresh)
            except (VmsUsedUp, FilterLoadError) as error:
                vm, message = None, str(error)
            if thread > main:
                if vm is not None:
                    self._close(vm)
            elif not message and vm is not None:
                self._homes[thread, new] = vm
                self._retire(driver, number)
            elif vm is not None and vm not in self._homes.values():
                self._end(driver, new, vm)
            if message:
                names = self._filters[number].name, self._filters[new].name
                self._host.call_with("note", f"{names[0]} stays: {names[1]} {message}".encode())
                if place == 0:
                    return

    def _retire(self, driver: Driver, number: int) -> None:
        try:
            driver.enter("filter_retire", number)
        except Failed as failure:
            driver.recover(failure)

    def _move(self, driver: Driver, thread: int, number: int, *, again: bool) -> None:
        try:
            vm, fresh = self._vm(driver, thread, number)
        except (VmsUsedUp, FilterLoadError):
            self._give_up(thread, number)
            return
        if not self._start_in(driver, number, vm, boot=fresh):
            self._homes[thread, number] = vm
            return
        if not again:
            self._give_up(thread, number)
            return
        # Envoy keeps the failed one, and tries again later
        if vm not in self._homes.values():
            self._end(driver, number, vm)
        self._host.call("filter_home", number, self._homes[thread, number].number)

    def _give_up(self, thread: int, number: int) -> None:
        self._given_up.add((thread, number))
        self._host.call("filter_give_up", number)

    def _vm(self, driver: Driver, thread: int, number: int) -> tuple[Vm, bool]:
        """The VM that filters of this key share on this thread, and whether it was made for it now."""
        key = thread, self._keys[number]
        vm = self._shared.get(key)
        if vm is not None and vm.number not in self._lost:
            return vm, False
        vm = self._shared[key] = self._new_vm(driver, number)
        return vm, True

    def _new_vm(self, driver: Driver, number: int) -> Vm:
        spec, module = self._filters[number], self._modules[number]
        env = tuple((name.encode(), value.encode()) for name, value in spec.env)
        try:
            vm = self._host.add_vm(module, spec.vm_id.encode(), spec.vm_config, env, spec.allowed_capabilities)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            if self._host.watch.runs is not Runs.FILTER and driver.watchdog.verdict is None:
                self._host.unwind()
                what = "its start section calls the host, which does not know its memory yet"
            else:
                what = driver.failure(error).message
            raise FilterLoadError(f"cannot be started: {what}", where=str(spec.path), remedy="Build it as a reactor or a command") from None
        self._bind(vm, [place for place, key in enumerate(self._keys) if key == self._keys[number]])
        return vm

    def _start_in(self, driver: Driver, number: int, vm: Vm, *, boot: bool) -> str:
        """Start a filter in a VM; why it did not, in words, and an empty text where it did."""
        try:
            if boot:
                driver.enter("vm_boot", vm.number)
            refused = driver.enter("filter_start", number, vm.number)
        except Failed as failure:
            driver.recover(failure)
            return failure.message
        if not refused:
            return ""
        return "refused to start" if refused == FailureKind.START else "refused its configuration"

    def _end(self, driver: Driver, number: int, vm: Vm) -> None:
        """The end of a VM that only this filter lived in, and refused: its root context is told."""
        if vm.number in self._lost:
            return
        try:
            driver.enter("root_end", number)
        except Failed as failure:
            driver.recover(failure)
        self._close(vm)

    def _close(self, vm: Vm) -> None:
        if vm.number not in self._lost:
            self._host.call("vm_close", vm.number)
            self.lost(vm)
