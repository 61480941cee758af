"""The outside of a wasm module: sections, imports, exports and memory, read without compiling anything.

The code is left alone: wasmtime validates it when it compiles. Source: WebAssembly core specification 3.0, chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..errors import FilterLoadError, visible

__all__ = ["Custom", "Export", "FuncType", "Import", "Memory", "Reader", "WasmBinary", "check_header", "shown"]

MAX_BYTES = 256 << 20
_MAX_ENTRIES = 1_000_000  # wasmtime's own bound for types, functions, imports and exports
_MAX_SECTION = 16 << 20  # of the sections read here; code, data and custom sections may be larger
_READ = (1, 2, 3, 5, 7)
_HEADER = b"\0asm\1\0\0\0"
_COMPONENT_LAYER = b"\1\0"
_KINDS = ("func", "table", "memory", "global", "tag")
_VALUES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128", 0x70: "funcref", 0x6F: "externref", 0x69: "exnref"}
_VALUES |= {0x6E: "anyref", 0x6D: "eqref", 0x6C: "i31ref", 0x6B: "structref", 0x6A: "arrayref"}
_VALUES |= {0x71: "nullref", 0x72: "nullexternref", 0x73: "nullfuncref", 0x74: "nullexnref"}
_OTHER_FORMATS = (
    (b"\x1f\x8b", "It is gzip data: unpack it first; an OCI image layer holds the module as plugin.wasm"),
    (b"PK\3\4", "It is a zip archive: unpack it first"),
    (b"\x7fELF", "It is a native or precompiled program: give the .wasm it was made from"),
)


@dataclass(frozen=True, slots=True)
class FuncType:
    """A function's type: names of value types (`i32`, `i64`, …)."""

    params: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    def __str__(self) -> str:
        results = " ".join(self.results) if len(self.results) < 2 else f"({', '.join(self.results)})"
        return f"({', '.join(self.params)}) -> {results or '()'}"


@dataclass(frozen=True, slots=True)
class Import:
    """What the module wants. `kind` is func, table, memory, global or tag; `type` is given for functions."""

    module: str
    name: str
    kind: str
    type: FuncType | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """What the module offers, `kind` and `type` as in `Import`."""

    name: str
    kind: str
    type: FuncType | None = None


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom section: its name, and where its content lies in the file."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory that the module defines: limits in pages, `flags` as in the binary (1 maximum, 2 shared, 4 64-bit, 8 page size)."""

    minimum: int
    maximum: int | None
    flags: int


_Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class WasmBinary:
    """A module's outside. `sections` are (id, start, end) in file order, the section's header included."""

    data: bytes
    sections: tuple[tuple[int, int, int], ...]
    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    memories: tuple[Memory, ...]
    customs: tuple[Custom, ...]
    functions: int

    @classmethod
    def parse(cls, data: bytes, where: str) -> WasmBinary:
        """Read a module.

        `where` names the file in errors. Raises `FilterLoadError` for what is no core module, is cut short or breaks the format.
        """
        check_header(data, where)
        reader = Reader(data, 8, len(data), where)
        sections: list[tuple[int, int, int]] = []
        spans: dict[int, _Span] = {}
        customs: list[Custom] = []
        while reader.at < reader.end:
            start = reader.at
            section, size = reader.byte(), reader.u32()
            if reader.at + size > len(data):
                raise FilterLoadError(
                    f"the file is cut short: section {section} at byte {start} says {size} bytes, {len(data) - reader.at} are left",
                    where=where,
                    remedy="Build or copy it again",
                )
            body = (reader.at, reader.at + size)
            sections.append((section, start, body[1]))
            if section == 0:
                inner = Reader(data, *body, where)
                name = inner.name()
                customs.append(Custom(name, inner.at, body[1] - inner.at))
            elif section in spans:
                raise reader.broken(f"section {section} occurs twice")
            elif section in _READ and size > _MAX_SECTION:
                raise reader.broken(f"section {section} has {size} bytes")
            else:
                spans[section] = body
            reader.at = body[1]

        def section_reader(section: int) -> Reader:
            return Reader(data, *spans.get(section, (0, 0)), where)

        types = _types(section_reader(1))
        imports = _imports(section_reader(2), types)
        defined = section_reader(3)
        functions = [each.type for each in imports if each.kind == "func"]
        functions += [_type_at(types, defined) for _ in range(defined.count())]
        memory = section_reader(5)
        memories = tuple(_memory(memory) for _ in range(memory.count()))
        exports = _exports(section_reader(7), functions)
        return cls(data, tuple(sections), imports, exports, memories, tuple(customs), len(functions))

    def exported(self, name: str) -> Export | None:
        """The export of that name."""
        return next((export for export in self.exports if export.name == name), None)

    def with_memory_maximum(self, pages: int) -> bytes:
        """The same module, the maximum of its one memory lowered to `pages` where it was higher or absent."""
        (memory,) = self.memories
        maximum = pages if memory.maximum is None else min(pages, memory.maximum)
        body = b"\1\1" + _leb(memory.minimum) + _leb(maximum)
        start, end = next((start, end) for section, start, end in self.sections if section == 5)
        return b"".join((self.data[:start], b"\5", _leb(len(body)), body, self.data[end:]))


