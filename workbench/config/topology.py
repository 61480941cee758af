"""Which limits hold for which rule of which route, as the operator finds out: policies of the gateway, its listeners, the route and its
rules, merged from the most specific one up.

[Kuadrant/kuadrant-operator:api/v1/merge_strategies.go, pkg/rlptools/wasm/utils.go; Kuadrant/policy-machinery:machinery]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..services.yamlfile import Item
from .documents import fault
from .gateway_api import GROUP, Gateway, Listener, Match, Named, Route, Rule, within
from .patterns import Condition
from .ratelimit_policy import Limit, Policy

__all__ = ["Applied", "Bound", "Objects", "bind", "selected"]

_ByTarget: TypeAlias = dict[tuple[str, Named, str | None], list[Policy]]
"""Policies by the kind, the name and the section of what they target, the oldest first."""

_IMPLIED_CLASS = "istio"
"""The class of a gateway that no file describes."""


@dataclass(frozen=True)
class Objects:
    """What the files hold. `ignored` are the kinds of other objects."""

    policies: tuple[Policy, ...]
    routes: tuple[Route, ...]
    gateways: tuple[Gateway, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applied:
    """A limit where it holds: with the policy that it comes from, and all its conditions."""

    policy: Policy
    limit: Limit
    when: tuple[Condition, ...]

    @property
    def identifier(self) -> str:
        """Its name in descriptors."""
        return self.policy.identifier(self.limit.name)


@dataclass(frozen=True)
class Bound:
    """A route's rule behind a gateway's listener, with the limits that hold there, sorted by name."""

    gateway: Gateway
    listener: Listener
    route: Route
    rule: Rule
    hostnames: tuple[str, ...]
    limits: tuple[Applied, ...]

    @property
    def locators(self) -> tuple[str, ...]:
        """Of the objects on the way to it, as the operator writes them."""
        gateway, route = f"gateway.{GROUP}:{self.gateway.key}", f"httproute.{GROUP}:{self.route.key}"
        listener, rule = f"{gateway}#{self.listener.name}", f"{route}#{self.rule.name}"
        return f"gatewayclass.{GROUP}:{self.gateway.class_name}", gateway, listener, route, rule


def bind(objects: Objects) -> tuple[Bound, ...]:
    """Every rule of every route that a limit holds for. Raises ConfigError for a policy whose target is not there."""
    gateways = _gateways(objects)
    for policy in objects.policies:
        _check_target(policy, objects.routes, gateways)
    _check_conflicts(objects.policies)
    found = []
    for gateway in gateways:
        policies: _ByTarget = {}
        for policy in sorted(_overridden(objects.policies, gateway), key=lambda each: (each.created, str(each.key))):
            policies.setdefault((policy.kind, policy.target, policy.section), []).append(policy)
        for listener in gateway.listeners:
            for route in objects.routes:
                if not _attached(route, gateway, listener):
                    continue
                hostnames = tuple(name for name in route.hostnames if within(name, listener.hostname))
                if route.hostnames and not hostnames:
                    continue
                for rule in route.rules:
                    applied = _effective(policies, gateway, listener, route, rule)
                    if applied:
                        found.append(Bound(gateway, listener, route, rule, hostnames or (listener.hostname,), applied))
    return tuple(found)


def _gateways(objects: Objects) -> tuple[Gateway, ...]:
    """Those of the files, and those that only routes name."""
    known = {gateway.key: gateway for gateway in objects.gateways}
    for route in objects.routes:
        for parent in route.parents:
            gateway = known.get(parent.gateway)
            if gateway is None:
                known[parent.gateway] = gateway = Gateway(parent.gateway, _IMPLIED_CLASS, (Listener("http"),), implied=True)
            names = [listener.name for listener in gateway.listeners]
            if parent.section is not None and parent.section not in names and not gateway.implied:
                raise _no_section(parent.spot, parent.section, "listener", f"Gateway {gateway.key}", names)
        if not route.parents:
            raise fault(route.spot, "the route names no gateway", "Add `parentRefs: [{name: …, namespace: …}]` to its spec")
    return tuple(known.values())


def _attached(route: Route, gateway: Gateway, listener: Listener) -> bool:
    return any(
        parent.gateway == gateway.key
        and (gateway.implied or (parent.section in (None, listener.name) and parent.port in (None, listener.port)))
        for parent in route.parents
    )


def _check_target(policy: Policy, routes: Sequence[Route], gateways: Sequence[Gateway]) -> None:
    if policy.kind == "Gateway":
        named = {gateway.key: gateway for gateway in gateways}
        if policy.target not in named:
            raise _no_target(policy, [str(key) for key in named])
        names = [listener.name for listener in named[policy.target].listeners]
        kind = "listener"
    else:
        targets = {route.key: route for route in routes}
        if policy.target not in targets:
            raise _no_target(policy, [str(key) for key in targets])
        names, kind = [rule.name for rule in targets[policy.target].rules], "rule"
        for limit in policy.limits.values():
            for selector in limit.selectors:
                if not any(_selects(selector.matches, rule) for rule in targets[policy.target].rules):
                    raise fault(selector.spot, "selects none of the route's rules", "Write a match as the route has it")
    if policy.section is not None and policy.section not in names:
        raise _no_section(policy.target_spot, policy.section, kind, f"{policy.kind} {policy.target}", names)


def _no_target(policy: Policy, names: list[str]) -> Exception:
    what = f"the policy's target, {policy.kind} {policy.target}, is in none of the files"
    return fault(policy.target_spot, what, f"Give its file too; there are {', '.join(names) or 'none'}")


def _no_section(spot: Item, section: str, kind: str, of: str, names: list[str]) -> Exception:
    return fault(spot, f"{of} has no {kind} {section!r}", f"It has {', '.join(names)}")


def _check_conflicts(policies: Sequence[Policy]) -> None:
    names: dict[Named, Policy] = {}
    targets: dict[tuple[str, Named, str | None], Policy] = {}
    for policy in policies:
        if policy.key in names:
            raise fault(policy.spot, f"a second RateLimitPolicy {policy.key}", f"The first is in {names[policy.key].spot.where}")
        names[policy.key] = policy
        first = targets.setdefault((policy.kind, policy.target, policy.section), policy)
        if first is not policy and "v1beta2" in (policy.version, first.version):
            raise fault(
                policy.target_spot,
                f"{policy.kind} {policy.target} is the target of {first.key} too",
                "In v1beta2 one policy can have it: remove the other",
            )


def _overridden(policies: Sequence[Policy], gateway: Gateway) -> list[Policy]:
    """With the limits of v1beta2's overrides put into each policy of a route."""
    over = next((each for each in policies if each.role == "overrides" and each.version == "v1beta2" and each.target == gateway.key), None)
    if over is None:
        return list(policies)
    return [replace(each, limits=over.limits) if each.kind == "HTTPRoute" else each for each in policies]


