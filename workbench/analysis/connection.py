"""One TCP connection: its result as other programs read it. What `outcome` is for HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol, TypedDict

from ..capture.connection import Connection
from ..trace.records import Event
from ..trace.trace import Row, Trace
from . import words
from .calls import ExchangeRows, connection_ends
from .decision import Judges, decide
from .facts import Facts, gather_facts
from .outcome import Told, Verdict, told

__all__ = ["ConnectionResult", "Connections", "bytes_after", "connection_outcomes", "connection_result"]

_KEPT = 4


class Connections(Protocol):
    """What the analysis needs of a capture's connections."""

    def __getitem__(self, index: int) -> Connection: ...
    def __len__(self) -> int: ...


class Stream(TypedDict):
    """Bytes of one direction: what was captured, and what came out behind the filters; SHA-256 in hexadecimal.

    `sha256_after` is null where a filter changed more than the host could keep.
    """

    size_before: int
    sha256_before: str
    size_after: int
    sha256_after: str | None


class ConnectionResult(Told):
    """The whole result. `method` is TCP, `url` names the upstream, `time` is the begin in seconds since the Unix epoch.

    `closed` says who closed as the filters hear it (local is the proxy or what lies behind it, remote the client), `closed_by` the
    filter that did; `connected` whether the upstream was reached. The rest is as in the result of an exchange.
    """

    connection: int
    method: str
    url: str
    time: float
    to_upstream: Stream
    to_client: Stream
    connected: bool
    closed: str
    closed_by: str | None
    decision: Verdict


def connection_outcomes(trace: Trace, connections: Connections, facts: Facts | None = None) -> Iterator[ConnectionResult]:
    """The result of every connection in the trace, in the order of the capture; one at a time, so memory stays flat."""
    facts = gather_facts(trace) if facts is None else facts
    judges = Judges.of(facts)
    for index in facts.exchange.tolist():
        yield connection_result(ExchangeRows.of(trace, index), connections, judges)


def connection_result(rows: ExchangeRows, connections: Connections, judges: Judges) -> ConnectionResult:
    """The result of one connection."""
    captured = connections[rows.index]
    begin, end = rows.event(Event.CONNECTION), rows.event(Event.CONNECTION_END)
    verdict = decide(rows, judges)
    return {
        "connection": rows.index,
        "method": "TCP",
        "url": f"tcp://{connection_ends(begin)[1] if begin is not None else ''}",
        "time": captured.start_ns / 10**9,
        "to_upstream": _stream(captured, end, 0),
        "to_client": _stream(captured, end, 1),
        "connected": end is not None and bool(end.d),
        "closed": words.enumerated(words.PEERS, end.result if end is not None else 0).lower(),
        "closed_by": None if end is None else rows.trace.filter_name(end),
        "decision": {"kind": verdict.kind, "filter": verdict.filter, "reason": verdict.reason},
        **told(rows),
    }


def bytes_after(captured: Connection, end: Row | None, way: int) -> bytes | None:
    """What the upstream (`way` 0) or the client (1) got; None where it is not known."""
    if end is None or (end.c & _KEPT and not end.c & 1 << way):
        return None
    return captured.sent(by_client=way == 0) if end.c & 1 << way else end.fields[way]


def _stream(captured: Connection, end: Row | None, way: int) -> Stream:
    before, after = captured.sent(by_client=way == 0), bytes_after(captured, end, way)
    return {
        "size_before": len(before),
        "sha256_before": hashlib.sha256(before).hexdigest(),
        "size_after": (end.a, end.b)[way] if end is not None else 0,
        "sha256_after": None if after is None else hashlib.sha256(after).hexdigest(),
    }
