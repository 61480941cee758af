"""What filters decided on an exchange, told from the calls that show it. The rules, the first that holds:

error    a filter failed on the exchange, or suffers from an earlier failure of its VM.
denied   a filter closed a TCP connection.
limited  a filter answered with 429, or with gRPC status ResourceExhausted.
denied   a filter answered with another status from 400 on, or with gRPC PermissionDenied or Unauthenticated.
none     a filter answered with a status below 400 (a redirect, a preflight), or the proxy itself answered (the upstream failed,
         a body is over the buffer limit): an answer, not a verdict.
allowed  nobody answered in the upstream's stead, and a filter showed that it had judged, in this order of weight:
         it wrote a `ratelimit-*` or `x-ratelimit-*` response header (draft-ietf-httpapi-ratelimit-headers and its forerunners);
         it asked a rate-limit or authorisation service over gRPC (`…RateLimitService`, `…Authorization`) and let the request go;
         it wrote shared data in the request phase and is one that limits other exchanges of this replay (a counter was drawn);
         it read `authorization` and is one that denies other exchanges of this replay.
none     otherwise.

`Decision.verdict` tells two more apart: where a filter failed, or the service that it asked for a verdict gave none, the exchange was
let through all the same (`error let through`) or was not (`error refused`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..capture.packing import unpack_pairs
from ..trace.records import NO_FILTER, NONE, Effect, Event, Kind, ResponseSource
from ..trace.trace import Row, Trace
from . import words
from .calls import ExchangeRows, arguments, callback_codes, shown
from .facts import Facts, Outcome, outcome_of_local
from .failed_calls import FailedCalls, all_failed_calls, failed_calls
from .prints import distinct
from .rowfields import field_spans, lookup

__all__ = [
    "Decision", "Judges", "all_decisions", "all_verdicts", "allowed_decision", "answered_decision", "decide", "verdict_calls",
]  # fmt: skip

_HEADER = re.compile(r"(?:x-)?ratelimit-(limit|remaining|reset)(?:-\w+)?")
_SERVICES = re.compile(r"ratelimit|authorization", re.IGNORECASE)
_NUMBER = re.compile(r"\s*(\d{1,18})")
_SIGNALS = (
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_grpc_call",
    "proxy_grpc_stream",
    "proxy_set_shared_data",
    "proxy_get_header_map_value",
)
_RESPONSE_HEADERS = 2
_REQUEST = "proxy_on_request_"
_LOOK_BACK = 64


@dataclass(frozen=True, slots=True)
class Decision:
    """`kind` is limited, allowed, denied, error or none. `seq` is the row that shows it, -1 where none does.

    `limit`, `remaining` and `reset` are what the filter said in rate-limit headers (requests, requests, seconds); `status` is what
    it answered. `failed` says why a service that was asked gave no verdict, `passed` is True where a filter that failed counts as
    not there.
    """

    exchange: int
    kind: str
    filter: str | None = None
    reason: str = ""
    seq: int = -1
    status: int | None = None
    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None
    failed: str = ""
    passed: bool = False

    @property
    def verdict(self) -> str:
        """allowed, limited, denied, error let through, error refused, or none."""
        if self.kind == "error":
            return "error let through" if self.passed else "error refused"
        if self.failed and self.kind != "none":
            return "error let through" if self.kind == "allowed" else "error refused"
        return self.kind


@dataclass(frozen=True)
class Judges:
    """The filters (by place) that answered exchanges of this replay themselves: what they let pass, they judged."""

    limiters: frozenset[int]
    deniers: frozenset[int]

    @classmethod
    def of(cls, facts: Facts) -> Judges:
        """Told from the local responses of the whole replay."""
        by = {
            kind: frozenset(int(place) for place in np.unique(facts.local_filter[(facts.outcome == kind) & (facts.local >= 0)]))
            for kind in (Outcome.LIMITED, Outcome.DENIED)
        }
        return cls(by[Outcome.LIMITED], by[Outcome.DENIED])


def decide(rows: ExchangeRows, judges: Judges) -> Decision:
    """The decision on one exchange."""
    failures = failed_calls(rows)
    failure, local, closed = rows.failure(), rows.local_response(), rows.event(Event.CONNECTION_END)
    if failure is not None:
        return _of_failure(rows.trace, failure)
    if closed is not None and closed.filter != NO_FILTER:
        return _of_close(rows.trace, closed)
    if local is not None:
        return _of_local(rows.trace, local, failures)
    calls = (row for name, row in rows.hostcalls if name in _SIGNALS)
    weighed = [(weight, row) for row in calls if (weight := _weighed(rows, row, judges)) is not None]
    return _of_signals(rows.trace, rows.index, weighed, failures)


def all_decisions(trace: Trace, facts: Facts) -> Iterator[Decision]:
    """The decision on every exchange that has one, in the order of capture indexes; those of kind none are left out."""
    judges = Judges.of(facts)
    signals = verdict_calls(trace, judges)
    failures = all_failed_calls(trace)
    answered = (facts.failure >= 0) | (facts.local >= 0) | (facts.closer != NO_FILTER)
    for at, (exchange, ended) in enumerate(zip(facts.exchange.tolist(), answered.tolist(), strict=True)):
        if ended:
            found = answered_decision(trace, facts, at, failures)
        elif exchange in signals:
            found = allowed_decision(trace, exchange, signals[exchange], failures)
        else:
            continue
        if found.kind != "none":
            yield found


def all_verdicts(trace: Trace, facts: Facts) -> Iterator[tuple[int, str, int]]:
    """Exchange, verdict and deciding filter (or NO_FILTER) of each of `all_decisions`, without the words that take most of its time."""
    signals = verdict_calls(trace, Judges.of(facts))
    failures = all_failed_calls(trace)
    filters = trace.column("filter")
    names = [{Outcome.LOCAL: "none"}.get(outcome, outcome.name.lower()) for outcome in Outcome]
    columns = (facts.exchange, facts.failure, facts.failure_filter, facts.closer, facts.local, facts.local_source, facts.local_filter)
    rows = zip(*(column.tolist() for column in (*columns, facts.outcome)), strict=True)
    for exchange, failure, failed, closer, local, source, by, outcome in rows:
        if failure >= 0:
            yield exchange, "error let through" if trace.row(failure).c == Effect.PASSED else "error refused", failed
        elif closer != NO_FILTER:
            yield exchange, "denied", closer
        elif local >= 0:
            kind = names[outcome]
            if kind == "error" or ((exchange, by) in failures.by_filter and kind != "none"):
                kind = "error refused"
            if kind != "none":
                yield exchange, kind, NO_FILTER if source == ResponseSource.PROXY else by
        elif exchange in signals:
            weight, seq = min(signals[exchange])
            yield exchange, "error let through" if weight == 1 and seq in failures.by_call else "allowed", int(filters[seq])


def answered_decision(trace: Trace, facts: Facts, at: int, failures: FailedCalls) -> Decision:
    """The decision on an exchange, at place `at` of the facts, that failed or was answered in the chain, or a connection closed there."""
    if facts.failure[at] >= 0:
        return _of_failure(trace, trace.row(int(facts.failure[at])))
    if facts.closer[at] != NO_FILTER:
        return _of_close(trace, trace.row(int(facts.closed[at])))
    return _of_local(trace, trace.row(int(facts.local[at])), failures)


def allowed_decision(trace: Trace, exchange: int, calls: Sequence[tuple[int, int]], failures: FailedCalls) -> Decision:
    """The decision on an exchange that nobody answered, from what `verdict_calls` found."""
    return _of_signals(trace, exchange, [(weight, trace.row(seq)) for weight, seq in calls], failures)


def _of_failure(trace: Trace, row: Row) -> Decision:
    message = shown(row.fields[0]) if row.fields else ""
    name = trace.filter_name(row)
    kind, policy = words.failure(row.a), words.policy(row.b)
    where = words.short_name(words.text(row.fields[1])) if len(row.fields) > 1 else ""
    reason = f"{kind} in {words.visible(where)}" if where else kind
    return Decision(
        row.exchange, "error", name, f"{reason}: {message} ({policy}: {words.effect(row.c)})", row.seq, passed=row.c == Effect.PASSED
    )


def _of_close(trace: Trace, row: Row) -> Decision:
    name = trace.filter_name(row)
    return Decision(row.exchange, "denied", name, f"connection closed by {words.visible(name or 'a filter')}", row.seq)


def _of_local(trace: Trace, row: Row, failures: FailedCalls) -> Decision:
    outcome = outcome_of_local(row.result, row.a, row.b)
    kind = {Outcome.LOCAL: "none"}.get(outcome, outcome.name.lower())
    name = trace.filter_name(row) if row.b != ResponseSource.PROXY else None
    said = _answered_with(row.fields[2]) if len(row.fields) > 2 and row.fields[2] else {}
    grpc = f", gRPC {words.grpc_status(row.a)}" if row.a != NONE else ""
    reason = f"{row.result}{grpc} by {words.visible(name or 'the proxy')}"
    why = [words.shorten(shown(part), 200) for part in (_details(trace, row),) if part]
    if not why and len(row.fields) > 1 and row.fields[1]:
        why = [words.shorten(shown(row.fields[1]), 120)]
    if said.get("remaining") is not None:
        why.append(_left(said))
    failed = failures.by_filter.get((row.exchange, row.filter), "")
    if failed:
        why.append(failed)
    reason += ": " + "; ".join(why) if why else ""
    return Decision(
        row.exchange, kind, name, reason, row.seq, row.result, said.get("limit"), said.get("remaining"), said.get("reset"), failed
    )


def _details(trace: Trace, row: Row) -> bytes:
    """The details as the filter wrote them: in the event white space has become `_`, as in Envoy's access log."""
    if row.parent != NONE:
        for seq in range(row.seq - 1, max(row.parent, row.seq - _LOOK_BACK), -1):
            call = trace.row(seq)
            if call.kind == Kind.HOSTCALL and trace.name(call) == "proxy_send_local_response" and call.exchange == row.exchange:
                return call.fields[0] if call.fields else b""
    return row.fields[0] if row.fields else b""


