"""Kuadrant's RateLimitPolicy, versions v1beta2 and v1, as its own schema has it.

[Kuadrant/kuadrant-operator:api/v1beta2/ratelimitpolicy_types.go, api/v1/ratelimitpolicy_types.go]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..services.yamlfile import Item
from .documents import choice, fault, listed, mapping, shown, string, strings, whole
from .gateway_api import GROUP, Match, Named, metadata, read_matches
from .patterns import Condition, Counter, read_expression, read_selector, read_when

__all__ = ["Limit", "Policy", "Rate", "Selector", "identifier", "read_policy"]

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_WINDOW = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_MOST_V1BETA2_LIMITS, _MOST_SELECTORS = 14, 15


@dataclass(frozen=True)
class Rate:
    """So many in so many seconds."""

    limit: int
    seconds: int


@dataclass(frozen=True)
class Selector:
    """One of v1beta2's `routeSelectors`."""

    hostnames: tuple[str, ...]
    matches: tuple[Match, ...]
    spot: Item


@dataclass(frozen=True)
class Limit:
    """A named limit of a policy."""

    name: str
    rates: tuple[Rate, ...]
    when: tuple[Condition, ...]
    counters: tuple[Counter, ...]
    selectors: tuple[Selector, ...]
    spot: Item


@dataclass(frozen=True)
class Policy:
    """A RateLimitPolicy. `kind` with `target` and `section` say what it applies to; `role` is `implicit`, `defaults` or `overrides`, and
    `merge` whether its limits are merged with those of other policies one by one instead of all together."""

    version: str
    key: Named
    created: str
    kind: str
    target: Named
    section: str | None
    role: str
    merge: bool
    when: tuple[Condition, ...]
    limits: dict[str, Limit]
    spot: Item
    target_spot: Item

    def identifier(self, limit: str) -> str:
        """What the operator names a limit of this policy in descriptors and in Limitador's conditions."""
        return identifier(limit, limit if self.version == "v1beta2" else f"{self.key}/{limit}")

    @property
    def locator(self) -> str:
        """As the operator writes it in `sources`."""
        return f"ratelimitpolicy.kuadrant.io:{self.key}"


def identifier(name: str, hashed: str) -> str:
    """`limit.NAME__HASH`: other characters than letters, digits and _ become _, and 8 hexadecimal digits of SHA-256 of `hashed` keep
    such names apart [Kuadrant/kuadrant-operator:pkg/rlptools/wasm_utils.go @v0.8.0, internal/controller/ratelimit_workflow_helpers.go]."""
    import hashlib

    plain = "".join(sign if sign.isalpha() or sign.isdecimal() or sign == "_" else "_" for sign in name)
    return f"limit.{plain}__{hashlib.sha256(hashed.encode()).hexdigest()[:8]}"


def read_policy(spot: Item) -> Policy:
    """A RateLimitPolicy. Raises ConfigError with file, line and text for whatever the schema does not have."""
    fields = mapping(spot, ("apiVersion", "kind", "metadata", "spec", "status"), ("spec",))
    version = string(fields["apiVersion"]).removeprefix("kuadrant.io/")
    if version not in ("v1beta2", "v1"):
        raise fault(fields["apiVersion"], f"unknown version {version!r} of RateLimitPolicy", "Write kuadrant.io/v1beta2 or kuadrant.io/v1")
    key, created = metadata(fields, spot)
    own = ("limits",) if version == "v1beta2" else ("when", "limits")
    given = mapping(fields["spec"], ("targetRef", "defaults", "overrides", *own), ("targetRef",))
    kind, target, section = _target(given["targetRef"], key, version)

    roles = [role for role in ("defaults", "overrides") if role in given]
    if len(roles) == 2 or (roles and any(name in given for name in own)):
        other = roles[1] if roles[1:] else next(name for name in own if name in given)
        raise fault(given[other], f"stands beside {roles[0]!r}, and they exclude each other", "Keep one of them")
    role = roles[0] if roles else "implicit"
    if role == "overrides" and version == "v1beta2" and kind != "Gateway":
        raise fault(given["overrides"], "overrides of a policy that targets a route", "Let it target the Gateway, or write defaults")
    body, merge = given, False
    if roles:
        body = mapping(given[role], own if version == "v1beta2" else ("strategy", *own))
        merge = "strategy" in body and choice(body["strategy"], ("atomic", "merge")) == "merge"
    limits = _limits(body["limits"], version, kind) if "limits" in body else {}
    when = tuple(read_when(each, version) for each in listed(body["when"])) if "when" in body else ()
    return Policy(version, key, created, kind, target, section, role, merge, when, limits, spot, given["targetRef"])


