"""A rate-limit service of a replay: a limiter with its counters, the time it takes, and the faults it is told to have."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ..calls import GrpcAnswer, GrpcRequest, GrpcResponse, HttpAnswer, HttpRequest, HttpResponse, LimitState
from .faults import Fault, Faults
from .messages import DecodeError, RateLimitRequest

__all__ = ["Counting", "Decision", "Descriptor", "RateLimitService", "RateLimits", "Request", "compact"]

_UNIMPLEMENTED, _INTERNAL = 12, 13
_MOST_PLANS, _LARGEST_PLAN = 10_000, 4096
_LARGEST_MESSAGE = 4 << 20
"""What the servers take at most, both by their libraries' default."""
_LONGEST_KEY = 256


@dataclass(frozen=True, slots=True)
class Decision:
    """What a limiter answers: a message, or with a status other than 0 a failure; and the counters that it consulted."""

    message: bytes = b""
    limits: tuple[LimitState, ...] = ()
    status: int = 0
    problem: str = ""


class Descriptor(NamedTuple):
    """A descriptor of a request: its entries, the limit that it brings along (requests, unit), and its own hits (None: the request's)."""

    entries: tuple[tuple[str, str], ...]
    override: tuple[int, int] | None
    hits: int | None


class Request(NamedTuple):
    """A `RateLimitRequest`; `hits` are as they came, 0 where none are given."""

    domain: str
    descriptors: tuple[Descriptor, ...]
    hits: int

    @classmethod
    def parse(cls, message: bytes) -> Request:
        """Read the message. Raises DecodeError."""
        given = RateLimitRequest.FromString(message)
        descriptors = tuple(
            Descriptor(
                tuple((entry.key, entry.value) for entry in each.entries),
                (each.limit.requests_per_unit, each.limit.unit) if each.HasField("limit") else None,
                each.hits_addend.value if each.HasField("hits_addend") else None,
            )
            for each in given.descriptors
        )
        return cls(given.domain, descriptors, given.hits_addend)


Plan: TypeAlias = Callable[[int], Decision]
"""What a limiter does with a request at a time, once it has been read."""


class Counting(ABC):
    """Counters that are being kept, by the rules of one limiter."""

    methods: Mapping[tuple[str, str], str] = {}
    """Service and method -> what `plan` calls it."""
    too_large = 0
    """The status that a message gets which is larger than the server takes."""

    @abstractmethod
    def plan(self, how: str, request: Request) -> Plan:
        """How this request is decided, at whatever time it comes."""


class RateLimitService:
    """Answers the callouts of one replay. `latency_ms` is what each answer takes, `faults` where it fails."""

    def __init__(self, counting: Counting, latency_ms: float, faults: Sequence[Fault]) -> None:
        self.counting = counting
        self._latency_ms = latency_ms
        self._faults = Faults(faults)
        self._plans: dict[tuple[str, bytes], tuple[Request, Plan]] = {}

    def http(self, request: HttpRequest) -> HttpAnswer:
        """It speaks gRPC alone."""
        return HttpResponse(415, latency_ms=self._latency_ms)

    def peek(self, request: GrpcRequest) -> GrpcAnswer:
        """Whether there is such a method; nothing is counted."""
        return self._none(request) if (request.service, request.method) not in self.counting.methods else GrpcResponse()

    def grpc(self, request: GrpcRequest) -> GrpcAnswer:
        """The decision, or the fault that is due."""
        how = self.counting.methods.get((request.service, request.method))
        if how is None:
            return self._none(request)
        if len(request.body) > _LARGEST_MESSAGE:
            text = f"a message of {len(request.body)} bytes, {_LARGEST_MESSAGE} are the most"
            return GrpcResponse(status=self.counting.too_large, status_message=text, latency_ms=self._latency_ms)
        try:
            asked, plan = self._plan(how, request.body)
        except DecodeError as error:
            return GrpcResponse(status=_INTERNAL, status_message=f"no RateLimitRequest: {error}", latency_ms=self._latency_ms)
        fault = self._faults.due(asked.domain, asked.descriptors, request) if self._faults else None
        if fault is not None and fault.instead is not None:
            return fault.instead
        decision = plan(request.time_ns)
        latency = self._latency_ms if fault is None else fault.delay(self._latency_ms, _timeout_ms(request))
        return GrpcResponse(decision.message, decision.status, decision.problem, (), (), latency, decision.limits)

    def _plan(self, how: str, body: bytes) -> tuple[Request, Plan]:
        found = self._plans.get((how, body))
        if found is None:
            asked = Request.parse(body)
            found = asked, self.counting.plan(how, asked)
            if len(body) <= _LARGEST_PLAN:
                if len(self._plans) >= _MOST_PLANS:
                    self._plans.pop(next(iter(self._plans)))
                self._plans[how, body] = found
        return found

    def _none(self, request: GrpcRequest) -> GrpcResponse:
        text = f"unknown method /{request.service}/{request.method}"
        return GrpcResponse(status=_UNIMPLEMENTED, status_message=text, latency_ms=self._latency_ms)


def _timeout_ms(request: GrpcRequest) -> int | None:
    """How long the filter waits: real Envoy tells it the server in a header."""
    told = request.header("x-envoy-expected-rq-timeout-ms")
    return request.timeout_ms if request.timeout_ms is not None or told is None or not told.isdigit() else int(told)


def compact(key: tuple[object, ...]) -> object:
    """What stands for the key of a counter: filters choose its values, and must not choose how much is kept."""
    text = repr(key)
    return key if len(text) <= _LONGEST_KEY else hashlib.sha256(text.encode()).digest()


class RateLimits(ABC):
    """A source of answers that limits. Each replay starts with fresh counters, unless it is told to `carry_on` with those of the last.

    `latency_ms` is the virtual time that an answer takes, `faults` are what goes wrong on purpose.
    """

    deterministic = True

    def __init__(self, latency_ms: float = 1.0, faults: Iterable[Fault] = (), carry_on: bool = False) -> None:
        GrpcResponse(latency_ms=latency_ms)  # refuses what is no latency
        self.latency_ms = latency_ms
        self.faults = tuple(faults)
        self.carry_on = carry_on
        self._kept: Counting | None = None

    @abstractmethod
    def counting(self, before: Any = None) -> Counting:
        """Fresh counters, or those that `before`, a counting of the same kind, has kept, under these limits."""

    def begin(self, capture: object = None) -> RateLimitService:
        """The service of one replay."""
        if self._kept is None or not self.carry_on:
            self._kept = self.counting()
        return RateLimitService(self._kept, self.latency_ms, self.faults)
