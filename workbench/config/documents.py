"""Objects of a cluster in YAML files, as its API server would check them: what may stand there, what must, and of which type."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import ConfigError
from ..services.yamlfile import Item, Plain, load_all

__all__ = ["choice", "fault", "listed", "mapping", "read_documents", "shown", "string", "strings", "whole"]

_LONGEST_SHOWN = 80


def read_documents(path: str | os.PathLike[str], plain: Plain | None = None) -> Iterator[Item]:
    """Every object of a file of YAML documents; a `List` (of `kubectl get -o yaml`) gives its items. `plain` is that of `parse_all`.

    Raises ConfigError for a file that cannot be read or is no YAML.
    """
    for document in load_all(Path(path), plain):
        if document.value is None:
            continue
        fields = mapping(document, None)
        if "items" in fields and "kind" in fields and str(fields["kind"].value).endswith("List"):
            yield from listed(fields["items"])
        else:
            yield document


def fault(item: Item, what: str, remedy: str) -> ConfigError:
    """The error to raise about a value."""
    return item.fault(f": {what}" if item.name else what, remedy)


def mapping(item: Item, known: Collection[str] | None, required: Collection[str] = ()) -> dict[str, Item]:
    """A mapping's values by name, without those that are null. `known` are the names it may have, None where any may stand."""
    if not isinstance(item.value, dict):
        raise fault(item, f"must be a mapping, not {shown(item)}", "Write `name: value` lines below it")
    found = {name: value for name, value in item.value.items() if value.value is not None}
    for name, value in item.value.items():
        if known is not None and name not in known:
            raise fault(value, f"unknown field {name!r}", f"It may have {', '.join(known)}")
    for name in required:
        if name not in found:
            raise fault(item, f"{name!r} is missing", f"Add `{name}: …`")
    return found


def listed(item: Item) -> list[Item]:
    """A list's values."""
    if not isinstance(item.value, list):
        raise fault(item, f"must be a list, not {shown(item)}", "Begin each entry with `- `")
    return list(item.value)


def string(item: Item, *, empty: bool = False) -> str:
    """Text; a number that is not in quotes is none."""
    if not isinstance(item.value, str):
        raise fault(item, f"must be text, not {shown(item)}", "Put it in quotes")
    if not (item.value or empty):
        raise fault(item, "is empty", "Write the text")
    return item.value


def strings(item: Item) -> list[str]:
    """A list of texts."""
    return [string(each) for each in listed(item)]


def whole(item: Item) -> int:
    """A whole number from 0."""
    if type(item.value) is not int:
        raise fault(item, f"must be a whole number, not {shown(item)}", "Write digits without quotes")
    if not 0 <= item.value < 1 << 63:
        raise fault(item, f"is {shown(item)}", "Give a number from 0 to 2^63 - 1")
    return int(item.value)


def choice(item: Item, options: Collection[str]) -> str:
    """One of some words."""
    value = string(item)
    if value not in options:
        raise fault(item, f"unknown value {value!r}", f"Give one of {', '.join(options)}")
    return value


def shown(item: Item) -> str:
    """What stands there, for an error."""
    if isinstance(item.value, (dict, list)):
        return "a mapping" if isinstance(item.value, dict) else "a list"
    text = repr(item.value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
