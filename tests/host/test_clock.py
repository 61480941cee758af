"""The clock runs, forward, in nanoseconds, whichever Python this is."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

import pytest
import wasmtime

from workbench.host import clock
from workbench.host.compiled import engine


def test_it_is_the_systems_monotonic_clock():
    store = wasmtime.Store(engine())
    store.set_epoch_deadline(1)
    now = clock.clock_function(store)
    first = now(store)
    before = time.monotonic_ns()
    time.sleep(0.01)
    second = now(store)
    assert 9_000_000 < second - first < 5_000_000_000
    assert second - first >= time.monotonic_ns() - before - 5_000_000_000


@pytest.mark.skipif(sys.version_info < (3, 13), reason="PyTime_MonotonicRaw came with Python 3.13")
def test_pythons_own_clock_agrees_with_pythons_own_clock(monkeypatch):
    monkeypatch.setattr(clock, "_gettime_address", lambda: pytest.fail("the interpreter's own clock was not taken"))
    agrees(clock.clock_function)


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="machine code for Linux on x86-64")
@pytest.mark.parametrize("fuel", [False, True])
def test_the_c_librarys_clock_agrees_with_pythons(fuel):
    address = clock._gettime_address()
    assert address is not None
    agrees(lambda store: clock._raw(store, fuel, address, clock._TIMESPEC), fuel)


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="machine code for Linux on x86-64")
def test_its_code_can_be_run_but_not_written():
    address = clock._gettime_address()
    mapping = next(line for line in Path("/proc/self/maps").read_text().splitlines() if line.startswith(f"{address:x}-"))
    assert mapping.split()[1] == "r-xp"


def test_wasis_clock_serves_where_there_is_no_other(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 11))
    monkeypatch.setattr(clock, "_gettime_address", lambda: None)
    store = wasmtime.Store(engine())
    store.set_epoch_deadline(1)
    now = clock.clock_function(store)
    first = now(store)
    time.sleep(0.001)
    assert 1_000_000 <= now(store) - first < 5_000_000_000


def agrees(make, fuel=False):
    store = wasmtime.Store(engine(fuel))
    store.set_epoch_deadline(1)
    if fuel:
        store.set_fuel(1_000_000)
    now = make(store)
    for _ in range(100):
        low, seen, high = time.monotonic_ns(), now(store), time.monotonic_ns()
        assert low <= seen <= high