def _target(spot: Item, key: Named, version: str) -> tuple[str, Named, str | None]:
    own = "namespace" if version == "v1beta2" else "sectionName"
    given = mapping(spot, ("group", "kind", "name", own), ("group", "kind", "name"))
    choice(given["group"], (GROUP,))
    kind = choice(given["kind"], ("HTTPRoute", "Gateway"))
    if "namespace" in given and string(given["namespace"]) != key.namespace:
        raise fault(given["namespace"], f"{string(given['namespace'])!r} is another namespace than the policy's, {key.namespace!r}",
                                       "A policy targets its own namespace")  # fmt: skip
    return kind, Named(key.namespace, string(given["name"])), string(given["sectionName"]) if "sectionName" in given else None


def _limits(spot: Item, version: str, kind: str) -> dict[str, Limit]:
    given = mapping(spot, None)
    if version == "v1beta2" and len(given) > _MOST_V1BETA2_LIMITS:
        raise fault(spot, f"{len(given)} limits", f"{_MOST_V1BETA2_LIMITS} are the most in v1beta2")
    return {name: _limit(name, each, version, kind) for name, each in given.items()}


def _limit(name: str, spot: Item, version: str, kind: str) -> Limit:
    given = mapping(spot, ("rates", "when", "counters", *(("routeSelectors",) if version == "v1beta2" else ())))
    selectors = listed(given["routeSelectors"]) if "routeSelectors" in given else []
    if selectors and kind == "Gateway":
        raise fault(given["routeSelectors"], "routeSelectors in a policy that targets a Gateway", "Let it target an HTTPRoute")
    if len(selectors) > _MOST_SELECTORS:
        raise fault(given["routeSelectors"], f"{len(selectors)} selectors", f"{_MOST_SELECTORS} are the most")
    rates: dict[int, tuple[Rate, Item]] = {}
    for each in listed(given["rates"]) if "rates" in given else ():
        rate = _rate(each, version)
        if rate.seconds in rates:
            first, at = rates[rate.seconds]
            raise fault(
                each,
                f"{rate.limit} in {rate.seconds} s contradicts {first.limit} in {first.seconds} s on line {at.line}",
                "Limitador counts both with one counter: keep one of them",
            )
        rates[rate.seconds] = rate, each
    counters = listed(given["counters"]) if "counters" in given else []
    return Limit(
        name,
        tuple(rate for rate, _ in rates.values()),
        tuple(read_when(each, version) for each in listed(given["when"])) if "when" in given else (),
        tuple(read_expression(each) if version == "v1" else Counter(each, selector=read_selector(each)) for each in counters),
        tuple(_selector(each) for each in selectors),
        spot,
    )


def _selector(spot: Item) -> Selector:
    given = mapping(spot, ("hostnames", "matches"))
    hostnames = strings(given["hostnames"]) if "hostnames" in given else []
    return Selector(tuple(hostnames), read_matches(given["matches"]) if "matches" in given else (), spot)


def _rate(spot: Item, version: str) -> Rate:
    if version == "v1beta2":
        given = mapping(spot, ("limit", "duration", "unit"), ("limit", "duration", "unit"))
        unit = _UNITS[choice(given["unit"], _UNITS)]
        seconds, at = whole(given["duration"]) * unit, given["duration"]
    else:
        given = mapping(spot, ("limit", "window"), ("limit", "window"))
        seconds, at = _window(given["window"]), given["window"]
    if seconds == 0:
        raise fault(at, f"{shown(at)} is less than a second", "Limitador counts whole seconds: give at least one")
    return Rate(whole(given["limit"]), seconds)


def _window(spot: Item) -> int:
    """Whole seconds of a duration such as `1m30s`; what is left over is dropped, as the operator does."""
    text = string(spot)
    if not _WINDOW.fullmatch(text):
        raise fault(spot, f"{text!r} is no duration", "Write numbers with h, m, s or ms behind each, as in 10s or 1m30s")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text)) // 1000
