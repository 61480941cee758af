"""Whatever stands in place of any value of a file."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

__all__ = ["VALUES", "places", "replaced"]

VALUES = (None, -1, 10**30, "", "\0é\n'\"\\", [], {}, [None], [[]], {"": None})


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within another."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], by: Any) -> Any:
    """The value with another in that place."""
    if not way:
        return by
    made = copy.copy(value)
    made[way[0]] = replaced(value[way[0]], way[1:], by)
    return made
