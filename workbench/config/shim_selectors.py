"""The wasm-shim's configuration with selectors: releases 0.3 to 0.5 (`rateLimitPolicies`), and 0.6 (`extensions`, `policies`).

[Kuadrant/wasm-shim:src/configuration.rs @v0.4.0; Kuadrant/kuadrant-operator:pkg/rlptools/wasm/utils.go]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .documents import fault
from .gateway_api import Match, Rule
from .patterns import Pattern
from .topology import Applied, Bound, selected

__all__ = ["CLUSTER", "domain_of", "with_extensions", "with_policies"]

CLUSTER = "kuadrant-rate-limiting-service"
"""The cluster that the operator of those releases made for Limitador."""

_EXTENSION = "limitador"
_PATHS = {"Exact": "eq", "PathPrefix": "startswith", "RegularExpression": "matches"}


def domain_of(bound: Bound, applied: Applied) -> str:
    """What Limitador calls the namespace: the policy in v1beta2, the route in v1."""
    return str(applied.policy.key if applied.policy.version == "v1beta2" else bound.route.key)


def with_policies(bounds: Sequence[Bound], failure_mode: str, release: tuple[int, int]) -> dict[str, Any]:
    """The form of 0.3 to 0.5: a list of policies, each with hostnames and rules."""
    policies = [
        {"name": domain, "domain": domain, "service": CLUSTER, "hostnames": hostnames, "rules": rules}
        for domain, hostnames, rules in _domains(bounds, release)
    ]
    return {"failureMode": failure_mode, "rateLimitPolicies": policies}


def with_extensions(bounds: Sequence[Bound], failure_mode: str, release: tuple[int, int]) -> dict[str, Any]:
    """The form of 0.6: services by name beside the policies, whose rules have actions."""
    policies = []
    for domain, hostnames, rules in _domains(bounds, release):
        turned = []
        for rule in rules:
            kept = {name: value for name, value in rule.items() if name != "data"}
            turned.append({**kept, "actions": [{"extension": _EXTENSION, "scope": domain, "data": rule["data"]}]})
        policies.append({"name": domain, "hostnames": hostnames, "rules": turned})
    extension = {"endpoint": CLUSTER, "failureMode": failure_mode, "type": "ratelimit"}
    return {"extensions": {_EXTENSION: extension}, "policies": policies}


def _domains(bounds: Sequence[Bound], release: tuple[int, int]) -> list[tuple[str, list[str], list[dict[str, Any]]]]:
    """For each domain its hostnames, and a rule for each of its limits, sorted by name."""
    grouped: dict[str, list[tuple[Bound, Applied]]] = {}
    for bound in bounds:
        for applied in bound.limits:
            grouped.setdefault(domain_of(bound, applied), []).append((bound, applied))
    found = []
    for domain, pairs in grouped.items():
        hostnames = list(dict.fromkeys(name for bound, applied in pairs for name in _hostnames(bound, applied)))
        rules = []
        for name in sorted({applied.identifier: applied.limit.name for _, applied in pairs}.items(), key=lambda each: each[1]):
            own = [(bound, applied) for bound, applied in pairs if applied.identifier == name[0]]
            rules.append(_rule(own[0][1], list(dict.fromkeys(bound.rule for bound, _ in own)), hostnames, release))
        found.append((domain, hostnames, rules))
    return found


def _hostnames(bound: Bound, applied: Applied) -> Sequence[str]:
    policy = applied.policy
    return bound.gateway.hostnames if (policy.version, policy.kind) == ("v1beta2", "Gateway") else bound.hostnames


def _rule(applied: Applied, rules: Sequence[Rule], hostnames: Sequence[str], release: tuple[int, int]) -> dict[str, Any]:
    when = []
    for condition in applied.when:
        pattern = condition.as_pattern()
        if pattern is None:
            raise fault(
                condition.spot, f"{condition.predicate!r} is more than selectors can say", "Choose release 0.7 or newer, which has CEL"
            )
        when.append(pattern)
    conditions = []
    for rule, narrowed in selected(applied.limit, rules, hostnames):
        for match in rule.matches:
            patterns = _patterns(match, release)
            for host in narrowed or (None,):
                hosts = [] if host is None else [_host(host)]
                conditions.append({"allOf": [pattern.as_json() for pattern in (*patterns, *hosts, *when)]})
    data: list[dict[str, Any]] = [{"static": {"key": applied.identifier, "value": "1"}}]
    for counter in applied.limit.counters:
        selector = counter.as_selector()
        if selector is None:
            raise fault(
                counter.spot, f"{counter.expression!r} is more than a selector can say", "Choose release 0.7 or newer, which has CEL"
            )
        data.append({"selector": {"selector": selector}})
    return {"conditions": conditions, "data": data}


def _patterns(match: Match, release: tuple[int, int]) -> list[Pattern]:
    """Path and method; headers too from 0.5 on; query parameters in none of these releases."""
    kind, value = match.path or ("PathPrefix", "/")
    found = [Pattern("request.url_path", _PATHS[kind], value)]
    if match.method is not None:
        found.append(Pattern("request.method", "eq", match.method))
    if release >= (0, 5):
        found += [Pattern(f"request.headers.{name}", "eq", text) for _, name, text in match.headers]
    return found


def _host(name: str) -> Pattern:
    return Pattern("request.host", "endswith", name[1:]) if name.startswith("*.") else Pattern("request.host", "eq", name)
