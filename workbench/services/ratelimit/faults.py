"""What goes wrong with a rate-limit service on purpose: at which requests, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError
from ..calls import NEVER, GrpcAnswer, GrpcRequest, GrpcResponse, Unreachable
from ..scripted import fits
from .messages import OK, OVER_LIMIT, UNKNOWN, RateLimitResponse

__all__ = ["FAULTS", "Fault", "Faults", "scripted_answer"]

FAULTS = ("unavailable", "slow", "deadline", "never", "status", "answer")
_LATE_MS = 10.0
"""How much later than the deadline is too late also for real Envoy, whose clock is not virtual."""
_CODES = {"UNKNOWN": UNKNOWN, "OK": OK, "OVER_LIMIT": OVER_LIMIT}


@dataclass(frozen=True)
class Fault:
    """One kind of fault and its requests: those that meet every condition given. The first that is due is the one that happens.

    `kind`: "unavailable" (no connection), "slow" (counted, answered after `latency_ms`), "deadline" (counted, answered when the filter's
    timeout has just passed), "never" (no answer), "status" (gRPC `status` with `message`), "answer" (`answer`, uncounted).

    `every` is each nth request that meets the others; `descriptor` names entries and their values (`*` for any characters), `domain` and
    `method` likewise; `after_s` and `until_s` are seconds of virtual time since the service's first request. Raises ConfigError.
    """

    kind: str
    every: int = 1
    descriptor: Mapping[str, str] = field(default_factory=dict)
    domain: str | None = None
    method: str | None = None
    after_s: float = 0.0
    until_s: float | None = None
    latency_ms: float = 1.0
    status: int = 14
    message: str = ""
    answer: GrpcResponse | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ConfigError(f"{str(self.kind)[:80]!r} is no fault", remedy=f"Give one of {', '.join(FAULTS)}")
        if type(self.every) is not int or self.every < 1:
            raise ConfigError(f"every {self.every!r} is not a whole number from 1")
        if (self.kind == "answer") != (self.answer is not None):
            raise ConfigError("an answer belongs to the fault of that name, and it needs one")
        if self.kind == "status" and self.status == 0:
            raise ConfigError("status 0 is no failure", remedy="Give a gRPC status from 1 to 16")
        GrpcResponse(status=self.status, status_message=self.message, latency_ms=self.latency_ms)  # refuses what is none

    @property
    def instead(self) -> GrpcAnswer | None:
        """What is answered without asking the limiter; None where it counts."""
        match self.kind:
            case "unavailable":
                return Unreachable(self.latency_ms)
            case "never":
                return NEVER
            case "status":
                return GrpcResponse(status=self.status, status_message=self.message, latency_ms=self.latency_ms)
        return self.answer

    def delay(self, usual_ms: float, timeout_ms: int | None) -> float:
        """What an answer that is counted takes, in milliseconds."""
        if self.kind == "deadline" and timeout_ms is not None:
            return timeout_ms + _LATE_MS
        return self.latency_ms if self.kind == "slow" else usual_ms

    def meets(self, domain: str, entries: Sequence[tuple[str, str]], method: str, since_s: float) -> bool:
        """Whether a request is one of its own, `every` aside."""
        return (
            self.after_s <= since_s
            and (self.until_s is None or since_s < self.until_s)
            and (self.domain is None or fits(self.domain, domain))
            and (self.method is None or fits(self.method, method))
            and all(any(key == name and fits(wanted, value) for key, value in entries) for name, wanted in self.descriptor.items())
        )


class Faults:
    """The faults of one replay, which counts their requests."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._met = [0] * len(self._faults)
        self._first_ns: int | None = None

    def __bool__(self) -> bool:
        return bool(self._faults)

    def due(self, domain: str, descriptors: Sequence[Any], request: GrpcRequest) -> Fault | None:
        """The fault that this request has."""
        if self._first_ns is None:
            self._first_ns = request.time_ns
        since_s = (request.time_ns - self._first_ns) / 1e9
        entries = [entry for descriptor in descriptors for entry in descriptor.entries]
        found = None
        for place, fault in enumerate(self._faults):
            if fault.meets(domain, entries, request.method, since_s):
                self._met[place] += 1
                if found is None and self._met[place] % fault.every == 0:
                    found = fault
        return found


def scripted_answer(
    code: str,
    *,
    response_headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    request_headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    raw_body: bytes = b"",
    dynamic_metadata: Mapping[str, Any] | None = None,
    latency_ms: float = 1.0,
) -> GrpcResponse:
    """A `RateLimitResponse` as it is given: `code` is OK, OVER_LIMIT or UNKNOWN. Raises ConfigError."""
    if str(code).upper() not in _CODES:
        raise ConfigError(f"{str(code)[:80]!r} is no code of an answer", remedy=f"Give one of {', '.join(_CODES)}")
    answer = RateLimitResponse(overall_code=_CODES[str(code).upper()], raw_body=raw_body)
    for pairs, to in ((response_headers, answer.response_headers_to_add), (request_headers, answer.request_headers_to_add)):
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
            to.add(key=name, value=value)
    if dynamic_metadata is not None:
        try:
            answer.dynamic_metadata.update(dict(dynamic_metadata))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"dynamic metadata is what JSON can say: {error}") from None
    return GrpcResponse(answer.SerializeToString(), latency_ms=latency_ms)