@lru_cache(maxsize=4096)
def _answered_with(field: bytes) -> Mapping[str, int | None]:
    """The rate-limit headers of a local response: few differ among many."""
    pairs, _ = unpack_pairs(field)
    return _rate_limit((words.text(name).lower(), words.text(value)) for name, value in pairs)


def _left(said: Mapping[str, int | None]) -> str:
    of = f" of {said['limit']}" if said.get("limit") is not None else ""
    reset = f", full again in {said['reset']} s" if said.get("reset") else ""
    return f"{said['remaining']}{of} left{reset}"


def _rate_limit(headers: Iterable[tuple[str, str]]) -> dict[str, int | None]:
    """Limit, remaining and reset from rate-limit headers; of several windows the first counts."""
    said: dict[str, int | None] = {}
    for name, value in headers:
        match, number = _HEADER.fullmatch(name), _NUMBER.match(value)
        if match and number:
            said.setdefault(match[1], int(number[1]))
    return said


def _weight(call: str, map_type: int, text: bytes, place: int, in_request: bool, judges: Judges) -> int | None:
    """Weight of what a hostcall says of a verdict (0 the most), None if nothing. `text` is the header's or the service's name."""
    if call in _SIGNALS[:2]:
        return 0 if map_type == _RESPONSE_HEADERS and _HEADER.fullmatch(words.text(text).lower()) else None
    if call in _SIGNALS[2:4]:
        return 1 if _SERVICES.search(words.text(text)) else None
    if call == "proxy_set_shared_data":
        return 2 if place in judges.limiters and in_request else None
    return 3 if place in judges.deniers and text.lower() == b"authorization" and in_request else None


