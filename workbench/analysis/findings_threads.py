"""Findings from what a replay leaves out of Envoy's threads: root contexts that act beyond their VM, once here and several times there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..trace.records import MAIN, NONE, Event
from ..trace.trace import Trace
from .findings import Block, Detector, Finding, made
from .rowfields import lookup

__all__ = ["detectors"]

_BEYOND = {
    "proxy_set_shared_data": "sets shared data",
    "proxy_enqueue_shared_queue": "fills a shared queue",
    "proxy_increment_metric": "counts in metrics",
    "proxy_record_metric": "counts in metrics",
    "proxy_http_call": "calls other services",
    "proxy_grpc_call": "calls other services",
    "proxy_grpc_stream": "calls other services",
}
"""Calls that show outside the VM that makes them, in words."""


def detectors(trace: Trace) -> list[Detector]:
    """One of each."""
    return [_MainThread(trace)]


class _MainThread:
    """A root context acts beyond its VM, and the replay has no main thread."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.calls = lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in _BEYOND)
        self.done: dict[int, set[int]] = {}
        self.main = False

    def look(self, block: Block) -> None:
        self.main |= bool((block.c[block.events(Event.VM)] == MAIN).any())
        rows = block.calls(self.calls)
        rows = rows[(block.exchange[rows] == NONE) & (block.result[rows] == 0) & (block.filter[rows] < len(self.trace.filters))]
        for pair in np.unique(block.filter[rows].astype(np.int64) << 8 | block.code[rows]).tolist():
            self.done.setdefault(pair >> 8, set()).add(pair & 0xFF)

    def findings(self) -> Iterator[Finding]:
        for place, codes in sorted(self.done.items()) if not self.main else ():
            what = " and ".join(dict.fromkeys(_BEYOND[self.trace.schema.hostcalls[code].name] for code in sorted(codes)))
            yield made(
                self.trace,
                place,
                "main-thread",
                "note",
                f"its root context {what}, and Envoy's main thread has one too",
                "Envoy starts a filter on its main thread and on each worker, and a first time to try it: what root contexts "
                "do at the start and in ticks is done on each. This replay had one worker alone.",
                "Replay with main_thread=True (--main-thread), or with several workers, to see it",
                np.empty(0, np.int64),
            )
