"""Requests to a rate-limit service, and its answers in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.services import GrpcRequest, GrpcResponse, LimitState
from workbench.services.ratelimit.messages import SHOULD, RateLimitRequest, RateLimitResponse
from workbench.services.ratelimit.service import RateLimits, RateLimitService

S = 1_000_000_000
START_NS = 1_768_471_200 * S
"""A full minute."""


def message(domain: str, *descriptors: Mapping[str, str], hits: int = 0) -> bytes:
    """A `RateLimitRequest`."""
    request = RateLimitRequest(domain=domain, hits_addend=hits)
    for entries in descriptors:
        added = request.descriptors.add()
        for key, value in entries.items():
            added.entries.add(key=key, value=value)
    return bytes(request.SerializeToString())


@dataclass
class Answered:
    code: int
    headers: dict[str, str]
    statuses: list[Any]
    limits: tuple[LimitState, ...]
    whole: Any
    latency_ms: float


class Asking:
    """A service of one replay, asked at seconds after `START_NS`."""

    def __init__(self, source: RateLimits) -> None:
        self.service: RateLimitService = source.begin()

    def raw(self, at_s: float, body: bytes, method: tuple[str, str] = SHOULD, timeout_ms: int | None = 20) -> Any:
        time = START_NS + round(at_s * S)
        return self.service.grpc(GrpcRequest("rls", (), body, time, timeout_ms, "shim", 0, service=method[0], method=method[1]))

    def __call__(
        self, at_s: float, domain: str, *descriptors: Mapping[str, str], hits: int = 0, method: tuple[str, str] = SHOULD
    ) -> Answered:
        given = self.raw(at_s, message(domain, *descriptors, hits=hits), method)
        assert isinstance(given, GrpcResponse) and given.status == 0, given
        return self.read(given)

    def read(self, given: GrpcResponse) -> Answered:
        answer = RateLimitResponse.FromString(given.message)
        headers = {each.key: each.value for each in answer.response_headers_to_add}
        return Answered(answer.overall_code, headers, list(answer.statuses), given.limits, answer, given.latency_ms)
