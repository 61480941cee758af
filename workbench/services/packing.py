"""Questions of the core as requests, and answers as the bytes that it takes; `core/src/callouts.rs` is the other side.

    questions := u32 count, count x str of
    question := u32 kind   u32 vm   u32 token   u32 filter   u32 exchange   u32 timeout in ms   u32 end of the filter's side
                u64 virtual time    str cluster str service  str method     pairs headers       str body       pairs trailers
    answer   := u32 count, count x (u64 nanoseconds from now, u32 kind, u32 number, pairs, str, pairs, limits)
    limits   := u32 count, count x (u32 result, u32 a, u32 b, u32 c, u32 d, str fields): the trace's LIMIT rows

`str` and `pairs` are those of `capture.packing`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ..capture.exchange import Pairs
from ..capture.packing import pack_pairs, pack_str, unpack_pairs
from .calls import GrpcAnswer, GrpcResponse, HttpAnswer, HttpResponse, LimitState, Never, Part, Reset, Unreachable

__all__ = [
    "Ask", "PartKind", "Question", "grpc_parts", "http_parts", "message_parts", "pack_names", "pack_parts", "split_questions",
    "unpack_question",
]  # fmt: skip

_HEAD = struct.Struct("<7IQ")
_PART = struct.Struct("<QII")
_U32 = struct.Struct("<I")
_LIMIT = struct.Struct("<5I")
_WINDOW = struct.Struct("<IQQ")
_MOST, _LATEST = 0xFFFFFFFF, (1 << 63) - 1
_MOST_TEXT, _MOST_LIMITS = 4096, 1000
"""Bytes of a text in a LIMIT row, and such rows of one answer: what they tell comes from filters."""


class Ask(IntEnum):
    """What a question is about."""

    HTTP = 0
    UNARY = 1
    STREAM = 2
    SEND = 3
    HALF_CLOSE = 4
    CANCELLED = 5


class PartKind(IntEnum):
    """What a part of an answer is; `number` is the status."""

    RESPONSE = 1
    RESET = 2
    UNREACHABLE = 3
    INITIAL = 4
    MESSAGE = 5
    END = 6
    END_ONLY = 7
    """The end of a gRPC call that had no initial metadata: trailers only."""
    NOT_GRPC = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the core, in plain values; texts are not decoded."""

    kind: int
    vm: int
    token: int
    filter: int
    exchange: int
    timeout_ms: int
    end: bool
    time_ns: int
    cluster: bytes
    service: bytes
    method: bytes
    headers: Pairs
    body: bytes
    trailers: Pairs


def split_questions(data: bytes) -> list[bytes]:
    """The questions that the core asks at once."""
    (count,), at = _U32.unpack_from(data), _U32.size
    questions = []
    for _ in range(count):
        question, at = _str(data, at)
        questions.append(question)
    return questions


def unpack_question(data: bytes) -> Question:
    """Read a question."""
    kind, vm, token, filter_, exchange, timeout, end, time = _HEAD.unpack_from(data)
    at = _HEAD.size
    cluster, at = _str(data, at)
    service, at = _str(data, at)
    method, at = _str(data, at)
    headers, at = unpack_pairs(data, at)
    body, at = _str(data, at)
    trailers, at = unpack_pairs(data, at)
    return Question(kind, vm, token, filter_, exchange, timeout, bool(end), time, cluster, service, method, headers, body, trailers)


def _str(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _U32.unpack_from(data, at)
    return data[at + 4 : at + 4 + size], at + 4 + size


def pack_parts(parts: Sequence[Part]) -> bytes:
    """An answer; no parts for none."""
    out = [_U32.pack(len(parts))]
    for part in parts:
        out += (
            _PART.pack(part.latency_ns, part.kind, part.number),
            pack_pairs(part.headers),
            pack_str(part.body),
            pack_pairs(part.trailers),
            _pack_limits(part.limits),
        )
    return b"".join(out)


def _pack_limits(limits: Sequence[LimitState]) -> bytes:
    if not limits:
        return _NO_LIMITS
    out = [_U32.pack(min(len(limits), _MOST_LIMITS))]
    for each in limits[:_MOST_LIMITS]:
        window = _WINDOW.pack(16, min(each.start_ns, _LATEST), min(each.end_ns, _LATEST))
        fields = b"".join((_text(each.service), _text(each.name), _text(each.key), window, _text(each.flags)))
        numbers = (min(number, _MOST) for number in (each.limit, each.count, each.hits, each.window_s))
        out += (_LIMIT.pack(2 if each.over else 1, *numbers), pack_str(fields))
    return b"".join(out)


_NO_LIMITS = _U32.pack(0)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return pack_str(data if len(data) <= _MOST_TEXT else data[: _MOST_TEXT - 3] + "…".encode())


def http_parts(answer: HttpAnswer) -> list[Part]:
    """The answer to an HTTP callout."""
    if isinstance(answer, HttpResponse):
        return [
            Part(
                PartKind.RESPONSE, _ns(answer.latency_ms), answer.status, _given(answer.headers), _own(answer.body), _given(answer.trailers)
            )
        ]
    return _no_answer(answer)


def grpc_parts(answer: GrpcAnswer) -> list[Part]:
    """The answer to a unary call: its message, or its status."""
    if isinstance(answer, GrpcResponse):
        after = _ns(answer.latency_ms)
        if answer.status == 0:
            pairs = _given(answer.metadata), _own(answer.message), _given(answer.trailers)
            return [Part(PartKind.MESSAGE, after, 0, *pairs, answer.limits)]
        return [_end(PartKind.END_ONLY, answer)]
    return _not_grpc(answer)


def message_parts(answer: GrpcAnswer, *, first: bool, end: bool) -> list[Part]:
    """What one message of a stream brings: `first` where none came back before, `end` where the filter sends no more."""
    if not isinstance(answer, GrpcResponse):
        return _not_grpc(answer)
    if answer.status:
        return [_end(PartKind.END_ONLY if first else PartKind.END, answer)]
    after = _ns(answer.latency_ms)
    parts = [Part(PartKind.INITIAL, after, 0, _given(answer.metadata))] if first else []
    parts.append(Part(PartKind.MESSAGE, after, 0, (), _own(answer.message), (), answer.limits))
    if end:
        parts.append(_end(PartKind.END, answer))
    return parts


def _end(kind: PartKind, answer: GrpcResponse) -> Part:
    limits = answer.limits if answer.status else ()
    return Part(kind, _ns(answer.latency_ms), answer.status, (), answer.status_message.encode(), _given(answer.trailers), limits)


def _not_grpc(answer: HttpResponse | Unreachable | Reset | Never) -> list[Part]:
    if isinstance(answer, HttpResponse):
        return [Part(PartKind.NOT_GRPC, _ns(answer.latency_ms), answer.status)]
    return _no_answer(answer)


def _no_answer(answer: Unreachable | Reset | Never) -> list[Part]:
    if isinstance(answer, Unreachable):
        return [Part(PartKind.UNREACHABLE, _ns(answer.latency_ms), 0, (), answer.reason.encode())]
    return [Part(PartKind.RESET, _ns(answer.latency_ms))] if isinstance(answer, Reset) else []


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)


def _given(pairs: object) -> Pairs:
    # an answer has made pairs of bytes of whatever it was given
    assert isinstance(pairs, tuple)
    return pairs


def _own(body: str | bytes) -> bytes:
    assert isinstance(body, bytes)
    return body


def pack_names(names: Iterable[bytes]) -> bytes:
    """The names of the clusters, as the core takes them."""
    every = list(names)
    return _U32.pack(len(every)) + b"".join(map(pack_str, every))