def _effective(policies: _ByTarget, gateway: Gateway, listener: Listener, route: Route, rule: Rule) -> tuple[Applied, ...]:
    way = (
        ("Gateway", gateway.key, None),
        ("Gateway", gateway.key, listener.name),
        ("HTTPRoute", route.key, None),
        ("HTTPRoute", route.key, rule.name),
    )
    ordered = [policy for target in way for policy in policies.get(target, ())]
    if not ordered:
        return ()
    limits, when = _rules_of(ordered[-1])
    for policy in reversed(ordered[:-1]):
        own, own_when = _rules_of(policy)
        if not policy.merge:
            if (policy.role == "overrides" and policy.version == "v1") or not limits:
                limits, when = own, own_when
        elif policy.role == "overrides":
            limits, when = {**limits, **own}, own_when or when
        else:
            limits, when = {**own, **limits}, when or own_when
    applied = (Applied(policy, limit, (*when, *limit.when)) for policy, limit in limits.values())
    return tuple(sorted((each for each in applied if _holds(each.limit, route, rule)), key=lambda each: each.limit.name))


def _rules_of(policy: Policy) -> tuple[dict[str, tuple[Policy, Limit]], tuple[Condition, ...]]:
    return {name: (policy, limit) for name, limit in policy.limits.items()}, policy.when


def _holds(limit: Limit, route: Route, rule: Rule) -> bool:
    """Whether v1beta2's route selectors, where there are any, select the rule."""
    return not limit.selectors or any(
        _selects(selector.matches, rule)
        and (not selector.hostnames or not route.hostnames or set(selector.hostnames) & set(route.hostnames))
        for selector in limit.selectors
    )


def _selects(matches: Sequence[Match], rule: Rule) -> bool:
    return not matches or any(own.says(match) for match in matches for own in rule.matches)


def selected(limit: Limit, rules: Sequence[Rule], hostnames: Sequence[str]) -> Iterator[tuple[Rule, tuple[str, ...]]]:
    """The rules that a limit's selectors select, in their order, with the hostnames it is narrowed to there, none where it is not."""
    if not limit.selectors:
        yield from ((rule, ()) for rule in rules)
    for selector in limit.selectors:
        own = tuple(name for name in selector.hostnames if name in hostnames)
        if selector.hostnames and not own:
            continue
        narrowed = () if not own or set(own) == set(hostnames) else own
        yield from ((rule, narrowed) for rule in rules if _selects(selector.matches, rule))
