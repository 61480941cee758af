"""Differences between JSON values by path."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.analysis.json_diff import json_changes


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("$.a", "changed", "1", "2")]),
        ({"a": 1}, {}, [("$.a", "removed", "1", None)]),
        ({}, {"a b": None}, [('$["a b"]', "added", None, "null")]),
        ({"a": 1}, {"a": True}, [("$.a", "changed", "1", "true")]),
        ({"a": 1}, {"a": 1.0}, [("$.a", "changed", "1", "1.0")]),
        ([1, 2, 3], [1, 3], [("$[1]", "removed", "2", None)]),
        ([1, 3], [1, 2, 3], [("$[1]", "added", None, "2")]),
        ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], [("$[1].n", "changed", "2", "3")]),
        ({"a": [1]}, {"a": {"0": 1}}, [("$.a", "changed", "[1]", '{"0": 1}')]),
        (1, "1", [("$", "changed", "1", '"1"')]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ],
)
def test_differences(before: Any, after: Any, want: list[tuple[Any, ...]]) -> None:
    assert [(one.path, one.kind, one.before, one.after) for one in json_changes(before, after)] == want


def test_long_lists_and_many_differences_are_bounded() -> None:
    assert len(json_changes(list(range(5000)), list(range(1, 5001)))) == 500
    assert len(json_changes({str(at): at for at in range(1000)}, {}, most=7)) == 7


def test_deep_values_are_compared_whole() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(200):
        deep, other = [deep], [other]
    (change,) = json_changes(deep, other)
    assert change.path == "$" + "[0]" * 60
