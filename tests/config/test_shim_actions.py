from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cel_expr_python import cel

from tests.config.objects import FIVE_V1, FIVE_V1BETA2, GATEWAY, ROUTE, Load, policy
from workbench.config.kuadrant import Kuadrant
from workbench.errors import ConfigError

TWO = """\
when: [{predicate: "request.path != '/x'"}]
limits:
  b: {rates: [{limit: 9, window: 1m}], counters: [{expression: source.address}]}
  a: {rates: [{limit: 5, window: 10s}], when: [{predicate: "request.method == 'POST'"}]}"""
POST_TOYS = ["request.method == 'POST'", "request.url_path == '/toys'"]
RATE_LIMIT = {"endpoint": "kuadrant-ratelimit-service", "failureMode": "allow", "timeout": "100ms"}


@pytest.fixture
def two(read: Load) -> Kuadrant:
    return read(policy(TWO, target="HTTPRoute/toystore/rule-2"), ROUTE)


def the_set(config: dict[str, Any]) -> dict[str, Any]:
    (found,) = config["actionSets"]
    assert found["routeRuleConditions"] == {"hostnames": ["api.toystore.com"], "predicates": POST_TOYS}
    return dict(found)


def expression(key: str, value: str) -> dict[str, Any]:
    return {"expression": {"key": key, "value": value}}


A, B = (
    "limit.a__" + hashlib.sha256(b"default/toystore/a").hexdigest()[:8],
    "limit.b__" + hashlib.sha256(b"default/toystore/b").hexdigest()[:8],
)
ON_PATH, ON_METHOD = "request.path != '/x'", "request.method == 'POST'"


def test_flat_data(two: Kuadrant) -> None:
    config = two.filter_config("0.8")
    assert config["services"]["ratelimit-service"] == RATE_LIMIT | {"type": "ratelimit"}
    own = {"service": "ratelimit-service", "scope": "default/toystore"}
    assert the_set(config)["actions"] == [
        own | {"predicates": [ON_PATH, ON_METHOD], "data": [expression(A, "1")]},
        own | {"predicates": [ON_PATH], "data": [expression(B, "1"), expression("source.address", "source.address")]},
    ]


def test_conditional_data(two: Kuadrant) -> None:
    config = two.filter_config("0.11", failure_mode="deny", timeout="1.5s")
    assert config["services"]["ratelimit-service"] == RATE_LIMIT | {"type": "ratelimit", "failureMode": "deny", "timeout": "1.5s"}
    assert list(config["services"]) == ["auth-service", "ratelimit-check-service", "ratelimit-report-service", "ratelimit-service"]
    blocks = [
        {"predicates": [ON_PATH, ON_METHOD], "data": [expression(A, "1")]},
        {"predicates": [ON_PATH], "data": [expression(B, "1"), expression("source.address", "source.address")]},
    ]
    action = {"service": "ratelimit-service", "scope": "default/toystore", "conditionalData": blocks}
    assert the_set(config)["actions"] == [action]
    assert the_set(two.filter_config("0.12"))["actions"] == [action | {"sources": ["ratelimitpolicy.kuadrant.io:default/toystore"]}]


def test_typed_actions(two: Kuadrant) -> None:
    config = two.filter_config()
    service = config["services"]["ratelimit-service"]
    assert (service["type"], service["grpcService"]) == ("dynamic", "envoy.service.ratelimit.v3.RateLimitService")
    first, second = the_set(config)["actions"]
    assert first["predicate"] == f"(({ON_PATH}) && ({ON_METHOD}))" and second["predicate"] == ON_PATH
    assert f'[envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry {{ key: "{A}", value: string(1) }}]' in first["messageBuilder"]
    assert [each["type"] for each in first["onReply"]] == ["deny", "headers", "fail"]
    assert (first["type"], first["terminal"], first["isGuard"]) == ("grpc", False, True)


def test_an_order_of_most_specific_first(read: Load) -> None:
    rules = """\
    - matches:
        - {path: {value: /}}
        - {path: {value: /toys/old}}
        - {path: {type: RegularExpression, value: "/t.*"}}
        - {path: {type: Exact, value: /t}}
"""
    route = ROUTE.partition("    - matches")[0].replace("[api.toystore.com]", '["*.toystore.com", api.toystore.com]') + rules
    found = read(policy(FIVE_V1), route).filter_config()["actionSets"]
    order = [(each["routeRuleConditions"]["hostnames"][0], each["routeRuleConditions"]["predicates"][0]) for each in found]
    paths = [
        "request.url_path == '/t'",
        "request.url_path.matches('/t.*')",
        "request.url_path.startsWith('/toys/old')",
        "request.url_path.startsWith('/')",
    ]
    assert order == [("api.toystore.com", path) for path in paths] + [("*.toystore.com", path) for path in paths]
    assert len({each["name"] for each in found}) == 8


