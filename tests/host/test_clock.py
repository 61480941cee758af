"""The clock runs, forward, in nanoseconds, whichever Python this is."""

from __future__ import annotations

import sys
import time

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
def test_pythons_own_clock_agrees_with_pythons_own_clock():
    store = wasmtime.Store(engine())
    store.set_epoch_deadline(1)
    low, seen, high = time.monotonic_ns(), clock._of_python(store, False)(store), time.monotonic_ns()
    assert low <= seen <= high