def _weighed(rows: ExchangeRows, row: Row, judges: Judges) -> int | None:
    if row.result != 0:
        return None
    name, callback = rows.trace.name(row), rows.parent(row)
    in_request = callback is not None and rows.trace.name(callback).startswith(_REQUEST)
    at = 1 if name in _SIGNALS[2:4] else 0
    return _weight(name, row.a, row.fields[at] if len(row.fields) > at else b"", row.filter, in_request, judges)


_ALLOWED = (
    "let pass",
    "let pass after asking {service}",
    "drew its counter in shared data and let pass",
    "read authorization and let pass",
)


def _of_signals(trace: Trace, exchange: int, weighed: Sequence[tuple[int, Row]], failures: FailedCalls) -> Decision:
    if not weighed:
        return Decision(exchange, "none")
    weight, row = min(weighed, key=lambda pair: pair[0])
    given, failed = arguments(trace, row), ""
    said: Mapping[str, int | None] = {}
    reason = _ALLOWED[weight]
    if weight == 0:
        said = _rate_limit(_written(trace, (each for at, each in weighed if at == 0 and each.filter == row.filter)))
        reason += f", {_left(said)}" if said.get("remaining") is not None else ""
    elif weight == 1:
        failed = failures.by_call.get(row.seq, "")
        reason = f"let pass, though {failed}" if failed else reason.format(service=words.visible(_text(given.get("service", b""))))
    name = trace.filter_name(row)
    return Decision(
        exchange,
        "allowed",
        name,
        f"{words.visible(name or '')} {reason}",
        row.seq,
        None,
        said.get("limit"),
        said.get("remaining"),
        said.get("reset"),
        failed,
    )


