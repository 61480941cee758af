"""Answers from the capture itself: what the service said when it was recorded, after the time it took then."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from ..capture.exchange import Exchange, Pairs
from ..errors import ConfigError
from .calls import MOST_BYTES, GrpcAnswer, GrpcRequest, GrpcResponse, HttpAnswer, HttpRequest, HttpResponse, Reset, Unreachable

__all__ = ["Recorded"]

_GRPC = b"application/grpc"
_FRAME = 5


class Exchanges(Protocol):
    """What it needs of a capture."""

    def __getitem__(self, index: int) -> Exchange: ...
    def __iter__(self) -> Iterator[Exchange]: ...


@dataclass(frozen=True)
class Recorded:
    """The exchange of the same method, authority and path answers, for gRPC that of the same path; of several the last that began
    before the callout, or else the first. Where there is none the service counts as unreachable.

    `capture` is the one that is replayed unless another is given.
    """

    capture: Exchanges | None = None

    @property
    def deterministic(self) -> bool:
        """It is."""
        return True

    def begin(self, capture: Exchanges | None) -> _Replaying:
        """A service for a replay of `capture`; ConfigError where there is none to answer from."""
        source = self.capture if self.capture is not None else capture
        if source is None:
            raise ConfigError("a cluster is to be answered by the capture, and there is none")
        return _Replaying(source)


class _Replaying:
    def __init__(self, capture: Exchanges) -> None:
        self._capture = capture

    @cached_property
    def _known(self) -> dict[tuple[bytes, bytes, bytes], list[tuple[int, int]]]:
        """Start and index of the exchanges by method, authority and path; gRPC calls with an empty authority."""
        known: defaultdict[tuple[bytes, bytes, bytes], list[tuple[int, int]]] = defaultdict(list)
        for exchange in self._capture:
            asked = exchange.request
            grpc = (_header(asked.headers, b"content-type") or b"").startswith(_GRPC)
            known[asked.method, b"" if grpc else asked.authority, asked.path].append((asked.start_ns, exchange.index))
        for places in known.values():
            places.sort()
        return dict(known)

    def _exchange(self, key: tuple[bytes, bytes, bytes], time_ns: int) -> Exchange | None:
        places = self._known.get(key)
        if not places:
            return None
        at = bisect_right(places, time_ns, key=lambda place: place[0])
        return self._capture[places[max(at - 1, 0)][1]]

    def http(self, request: HttpRequest) -> HttpAnswer:
        """The recorded response."""
        exchange = self._exchange((request.method, request.authority, request.path), request.time_ns)
        if exchange is None:
            return Unreachable()
        if exchange.response is None:
            return Unreachable(reason="connection termination")
        answer = exchange.response
        if not 200 <= answer.status <= 599 or len(answer.body) > MOST_BYTES:
            return Reset(_latency(exchange))
        return HttpResponse(answer.status, answer.headers, answer.body, answer.trailers, _latency(exchange))

    def peek(self, request: GrpcRequest) -> GrpcAnswer:
        """What `grpc` answers."""
        return self.grpc(request)

    def grpc(self, request: GrpcRequest) -> GrpcAnswer:
        """The recorded message and status; a compressed message is none that could be told."""
        exchange = self._exchange((b"POST", b"", f"/{request.service}/{request.method}".encode()), request.time_ns)
        if exchange is None:
            return Unreachable()
        answer = exchange.response
        if answer is None:
            return Unreachable(reason="connection termination")
        status = _header(answer.trailers, b"grpc-status") or _header(answer.headers, b"grpc-status")
        if status is None or not status.isdigit() or int(status) > 16:
            return HttpResponse(max(answer.status, 200), latency_ms=_latency(exchange))
        body = answer.body
        whole = len(body) >= _FRAME and not body[0] and len(body) >= _FRAME + int.from_bytes(body[1:_FRAME], "big")
        if int(status) == 0 and not whole:
            return Reset(_latency(exchange))
        message = body[_FRAME : _FRAME + int.from_bytes(body[1:_FRAME], "big")]
        text = (_header(answer.trailers, b"grpc-message") or _header(answer.headers, b"grpc-message") or b"").decode("latin-1")
        trailers = tuple(pair for pair in answer.trailers if pair[0].lower() not in (b"grpc-status", b"grpc-message"))
        return GrpcResponse(message, int(status), text, (), trailers, _latency(exchange))


def _header(pairs: Pairs, name: bytes) -> bytes | None:
    return next((value for key, value in pairs if key.lower() == name), None)


def _latency(exchange: Exchange) -> float:
    assert exchange.response is not None
    return max(exchange.response.end_ns - exchange.request.start_ns, 0) / 1e6
