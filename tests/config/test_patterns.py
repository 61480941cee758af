from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cel_expr_python import cel

from workbench.config.documents import mapping, read_documents
from workbench.config.patterns import Condition, Counter, Pattern, read_selector, read_when
from workbench.errors import ConfigError
from workbench.services.yamlfile import Item

REQUEST: dict[str, Any] = {"request": {"url_path": "/toys/1", "method": "GET", "headers": {"x-user": "jane"}}}


def spot(tmp_path: Path, text: str) -> Item:
    (tmp_path / "p.yaml").write_text(text)
    return next(read_documents(tmp_path / "p.yaml"))


def holds(text: str, variables: dict[str, Any] = REQUEST) -> bool:
    environment = cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN))
    return bool(environment.compile(text, disable_check=True).eval(data=variables).value())


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Pattern("request.method", "eq", "GET"), True),
        (Pattern("request.method", "neq", "GET"), False),
        (Pattern("request.url_path", "startswith", "/toys"), True),
        (Pattern("request.url_path", "endswith", "/2"), False),
        (Pattern("request.url_path", "matches", "/toys/*"), True),
        (Pattern("request.url_path", "matches", "/toys/+"), True),
        (Pattern("request.url_path", "matches", "/toys/1+"), False),
        (Pattern("request.url_path", "matches", "/t?ys/?"), True),
        (Pattern("request.url_path", "matches", "/toys"), False),
        (Pattern("request.headers.X-User", "eq", "jane"), True),
        (Pattern("request.headers.X-None", "eq", "jane"), False),
        (Pattern("request.headers.X-None", "neq", "jane"), True),
    ],
)
def test_the_same_in_cel(pattern: Pattern, expected: bool) -> None:
    assert holds(pattern.cel()) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("request.method == 'GET'", Pattern("request.method", "eq", "GET")),
        (' request.method != "GET" ', Pattern("request.method", "neq", "GET")),
        ("request.url_path.startsWith('/a')", Pattern("request.url_path", "startswith", "/a")),
        ('request.url_path.endsWith("b")', Pattern("request.url_path", "endswith", "b")),
        ("request.method == 'GET' && true", None),
        ("request.headers['x'] == 'y'", None),
        ("request.method == 'it\\'s'", None),
        ("size(request.method) == 3", None),
    ],
)
def test_cel_as_a_pattern(tmp_path: Path, text: str, expected: Pattern | None) -> None:
    assert Condition(spot(tmp_path, "a: b"), predicate=text).as_pattern() == expected


def test_counters_in_both(tmp_path: Path) -> None:
    at = spot(tmp_path, "a: b")
    assert Counter(at, selector="request.headers.X-User").cel() == "request.headers['x-user']"
    assert (
        Counter(at, selector=r"metadata.filter_metadata.envoy\.filters\.http.x").cel() == "metadata.filter_metadata['envoy.filters.http'].x"
    )
    assert Counter(at, expression="auth.identity.user").as_selector() == "auth.identity.user"
    assert Counter(at, expression="request.headers['x']").as_selector() is None


def test_operators_that_no_shim_knows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the operator 'incl' is none that a wasm-shim knows"):
        read_when(spot(tmp_path, "{selector: request.path, operator: incl, value: x}"), "v1beta2")
    with pytest.raises(ConfigError, match="unknown value 'like'"):
        read_when(spot(tmp_path, "{selector: request.path, operator: like, value: x}"), "v1beta2")


@pytest.mark.parametrize("text", ["a..b", ".a", "a.", "x" * 254])
def test_what_is_no_selector(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is no selector"):
        read_selector(mapping(spot(tmp_path, f"a: '{text}'"), None)["a"])
