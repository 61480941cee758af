"""Time as a tree: traffic and starts, filters, callbacks, and in each the filter's own code beside the hostcalls it made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.trace import Trace
from .calltimes import CallTimes, call_times
from .words import short_name

__all__ = ["TimeNode", "time_tree"]


@dataclass(frozen=True, slots=True)
class TimeNode:
    """A part of the time. `kind` is all, traffic, start, filter, callback, own, hostcall or host (what of the host's time stands in no
    hostcall's row); `ns` is the sum, of which `host_ns` was spent in the host; `filter` the place in the chain, -1 for none."""

    kind: str
    name: str
    filter: int
    count: int
    ns: int
    host_ns: int
    children: tuple[TimeNode, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        own = {name: getattr(self, name) for name in ("kind", "name", "filter", "count", "ns", "host_ns")}
        return {**own, "children": [child.as_dict() for child in self.children]}


def time_tree(trace: Trace, calls: tuple[CallTimes, CallTimes] | None = None) -> TimeNode:
    """The tree of a whole replay. `calls` are those of `call_times`, where they are there already."""
    callbacks, hostcalls = calls or call_times(trace)
    callback_names, hostcall_names = ([short_name(call.name) for call in each] for each in (trace.schema.callbacks, trace.schema.hostcalls))
    parts = []
    for start, kind in ((False, "traffic"), (True, "start")):
        below = _sums(callbacks, start, lambda calls: calls.code)
        within = _sums(hostcalls, start, lambda calls: (calls.within.astype(np.int64) << 8) | calls.code)
        filters = []
        for filter_ in sorted({key >> 16 for key in below}):
            nodes = []
            for key, (count, own, host) in below.items():
                if key >> 16 != filter_:
                    continue
                code = key & 0xFFFF
                made = {k & 0xFF: sums for k, sums in within.items() if k >> 16 == filter_ and (k >> 8) & 0xFF == code}
                leaves = [TimeNode("own", "own code", filter_, count, own, 0)] if own else []
                for which, (calls_made, _, spent) in sorted(made.items(), key=lambda pair: -pair[1][2]):
                    leaves.append(TimeNode("hostcall", hostcall_names[which], filter_, calls_made, spent, spent))
                rest = host - sum(spent for _, _, spent in made.values())
                if rest > 0:
                    leaves.append(TimeNode("host", "host", filter_, count, rest, rest))
                nodes.append(TimeNode("callback", callback_names[code], filter_, count, own + host, host, tuple(leaves)))
            filters.append(_over("filter", trace.filters[filter_], filter_, nodes))
        if filters:
            parts.append(_over(kind, kind, -1, filters))
    return _over("all", "all", -1, parts)


def _over(kind: str, name: str, filter_: int, children: list[TimeNode]) -> TimeNode:
    count, ns, host = (sum(getattr(child, column) for child in children) for column in ("count", "ns", "host_ns"))
    return TimeNode(kind, name, filter_, count, ns, host, tuple(children))


def _sums(calls: CallTimes, start: bool, code: Callable[[CallTimes], Any]) -> dict[int, tuple[int, int, int]]:
    """By filter << 16 | code, in the order of the first call: calls, own time and host time."""
    chosen = calls.start == start
    keys = (calls.filter[chosen].astype(np.int64) << 16) | code(calls)[chosen]
    kinds, first, place, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    own, host = (np.bincount(place, values[chosen], len(kinds)).astype(np.int64) for values in (calls.own, calls.host))
    order = np.argsort(first).tolist()
    return {int(kinds[at]): (int(count[at]), int(own[at]), int(host[at])) for at in order}
