"""What a filter asks of another service, and what the service answers: the same for every source of answers.

A service is anything with `http` and `grpc`, see `Service`. All times are virtual: `time_ns` is when the filter asked, and an answer
comes `latency_ms` later. Header and metadata names are in lower case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ..capture.exchange import Pairs
from ..errors import ConfigError

__all__ = [
    "MOST_BYTES", "NEVER", "GrpcAnswer", "GrpcRequest", "GrpcResponse", "HttpAnswer", "HttpRequest", "HttpResponse", "LimitState", "Never",
    "Part", "Peeking", "Reset", "Service", "Session", "Streaming", "Unreachable",
]  # fmt: skip

MOST_BYTES = 16 << 20
"""Bytes that the body, the message or the headers of one answer may have."""

Text: TypeAlias = str | bytes
GivenPairs: TypeAlias = "Mapping[str, Text] | Iterable[tuple[Text, Text]]"


@dataclass(frozen=True, slots=True)
class _Request:
    """`cluster` is the name that the filter called, `filter` the filter's; `exchange` the index of the exchange on whose behalf, None
    for a root context's own. `timeout_ms` is None for a call without."""

    cluster: str
    headers: Pairs
    body: bytes
    time_ns: int
    timeout_ms: int | None
    filter: str
    exchange: int | None

    def header(self, name: Text) -> bytes | None:
        """The first value of a header or of metadata, None where there is none."""
        wanted = _bytes(name).lower()
        return next((value for key, value in self.headers if key == wanted), None)


@dataclass(frozen=True, slots=True)
class HttpRequest(_Request):
    """An HTTP callout. `headers` are as the filter gave them, pseudo headers among them, and behind them what Envoy adds."""

    trailers: Pairs = ()

    @property
    def method(self) -> bytes:
        """The `:method`."""
        return self.header(":method") or b""

    @property
    def path(self) -> bytes:
        """The `:path`, with its query."""
        return self.header(":path") or b""

    @property
    def authority(self) -> bytes:
        """The `:authority`, or `host`."""
        return self.header(":authority") or self.header("host") or b""


@dataclass(frozen=True, slots=True)
class GrpcRequest(_Request):
    """A unary gRPC call, or one message of a stream. `headers` is the metadata with what Envoy adds, `body` the message's bytes,
    unframed."""

    service: str = ""
    method: str = ""

    @property
    def message(self) -> bytes:
        """The message."""
        return self.body

    @property
    def metadata(self) -> Pairs:
        """The initial metadata."""
        return self.headers


class _Answer:
    """Checks and plain forms that answers share."""

    __slots__ = ()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class HttpResponse(_Answer):
    """A response. Headers and trailers are a mapping or pairs, of text (UTF-8) or bytes; nothing is added to them but Envoy's own.

    Raises ConfigError for values that are none of HTTP.
    """

    status: int = 200
    headers: GivenPairs = ()
    body: Text = b""
    trailers: GivenPairs = ()
    latency_ms: float = 1.0

    def __post_init__(self) -> None:
        if type(self.status) is not int or not 200 <= self.status <= 599:
            raise ConfigError(f"an HTTP status is a number from 200 to 599, not {self.status!r}")
        self._set("headers", _pairs(self.headers, "headers"))
        self._set("trailers", _pairs(self.trailers, "trailers"))
        self._set("body", _body(self.body, "body"))
        _check_latency(self.latency_ms)


@dataclass(frozen=True, slots=True)
class LimitState:
    """A counter that a rate-limit service consulted for an answer: the trace's LIMIT row.

    `service` is who keeps it and for which domain, `name` the limit's name or what tells it from others, `key` the values that it is
    kept for (`name=value, name=value`). `count` is what is kept after this hit of `hits` against `limit`, in a window of `window_s`
    seconds (0: none) from `start_ns` to `end_ns` (0: unknown). `flags` is "shadow", "unlimited", "check" or "".
    """

    service: str
    name: str
    key: str
    over: bool
    limit: int
    count: int
    hits: int = 1
    window_s: int = 0
    start_ns: int = 0
    end_ns: int = 0
    flags: str = ""


