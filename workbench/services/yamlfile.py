"""YAML whose every value knows its line, so that what is wrong with it can be named: the file, the line, the text, the remedy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import ConfigError

__all__ = ["Item", "Plain", "load", "load_all", "parse", "parse_all", "read"]

Plain: TypeAlias = "Callable[[str], Any]"
"""What a text that stands without quotes means to those who read such files: a value, or ValueError where it can mean none."""

_MOST_FILE, _MOST_ITEMS, _MOST_SHOWN, _DEEPEST = 16 << 20, 200_000, 120, 100


@dataclass(frozen=True, slots=True)
class Item:
    """A value of a file with its line (from 1; 0 for one that comes from no file).

    `value` is a `dict[str, Item]`, a `list[Item]`, or a plain value. The methods give what is asked for, or raise ConfigError that names
    the place and the offending text; `name` is what the value is called there.
    """

    value: Any
    line: int
    file: str
    name: str = ""

    @classmethod
    def of(cls, value: Any, file: str = "", name: str = "") -> Item:
        """A value of Python's, as if it had been read; `file` is where errors say it stands."""
        if isinstance(value, Mapping):
            return cls({str(key): cls.of(each, file, str(key)) for key, each in value.items()}, 0, file, name)
        return cls([cls.of(each, file, name) for each in value] if isinstance(value, (list, tuple)) else value, 0, file, name)

    @property
    def where(self) -> str:
        """Its place in words."""
        return f"{self.file}: line {self.line}" if self.line else self.file or self.name

    def fault(self, what: str, remedy: str = "") -> ConfigError:
        """An error at this place; `what` is said of it."""
        text = self.name + what if what.startswith(":") else f"{self.name} {what}".lstrip()
        return ConfigError(text, where=self.where, remedy=remedy)

    def mapping(self, known: Collection[str] | None = None, required: Collection[str] = ()) -> dict[str, Item]:
        """It as a mapping whose keys are among `known` (None: any), with all that are `required`."""
        if not isinstance(self.value, dict):
            raise self._wanted("a mapping")
        for key, item in self.value.items():
            if known is not None and key not in known:
                meant = "".join(f". Did you mean {close}?" for close in get_close_matches(key, known, 1))
                raise item.fault("is no key that is known here", f"Known are {', '.join(known)}{meant}")
        missing = [key for key in required if key not in self.value]
        if missing:
            raise self.fault(f"has no {' and no '.join(missing)}", f"Add {' and '.join(missing)}")
        return dict(self.value)

    def items(self) -> list[Item]:
        """It as a list."""
        if not isinstance(self.value, list):
            raise self._wanted("a list")
        return list(self.value)

    def text(self) -> str:
        """It as text."""
        if not isinstance(self.value, str):
            raise self._wanted("text", "Put it in quotes")
        return self.value

    def integer(self, least: int = 0, most: int = (1 << 64) - 1) -> int:
        """It as a whole number within bounds."""
        if type(self.value) is not int:
            raise self._wanted("a whole number")
        if not least <= self.value <= most:
            raise self.fault(f"is {self.value}: a number from {least} to {most} is wanted")
        return self.value

    def number(self) -> float:
        """It as a number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self._wanted("a number")
        return float(self.value)

    def flag(self) -> bool:
        """It as true or false."""
        if not isinstance(self.value, bool):
            raise self._wanted("true or false")
        return self.value

    def plain(self) -> Any:
        """It without places, all the way down."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return [item.plain() for item in self.value] if isinstance(self.value, list) else self.value

    def _wanted(self, what: str, remedy: str = "") -> ConfigError:
        return self.fault(f"is {self._shown()} where {what} is wanted", remedy)

    def _shown(self) -> str:
        if self.value is None or self.value == "":
            return "empty"
        if isinstance(self.value, (dict, list)):
            return "a mapping" if isinstance(self.value, dict) else "a list"
        text = repr(self.value)
        return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def load(path: Path) -> Item:
    """The one document of a file. Raises ConfigError as `load_all`, and for more than one."""
    return _only(load_all(path))


def parse(data: bytes | str, file: str) -> Item:
    """The one document of a text. Raises ConfigError as `parse_all`, and for more than one."""
    return _only(parse_all(data, file))


