from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import ConfigError
from workbench.services.yamlfile import Item, load, load_all, parse_all


def _top(text: str) -> Item:
    return parse_all(text, "f.yaml")[0]


def test_every_value_knows_its_line() -> None:
    top = _top("a: 1\nb:\n  - x\n  - {c: true, d:\n      2.5}\ne: |\n  long\n  text\n").mapping()
    assert (top["a"].line, top["a"].integer()) == (1, 1)
    first, second = top["b"].items()
    assert (first.line, first.text(), second.line) == (3, "x", 4)
    inner = second.mapping(("c", "d"))
    assert (inner["c"].flag(), inner["d"].number(), inner["d"].line) == (True, 2.5, 4)
    assert (top["e"].line, top["e"].text()) == (6, "long\ntext\n")
    assert _top("{a: [1, {b: null}]}").plain() == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    ("text", "ask", "told"),
    [
        ("a: [1", lambda top: top, "this is not YAML"),
        ("a: 1\n\tb: 2", lambda top: top, "f.yaml: line 2: this is not YAML"),
        ("a: 1\nb: 2\na: 3", lambda top: top, "f.yaml: line 3: a is here a second time, first on line 1"),
        ("? [x]\n: 1", lambda top: top, "f.yaml: line 1: a key is text"),
        ("a: &x [*x]", lambda top: top, "f.yaml"),
        ("a: !!python/object/apply:os.system [x]", lambda top: top.mapping()["a"].text(), "f.yaml: line 1: a is a list where text"),
        ("a: !!python/name:os.system x", lambda top: top, "this is not YAML"),
        (
            "a:\n  b: 1\n  c: 2",
            lambda top: top.mapping()["a"].mapping(("b",)),
            "f.yaml: line 3: c is no key that is known here. Known are b",
        ),
        ("latency: 1", lambda top: top.mapping(("status", "latency_ms")), "Known are status, latency_ms. Did you mean latency_ms?"),
        ("x: 1\na:\n  b: 1", lambda top: top.mapping()["a"].mapping(None, ("c", "d")), "f.yaml: line 2: a has no c and no d"),
        ("a: 5", lambda top: top.mapping()["a"].text(), "f.yaml: line 1: a is 5 where text is wanted. Put it in quotes"),
        ("a:", lambda top: top.mapping()["a"].text(), "f.yaml: line 1: a is empty where text is wanted"),
        ("a: '5'", lambda top: top.mapping()["a"].integer(), "f.yaml: line 1: a is '5' where a whole number is wanted"),
        ("a: true", lambda top: top.mapping()["a"].integer(), "f.yaml: line 1: a is True where a whole number is wanted"),
        ("a: -1", lambda top: top.mapping()["a"].integer(), "f.yaml: line 1: a is -1: a number from 0"),
        ("a: x", lambda top: top.mapping()["a"].flag(), "f.yaml: line 1: a is 'x' where true or false is wanted"),
        ("a: x", lambda top: top.mapping()["a"].number(), "f.yaml: line 1: a is 'x' where a number is wanted"),
        ("- 1", lambda top: top.mapping(), "f.yaml: line 1: is a list where a mapping is wanted"),
        ("a: {b: 1}", lambda top: top.mapping()["a"].items(), "f.yaml: line 1: a is a mapping where a list is wanted"),
        ("a: " + "x" * 999, lambda top: top.mapping()["a"].flag(), "xxx… where true or false"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, ask: Callable[[Item], Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        ask(_top(text))
    assert told in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


def test_few_lines_that_mean_endlessly_many_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="more than 200000 values"):
        _top("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000, "? " * 200_000, "{a: " * 200_000, "a: 1\nb: " + "[" * 101 + "]" * 101])
def test_what_is_nested_without_end(text: str) -> None:
    """The library's C code ends the process for the longer ones."""
    with pytest.raises(ConfigError, match=r"f\.yaml: line [12]: more than 100 levels. Nest less"):
        _top(text)


def test_what_is_nested_and_may_be() -> None:
    assert _top("[" * 100 + "]" * 100).items()


def test_a_value_too_many() -> None:
    with pytest.raises(ConfigError, match="line 200000: more than 200000 values"):
        _top("- 1\n" * 300_000)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: 1\n---\nb: 2\n---\n")
    assert [item.plain() for item in load_all(path)] == [{"a": 1}, {"b": 2}]
    with pytest.raises(ConfigError, match=r"f\.yaml: line 3: begins a second document"):
        load(path)
    path.write_text("")
    assert load(path).value is None
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_values_of_pythons_own() -> None:
    item = Item.of({"a": [1, {"b": 2}]}, "given")
    with pytest.raises(ConfigError, match="given: b is 2 where text is wanted"):
        item.mapping()["a"].items()[1].mapping()["b"].text()