@dataclass(frozen=True, slots=True)
class GrpcResponse(_Answer):
    """The end of a unary call: `message` with status 0, else `status` (0 to 16) with its text.

    `metadata` is what comes first (initial), `trailers` what comes last. For a message of a stream: a status other than 0 ends the stream,
    and so does the filter's own end, with these trailers. `limits` are the counters that a rate-limit service consulted for it.
    """

    message: Text = b""
    status: int = 0
    status_message: str = ""
    metadata: GivenPairs = ()
    trailers: GivenPairs = ()
    latency_ms: float = 1.0
    limits: tuple[LimitState, ...] = ()

    def __post_init__(self) -> None:
        if type(self.status) is not int or not 0 <= self.status <= 16:
            raise ConfigError(f"a gRPC status is a number from 0 to 16, not {self.status!r}")
        if not isinstance(self.status_message, str):
            raise ConfigError(f"a gRPC status message is text, not {type(self.status_message).__name__}")
        self._set("metadata", _pairs(self.metadata, "metadata"))
        self._set("trailers", _pairs(self.trailers, "trailers"))
        self._set("message", _body(self.message, "message"))
        _check_latency(self.latency_ms)


@dataclass(frozen=True, slots=True)
class Unreachable(_Answer):
    """No connection to the service: Envoy gives the filter a 503 (gRPC: status 14). `reason` is Envoy's word for it."""

    latency_ms: float = 0.0
    reason: str = "remote connection failure"

    def __post_init__(self) -> None:
        _check_latency(self.latency_ms)


@dataclass(frozen=True, slots=True)
class Reset(_Answer):
    """The answer began and broke off: no headers, no body, status 11 (gRPC: status 13)."""

    latency_ms: float = 1.0

    def __post_init__(self) -> None:
        _check_latency(self.latency_ms)


@dataclass(frozen=True, slots=True)
class Never(_Answer):
    """No answer at all: what has a timeout ends by it, what has none stays open."""


NEVER = Never()

HttpAnswer: TypeAlias = HttpResponse | Unreachable | Reset | Never
GrpcAnswer: TypeAlias = GrpcResponse | HttpResponse | Unreachable | Reset | Never
"""An `HttpResponse` stands for a server that speaks no gRPC."""


class Service(Protocol):
    """Who answers for a cluster. Both raise `WorkbenchError` where there is no answer that could be meant."""

    def http(self, request: HttpRequest) -> HttpAnswer: ...
    def grpc(self, request: GrpcRequest) -> GrpcAnswer: ...


class Peeking(Protocol):
    """A service that can say beforehand what it will answer: some answers come when a stream is opened, before any message."""

    def peek(self, request: GrpcRequest) -> GrpcAnswer: ...


class Session(Protocol):
    """One open gRPC stream. Each call gives what comes of it, in order; nothing follows a part that ends the stream."""

    def send(self, message: bytes, end: bool, time_ns: int) -> Sequence[Part]: ...
    def half_close(self, time_ns: int) -> Sequence[Part]: ...
    def cancel(self) -> None: ...


class Streaming(Protocol):
    """A service with streams of its own; for others each message of a stream is asked of `grpc`."""

    def stream(self, request: GrpcRequest) -> tuple[Session, Sequence[Part]]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """Something of an answer, as the core takes it: `kind` by the numbers of `packing`, `latency_ns` after the question."""

    kind: int
    latency_ns: int
    number: int = 0
    headers: Pairs = ()
    body: bytes = b""
    trailers: Pairs = ()
    limits: tuple[LimitState, ...] = ()


def _bytes(value: Text) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _pairs(given: GivenPairs, what: str) -> Pairs:
    items = given.items() if isinstance(given, Mapping) else given
    try:
        pairs = tuple((_bytes(name).lower(), _bytes(value)) for name, value in items)
        size = sum(len(name) + len(value) for name, value in pairs)
    except (TypeError, ValueError, AttributeError):
        raise ConfigError(f"{what} are a mapping or pairs of text or bytes") from None
    if size > MOST_BYTES:
        raise ConfigError(f"{what} of {size} bytes, {MOST_BYTES} are the most")
    return pairs


def _body(given: Text, what: str) -> bytes:
    if not isinstance(given, (str, bytes)):
        raise ConfigError(f"a {what} is text or bytes, not {type(given).__name__}")
    body = _bytes(given)
    if len(body) > MOST_BYTES:
        raise ConfigError(f"a {what} of {len(body)} bytes, {MOST_BYTES} are the most")
    return body


def _check_latency(given: float) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given) or not 0 <= given <= 1e9:
        raise ConfigError(f"a latency is a number of milliseconds from 0 to 1e9, not {given!r}")
