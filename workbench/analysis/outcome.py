"""One exchange's result as other programs read it: a plain object for JSON, its fields fixed: other tools rely on them.

Header names and values are UTF-8, or latin-1 where they are not; lists keep order and repeats. Nothing is escaped: it is data.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Protocol, TypedDict

from ..capture.exchange import Exchange
from ..capture.packing import unpack_pairs
from ..trace.records import NONE, Event, ResponseSource
from ..trace.trace import Row, Trace
from . import words
from .callouts import callouts, ends_of
from .calls import ExchangeRows, log_line
from .changes import mutations
from .decision import Judges, decide
from .facts import Facts, gather_facts

__all__ = ["Exchanges", "Result", "body_of", "outcomes", "pairs_of", "result_of", "told"]


class Exchanges(Protocol):
    """What the analysis needs of a capture."""

    def __getitem__(self, index: int) -> Exchange: ...
    def __len__(self) -> int: ...


class Message(TypedDict):
    """A message as it was really sent. `body_sha256` is in hexadecimal, of the bytes before any transfer coding."""

    headers: list[list[str]]
    body_size: int
    body_sha256: str
    trailers: list[list[str]]


class StatusMessage(Message):
    """A response."""

    status: int


class LocalResponse(TypedDict):
    """A response made in the chain; `filter` and `callback` are null where the proxy itself made it.

    `grpc_status` is the number that a filter gave, null if none or the host answered for it; `details` has `_` for white space.
    """

    status: int
    filter: str | None
    callback: str | None
    grpc_status: int | None
    details: str


class Verdict(TypedDict):
    """`kind` is limited, allowed, denied, error or none."""

    kind: str
    filter: str | None
    reason: str


class Change(TypedDict):
    """A mutation (see `changes`)."""

    filter: str | None
    callback: str
    part: str
    op: str
    name: str
    before: list[str]
    after: list[str]


class Log(TypedDict):
    """A log line; `level` is trace, debug, info, warn, error or critical."""

    filter: str | None
    callback: str
    level: str
    message: str


class Callout(TypedDict):
    """A call to another service. `status` is the HTTP or gRPC status that the filter was told, null where it was told none; so is
    `latency_ms`, in virtual time. `ended` is answered, timeout, failed, cancelled, unanswered or refused."""

    filter: str | None
    kind: str
    target: str
    status: int | None
    latency_ms: float | None
    ended: str


class Failure(TypedDict):
    """`kind` is trap, timeout, memory, start, configure, earlier or hang (paused for a callout that nobody answers).

    `policy` is fail_closed, fail_open, fail_reload or restart.
    """

    filter: str | None
    callback: str
    kind: str
    message: str
    policy: str


class CallbackTime(TypedDict):
    """Real time of one callback in nanoseconds, in the filter and in the host, and how often it called the host."""

    filter: str | None
    callback: str
    filter_ns: int
    host_ns: int
    hostcalls: int


class Timing(TypedDict):
    """Real time in nanoseconds: sums over the exchange's callbacks, and each of them."""

    filter: int
    host: int
    callbacks: list[CallbackTime]


class Told(TypedDict):
    """What exchanges and TCP connections have in common."""

    mutations: list[Change]
    logs: list[Log]
    callouts: list[Callout]
    error: Failure | None
    timing_ns: Timing


class Result(Told):
    """The whole result. `time` is the request's start in seconds since the Unix epoch; callbacks are named without `proxy_`."""

    exchange: int
    method: str
    url: str
    time: float
    upstream_request: Message | None
    downstream_response: StatusMessage | None
    local_response: LocalResponse | None
    decision: Verdict


def outcomes(trace: Trace, capture: Exchanges, facts: Facts | None = None) -> Iterator[Result]:
    """The result of every exchange in the trace, in the order of the capture; one at a time, so memory stays flat."""
    facts = gather_facts(trace) if facts is None else facts
    judges = Judges.of(facts)
    for index in facts.exchange.tolist():
        yield result_of(ExchangeRows.of(trace, index), capture, judges)


def result_of(rows: ExchangeRows, capture: Exchanges, judges: Judges) -> Result:
    """The result of one exchange."""
    capture = _LastRead(capture)
    exchange = capture[rows.index]
    verdict = decide(rows, judges)
    return {
        "exchange": rows.index,
        "method": words.text(exchange.request.method),
        "url": exchange.url,
        "time": exchange.request.start_ns / 10**9,
        "upstream_request": _message(rows.event(Event.UPSTREAM_REQUEST), capture),
        "downstream_response": _response(rows.event(Event.DOWNSTREAM_RESPONSE), capture),
        "local_response": _local_response(rows),
        "decision": {"kind": verdict.kind, "filter": verdict.filter, "reason": verdict.reason},
        **told(rows),
    }


