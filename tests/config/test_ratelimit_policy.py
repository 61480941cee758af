from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.objects import FIVE_V1, FIVE_V1BETA2, policy
from workbench.config.documents import read_documents
from workbench.config.ratelimit_policy import Policy, Rate, identifier, read_policy
from workbench.errors import ConfigError

TWO_RATES = "limits:\n  a:\n    rates:\n    - {limit: 5, window: 60s}\n    - {limit: 6, window: 1m}"


def read(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "p.yaml").write_text(text)
    return read_policy(next(read_documents(tmp_path / "p.yaml")))


def test_identifiers_are_the_operators() -> None:
    assert identifier("create-toy", "create-toy") == "limit.create_toy__88f990c6"
    assert identifier("50rps", "50rps") == "limit.50rps__770adfd9"
    assert identifier("create-toy", "default/toystore/create-toy") == "limit.create_toy__fb82c51a"
    assert identifier("Grüße²", "x").startswith("limit.Grüße___")


def test_both_versions(tmp_path: Path) -> None:
    new, old = read(tmp_path, policy(FIVE_V1)), read(tmp_path, policy(FIVE_V1BETA2, "v1beta2"))
    assert new.limits["create-toy"].rates == old.limits["create-toy"].rates == (Rate(5, 10),)
    assert new.identifier("create-toy") == "limit.create_toy__fb82c51a"
    assert old.identifier("create-toy") == "limit.create_toy__88f990c6"
    assert old.limits["create-toy"].selectors[0].matches[0].method == "POST"


@pytest.mark.parametrize(("window", "seconds"), [("10s", 10), ("1m30s", 90), ("1500ms", 1), ("2h", 7200), ("1h1m1s1000ms", 3662)])
def test_windows(tmp_path: Path, window: str, seconds: int) -> None:
    found = read(tmp_path, policy(FIVE_V1.replace("10s", window)))
    assert found.limits["create-toy"].rates[0].seconds == seconds


@pytest.mark.parametrize(
    ("version", "spec", "line", "told"),
    [
        ("v1", FIVE_V1.replace("window", "windows"), 6, "unknown field 'windows'. It may have limit, window"),
        ("v1", FIVE_V1.replace("limit: 5", "limit: '5'"), 6, "must be a whole number, not '5'"),
        ("v1", FIVE_V1.replace("10s", "10"), 6, "must be text, not 10"),
        ("v1", FIVE_V1.replace("10s", "10 seconds"), 6, "'10 seconds' is no duration"),
        ("v1", FIVE_V1.replace("10s", "900ms"), 6, "less than a second"),
        ("v1", FIVE_V1.replace(", window: 10s", ""), 6, "'window' is missing"),
        ("v1", TWO_RATES, 10, "6 in 60 s contradicts 5 in 60 s on line 9"),
        ("v1", "limits: {}\ndefaults: {limits: {}}", 6, "stands beside 'defaults', and they exclude each other"),
        ("v1", "defaults: {}\noverrides: {}", 7, "stands beside 'defaults'"),
        ("v1", "when:\n- predicate: request.path ==\nlimits: {}", 7, "'request.path ==' is not CEL"),
        ("v1", "limits:\n  a:\n    counters:\n    - expression: a.b(", 9, "'a.b(' is not CEL"),
        ("v1", "limits: {a: {routeSelectors: []}}", 6, "unknown field 'routeSelectors'"),
        ("v1", "overrides: {strategy: some}", 6, "unknown value 'some'. Give one of atomic, merge"),
        ("v1beta2", FIVE_V1, 6, "unknown field 'window'. It may have limit, duration, unit"),
        ("v1beta2", FIVE_V1BETA2.replace("second", "week"), 8, "unknown value 'week'"),
        ("v1beta2", FIVE_V1BETA2.replace("10", "0"), 8, "less than a second"),
        ("v1beta2", "overrides: {}", 6, "overrides of a policy that targets a route"),
        ("v1beta2", "limits: {" + ", ".join(f"l{n}: {{}}" for n in range(15)) + "}", 6, "15 limits"),
        ("v1beta3", FIVE_V1, 1, "unknown version 'v1beta3'"),
    ],
)  # fmt: skip
def test_wrong_policies(tmp_path: Path, version: str, spec: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, policy(spec, version))
    assert told in str(caught.value)
    assert caught.value.where == f"{tmp_path / 'p.yaml'}: line {line}"


def test_targets(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown value 'Service'\. Give one of HTTPRoute, Gateway"):
        read(tmp_path, policy(FIVE_V1, target="Service/x"))
    with pytest.raises(ConfigError, match="routeSelectors in a policy that targets a Gateway"):
        read(tmp_path, policy(FIVE_V1BETA2, "v1beta2", target="Gateway/gw"))
    with pytest.raises(ConfigError, match="unknown field 'sectionName'"):
        read(tmp_path, policy(FIVE_V1BETA2, "v1beta2", target="HTTPRoute/toystore/rule-1"))
    elsewhere = policy(FIVE_V1BETA2, "v1beta2").replace("name: toystore}", "name: toystore, namespace: other}", 2)
    with pytest.raises(ConfigError, match="'other' is another namespace than the policy's, 'default'"):
        read(tmp_path, elsewhere)
