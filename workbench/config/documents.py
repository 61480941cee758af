"""YAML documents as a cluster's operator would get them, each value with the file and line it stands on.

A reader asks a `Spot` for what must be there; whatever else is there ends in a `ConfigError` that names file, line and the text itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError

__all__ = ["Spot", "read_documents"]

_MOST_BYTES, _MOST_NODES, _MOST_DEPTH = 16 << 20, 200_000, 60
_LONGEST_SHOWN = 80
_KINDS = {"tag:yaml.org,2002:str": "text", "tag:yaml.org,2002:int": "a number", "tag:yaml.org,2002:float": "a number"}
_KINDS |= {"tag:yaml.org,2002:bool": "true or false", "tag:yaml.org,2002:null": "nothing"}

Made = TypeVar("Made")


@dataclass(frozen=True)
class Spot:
    """One value: what stands there, in which file, on which line, and under which names (`spec.limits.a`)."""

    file: str
    node: Any
    path: str = ""

    @property
    def line(self) -> int:
        """Counted from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def where(self) -> str:
        """For an error: file, line and names."""
        return f"{self.file}:{self.line}" + (f": {self.path}" if self.path else "")

    def fault(self, what: str, remedy: str) -> ConfigError:
        """The error to raise about this value."""
        return ConfigError(what, where=self.where, remedy=remedy)

    def fields(self, known: Iterable[str] | None, required: Iterable[str] = ()) -> dict[str, Spot]:
        """A mapping's values by name. `known` are the names it may have, None where any may stand."""
        if self.node.id != "mapping":
            raise self.fault(f"must be a mapping, not {self.shown()}", "Write `name: value` lines below it")
        found: dict[str, Spot] = {}
        for key, value in self.node.value:
            name = key.value if key.id == "scalar" else "?"
            at = Spot(self.file, key, f"{self.path}.{name}" if self.path else name)
            if key.id != "scalar" or name == "<<":
                raise at.fault(f"the name {name!r} cannot be read", "Write each name as plain text, without merge keys")
            if name in found:
                raise at.fault(f"stands here a second time, the first is on line {found[name].line}", "Keep one of them")
            if known is not None and name not in known:
                raise at.fault(f"unknown field {name!r}", f"It may have {', '.join(known)}")
            found[name] = Spot(self.file, value, at.path)
        for name in required:
            if name not in found or found[name].absent:
                raise self.fault(f"{name!r} is missing", f"Add `{name}: …`")
        return {name: spot for name, spot in found.items() if not spot.absent}

    @property
    def absent(self) -> bool:
        """Whether nothing but null stands here."""
        return bool(self.node.id == "scalar" and self.node.tag.endswith(":null"))

    def items(self) -> list[Spot]:
        """A list's values."""
        if self.node.id != "sequence":
            raise self.fault(f"must be a list, not {self.shown()}", "Begin each entry with `- `")
        return [Spot(self.file, value, f"{self.path}[{index}]") for index, value in enumerate(self.node.value)]

    def text(self, *, empty: bool = False) -> str:
        """Text; a number that is not in quotes is none."""
        if self.node.id != "scalar" or not self.node.tag.endswith(":str"):
            raise self.fault(f"must be text, not {self.shown()}", "Put it in quotes" if self.node.id == "scalar" else "Write text")
        if not (self.node.value or empty):
            raise self.fault("is empty", "Write the text")
        return str(self.node.value)

    def texts(self) -> list[str]:
        """A list of texts."""
        return [spot.text() for spot in self.items()]

    def number(self) -> int:
        """A whole number of at least 0."""
        if self.node.id != "scalar" or not self.node.tag.endswith(":int"):
            raise self.fault(f"must be a whole number, not {self.shown()}", "Write digits without quotes")
        try:
            value = int(self.node.value)
        except ValueError:
            raise self.fault(f"must be a whole number, not {self.shown()}", "Write it in plain digits") from None
        if not 0 <= value < 1 << 63:
            raise self.fault(f"is {value}", "Give a number from 0 to 2^63 - 1")
        return value

    def choice(self, options: Iterable[str]) -> str:
        """One of some words."""
        value = self.text()
        if value not in options:
            raise self.fault(f"unknown value {value!r}", f"Give one of {', '.join(options)}")
        return value

    def shown(self) -> str:
        """What stands here, for an error."""
        if self.node.id != "scalar":
            return "a list" if self.node.id == "sequence" else "a mapping"
        text = " ".join(self.node.value.split())
        text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
        kind = _KINDS.get(self.node.tag, "a value")
        return kind if not text else f"{kind} {text!r}" if kind == "text" else f"{text} ({kind})"


def read_documents(path: str | os.PathLike[str]) -> Iterator[Spot]:
    """Every object of a file of YAML documents; a `List` (of `kubectl get -o yaml`) gives its items.

    Raises ConfigError for a file that cannot be read or is no YAML.
    """
    file = os.fspath(path)
    for node in _composed(Path(path), file):
        spot = Spot(file, node)
        fields = spot.fields(None)
        kind = fields["kind"].text() if "kind" in fields else ""
        if kind.endswith("List") and "items" in fields:
            yield from (Spot(file, each.node) for each in fields["items"].items())
        else:
            yield spot


def _composed(path: Path, file: str) -> list[Any]:
    import yaml

    try:
        with path.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=file, remedy="Check the path") from error
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"is larger than {_MOST_BYTES >> 20} MiB", where=file, remedy="Make it smaller")
    nodes = _guarded(lambda: list(yaml.compose_all(data, Loader=yaml.SafeLoader)), file, yaml.YAMLError)
    nodes = [node for node in nodes if node is not None and not Spot(file, node).absent]
    counted: dict[int, int] = {}
    for node in nodes:
        if _size(node, counted, 0, file) > _MOST_NODES:
            raise Spot(file, node).fault("has too many values", f"{_MOST_NODES} are the most, aliases written out")
    return nodes


def _guarded(make: Callable[[], Made], file: str, faults: type[Exception]) -> Made:
    try:
        return make()
    except faults as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark is not None else file
        problem = " ".join(str(getattr(error, "problem", None) or "it cannot be parsed").split())
        raise ConfigError(f"is not YAML: {problem}", where=where, remedy="Mend the file") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"is not YAML that could be meant: {error}", where=file, remedy="Mend the file") from None


def _size(node: Any, counted: dict[int, int], depth: int, file: str) -> int:
    """How many values there are with aliases written out, so that a small file cannot stand for a huge one."""
    if depth > _MOST_DEPTH:
        raise Spot(file, node).fault("is nested too deep", f"{_MOST_DEPTH} levels are the most")
    if id(node) not in counted:
        children: list[Any] = []
        if node.id == "mapping":
            children = [child for pair in node.value for child in pair]
        elif node.id == "sequence":
            children = node.value
        counted[id(node)] = 1 + sum(_size(child, counted, depth + 1, file) for child in children)
    return counted[id(node)]
