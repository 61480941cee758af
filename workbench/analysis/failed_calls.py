"""Calls to other services that brought nothing a filter could judge by, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..trace.records import CalloutEnd, CalloutKind, Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .callouts import CALLS, ends_of
from .calls import ExchangeRows, arguments
from .ratelimit_answers import read_answer
from .rowfields import field_spans
from .selections import events

__all__ = ["FailedCalls", "all_failed_calls", "failed_calls"]

_ENDED: dict[int, str] = {
    CalloutEnd.TIMEOUT: "did not answer in time",
    CalloutEnd.FAILED: "gave no whole answer",
    CalloutEnd.CANCELLED: "was not waited for",
    CalloutEnd.UNANSWERED: "never answered",
}
_CODE_TAG = 8
"""First byte of a rate-limit answer that has a code."""


@dataclass(frozen=True, slots=True)
class FailedCalls:
    """Why, by the row of the hostcall, and by exchange and filter: there the first one."""

    by_call: dict[int, str] = field(default_factory=dict)
    by_filter: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, trace: Trace, call: Row, end: Row) -> None:
        """Note a call if it failed."""
        if why := _why(trace, trace.name(call), call, end):
            self.by_call[call.seq] = why
            self.by_filter.setdefault((call.exchange, call.filter), why)


def failed_calls(rows: ExchangeRows) -> FailedCalls:
    """Those of one exchange."""
    found = FailedCalls()
    ends = ends_of(rows.events)
    for name, row in rows.hostcalls:
        if name in CALLS and row.seq in ends:
            found.add(rows.trace, row, ends[row.seq])
    return found


def all_failed_calls(trace: Trace) -> FailedCalls:
    """Those of the whole replay; only what may have failed is looked at by itself."""
    found = FailedCalls()
    for first, rows, blob, at in events(trace, Event.CALLOUT):
        http, answered, result = rows["b"][at] == CalloutKind.HTTP, rows["c"][at] == CalloutEnd.ANSWERED, rows["result"][at]
        octets = np.frombuffer(blob, np.uint8)
        begin, size = field_spans(octets, rows, at, 4)[2]
        short = size < 2
        short[~short] = (octets[begin[~short]] != _CODE_TAG) | (octets[begin[~short] + 1] == 0)
        unknown = (rows["b"][at] == CalloutKind.UNARY) & short
        for place in at[~answered | (http & (result >= 500)) | (~http & (result != 0)) | unknown].tolist():
            end = trace.row(first + place)
            if end.parent < len(trace) and (call := trace.row(end.parent)).kind == Kind.HOSTCALL:
                found.add(trace, call, end)
    return found


def _why(trace: Trace, name: str, call: Row, end: Row) -> str:
    """Empty for a call that was answered."""
    given = arguments(trace, call)
    service = given.get("service") or given.get("upstream") or b""
    who = words.visible(words.text(service)) if isinstance(service, bytes) else ""
    if end.c in _ENDED:
        return f"{who} {_ENDED[end.c]}"
    if name == "proxy_http_call":
        return f"{who} answered {end.result}" if end.result >= 500 else ""
    if end.result != 0:
        return f"{who} answered gRPC {words.grpc_status(end.result)}"
    if name == "proxy_grpc_call" and isinstance(service, bytes) and b"RateLimitService" in service and len(end.fields) > 2:
        said = read_answer(end.fields[2])
        if said is None or said.code == 0:
            return f"{who} answered UNKNOWN"
    return ""