def _only(documents: list[Item]) -> Item:
    if len(documents) > 1:
        raise documents[1].fault("begins a second document where one is wanted", "Take it into a file of its own")
    return documents[0]


def load_all(path: Path, plain: Plain | None = None) -> list[Item]:
    """The documents of a file, at least one. Raises ConfigError as `read` and `parse_all`, whose `plain` this is."""
    return parse_all(read(path), str(path), plain)


def read(path: Path) -> bytes:
    """The bytes of a file. Raises ConfigError for what cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_FILE + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path), remedy="Check the path"
        ) from error
    if len(data) > _MOST_FILE:
        raise ConfigError(f"is larger than {_MOST_FILE >> 20} MiB", where=str(path), remedy="Make it smaller")
    return data


def parse_all(data: bytes | str, file: str, plain: Plain | None = None) -> list[Item]:
    """The documents of a text, at least one; `file` is what errors call it. Raises ConfigError for what is not YAML, or too much of it.

    `plain` tells values that stand without quotes, whatever their tag; without it they are those of YAML 1.1.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data)
    try:
        _check_bounds(data, file)
        nodes = []
        while loader.check_node():
            nodes.append(loader.get_node())
        found = [
            node for node in (_Reader(file, loader, plain).item(node, "") for node in nodes) if node.value is not None or len(nodes) == 1
        ]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        where = f"{file}: line {mark.line + 1}" if mark is not None else file
        raise ConfigError(f"this is not YAML: {problem}", where=where, remedy="Mend the file") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"is not YAML that could be meant: {error}", where=file, remedy="Mend the file") from None
    finally:
        loader.dispose()
    return found or [Item(None, 1, file)]


def _check_bounds(data: bytes | str, file: str) -> None:
    """Refuse what is nested so deeply that the library, which calls itself for each level, would end the process, and endless values."""
    import yaml

    parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data)
    depth = count = 0
    try:
        while parser.check_event():
            event = parser.get_event()
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            count += isinstance(event, yaml.NodeEvent)
            if depth > _DEEPEST or count > 2 * _MOST_ITEMS:  # keys and values
                what, remedy = (f"more than {_DEEPEST} levels", "Nest less") if depth > _DEEPEST else _too_many()
                raise ConfigError(what, where=f"{file}: line {event.start_mark.line + 1}", remedy=remedy)
    finally:
        parser.dispose()


def _too_many() -> tuple[str, str]:
    return f"more than {_MOST_ITEMS} values", "Use fewer, also by aliases"


class _Reader:
    def __init__(self, file: str, loader: Any, plain: Plain | None) -> None:
        self._file = file
        self._loader = loader
        self._plain = plain
        self._count = 0

    def item(self, node: Any, name: str) -> Item:
        """A node of YAML as a value with its line."""
        import yaml

        # an alias stands for its whole node each time: few lines can mean endlessly many values
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > _MOST_ITEMS:
            what, remedy = _too_many()
            raise ConfigError(what, where=f"{self._file}: line {line}", remedy=remedy)
        if isinstance(node, yaml.SequenceNode):
            return Item([self.item(each, name) for each in node.value], line, self._file, name)
        if isinstance(node, yaml.MappingNode):
            return Item(dict(self._pairs(node)), line, self._file, name)
        if self._plain is None:
            return Item(self._loader.construct_object(node), line, self._file, name)
        try:
            return Item(node.value if node.style in ("'", '"', "|", ">") else self._plain(node.value), line, self._file, name)
        except ValueError as error:
            raise ConfigError(f"{node.value[:_MOST_SHOWN]!r} is {error}", where=f"{self._file}: line {line}", remedy="Mend it") from None

    def _pairs(self, node: Any) -> Iterator[tuple[str, Item]]:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key, str):
                raise ConfigError("a key is text", where=f"{self._file}: line {line}", remedy="Write a name before the colon")
            if key in lines:
                where = f"{self._file}: line {line}"
                raise ConfigError(f"{key} is here a second time, first on line {lines[key]}", where=where, remedy="Keep one of them")
            lines[key] = line
            # what is wrong with a value is looked for where its key stands
            yield key, Item(self.item(value_node, key).value, line, self._file, key)