def _written(trace: Trace, rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    for row in rows:
        given = arguments(trace, row)
        yield _text(given.get("name", b"")).lower(), _text(given.get("value", b""))


def _text(value: int | bytes) -> str:
    return words.text(value) if isinstance(value, bytes) else ""


def verdict_calls(trace: Trace, judges: Judges) -> dict[int, list[tuple[int, int]]]:
    """For each exchange, weight and row number of the hostcalls that show a verdict.

    Few kinds of calls occur in many rows, so each kind (call, filter, header or service) is weighed once.
    """
    names = [call.name for call in trace.schema.hostcalls]
    codes = [names.index(name) if name in names else NONE for name in _SIGNALS]
    request = lookup(code for code, call in enumerate(trace.schema.callbacks) if call.name.startswith(_REQUEST))
    found: dict[int, list[tuple[int, int]]] = {}
    for first, rows, blob in trace.blocks():
        code, place = rows["code"], rows["filter"]
        may = (lookup(codes[:2])[code] & (rows["a"] == _RESPONSE_HEADERS)) | lookup(codes[2:4])[code]
        may |= (code == codes[4]) & lookup(judges.limiters)[place]
        may |= (code == codes[5]) & lookup(judges.deniers)[place]
        at = np.flatnonzero(may & (rows["kind"] == Kind.HOSTCALL) & (rows["result"] == 0) & (rows["exchange"] != NONE))
        if not len(at):
            continue
        called = code[at].astype(np.int64)
        by_service = lookup(codes[2:4])[called]
        octets = np.frombuffer(blob, np.uint8)
        spans = field_spans(octets, rows, at, 2 if by_service.any() else 1)
        start, size = (np.where(by_service, second, one) for one, second in zip(spans[0], spans[-1], strict=True))
        texts, which = distinct(octets, start, np.where(called == codes[4], 0, size))  # of shared data the key says nothing
        early = request[callback_codes(trace, first, rows, at)]
        # in one number each: numpy sorts these many times as fast as columns
        packed = ((which * 256 + called) * (NO_FILTER + 1) + place[at]) * 2 + early
        _, one, kind = np.unique(packed, return_index=True, return_inverse=True)
        kinds = np.stack((called, place[at], early, which))[:, one]
        weights = [
            _weight(names[number], _RESPONSE_HEADERS, texts[text], by, bool(in_request), judges)
            for number, by, in_request, text in kinds.T.tolist()
        ]
        weight = np.array([-1 if each is None else each for each in weights], np.int64)[kind]
        shows = weight >= 0
        columns = (weight[shows], at[shows] + first, rows["exchange"][at[shows]])
        for weighs, seq, exchange in zip(*(column.tolist() for column in columns), strict=True):
            found.setdefault(exchange, []).append((weighs, seq))
    return found
