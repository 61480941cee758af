"""What the rows around a finding's example say of its cause, in words: the last log line before a trap, who was called in vain."""

from __future__ import annotations

from ..trace.records import CalloutEnd, CalloutKind, Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .callouts import CALLS
from .calls import abi_pairs, arguments, log_line

__all__ = ["answered_call", "last_words", "refused_call"]

_ROWS = 256
"""Rows before a failure that are searched for what the filter logged."""
_LONGEST = 160
_NEEDED = (b":method", b":path", b":authority")


def last_words(trace: Trace, failure: Row) -> str:
    """The last line that the filter logged as an error in the call that failed: panics of Rust, Go and C++ say there what and where."""
    for seq in range(failure.seq - 1, max(failure.parent, failure.seq - _ROWS, -1), -1):
        row = trace.row(seq)
        line = log_line(trace, row, "") if row.parent == failure.parent else None
        if line is not None and line.level in ("error", "critical"):
            return words.visible(words.shorten(" ".join(line.message.split()), _LONGEST))
    return ""


def refused_call(trace: Trace, row: Row) -> tuple[str, str, str]:
    """Of a callout that the host refused with BadArgument: the cluster, why, and what to do."""
    given = arguments(trace, row)
    packed, cluster = given.get("headers", b""), given.get("upstream", b"")
    name = words.excerpt(cluster, 60) if isinstance(cluster, bytes) else ""
    pairs = (abi_pairs(packed) if isinstance(packed, bytes) else None) or ()
    given_names = {key.lower() for key, value in pairs if value}
    missing = [each.decode() for each in _NEEDED if each not in given_names]
    if CALLS.get(trace.name(row)) == "http" and missing:
        return name, f"The call has no {' and no '.join(missing)}, so Envoy refuses it too.", "Give the call what it lacks"
    return (
        name,
        "The chain has no cluster of that name, so the host refused the call, as Envoy does.",
        f'Say who answers: Chain(…, clusters={{"{name}": …}}), in a shell --clusters FILE.yaml',
    )


def answered_call(trace: Trace, pause: Row) -> str:
    """What came of the first call that a paused filter had made, where it was told of an end; empty where there is none."""
    for row in trace.rows(pause.exchange):
        told = row.kind == Kind.EVENT and row.code == Event.CALLOUT and row.filter == pause.filter and row.seq > pause.seq
        if told and row.c in (CalloutEnd.ANSWERED, CalloutEnd.TIMEOUT, CalloutEnd.FAILED):
            http = row.b == CalloutKind.HTTP
            status = f" with {row.result if http else words.grpc_status(row.result)}" if row.result >= 0 else ""
            name = words.excerpt(row.fields[0], 60) if row.fields else ""
            how = "was answered" if row.c == CalloutEnd.ANSWERED else "failed"
            return f"Its call to {name} {how}{status}, and nothing resumed the exchange then."
    return ""
