"""Real time of every call as columns: what each distribution, tree and figure of the Timing view is made from.

One pass over the trace, segment by segment; no row is looked at by itself. The filter's own time and the host's are never one number:
of a callback `own` is what the filter ran and `host` what it waited in hostcalls for; of a hostcall `host` is the call and `own` what
the filter's allocator took in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..trace.records import NO_FILTER, NONE, Event, Kind
from ..trace.trace import Records, Trace

__all__ = ["START_CALLBACKS", "CallTimes", "call_instructions", "call_times", "counts_instructions"]

Ints: TypeAlias = npt.NDArray[np.int64]
Small: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.uint32]
Numbers: TypeAlias = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]

START_CALLBACKS = frozenset(
    {"_initialize", "_start", "main", "__main_void", "proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure"}
    | {"proxy_validate_configuration"}
)
"""Callbacks that start a VM or a root context, where they serve no exchange: they happen once and would dwarf everything else."""


@dataclass(frozen=True)
class CallTimes:
    """Calls of one kind, one entry each, in the order of the trace; times are nanoseconds.

    `filter` is the place in the chain from 0, `code` the place in the schema, `exchange` the capture's index or NONE, `start` True in
    callbacks that start a VM (see `START_CALLBACKS`), `within` the callback that a hostcall was made in (its own code for callbacks).
    """

    filter: Small
    code: Small
    exchange: Words
    own: Numbers
    host: Numbers
    start: npt.NDArray[np.bool_]
    within: Small

    def __len__(self) -> int:
        return len(self.code)


def call_times(trace: Trace) -> tuple[CallTimes, CallTimes]:
    """The callbacks and the hostcalls of a trace; what a VM does that belongs to no filter (yet) is left out."""
    is_start = np.zeros(256, bool)
    is_start[[code for code, call in enumerate(trace.schema.callbacks) if call.name in START_CALLBACKS]] = True
    callbacks, hostcalls = [], []
    # the callback of a hostcall may stand in an earlier segment: two bytes of every row are kept until the end
    codes, exchanges = np.zeros(len(trace), np.uint8), np.full(len(trace), NONE, np.uint32)
    for first, records in trace.segments():
        here = slice(first, first + len(records))
        codes[here], exchanges[here] = records["code"], records["exchange"]
        callbacks.append(_callbacks(records, is_start))
        hostcalls.append(_hostcalls(records, codes, exchanges, is_start))
    return _joined(callbacks), _joined(hostcalls)


def counts_instructions(trace: Trace) -> bool:
    """True where the replay counted what filters execute."""
    return any(bool(((records["kind"] == Kind.EVENT) & (records["code"] == Event.FUEL)).any()) for _, records in trace.segments())


def call_instructions(trace: Trace) -> tuple[CallTimes, CallTimes]:
    """The same of a replay that counted instructions: `own` is how many a callback executed (0 for one that did not return), `host` 0.
    Hostcalls execute none of the filter's, so there are none."""
    callbacks, _ = call_times(trace)
    rows, parents, counted = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for first, records in trace.segments():
        rows.append(np.flatnonzero((records["kind"] == Kind.CALLBACK) & (records["filter"] != NO_FILTER)) + first)
        fuel = records[(records["kind"] == Kind.EVENT) & (records["code"] == Event.FUEL) & (records["filter"] != NO_FILTER)]
        parents.append(fuel["parent"].astype(np.int64))
        counted.append(fuel["a"].astype(np.uint64) | fuel["b"].astype(np.uint64) << np.uint64(32))
    own = np.zeros(len(callbacks), np.uint64)
    own[np.searchsorted(np.concatenate(rows), np.concatenate(parents))] = np.concatenate(counted)
    return replace(callbacks, own=own, host=np.zeros(len(own), np.uint64)), _joined([])


def _callbacks(records: Records, is_start: npt.NDArray[np.bool_]) -> CallTimes:
    rows = np.flatnonzero((records["kind"] == Kind.CALLBACK) & (records["filter"] != NO_FILTER))
    ns, code, exchange = records["ns"][rows], records["code"][rows], records["exchange"][rows]
    host = np.minimum(records["other_ns"][rows], ns)
    return CallTimes(records["filter"][rows], code, exchange, ns - host, host, is_start[code] & (exchange == NONE), code)


def _hostcalls(records: Records, codes: Small, exchanges: Words, is_start: npt.NDArray[np.bool_]) -> CallTimes:
    called = (records["kind"] == Kind.HOSTCALL) & (records["filter"] != NO_FILTER) & (records["parent"] < len(codes))
    rows = np.flatnonzero(called)
    ns, parent = records["ns"][rows], records["parent"][rows]
    own = np.minimum(records["other_ns"][rows], ns)
    start = is_start[codes[parent]] & (exchanges[parent] == NONE)
    return CallTimes(records["filter"][rows], records["code"][rows], records["exchange"][rows], own, ns - own, start, codes[parent])


def _joined(parts: list[CallTimes]) -> CallTimes:
    if not parts:
        small, words = np.empty(0, np.uint8), np.empty(0, np.uint32)
        return CallTimes(small, small, words, words, words, np.empty(0, bool), small)
    names = CallTimes.__dataclass_fields__
    return CallTimes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