def told(rows: ExchangeRows) -> Told:
    """What filters did on one exchange or connection."""
    return {
        "mutations": [
            {
                "filter": change.filter,
                "callback": change.callback,
                "part": change.part,
                "op": change.op,
                "name": change.name,
                "before": list(change.before),
                "after": list(change.after),
            }
            for change in mutations(rows)
        ],
        "logs": _logs(rows),
        "callouts": _callouts(rows),
        "error": _error(rows),
        "timing_ns": _timing(rows),
    }


def pairs_of(field: bytes) -> list[tuple[str, str]]:
    """Header fields of an event, as text."""
    pairs, _ = unpack_pairs(field)
    return [(words.text(name), words.text(value)) for name, value in pairs]


class _LastRead:
    """A capture that keeps the exchange it read last: a result asks for it several times."""

    def __init__(self, capture: Exchanges) -> None:
        self._capture = capture
        self._last: Exchange | None = None

    def __getitem__(self, index: int) -> Exchange:
        if self._last is None or self._last.index != index:
            self._last = self._capture[index]
        return self._last

    def __len__(self) -> int:
        return len(self._capture)


def body_of(event: Row, capture: Exchanges) -> bytes:
    """The body that a REQUEST, RESPONSE, UPSTREAM_REQUEST or DOWNSTREAM_RESPONSE event speaks of.

    One that is as captured is read from the capture.
    """
    if not event.a:
        return b""
    is_request = event.code in (Event.REQUEST, Event.UPSTREAM_REQUEST)
    own = event.code in (Event.UPSTREAM_REQUEST, Event.DOWNSTREAM_RESPONSE) and not event.c
    if own:
        return event.fields[2]
    exchange = capture[event.exchange]
    message = exchange.request if is_request else exchange.response
    return message.body if message is not None else b""


def _message(event: Row | None, capture: Exchanges) -> Message | None:
    if event is None:
        return None
    return {
        "headers": [list(pair) for pair in pairs_of(event.fields[0])],
        "body_size": event.a,
        "body_sha256": hashlib.sha256(body_of(event, capture)).hexdigest(),
        "trailers": [list(pair) for pair in pairs_of(event.fields[1])],
    }


def _response(event: Row | None, capture: Exchanges) -> StatusMessage | None:
    message = _message(event, capture)
    return {"status": event.result, **message} if event is not None and message is not None else None


def _local_response(rows: ExchangeRows) -> LocalResponse | None:
    row = rows.local_response()
    if row is None:
        return None
    return {
        "status": row.result,
        "filter": rows.trace.filter_name(row),
        "callback": rows.callback(row) or None,
        "grpc_status": None if row.a == NONE or row.b != ResponseSource.FILTER else row.a,
        "details": words.text(row.fields[0]) if row.fields else "",
    }


def _logs(rows: ExchangeRows) -> list[Log]:
    lines = (log_line(rows.trace, row, rows.callback(row)) for name, row in rows.hostcalls if name in ("proxy_log", "fd_write"))
    return [
        {"filter": line.filter, "callback": line.callback, "level": line.level, "message": line.message}
        for line in lines
        if line is not None
    ]


def _callouts(rows: ExchangeRows) -> list[Callout]:
    return [
        {
            "filter": each.filter,
            "kind": each.kind,
            "target": each.target,
            "status": each.status,
            "latency_ms": each.latency_ms,
            "ended": each.ended,
        }
        for each in callouts(rows.trace, rows.hostcalls, ends_of(rows.events))
    ]


def _error(rows: ExchangeRows) -> Failure | None:
    row = rows.failure()
    if row is None:
        return None
    message, callback = (*(words.text(field) for field in row.fields), "", "")[:2]
    return {
        "filter": rows.trace.filter_name(row),
        "callback": words.short_name(callback) or rows.callback(row),
        "kind": words.failure(row.a),
        "message": message,
        "policy": words.policy(row.b),
    }


def _timing(rows: ExchangeRows) -> Timing:
    calls = Counter(row.parent for _, row in rows.hostcalls)
    each: list[CallbackTime] = []
    for name, row in rows.callbacks:
        host = min(row.other_ns, row.ns)
        each.append(
            {
                "filter": rows.trace.filter_name(row),
                "callback": words.short_name(name),
                "filter_ns": row.ns - host,
                "host_ns": host,
                "hostcalls": calls[row.seq],
            }
        )
    return {"filter": sum(one["filter_ns"] for one in each), "host": sum(one["host_ns"] for one in each), "callbacks": each}