def test_names_come_from_the_objects_on_the_way(read: Load) -> None:
    found = read(policy(FIVE_V1, target="HTTPRoute/toystore/rule-2"), ROUTE, GATEWAY).filter_config()["actionSets"]
    group = "gateway.networking.k8s.io"
    gateway, route = f"gateway.{group}:mesh/gw", f"httproute.{group}:default/toystore"
    way = f"gatewayclass.{group}:istio>{gateway}>{gateway}#api>{route}>{route}#rule-2"
    path = hashlib.sha256(way.encode()).hexdigest()[:16]
    assert found[0]["name"] == hashlib.sha256(f"{path}|1|api.toystore.com".encode()).hexdigest()


def test_selectors_in_cel(read: Load) -> None:
    route = ROUTE.replace("[api.toystore.com]", '[api.toystore.com, "*.toys.com"]')
    spec = FIVE_V1BETA2.replace("[{matches", '[{hostnames: ["*.toys.com"], matches')
    found = read(policy(spec, "v1beta2"), route).filter_config("0.8")["actionSets"]
    assert [each["actions"][0]["predicates"] for each in found] == [["request.host.endsWith('.toys.com')"]] * 2


def test_headers_and_query_parameters_in_cel(read: Load) -> None:
    match = 'method: POST, headers: [{name: X-Beta, value: "it\'s"}]'
    match += ", queryParams: [{name: a, value: b}, {name: a, value: c}, {name: d, value: e}]"
    found = read(policy(FIVE_V1, target="HTTPRoute/toystore/rule-2"), ROUTE.replace("method: POST", match))
    (new,) = found.filter_config()["actionSets"]
    assert new["routeRuleConditions"]["predicates"][2:] == [
        "request.headers.exists(h, h.lowerAscii() == 'x-beta' && request.headers[h] == 'it\\'s')",
        "'a' in queryMap(request.query) ? queryMap(request.query)['a'] == 'b' : false",
        "'d' in queryMap(request.query) ? queryMap(request.query)['d'] == 'e' : false",
    ]
    (old,) = found.filter_config("0.9")["actionSets"]
    assert old["routeRuleConditions"]["predicates"][2:] == [
        "request.headers['X-Beta'] == 'it\\'s'",
        "decodeQueryString(request.query, false)['a'] == 'b'",
        "decodeQueryString(request.query, false)['d'] == 'e'",
    ]


def every_expression(config: Any) -> list[str]:
    """Every CEL text of a configuration."""
    found: list[str] = []
    if isinstance(config, dict):
        for name, value in config.items():
            if name in ("predicate", "messageBuilder", "denyWith") or (name == "headers" and isinstance(value, str)):
                found.append(value)
            elif name == "predicates":
                found += value
            elif name == "expression":
                found.append(value["value"])
            else:
                found += every_expression(value)
    elif isinstance(config, list):
        found = [each for item in config for each in every_expression(item)]
    return found


@pytest.mark.parametrize("release", ["0.7", "0.10", "0.12", "0.13"])
def test_all_that_is_written_is_cel(read: Load, release: str) -> None:
    spec = FIVE_V1BETA2.replace("[{matches", '[{hostnames: ["*.toys.com"], matches').replace(
        "rates:", "counters: [request.headers.X-User]\n    rates:"
    )
    route = ROUTE.replace("[api.toystore.com]", '[api.toystore.com, "*.toys.com"]')
    written = every_expression(read(policy(spec, "v1beta2"), route).filter_config(release))
    assert len(written) > 4
    for text in written:
        cel.NewEnv(variables={}).compile(text, disable_check=True)


def test_unknown_releases_modes_and_timeouts(two: Kuadrant) -> None:
    for release in ("0.2", "1", "latest", ""):
        with pytest.raises(ConfigError, match="unknown release"):
            two.filter_config(release)
    assert two.filter_config("v0.13.1") == two.filter_config("1.4.0") == two.filter_config()
    with pytest.raises(ConfigError, match="unknown failure mode 'open'"):
        two.filter_config(failure_mode="open")
    with pytest.raises(ConfigError, match="'5' is no timeout"):
        two.filter_config(timeout="5")
