from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.objects import GATEWAY, ROUTE
from workbench.config.documents import read_documents
from workbench.config.gateway_api import Gateway, Match, Route, more_specific, read_gateway, read_route, within
from workbench.errors import ConfigError


def route(tmp_path: Path, text: str) -> Route:
    (tmp_path / "r.yaml").write_text(text)
    return read_route(next(read_documents(tmp_path / "r.yaml")))


def gateway(tmp_path: Path, text: str) -> Gateway:
    (tmp_path / "g.yaml").write_text(text)
    return read_gateway(next(read_documents(tmp_path / "g.yaml")))


def test_a_route(tmp_path: Path) -> None:
    found = route(tmp_path, ROUTE)
    assert str(found.key) == "default/toystore"
    assert [rule.name for rule in found.rules] == ["rule-1", "rule-2"]
    assert found.rules[1].matches == (Match(("Exact", "/toys"), "POST"),)
    assert [str(parent.gateway) for parent in found.parents] == ["mesh/gw"]


@pytest.mark.parametrize("rules", ["", "  rules: [{}]", "  rules: [{matches: [{}]}]", "  rules: [{matches: [{path: {value: /}}]}]"])
def test_what_the_api_server_would_add(tmp_path: Path, rules: str) -> None:
    head = ROUTE.partition("  rules:")[0]
    assert route(tmp_path, head + rules).rules[0].matches == (Match(("PathPrefix", "/")),)


def test_a_gateway(tmp_path: Path) -> None:
    found = gateway(tmp_path, GATEWAY)
    assert (found.class_name, found.hostnames) == ("istio", ("*.toystore.com", "*.other.com"))


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("type: Exact", "type: Glob", 9, "unknown value 'Glob'. Give one of Exact"),
        ("value: /toys}, method: POST", "value: toys}, method: POST", 9, "the path 'toys' does not begin with /"),
        ("method: POST", "method: post", 9, "unknown value 'post'"),
        ("api.toystore.com", "api.toystore.com:8080", 6, "'api.toystore.com:8080' is no hostname"),
        ("hostnames:", "hosts:", 6, "unknown field 'hosts'"),
        ("{name: gw, namespace: mesh}", "{namespace: mesh}", 5, "'name' is missing"),
    ],
)
def test_wrong_routes(tmp_path: Path, old: str, new: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        route(tmp_path, ROUTE.replace(old, new))
    assert caught.value.where == f"{tmp_path / 'r.yaml'}: line {line}" and told in str(caught.value)


def test_listeners_need_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a second listener named 'api'"):
        gateway(tmp_path, GATEWAY.replace("name: other,", "name: api,"))


@pytest.mark.parametrize(
    ("name", "other", "inside"),
    [
        ("a.b.com", "*.b.com", True),
        ("a.b.com", "*", True),
        ("a.b.com", "a.b.com", True),
        ("a.b.com", "*.c.com", False),
        ("*.b.com", "*.com", True),
        ("*.com", "*.b.com", False),
        ("*.b.com", "a.b.com", False),
    ],
)
def test_within(name: str, other: str, inside: bool) -> None:
    assert within(name, other) is inside


def test_more_specific() -> None:
    assert sorted(["*", "*.b.com", "a.b.com", "x.a.b.com", "*.a.com"], key=more_specific) == [
        *("x.a.b.com", "a.b.com", "*.a.com", "*.b.com", "*"),
    ]
