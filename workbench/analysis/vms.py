"""The VMs of a replay: on which thread, which filters lived in them, what they did, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..trace.records import MAIN, NONE, TRIAL, Event, FailureKind, Kind
from ..trace.trace import Trace
from . import words
from .selections import events

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Vm", "all_vms", "thread_name", "vms_table"]

_REASONS = ("start", "reload", "restart")


@dataclass
class Vm:
    """One VM. `filters` are their places in the chain, in the order of their starts; `reason` is that of the first.

    `thread` is a worker from 0, `MAIN` or `TRIAL`. `exchanges` is how many had a callback in it; `memory` its last size in bytes, 0 where
    the trace does not tell. `failures` are its own, of kind and message; exchanges that suffered from them later do not count.
    """

    number: int
    thread: int
    started: int
    reason: str
    filters: list[int] = field(default_factory=list)
    callbacks: int = 0
    exchanges: int = 0
    memory: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


def thread_name(number: int) -> str:
    """A thread as it is called in tables: worker 0, main thread, trial."""
    return {MAIN: "main thread", TRIAL: "trial"}.get(number, f"worker {number}")


def all_vms(trace: Trace) -> list[Vm]:
    """Every VM in which a filter was started, in the order of the starts."""
    found: dict[int, Vm] = {}
    memory: dict[int, int] = {}
    failed: dict[int, list[tuple[str, str]]] = {}
    for seq in (seq for first, _, _, at in events(trace, Event.VM, Event.MEMORY, Event.FAILURE) for seq in (at + first).tolist()):
        row = trace.row(seq)
        if row.code == Event.VM:
            reason = _REASONS[row.b] if row.b < len(_REASONS) else str(row.b)
            vm = found.setdefault(row.vm, Vm(row.vm, row.c, row.time, reason))
            if row.filter not in vm.filters:
                vm.filters.append(row.filter)
        elif row.code == Event.MEMORY:
            memory[row.vm] = row.a << 16
        elif row.code == Event.FAILURE and row.a != FailureKind.EARLIER and row.parent < len(trace):
            why = words.failure(row.a), words.text(row.fields[0]) if row.fields else ""
            failed.setdefault(trace.row(row.parent).vm, []).append(why)
    most = max(found, default=0)
    calls = np.zeros(most + 1, np.int64)
    seen = [np.empty(0, np.uint64)]
    for _, records in trace.segments():
        of = records[(records["kind"] == Kind.CALLBACK) & (records["vm"] <= most)]
        calls += np.bincount(of["vm"], minlength=most + 1)
        served = of[of["exchange"] != NONE]
        both = served["vm"].astype(np.uint64) << np.uint64(32) | served["exchange"].astype(np.uint64)
        seen.append(np.unique(both[np.append(True, both[1:] != both[:-1])] if len(both) else both))  # most say what the one before said
    exchanges = np.bincount((np.unique(np.concatenate(seen)) >> np.uint64(32)).astype(np.int64), minlength=most + 1)
    for number, vm in found.items():
        vm.callbacks, vm.exchanges = int(calls[number]), int(exchanges[number])
        # a VM has its memory, and may fail, before a filter is started in it
        vm.memory, vm.failures = memory.get(number, 0), failed.get(number, [])
    return list(found.values())


def vms_table(trace: Trace) -> pd.DataFrame:
    """One row a VM, in the order of their starts, its index the VM's number.

    thread in words, filters by name in one text, started (virtual), reason (start, reload or restart), callbacks, exchanges, memory in
    bytes, failures (their number) and failure (the last one in words, empty for none).
    """
    import pandas as pd

    vms = all_vms(trace)
    started = np.array([vm.started for vm in vms], np.int64).astype("datetime64[ns]")
    filters = [", ".join(trace.filters[place] for place in vm.filters if place < len(trace.filters)) for vm in vms]
    return pd.DataFrame(
        {
            "thread": pd.Categorical([thread_name(vm.thread) for vm in vms]),
            "filters": pd.Categorical(filters),
            "started": pd.DatetimeIndex(started).tz_localize("UTC"),
            "reason": pd.Categorical([vm.reason for vm in vms], list(_REASONS)),
            "callbacks": np.array([vm.callbacks for vm in vms], np.int64),
            "exchanges": np.array([vm.exchanges for vm in vms], np.int64),
            "memory": np.array([vm.memory for vm in vms], np.int64),
            "failures": np.array([len(vm.failures) for vm in vms], np.int64),
            "failure": [": ".join(vm.failures[-1]) if vm.failures else "" for vm in vms],
        },
        index=pd.Index([vm.number for vm in vms], name="vm", dtype=np.int64),
    )
