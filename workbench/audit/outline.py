"""What a wasm file holds beside its imports and exports, read as far as it can be read.

A module that a host refuses is what an audit is asked about, so nothing here raises: where the bytes make no sense reading stops, and
`problems` says where. Every list is bounded. Source: WebAssembly core specification 3.0, chapter 5 and appendix "Custom Sections";
tool-conventions, `ProducersSection.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import FilterLoadError
from ..host.binary import Custom, Export, FuncType, Import, Memory, Reader, WasmBinary, shown

__all__ = ["Outline", "Section", "Table", "outline"]

_SECTIONS = (
    "custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count", "tag",
)  # fmt: skip
_COMPONENT_SECTIONS = {1: "core module", 4: "component"}
_MOST_CUSTOMS = 10_000
_MOST_PRODUCERS = 200
_MOST_NAMES = 2_000_000


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its number in the format, its name there, and the size of its content in bytes."""

    number: int
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the type of its elements, and its limits in elements."""

    element: str
    minimum: int
    maximum: int | None


@dataclass
class Outline:
    """What was found. `binary` is the module's outside with all types, None where the file breaks the format somewhere."""

    component: bool = False
    binary: WasmBinary | None = None
    sections: list[Section] = field(default_factory=list)
    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    memories: list[Memory] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    customs: list[Custom] = field(default_factory=list)
    start: int | None = None
    functions: int = 0
    data_segments: int = 0
    producers: list[tuple[str, str, str]] = field(default_factory=list)
    target_features: list[str] = field(default_factory=list)
    module_name: str = ""
    named_functions: int = 0
    problems: list[str] = field(default_factory=list)

    def section_size(self, name: str) -> int:
        """Bytes of the sections of that name together."""
        return sum(each.size for each in self.sections if each.name == name)


def outline(data: bytes, where: str) -> Outline:
    """Read `data`, which must begin as wasm does; `where` names it in problems."""
    found = Outline(component=data[6:8] == b"\1\0")
    spans = _walk(data, where, found)
    if found.component:
        return found
    try:
        found.binary = WasmBinary.parse(data, where)
    except FilterLoadError as error:
        if error.what not in found.problems:
            found.problems.append(error.what)

    def read(number: int, take: Callable[[Reader], None]) -> None:
        if number not in spans:
            return
        try:
            take(Reader(data, *spans[number], where))
        except FilterLoadError as error:
            if error.what not in found.problems:
                found.problems.append(error.what)

    if found.binary is not None:
        found.imports, found.exports = found.binary.imports, found.binary.exports
        found.functions = found.binary.functions - sum(each.kind == "func" for each in found.imports)
    else:
        read(2, lambda reader: _imports(reader, found))
        read(7, lambda reader: _exports(reader, found))
    read(4, lambda reader: _tables(reader, found))
    read(5, lambda reader: _memories(reader, found))
    read(8, lambda reader: setattr(found, "start", reader.u32()))
    read(11, lambda reader: setattr(found, "data_segments", reader.u32()))
    for each in found.customs:
        _custom(Reader(data, each.offset, each.offset + each.size, where), each.name, found)
    return found


def _walk(data: bytes, where: str, found: Outline) -> dict[int, tuple[int, int]]:
    spans: dict[int, tuple[int, int]] = {}
    reader = Reader(data, 8, len(data), where)
    try:
        while reader.at < reader.end:
            start = reader.at
            number, size = reader.byte(), reader.u32()
            if size > len(data) - reader.at:
                found.problems.append(
                    f"the file is cut short: section {number} at byte {start} says {size} bytes, {len(data) - reader.at} are left"
                )
                size = len(data) - reader.at
            names = _COMPONENT_SECTIONS if found.component else dict(enumerate(_SECTIONS))
            name = "custom" if number == 0 else names.get(number, f"section {number}")
            body = (reader.at, reader.at + size)
            if len(found.sections) < _MOST_CUSTOMS:
                found.sections.append(Section(number, name, size))
            if number == 0 and len(found.customs) < _MOST_CUSTOMS:
                inner = Reader(data, *body, where)
                title = inner.name()
                found.customs.append(Custom(title, inner.at, body[1] - inner.at))
            spans.setdefault(number, body)
            reader.at = body[1]
    except FilterLoadError as error:
        found.problems.append(error.what)
    return spans


def _imports(reader: Reader, found: Outline) -> None:
    """Names and kinds alone: the types could not be read."""
    kinds = ("func", "table", "memory", "global", "tag")
    imports: list[Import] = []
    try:
        for _ in range(reader.count()):
            module, name, kind = reader.name(), reader.name(), reader.byte()
            if kind >= len(kinds):
                raise reader.broken(f"unknown import kind {kind}")
            if kind == 1:
                reader.value_type()
            if kind in (1, 2):
                reader.limits()
            elif kind == 3:
                reader.value_type()
                reader.byte()
            else:
                if kind == 4:
                    reader.byte()
                reader.u32()
            imports.append(Import(module, name, kinds[kind]))
    finally:
        found.imports = tuple(imports)


def _exports(reader: Reader, found: Outline) -> None:
    kinds = ("func", "table", "memory", "global", "tag")
    exports: list[Export] = []
    try:
        for _ in range(reader.count()):
            name, kind, _index = reader.name(), reader.byte(), reader.u32()
            exports.append(Export(name, kinds[kind] if kind < len(kinds) else str(kind)))
    finally:
        found.exports = tuple(exports)


def _tables(reader: Reader, found: Outline) -> None:
    for _ in range(reader.count()):
        if reader.at < reader.end and reader.data[reader.at] == 0x40:  # with an initial value: 0x40 0x00, and an expression behind
            reader.at += 2
            found.tables.append(_table(reader))
            return
        found.tables.append(_table(reader))


def _table(reader: Reader) -> Table:
    element, limits = reader.value_type(), reader.limits()
    return Table(element, limits.minimum, limits.maximum)


def _memories(reader: Reader, found: Outline) -> None:
    for _ in range(reader.count()):
        found.memories.append(reader.limits())


def _custom(reader: Reader, name: str, found: Outline) -> None:
    """Read a custom section that means something. One that makes no sense is not worth a word: hosts do not look at it."""
    try:
        if name == "producers":
            _producers(reader, found)
        elif name == "target_features":
            for _ in range(min(reader.count(), _MOST_PRODUCERS)):
                sign, feature = reader.byte(), reader.name()
                if sign == ord("+"):
                    found.target_features.append(feature)
        elif name == "name":
            _names(reader, found)
    except FilterLoadError:
        return


def _producers(reader: Reader, found: Outline) -> None:
    for _ in range(reader.count()):
        what = reader.name()
        for _ in range(reader.count()):
            if len(found.producers) >= _MOST_PRODUCERS:
                return
            found.producers.append((what, reader.name(), reader.name()))


def _names(reader: Reader, found: Outline) -> None:
    while reader.at < reader.end:
        kind, size = reader.byte(), reader.u32()
        end = min(reader.at + size, reader.end)
        if kind == 0:
            found.module_name = reader.name()
        elif kind == 1:
            found.named_functions = min(reader.u32(), _MOST_NAMES)
        reader.at = end


def signature(type_: FuncType | None) -> str:
    """A function's type as text, empty where it is not known or too long to mean anything."""
    return "" if type_ is None else shown(str(type_), 200)