def shown(text: str, most: int = 120) -> str:
    """Text from a module as it may stand in a message: bounded, one line, no control characters."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return visible(cut)


def _leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


class Reader:
    """Reads on within [at, end) of `data`; every step outside is one clear error that names `where` and the byte."""

    def __init__(self, data: bytes, at: int, end: int, where: str) -> None:
        self.data, self.at, self.end, self.where = data, at, end, where

    def broken(self, what: str) -> FilterLoadError:
        """An error at this byte."""
        return FilterLoadError(f"broken module at byte {self.at}: {what}", where=self.where, remedy="Build or copy it again")

    def byte(self) -> int:
        """The next byte."""
        if self.at >= self.end:
            raise self.broken("the section ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def u32(self) -> int:
        """An unsigned LEB128 number of at most 32 bits."""
        return self._leb(32)

    def u64(self) -> int:
        """The same of at most 64 bits."""
        return self._leb(64)

    def _leb(self, bits: int) -> int:
        value = 0
        for shift in range(0, bits, 7):
            part = self.byte()
            value |= (part & 0x7F) << shift
            if part < 0x80:
                if value >> bits:
                    break
                return value
        raise self.broken(f"a number does not fit {bits} bits")

    def count(self) -> int:
        """The length of a vector; an absent section is an empty one."""
        if self.at == self.end:
            return 0
        count = self.u32()
        if count > _MAX_ENTRIES or count > self.end - self.at:
            raise self.broken(f"a list of {count} entries")
        return count

    def name(self) -> str:
        """A name: its size and UTF-8."""
        size = self.u32()
        if size > self.end - self.at:
            raise self.broken("a name runs past its section")
        raw = self.data[self.at : self.at + size]
        self.at += size
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.broken("a name is not UTF-8") from None

    def value_type(self) -> str:
        """A value type in words; all references are `ref`."""
        code = self.byte()
        if code in (0x63, 0x64):
            self._leb(33)
            return "ref"
        if code not in _VALUES:
            raise self.broken(f"unknown value type 0x{code:02x}")
        return _VALUES[code]

    def limits(self) -> Memory:
        """The limits of a memory or table."""
        flags = self.byte()
        if flags > 0x0F:
            raise self.broken(f"unknown limits 0x{flags:02x}")
        minimum = self.u64()
        maximum = self.u64() if flags & 1 else None
        if flags & 8:
            self.u32()
        return Memory(minimum, maximum, flags)


def check_header(data: bytes, where: str) -> None:
    """Raises `FilterLoadError` with the remedy unless a core module begins here."""
    if data[:8] == _HEADER:
        return
    if data[:4] == _HEADER[:4]:
        if len(data) < 8:
            raise FilterLoadError(f"the file is cut short: {len(data)} bytes", where=where, remedy="Build or copy it again")
        if data[6:8] == _COMPONENT_LAYER:
            raise FilterLoadError(
                "a wasm component, not a core module",
                where=where,
                remedy="Proxy-Wasm hosts load core modules: build for wasm32-wasip1 (not wasip2), without `wasm-tools component new`",
            )
        raise FilterLoadError(f"wasm version {int.from_bytes(data[4:8], 'little')}, this host reads version 1", where=where)
    remedy = "Give the .wasm file that your build makes"
    if not data:
        raise FilterLoadError("not a wasm file: it is empty", where=where, remedy=remedy)
    if data[:256].lstrip()[:1] == b"(" or data[:256].lstrip()[:2] == b";;":
        raise FilterLoadError("not a wasm file but its text form (WAT)", where=where, remedy="Assemble it first, with wat2wasm")
    remedy = next((text for magic, text in _OTHER_FORMATS if data.startswith(magic)), remedy)
    raise FilterLoadError(f"not a wasm file: it starts with {data[:4].hex(' ')}, not 00 61 73 6d", where=where, remedy=remedy)


def _types(reader: Reader) -> list[FuncType]:
    types = []
    for _ in range(reader.count()):
        form = reader.byte()
        if form != 0x60:
            raise FilterLoadError(
                f"type form 0x{form:02x} (garbage-collected types)",
                where=reader.where,
                remedy="This host does not take them, for what they allocate has no limit: build without the GC proposal",
            )
        params = tuple([reader.value_type() for _ in range(reader.count())])
        types.append(FuncType(params, tuple([reader.value_type() for _ in range(reader.count())])))
    return types


def _type_at(types: list[FuncType], reader: Reader) -> FuncType:
    index = reader.u32()
    if index >= len(types):
        raise reader.broken(f"no type {index}")
    return types[index]


def _imports(reader: Reader, types: list[FuncType]) -> tuple[Import, ...]:
    imports = []
    for _ in range(reader.count()):
        module, name, kind = reader.name(), reader.name(), reader.byte()
        type_ = None
        if kind == 0:
            type_ = _type_at(types, reader)
        elif kind == 1:
            reader.value_type()
            reader.limits()
        elif kind == 2:
            reader.limits()
        elif kind == 3:
            reader.value_type()
            reader.byte()
        elif kind == 4:
            reader.byte()
            reader.u32()
        else:
            raise reader.broken(f"unknown import kind {kind}")
        imports.append(Import(module, name, _KINDS[kind], type_))
    return tuple(imports)


def _memory(reader: Reader) -> Memory:
    return reader.limits()


def _exports(reader: Reader, functions: list[FuncType | None]) -> tuple[Export, ...]:
    exports = []
    for _ in range(reader.count()):
        name, kind, index = reader.name(), reader.byte(), reader.u32()
        if kind >= len(_KINDS):
            raise reader.broken(f"unknown export kind {kind}")
        if kind == 0 and index >= len(functions):
            raise reader.broken(f"no function {index}")
        exports.append(Export(name, _KINDS[kind], functions[index] if kind == 0 else None))
    return tuple(exports)
