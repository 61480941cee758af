from __future__ import annotations

import pytest

from tests.config.objects import FIVE_V1, FIVE_V1BETA2, GATEWAY, ROUTE, Load, policy
from workbench.config.kuadrant import Kuadrant
from workbench.errors import ConfigError

TEN = "limits: {all: {rates: [{limit: 10, window: 1s}]}}"


def held(found: Kuadrant) -> dict[str, dict[str, str]]:
    """For each rule the limits that hold there, each with the policy it is of."""
    return {bound.rule.name: {each.limit.name: each.policy.key.name for each in bound.limits} for bound in found._bounds}


def gateway_policy(spec: str, version: str = "v1", section: str = "") -> str:
    return policy(spec, version, name="wide", namespace="mesh", target=f"Gateway/gw{section}")


def test_a_route_policy_holds_for_every_rule(read: Load) -> None:
    assert held(read(policy(FIVE_V1), ROUTE)) == {"rule-1": {"create-toy": "toystore"}, "rule-2": {"create-toy": "toystore"}}


def test_a_section_and_a_selector_hold_for_one(read: Load) -> None:
    expected = {"rule-2": {"create-toy": "toystore"}}
    assert held(read(policy(FIVE_V1, target="HTTPRoute/toystore/rule-2"), ROUTE)) == expected
    assert held(read(policy(FIVE_V1BETA2, "v1beta2"), ROUTE)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (TEN, {"create-toy": "toystore"}),
        (f"defaults: {{{TEN}}}", {"create-toy": "toystore"}),
        (f"defaults: {{strategy: merge, {TEN}}}", {"all": "wide", "create-toy": "toystore"}),
        (f"overrides: {{{TEN}}}", {"all": "wide"}),
        (f"overrides: {{strategy: merge, {TEN}}}", {"all": "wide", "create-toy": "toystore"}),
        (f"overrides: {{strategy: merge, {FIVE_V1}}}", {"create-toy": "wide"}),
        (f"defaults: {{strategy: merge, {FIVE_V1}}}", {"create-toy": "toystore"}),
    ],
)
def test_gateway_policies_are_merged(read: Load, spec: str, expected: dict[str, str]) -> None:
    assert held(read(gateway_policy(spec), policy(FIVE_V1, target="HTTPRoute/toystore/rule-2"), ROUTE))["rule-2"] == expected


def test_where_nothing_is_more_specific_the_gateway_policy_holds(read: Load) -> None:
    found = read(gateway_policy(TEN), policy(FIVE_V1, target="HTTPRoute/toystore/rule-2"), ROUTE, GATEWAY)
    assert held(found) == {"rule-1": {"all": "wide"}, "rule-2": {"create-toy": "toystore"}}


def test_v1beta2_overrides_go_under_the_route_policy_name(read: Load) -> None:
    over = "overrides: {limits: {all: {rates: [{limit: 1, duration: 1, unit: day}]}}}"
    found = read(gateway_policy(over, "v1beta2"), policy(FIVE_V1BETA2, "v1beta2"), ROUTE)
    assert held(found)["rule-2"] == {"all": "toystore"}
    assert [limit["namespace"] for limit in found.limits("0.4")] == ["default/toystore"]


def test_listeners_take_their_hostnames(read: Load) -> None:
    found = read(policy(FIVE_V1), ROUTE, GATEWAY)
    assert {bound.listener.name for bound in found._bounds} == {"api"}
    assert {bound.hostnames for bound in found._bounds} == {("api.toystore.com",)}
    anywhere = read(policy(FIVE_V1), ROUTE.replace("  hostnames: [api.toystore.com]\n", ""), GATEWAY)
    assert {bound.hostnames for bound in anywhere._bounds} == {("*.toystore.com",), ("*.other.com",)}
    assert held(read(gateway_policy(TEN, section="/api"), ROUTE, GATEWAY)) == {"rule-1": {"all": "wide"}, "rule-2": {"all": "wide"}}


def test_parents_by_port_and_of_other_kinds(read: Load) -> None:
    found = read(policy(FIVE_V1), ROUTE.replace("namespace: mesh}", "namespace: mesh, port: 80}, {kind: Service, name: toystore}"), GATEWAY)
    assert {str(bound.gateway.key) for bound in found._bounds} == {"mesh/gw"}
    with pytest.raises(ConfigError, match="no limit holds for any route"):
        read(policy(FIVE_V1), ROUTE.replace("namespace: mesh}", "namespace: mesh, port: 81}"), GATEWAY)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((policy(FIVE_V1, target="HTTPRoute/none"), ROUTE),
         "default/none, is in none of the files. Give its file too; there are default/toystore"),
        ((policy(FIVE_V1, target="HTTPRoute/toystore/rule-3"), ROUTE),
         "HTTPRoute default/toystore has no rule 'rule-3'. It has rule-1, rule-2"),
        ((policy(FIVE_V1, namespace="mesh", target="Gateway/gw/web"), ROUTE, GATEWAY),
         "Gateway mesh/gw has no listener 'web'. It has api, other"),
        ((policy(FIVE_V1), ROUTE.replace("namespace: mesh}", "namespace: mesh, sectionName: web}"), GATEWAY),
         "has no listener 'web'"),
        ((policy(FIVE_V1, namespace="mesh", target="Gateway/none"), ROUTE), "Gateway mesh/none, is in none of the files"),
        ((policy(FIVE_V1BETA2.replace("method: POST", "method: PUT"), "v1beta2"), ROUTE), "selects none of the route's rules"),
        ((policy(FIVE_V1), policy(FIVE_V1), ROUTE), "a second RateLimitPolicy default/toystore"),
        ((policy(FIVE_V1BETA2, "v1beta2"), policy(FIVE_V1BETA2, "v1beta2", name="b"), ROUTE), "is the target of default/toystore too"),
        ((policy(FIVE_V1), ROUTE.replace("  parentRefs: [{name: gw, namespace: mesh}]\n", "")), "the route names no gateway"),
    ],
)  # fmt: skip
def test_what_is_not_there(read: Load, texts: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*texts)
    assert told in str(caught.value) and ".yaml: line " in caught.value.where
