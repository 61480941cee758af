"""The wasm-shim's configuration with CEL: releases from 0.7 on, `services` and `actionSets`.

0.7 to 0.9 have a flat list of data in each action, 0.10 to 0.12 conditional data with the limits of one route in one action, 0.13 typed
actions that write the message itself in CEL.

[Kuadrant/kuadrant-operator:pkg/wasm/utils.go, internal/wasm/utils.go, internal/wasm/action_spec.go, internal/wasm/cel.go]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from .cel import quoted, single_quoted
from .gateway_api import Match, more_specific
from .patterns import cel_path
from .shim_selectors import domain_of
from .topology import Applied, Bound, selected

__all__ = ["CLUSTER", "SERVICE", "with_actions"]

CLUSTER = "kuadrant-ratelimit-service"
"""The cluster that the operator of these releases makes for Limitador."""

SERVICE = "ratelimit-service"
_AUTH_CLUSTER = "kuadrant-auth-service"
_RLS = "envoy.service.ratelimit.v3.RateLimitService"
_KUADRANT_RLS = "kuadrant.service.ratelimit.v1.RateLimitService"
_DESCRIPTOR = "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor"
_ANSWER = "ratelimit_response"
_RANKS = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}


def with_actions(bounds: Sequence[Bound], failure_mode: str, release: tuple[int, int], timeout: str) -> dict[str, Any]:
    """The form of a release from 0.7 on."""
    sets = []
    for bound in bounds:
        for hostname in bound.hostnames:
            for number, match in enumerate(bound.rule.matches, start=1):
                conditions: dict[str, Any] = {"hostnames": [hostname]}
                if predicates := _predicates(match, release):
                    conditions["predicates"] = predicates
                action_set = {
                    "name": _set_name(bound, number, hostname),
                    "routeRuleConditions": conditions,
                    "actions": _actions(bound, release),
                }
                sets.append((_order(bound, hostname, match), action_set))
    sets.sort(key=lambda pair: pair[0])
    return {"services": _services(failure_mode, release, timeout), "actionSets": [action_set for _, action_set in sets]}


def _services(failure_mode: str, release: tuple[int, int], timeout: str) -> dict[str, Any]:
    """Every service that the operator writes, those that no action of ours uses too."""
    rls = (("ratelimit-check-service", "ratelimit-check", "CheckRateLimit"), ("ratelimit-report-service", "ratelimit-report", "Report"))
    found: list[tuple[str, str, str, str, str, str, str]] = [
        ("auth-service", "auth", _AUTH_CLUSTER, "deny", "200ms", "envoy.service.auth.v3.Authorization", "Check"),
        (SERVICE, "ratelimit", CLUSTER, failure_mode, timeout, _RLS, "ShouldRateLimit"),
    ]
    if release >= (0, 10):
        found += [(name, kind, CLUSTER, failure_mode, timeout, _KUADRANT_RLS, method) for name, kind, method in rls]
    services = {}
    for name, kind, endpoint, mode, within, service, method in sorted(found):
        services[name] = {"endpoint": endpoint, "type": kind, "failureMode": mode, "timeout": within}
        if release >= (0, 13):
            services[name] |= {"type": "dynamic", "grpcService": service, "grpcMethod": method}
    return services


def _set_name(bound: Bound, number: int, hostname: str) -> str:
    path = hashlib.sha256(">".join(bound.locators).encode()).hexdigest()[:16]
    return hashlib.sha256(f"{path}|{number}|{hostname}".encode()).hexdigest()


def _order(bound: Bound, hostname: str, match: Match) -> tuple[Any, ...]:
    """Most specific first; where all else is equal, methods stand behind none, as in the operator
    [internal/gatewayapi/types.go, HTTPRouteMatch of the Gateway API]."""
    kind, value = match.path or ("PathPrefix", "/")
    said = -len(value), match.method is not None, -len(match.headers), -len(match.query)
    return *more_specific(hostname), _RANKS[kind], *said, bound.route.created, str(bound.route.key)


def _predicates(match: Match, release: tuple[int, int]) -> list[str]:
    found = []
    if match.method is not None:
        found.append(f"request.method == {single_quoted(match.method)}")
    kind, value = match.path or ("PathPrefix", "/")
    text = single_quoted(value)
    path = {"Exact": f" == {text}", "PathPrefix": f".startsWith({text})", "RegularExpression": f".matches({text})"}[kind]
    found.append(f"request.url_path{path}")
    for _, name, text in match.headers:
        if release >= (0, 10):
            same = f"h.lowerAscii() == {single_quoted(name.lower())} && request.headers[h] == {single_quoted(text)}"
            found.append(f"request.headers.exists(h, {same})")
        else:
            found.append(f"request.headers[{single_quoted(name)}] == {single_quoted(text)}")
    wanted: dict[str, str] = {}
    for _, name, text in match.query:
        # of several matches on one parameter the first holds, as the Gateway API says
        wanted.setdefault(name, text)
    for name, text in wanted.items():
        key, value = single_quoted(name), single_quoted(text)
        if release >= (0, 10):
            found.append(f"{key} in queryMap(request.query) ? queryMap(request.query)[{key}] == {value} : false")
        else:
            found.append(f"decodeQueryString(request.query, false)[{key}] == {value}")
    return found


def _actions(bound: Bound, release: tuple[int, int]) -> list[dict[str, Any]]:
    if release >= (0, 13):
        return [_typed(bound, applied) for applied in bound.limits]
    found: list[dict[str, Any]] = []
    for applied in bound.limits:
        predicates, data = _when(bound, applied), _data(applied)
        items = [{"expression": {"key": key, "value": value}} for key, value in data]
        block = {"predicates": predicates, "data": items} if predicates else {"data": items}
        action = {"service": SERVICE, "scope": domain_of(bound, applied)}
        if release < (0, 10):
            found.append(action | block)
            continue
        if found and found[-1]["scope"] == action["scope"]:
            found[-1]["conditionalData"].append(block)
        else:
            found.append({**action, "conditionalData": [block]})
        if release >= (0, 12):
            sources = found[-1].setdefault("sources", [])
            sources += [applied.policy.locator] if applied.policy.locator not in sources else []
    return found


def _data(applied: Applied) -> list[tuple[str, str]]:
    """Keys of the descriptor with the CEL of their values."""
    return [(applied.identifier, "1"), *((counter.text, counter.cel()) for counter in applied.limit.counters)]


def _when(bound: Bound, applied: Applied) -> list[str]:
    """The limit's conditions; in front the hostnames that v1beta2's selectors narrow it to."""
    hosts = [host for rule, narrowed in selected(applied.limit, [bound.rule], bound.hostnames) for host in narrowed or ("",)]
    found = []
    if hosts and "" not in hosts:
        found.append(" || ".join(_host(host) for host in dict.fromkeys(hosts)))
    return found + [condition.cel() for condition in applied.when]


def _host(name: str) -> str:
    host = cel_path("request.host")
    return f"{host}.endsWith({single_quoted(name[1:])})" if name.startswith("*.") else f"{host} == {single_quoted(name)}"


def _typed(bound: Bound, applied: Applied) -> dict[str, Any]:
    predicates = _when(bound, applied)
    entries = ", ".join(f"{_DESCRIPTOR}.Entry {{ key: {quoted(key)}, value: string({value}) }}" for key, value in _data(applied))
    listed = f"(({_all(predicates)}) ? [{entries}] : [])" if predicates else f"[{entries}]"
    message = (
        "envoy.service.ratelimit.v3.RateLimitRequest {\n"
        f"    domain: {quoted(domain_of(bound, applied))},\n"
        "    hits_addend: 1u,\n"
        f"    descriptors: [{_DESCRIPTOR} {{ entries: {listed} }}]\n}}"
    )
    code, headers = f"{_ANSWER}.overall_code", f"{_ANSWER}.response_headers_to_add"
    refused = f'DenyResponse{{status: 429u, headers: {headers}, body: "Too Many Requests\\n"}}'
    unknown = f"Unknown rate limit response code from {_ANSWER}"
    return {
        **_base("grpc", f"({_all(predicates)})" if len(predicates) > 1 else _all(predicates), terminal=False),
        "var": _ANSWER,
        "service": SERVICE,
        "label": "ratelimit",
        "messageBuilder": message,
        "onReply": [
            {**_base("deny", f"{code} == 2", terminal=True), "denyWith": refused},
            {**_base("headers", f"{code} == 1", terminal=False), "target": "response", "headers": headers},
            {**_base("fail", f"{code} != 1 && {code} != 2", terminal=True), "logMessage": unknown},
        ],
        "sources": [applied.policy.locator],
    }


def _base(kind: str, predicate: str, *, terminal: bool) -> dict[str, Any]:
    return {"type": kind, "predicate": predicate, "terminal": terminal, "isGuard": True}


def _all(predicates: Sequence[str]) -> str:
    if len(predicates) < 2:
        return predicates[0] if predicates else "true"
    return " && ".join(f"({predicate})" for predicate in predicates)
