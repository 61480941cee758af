"""The rate-limit service of a cluster in the clusters' YAML file.

    ratelimit:                            # the cluster that filters call
      rls:
        limitador: limits.yaml            # a limits file of Limitador
        # or instead `envoy: config.yaml`, a configuration of envoyproxy/ratelimit, or a folder of them
        headers: draft03                  # X-RateLimit-* in the answers; for envoy `true`: RateLimit-*
        library: "0.14"                   # of Limitador alone: the release of its library that these are as
        latency_ms: 1                     # virtual time of an answer
        carry_on: false                   # true: the counters of a replay go on in the next
        faults:                           # the first that is due happens
          - {fault: unavailable, every: 10}
          - {fault: slow, latency_ms: 300, descriptor: {user: "j*"}}
          - {fault: deadline, domain: shop, method: ShouldRateLimit}
          - {fault: status, status: 13, message: broken, after_s: 5, until_s: 8}
          - {fault: never, every: 100}
          - {fault: answer, every: 7, answer: {code: OVER_LIMIT, response_headers: {retry-after: "3"}, request_headers: {x-tier: free},
             raw_body: slow down, dynamic_metadata: {tier: free}}}

A path counts from the folder of the clusters' file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..calls import GrpcResponse
from ..yamlfile import Item
from .envoy_ratelimit import EnvoyRateLimit
from .faults import FAULTS, Fault, scripted_answer
from .limitador import Limitador
from .service import RateLimits

__all__ = ["read_rls"]

_KEYS = ("limitador", "envoy", "headers", "library", "latency_ms", "carry_on", "faults")
_FAULT_KEYS = ("fault", "every", "descriptor", "domain", "method", "after_s", "until_s", "latency_ms", "status", "message", "answer")
_ANSWER_KEYS = ("code", "response_headers", "request_headers", "raw_body", "dynamic_metadata")


def read_rls(item: Item, folder: Path) -> RateLimits:
    """The service that a cluster's `rls` describes, with paths in `folder`. Raises ConfigError."""
    given = item.mapping(_KEYS)
    if ("limitador" in given) == ("envoy" in given):
        raise item.fault("gives both or neither of limitador and envoy", "Give the limits of one of them")
    settings: dict[str, Any] = {}
    if "latency_ms" in given:
        settings["latency_ms"] = given["latency_ms"].number()
    if "carry_on" in given:
        settings["carry_on"] = given["carry_on"].flag()
    settings["faults"] = [_fault(each) for each in given["faults"].items()] if "faults" in given else ()
    kind, headers = ("limitador" if "limitador" in given else "envoy"), given.get("headers")
    if headers is not None:
        settings["headers"] = headers.text() if kind == "limitador" else headers.flag()
    if "library" in given:
        if kind != "limitador":
            raise given["library"].fault("is of Limitador alone", "Remove it")
        settings["library"] = given["library"].text()
    path = folder / given[kind].text()
    try:
        return Limitador.load(path, **settings) if kind == "limitador" else EnvoyRateLimit.load(path, **settings)
    except ConfigError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
        raise given[kind].fault(f": {what}", error.remedy) from None


def _fault(item: Item) -> Fault:
    given = item.mapping(_FAULT_KEYS, ("fault",))
    values: dict[str, Any] = {}
    for key in ("domain", "method", "message"):
        if key in given:
            values[key] = given[key].text()
    for key in ("every", "status"):
        if key in given:
            values[key] = given[key].integer(0, 1 << 31)
    for key in ("after_s", "until_s", "latency_ms"):
        if key in given:
            values[key] = given[key].number()
    if "descriptor" in given:
        values["descriptor"] = {name: each.text() for name, each in given["descriptor"].mapping().items()}
    kind = given["fault"].text()
    if kind not in FAULTS:
        raise given["fault"].fault(f"{kind[:80]!r} is none", f"Give one of {', '.join(FAULTS)}")
    try:
        if "answer" in given:
            values["answer"] = _answer(given["answer"], values.get("latency_ms", 1.0))
        return Fault(kind, **values)
    except ConfigError as error:
        raise error if error.where else item.fault(f": {error.what}", error.remedy) from None


def _answer(item: Item, latency_ms: float) -> GrpcResponse:
    given = item.mapping(_ANSWER_KEYS, ("code",))
    headers = {key: [(name, each.text()) for name, each in given[key].mapping().items()] for key in _ANSWER_KEYS[1:3] if key in given}
    return scripted_answer(
        given["code"].text(),
        response_headers=headers.get("response_headers", ()),
        request_headers=headers.get("request_headers", ()),
        raw_body=given["raw_body"].text().encode() if "raw_body" in given else b"",
        dynamic_metadata=given["dynamic_metadata"].mapping() and given["dynamic_metadata"].plain() if "dynamic_metadata" in given else None,
        latency_ms=latency_ms,
    )
