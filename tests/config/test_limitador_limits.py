from __future__ import annotations

import yaml

from tests.config.objects import FIVE_V1, FIVE_V1BETA2, GATEWAY, ROUTE, Load, policy

TWO_RATES = """\
limits:
  b:
    rates: [{limit: 9, window: 1m}, {limit: 2, window: 1s}]
    counters: [{expression: "request.headers['x']"}]
  a: {rates: [{limit: 5, window: 10s}]}"""


def test_the_worked_example(read: Load) -> None:
    assert read(policy(FIVE_V1BETA2, "v1beta2"), ROUTE).limits("0.4") == [
        {
            "namespace": "default/toystore",
            "max_value": 5,
            "seconds": 10,
            "name": "default/toystore",
            "conditions": ['limit.create_toy__88f990c6 == "1"'],
            "variables": [],
        }
    ]


def test_cel_with_limitador_2(read: Load) -> None:
    (limit,) = read(policy(FIVE_V1), ROUTE).limits()
    assert limit["conditions"] == ['descriptors[0]["limit.create_toy__fb82c51a"] == "1"']
    assert (limit["name"], limit["namespace"]) == ("create-toy", "default/toystore")


def test_every_rate_of_every_limit_once(read: Load) -> None:
    """Also where a limit holds behind several listeners."""
    found = read(policy(TWO_RATES), ROUTE.replace("  hostnames: [api.toystore.com]\n", ""), GATEWAY)
    assert [(each["name"], each["max_value"], each["seconds"]) for each in found.limits()] == [("a", 5, 10), ("b", 2, 1), ("b", 9, 60)]
    assert found.limits()[1]["variables"] == ["descriptors[0][\"request.headers['x']\"]"]
    assert found.limits("0.8")[1]["variables"] == ["request.headers['x']"]


def test_yaml_says_the_same(read: Load) -> None:
    found = read(policy(TWO_RATES), ROUTE)
    assert yaml.safe_load(found.limits_yaml()) == found.limits()
    assert "&id" not in found.limits_yaml()
