from __future__ import annotations

from typing import Any

import pytest

from tests.config.objects import FIVE_V1, FIVE_V1BETA2, GATEWAY, ROUTE, Load, policy
from workbench.errors import ConfigError

POST_TOYS = [
    {"selector": "request.url_path", "operator": "eq", "value": "/toys"},
    {"selector": "request.method", "operator": "eq", "value": "POST"},
]
GET_TOYS = [
    {"selector": "request.url_path", "operator": "startswith", "value": "/toys"},
    {"selector": "request.method", "operator": "eq", "value": "GET"},
]


def rules(config: dict[str, Any]) -> list[dict[str, Any]]:
    return list(config["rateLimitPolicies"][0]["rules"])


def test_the_worked_example(read: Load) -> None:
    assert read(policy(FIVE_V1BETA2, "v1beta2"), ROUTE).filter_config("0.4") == {
        "failureMode": "deny",
        "rateLimitPolicies": [
            {
                "name": "default/toystore",
                "domain": "default/toystore",
                "service": "kuadrant-rate-limiting-service",
                "hostnames": ["api.toystore.com"],
                "rules": [
                    {"conditions": [{"allOf": POST_TOYS}], "data": [{"static": {"key": "limit.create_toy__88f990c6", "value": "1"}}]},
                ],
            }
        ],
    }


def test_extensions(read: Load) -> None:
    assert read(policy(FIVE_V1BETA2, "v1beta2"), ROUTE).filter_config("0.6", failure_mode="deny") == {
        "extensions": {"limitador": {"endpoint": "kuadrant-rate-limiting-service", "failureMode": "deny", "type": "ratelimit"}},
        "policies": [
            {
                "name": "default/toystore",
                "hostnames": ["api.toystore.com"],
                "rules": [
                    {
                        "conditions": [{"allOf": POST_TOYS}],
                        "actions": [
                            {
                                "extension": "limitador",
                                "scope": "default/toystore",
                                "data": [{"static": {"key": "limit.create_toy__88f990c6", "value": "1"}}],
                            }
                        ],
                    }
                ],
            }
        ],
    }


def test_limits_by_name_with_conditions_and_counters(read: Load) -> None:
    spec = """\
limits:
  b: {rates: [{limit: 1, duration: 1, unit: day}], counters: [request.headers.x-user, source.address]}
  a:
    rates: [{limit: 1, duration: 1, unit: minute}]
    when: [{selector: request.path, operator: neq, value: /x}, {selector: request.headers.a, operator: endswith, value: ''}]"""
    first, second = rules(read(policy(spec, "v1beta2"), ROUTE).filter_config("0.4"))
    when = [
        {"selector": "request.path", "operator": "neq", "value": "/x"},
        {"selector": "request.headers.a", "operator": "endswith", "value": ""},
    ]
    assert first["conditions"] == [{"allOf": [*GET_TOYS, *when]}, {"allOf": [*POST_TOYS, *when]}]
    assert second["conditions"] == [{"allOf": GET_TOYS}, {"allOf": POST_TOYS}]
    assert second["data"][1:] == [{"selector": {"selector": "request.headers.x-user"}}, {"selector": {"selector": "source.address"}}]


def test_hostnames_that_a_selector_narrows(read: Load) -> None:
    route = ROUTE.replace("[api.toystore.com]", '[api.toystore.com, "*.toys.com"]')
    spec = FIVE_V1BETA2.replace("[{matches", '[{hostnames: ["*.toys.com"], matches')
    (rule,) = rules(read(policy(spec, "v1beta2"), route).filter_config("0.4"))
    assert rule["conditions"] == [{"allOf": [*POST_TOYS, {"selector": "request.host", "operator": "endswith", "value": ".toys.com"}]}]


def test_a_gateway_policy_has_the_gateway_hostnames(read: Load) -> None:
    spec = "limits: {all: {rates: [{limit: 1, duration: 1, unit: day}]}}"
    found = read(policy(spec, "v1beta2", namespace="mesh", target="Gateway/gw"), ROUTE, GATEWAY).filter_config("0.4")
    assert found["rateLimitPolicies"][0]["hostnames"] == ["*.toystore.com", "*.other.com"]
    assert found["rateLimitPolicies"][0]["domain"] == "mesh/toystore"


def test_headers_of_matches_from_0_5_on(read: Load) -> None:
    found = read(policy(FIVE_V1), ROUTE.replace("method: POST", "method: POST, headers: [{name: X-Beta, value: 'on'}]"))
    assert rules(found.filter_config("0.4"))[0]["conditions"][1] == {"allOf": POST_TOYS}
    header = {"selector": "request.headers.X-Beta", "operator": "eq", "value": "on"}
    assert rules(found.filter_config("0.5"))[0]["conditions"][1] == {"allOf": [*POST_TOYS, header]}


def test_cel_where_selectors_can_say_it(read: Load) -> None:
    spec = "when: [{predicate: \"request.path != '/x'\"}]\n" + FIVE_V1.replace(
        "window: 10s}]", "window: 10s}], counters: [{expression: source.address}]"
    )
    (rule,) = rules(read(policy(spec, target="HTTPRoute/toystore/rule-2"), ROUTE).filter_config("0.4"))
    assert rule["conditions"] == [{"allOf": [*POST_TOYS, {"selector": "request.path", "operator": "neq", "value": "/x"}]}]
    assert rule["data"][1] == {"selector": {"selector": "source.address"}}


@pytest.mark.parametrize(
    "spec",
    [
        'when: [{predicate: "size(request.path) > 3"}]\n' + FIVE_V1,
        FIVE_V1.replace("window: 10s}]", "window: 10s}], counters: [{expression: \"request.headers['x']\"}]"),
    ],
)
def test_cel_that_selectors_cannot_say(read: Load, spec: str) -> None:
    found = read(policy(spec), ROUTE)
    with pytest.raises(ConfigError, match=r"0\.yaml: line \d+: .*Choose release 0\.7 or newer") as caught:
        found.filter_config("0.6")
    assert "is more than" in str(caught.value)
    assert found.filter_config("0.7")["actionSets"]
