from __future__ import annotations

import pytest

from workbench.errors import ConfigError
from workbench.services.ratelimit.conditions import Condition, Unanswerable, Variable

DESCRIPTORS = [{"limit.create_toy__88f990c6": "1", "user": "jane", "n": "7"}, {"user": "june", "tier": "gold"}]
LIMIT = {"name": "create", "id": None}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        # Limitador 2: CEL
        ('descriptors[0]["limit.create_toy__88f990c6"] == "1"', True),
        ("descriptors[0].user == 'june'", False),
        ("descriptors[1].user == 'june' && descriptors[1].tier == 'gold'", True),
        ("descriptors.exists(d, d.user == 'june')", False),
        ("descriptors[0].user == '.all(d, '", False),
        ("descriptors[0].user != '.all(d, '", True),
        ("int(descriptors[0].n) > 5", True),
        ("limit.name == 'create'", True),
        ("limit.id == null", True),
        ("limit.other == 'x'", False),
        ("descriptors[0].none == 'x'", False),
        ("42 == uint('42')", True),
        ("not_there == 42", False),
        ("not_there.at.all == 'x' || true", False),
        ("true", True),
        # Limitador 1: one name and one text, of all descriptors the last that has it
        ('limit.create_toy__88f990c6 == "1"', True),
        ("user == 'june'", True),
        ("'jane' == user", False),
        ("tier != 'silver'", True),
        ("none != 'x'", False),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    assert Condition(text).holds(DESCRIPTORS, LIMIT) is holds


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("descriptors[0].user", "user", "jane"),
        ('descriptors[0]["limit.create_toy__88f990c6"]', "limit.create_toy__88f990c6", "1"),
        ("descriptors[0]['user']", "user", "jane"),
        ("descriptors[1].tier", "descriptors[1].tier", "gold"),
        ("descriptors[1].none", "descriptors[1].none", None),
        ("none.at.all", "none.at.all", None),
        ("user", "user", "june"),
        ("int(descriptors[0].n) + 1", "int(descriptors[0].n) + 1", "8"),
        ("7u", "7u", "7"),
        ("2.0", "2.0", "2"),
        ("0.1", "0.1", "0.1"),
        ("1e21", "1e21", "1000000000000000000000"),
        ("null", "null", "null"),
        ("true", "true", "true"),
        ("size(descriptors) > 1", "size(descriptors) > 1", "true"),
        ("limit.id", "limit.id", None),
        ("limit.name", "limit.name", None),
    ],
)
def test_variables(text: str, name: str, value: str | None) -> None:
    variable = Variable(text)
    assert (variable.name, variable.value(DESCRIPTORS, LIMIT)) == (name, value)


@pytest.mark.parametrize(
    "text", ["descriptors", "descriptors[0]", "descriptors[7].user", "b'x'", "duration('3s')", "timestamp('2026-01-01T00:00:00Z')"]
)
def test_variables_that_are_no_value(text: str) -> None:
    with pytest.raises(Unanswerable):
        Variable(text).value(DESCRIPTORS, LIMIT)


@pytest.mark.parametrize("text", ["[1].all(a, true)", "[1]. // all\n all(a, true)", "[1].all // (\n (a, true)"])
def test_what_a_macro_binds_is_not_bound(text: str) -> None:
    assert not Condition(text).holds(DESCRIPTORS, LIMIT)


@pytest.mark.parametrize("text", ["descriptors[0].user", "42", "descriptors[7].user == 'x'", "1 / 0 == 1"])
def test_conditions_that_are_neither_true_nor_false(text: str) -> None:
    with pytest.raises(Unanswerable):
        Condition(text).holds(DESCRIPTORS, LIMIT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('descriptors[0]["a" == "1"', "missing ']'"),
        ("a ==", "(column 5)"),
        ("", "is no CEL"),
        ("a = 'b'", "is no CEL"),
        ("foo(", "is no CEL"),
        ("'unclosed", "is no CEL"),
    ],
)
def test_what_does_not_parse(text: str, told: str) -> None:
    for made in (Condition, Variable):
        with pytest.raises(ConfigError) as error:
            made(text)
        assert repr(text) in str(error.value) and told in str(error.value) and "\n" not in str(error.value)
