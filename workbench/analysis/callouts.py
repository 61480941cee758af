"""Calls of filters to other services, each with what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..capture.packing import unpack_pairs
from ..trace.records import CalloutEnd, CalloutKind, Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .calls import abi_pairs, arguments, shown

__all__ = ["CALLS", "Callout", "callout_text", "callouts", "ends_of", "limit_text"]

CALLS = {"proxy_http_call": "http", "proxy_grpc_call": "grpc", "proxy_grpc_stream": "grpc"}
"""The hostcalls that begin one, and its kind in a result."""

_REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Callout:
    """One call. Texts are data as captured.

    `seq` and `end_seq` are the rows of the hostcall and of what came of it (-1 for none). `target` is the cluster, for gRPC with service
    and method; `request` the method, authority and path of an HTTP call. `ended` is answered, timeout, failed, cancelled, unanswered or,
    where the host refused the call, refused. `status` is the HTTP or gRPC status that the filter was told, None for none; `latency_ms`
    virtual time from question to end, None where no end came. `size` are the bytes of an HTTP answer's body or of a unary message.
    """

    seq: int
    end_seq: int
    exchange: int
    time: int
    filter: str | None
    kind: str
    token: int
    target: str
    request: str
    ended: str
    status: int | None
    latency_ms: float | None
    size: int
    headers: tuple[tuple[str, str], ...]
    trailers: tuple[tuple[str, str], ...]


def callouts(trace: Trace, hostcalls: Iterable[tuple[str, Row]], ends: Mapping[int, Row]) -> Iterator[Callout]:
    """The calls among named hostcall rows; `ends` are the CALLOUT rows by the row of their hostcall."""
    for name, row in hostcalls:
        if name in CALLS:
            yield _callout(trace, name, row, ends.get(row.seq))


def _callout(trace: Trace, name: str, row: Row, end: Row | None) -> Callout:
    given = arguments(trace, row)
    parts = [_text(given, part) for part in ("upstream", "service", "method")]
    token = given.get("token", 0)
    ended = _REFUSED if end is None and row.result else CalloutEnd.UNANSWERED.name.lower() if end is None else _ended(end.c)
    came = end is not None and end.c in (CalloutEnd.ANSWERED, CalloutEnd.TIMEOUT, CalloutEnd.FAILED)
    fields = (*end.fields, b"", b"", b"", b"")[:4] if end is not None else (b"", b"", b"", b"")
    return Callout(
        seq=row.seq,
        end_seq=-1 if end is None else end.seq,
        exchange=row.exchange,
        time=row.time,
        filter=trace.filter_name(row),
        kind=CALLS[name],
        token=token if isinstance(token, int) else 0,
        target="/".join(filter(None, parts)),
        request=_asked(given) if name == "proxy_http_call" else "",
        ended=ended,
        status=end.result if end is not None and end.result >= 0 else None,
        latency_ms=end.d / 1000 if end is not None and came else None,
        size=len(fields[2]),
        headers=_pairs(fields[1]),
        trailers=_pairs(fields[3]),
    )


def _ended(number: int) -> str:
    return CalloutEnd(number).name.lower() if number in CalloutEnd.__members__.values() else str(number)


def _text(given: Mapping[str, int | bytes], name: str) -> str:
    value = given.get(name, b"")
    return words.text(value) if isinstance(value, bytes) else ""


def _asked(given: Mapping[str, int | bytes]) -> str:
    """`GET auth.example/check`, from the pairs that the filter gave."""
    packed = given.get("headers", b"")
    pairs = dict(reversed(abi_pairs(packed) or ())) if isinstance(packed, bytes) else {}
    named = {key.lower(): words.text(value) for key, value in pairs.items()}
    place = named.get(b":authority", named.get(b"host", "")) + named.get(b":path", "")
    return " ".join(filter(None, (named.get(b":method", ""), place)))


def _pairs(field: bytes) -> tuple[tuple[str, str], ...]:
    pairs, _ = unpack_pairs(field) if field else ((), 0)
    return tuple((words.text(name), words.text(value)) for name, value in pairs)


def ends_of(events: Iterable[Row]) -> dict[int, Row]:
    """The CALLOUT rows among events, by the row of their hostcall."""
    return {row.parent: row for row in events if row.kind == Kind.EVENT and row.code == Event.CALLOUT}


def callout_text(row: Row) -> str:
    """A CALLOUT or CALLOUT_PART event in a few words, its captured parts escaped."""
    cluster, _, body, _ = (*row.fields, b"", b"", b"", b"")[:4]
    name = shown(cluster)
    if row.code == Event.CALLOUT_PART:
        return f"{name} sends {words.size(len(body))}" if body else f"{name} sends its initial metadata"
    grpc = row.b != CalloutKind.HTTP
    status = "" if row.result < 0 else f" {words.grpc_status(row.result) if grpc else row.result}"
    after = f" after {words.duration(row.d * 1000)}"
    match row.c:
        case CalloutEnd.ANSWERED:
            return f"{name} answers{status}{after}, {words.size(len(body))}"
        case CalloutEnd.TIMEOUT:
            return f"{name} has not answered in time: the filter is told{status}{after}"
        case CalloutEnd.FAILED:
            told = f": the filter is told{status}" if status else ""
            return f"no whole answer from {name}{told}{after}"
        case CalloutEnd.CANCELLED:
            return f"the call to {name} is cancelled{after}"
    return f"{name} never answers"


def limit_text(row: Row) -> str:
    """A LIMIT event in a few words, what services and filters said escaped."""
    service, name, key, _, flags = (*map(shown, row.fields), "", "", "", "", "")[:5]
    of = f"{name} of {service}" if name else service
    state = [f"{row.b} of {row.a}", "over it" if row.result == 2 else "", flags]
    return f"{of}{', ' + key if key else ''}: {', '.join(filter(None, state))}"
