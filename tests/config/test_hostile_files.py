"""Whatever stands in place of any value of a policy, a route or a gateway: it is read, or refused with one clear error."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.config.objects import FIVE_V1BETA2, GATEWAY, ROUTE, policy
from workbench.config.kuadrant import load
from workbench.errors import ConfigError

SPEC = """\
when: [{predicate: "a == 'b'"}]
limits: {create-toy: {rates: [{limit: 5, window: 10s}], counters: [{expression: a.b}], when: [{predicate: x}]}}"""
OBJECTS = {
    "v1": policy(SPEC),
    "v1beta2": policy(FIVE_V1BETA2.replace("rates:", "when: [{selector: a.b, operator: eq, value: c}]\n    rates:"), "v1beta2"),
    "route": ROUTE.replace("method: POST", "method: POST, headers: [{name: a, value: b}], queryParams: [{name: a, value: b}]"),
    "gateway": GATEWAY,
}
VALUES = (None, -1, 10**30, "", "\0é\n'\"\\", [], {}, [None], [[]], {"": None})


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within another."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], by: Any) -> Any:
    if not way:
        return by
    made = copy.copy(value)
    made[way[0]] = replaced(value[way[0]], way[1:], by)
    return made


@pytest.mark.parametrize("which", OBJECTS)
def test_anything_in_any_place(tmp_path: Path, which: str) -> None:
    names = [which, *(name for name in ("v1", "route", "gateway") if name not in (which, {"v1beta2": "v1"}.get(which)))]
    documents = [yaml.safe_load(OBJECTS[name]) for name in names]
    file, refused = tmp_path / "all.yaml", 0
    for way in places(documents[0]):
        for value in VALUES:
            file.write_text(yaml.safe_dump_all([replaced(documents[0], way, value), *documents[1:]], allow_unicode=True))
            try:
                found = load(file)
                for release in ("0.4", "0.13"):
                    found.filter_config(release)
                    found.clusters(release)
                assert found.text()
            except ConfigError as error:
                refused += 1
                assert error.remedy and str(file) in error.where, str(error)
    assert refused > 100
