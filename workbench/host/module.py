"""Loads a filter's `.wasm`: finds its ABI, and says at once everything that would keep a Proxy-Wasm host from loading it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief

from ..errors import ConfigError, FilterLoadError
from .abi import ALLOCATORS, Abi, GuestFunction, HostInterface
from .binary import MAX_BYTES, Export, Import, WasmBinary, shown

__all__ = ["DEFAULT_MEMORY_LIMIT", "PAGE", "FilterModule", "detect_abi", "path_text", "read_file", "serves_connections"]

PAGE = 65536
DEFAULT_MEMORY_LIMIT = 1 << 30
"""Bytes of memory a filter may have, as in Envoy (proxy-wasm-cpp-host, `limits.h`)."""

_MOST_LISTED = 100
_HINTS = {
    "gojs": "It is built for browsers: use GOOS=wasip1 with -buildmode=c-shared",
    "go": "It is built for browsers: use GOOS=wasip1 with -buildmode=c-shared",
    "__wbindgen_placeholder__": "It is built for wasm-bindgen: build for wasm32-wasip1 and leave out crates that need a browser",
}


_OF_CONNECTIONS = {"new_connection", "downstream_data", "upstream_data", "downstream_connection_close", "upstream_connection_close"}
_OF_EXCHANGES = {f"{side}_{part}" for side in ("request", "response") for part in ("headers", "body", "trailers")}


@dataclass(frozen=True)
class FilterModule:
    """A module that the host can link.

    `sha256` is that of the file; `code` is the file with its memory's maximum lowered to `memory_limit` bytes, so that
    growing past it is refused as in Envoy. `called` is what the host calls in it, by the name of the export.
    """

    path: Path
    sha256: str
    abi: Abi
    binary: WasmBinary
    code: bytes
    memory_limit: int
    called: Mapping[str, GuestFunction]

    @classmethod
    def load(cls, path: str | os.PathLike[str], interface: HostInterface, memory_limit: int = DEFAULT_MEMORY_LIMIT) -> FilterModule:
        """Read and check the file at `path`; `memory_limit` in bytes, whole pages of 64 KiB.

        Raises `FilterLoadError` naming every unknown import, every wrong type and whatever is missing, all at once, and `ConfigError` for
        a limit that no memory can have.
        """
        where = os.fspath(path)
        if not PAGE <= memory_limit <= 1 << 32 or memory_limit % PAGE:
            raise ConfigError(f"memory_limit {memory_limit} is not a multiple of {PAGE} up to 4 GiB", where=where)
        binary = WasmBinary.parse(read_file(path), where)
        abi = detect_abi(binary)
        if abi is None:
            raise _no_abi(binary, where)
        problems = [*_import_problems(binary.imports, abi, interface), *_export_problems(binary.exports, abi, interface)]
        problems += _memory_problems(binary, memory_limit)
        called = interface.looked_up(abi, {export.name for export in binary.exports})
        if not any(name in called for name in ALLOCATORS):
            problems.append(f"no allocator: neither {' nor '.join(ALLOCATORS)} is exported")
        if problems:
            raise FilterLoadError("; ".join(problems), where=where, remedy=_remedy(binary.imports, abi, interface))
        sha256 = hashlib.sha256(binary.data).hexdigest()
        return cls(Path(path), sha256, abi, binary, binary.with_memory_maximum(memory_limit // PAGE), memory_limit, called)


def serves_connections(filters: Iterable[Path], interface: HostInterface) -> bool:
    """Whether these files can only be network filters: all have callbacks of TCP, one has none of HTTP.

    SDKs export the callbacks of both, whatever a filter is for: of such a module nobody can tell. Raises `FilterLoadError` for what
    cannot be read or is no module; the rest is checked when it is loaded.
    """
    only = False
    for path in filters:
        data = read_file(path)
        if not any(name.encode() in data for name in _OF_CONNECTIONS):
            return False  # most filters: nothing to parse
        binary = WasmBinary.parse(data, os.fspath(path))
        abi = detect_abi(binary)
        called = interface.looked_up(abi, {export.name for export in binary.exports}) if abi else ()
        names = {name.removeprefix("proxy_on_") for name in called}
        if not names & _OF_CONNECTIONS:
            return False
        only |= not names & _OF_EXCHANGES
    return only


def path_text(given: object) -> str:
    """The path of a module as text; ConfigError for what is no path."""
    if isinstance(given, (str, os.PathLike)) and isinstance(text := os.fspath(given), str):
        return text
    raise ConfigError(f"{brief(given)} is neither a filter nor a path", remedy="Give the path of a .wasm file, or a Filter")


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of the file at `path`; `FilterLoadError` where it cannot be read or is too large to be a filter."""
    where = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FilterLoadError(f"cannot be read: {error.strerror}", where=where, remedy="Check the path") from error
    if len(data) > MAX_BYTES:
        raise FilterLoadError(
            f"larger than {MAX_BYTES >> 20} MiB", where=where, remedy="Build it optimised, and strip its debug information"
        )
    return data


def detect_abi(binary: WasmBinary) -> Abi | None:
    """The version that the first marker among the exported functions, in file order, names."""
    markers = {abi.marker: abi for abi in Abi}
    return next((markers[export.name] for export in binary.exports if export.kind == "func" and export.name in markers), None)


def _no_abi(binary: WasmBinary, where: str) -> FilterLoadError:
    markers = ", ".join(abi.marker for abi in Abi)
    near = [shown(export.name) for export in binary.exports if export.name.startswith("proxy_abi_version")]
    seen = f" (it has {', '.join(near[:5])}, which no host takes as a function of that name)" if near else ""
    remedy = "Is it a Proxy-Wasm filter? Build it with a Proxy-Wasm SDK"
    if binary.exported("_start") and not near:
        remedy += "; a Rust filter must be built as cdylib, a Go filter with -buildmode=c-shared"
    return FilterLoadError(f"exports no Proxy-Wasm ABI marker: a function {markers}{seen}", where=where, remedy=remedy)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_LISTED} more" if len(every) > _MOST_LISTED else ""
    return ", ".join(every[:_MOST_LISTED]) + more


def _label(each: Import) -> str:
    kind = "" if each.kind == "func" else f"{each.kind} "
    return f"{kind}{shown(each.module)}.{shown(each.name)}"


def _unknown(imports: Iterable[Import], abi: Abi, interface: HostInterface) -> list[Import]:
    known = interface.imports(abi)
    unknown = [each for each in imports if each.kind != "func" or (each.module, each.name) not in known]
    return list(dict.fromkeys(unknown))


def _import_problems(imports: tuple[Import, ...], abi: Abi, interface: HostInterface) -> Iterable[str]:
    known, lenient = interface.imports(abi), interface.lenient(abi)
    names = []
    for each in _unknown(imports, abi, interface):
        versions = interface.versions_with(each.module, each.name)
        names.append(_label(each) + (f" (only in ABI {', '.join(map(str, versions))})" if versions else ""))
    if names:
        yield f"imports that a host of ABI {abi} does not have: {_listed(names)}"
    wrong = []
    for each in imports:
        function = known.get((each.module, each.name))
        if each.kind != "func" or function is None or each.type is None or each.type == function.type:
            continue
        if (each.module, each.name) in lenient and each.type.params == function.type.params and not each.type.results:
            continue
        wrong.append(f"{_label(each)} expected {function.type}, found {shown(str(each.type))}")
    if wrong:
        yield f"imports of the wrong type: {_listed(wrong)}"


def _export_problems(exports: tuple[Export, ...], abi: Abi, interface: HostInterface) -> Iterable[str]:
    # what Envoy's host would not call it does not look up, so its type does not matter
    looked_up = interface.looked_up(abi, {export.name for export in exports})
    wrong = []
    for export in exports:
        function = looked_up.get(export.name)
        if function is None or export.type == function.type:
            continue
        found = f"a {export.kind}" if export.type is None else shown(str(export.type))
        wrong.append(f"{export.name} expected {function.type}, found {found}")
    if wrong:
        yield f"exports of the wrong type for ABI {abi}: {_listed(wrong)}"


def _memory_problems(binary: WasmBinary, memory_limit: int) -> Iterable[str]:
    if any(each.kind == "memory" for each in binary.imports):
        yield "it imports its memory, a filter must define it"
        return
    exported = binary.exported("memory")
    if exported is None or exported.kind != "memory" or not binary.memories:
        yield "it exports no memory by the name `memory`"
        return
    if len(binary.memories) > 1:
        yield f"it has {len(binary.memories)} memories, hosts serve one"
        return
    memory = binary.memories[0]
    if memory.flags & ~1:
        kinds = ((2, "shared"), (4, "64-bit"), (8, "custom page size"))
        yield f"its memory is {', '.join(kind for bit, kind in kinds if memory.flags & bit)}"
    elif memory.minimum * PAGE > memory_limit:
        yield f"it starts with {memory.minimum * PAGE} bytes of memory, the limit is {memory_limit}"


def _remedy(imports: tuple[Import, ...], abi: Abi, interface: HostInterface) -> str:
    unknown = _unknown(imports, abi, interface)
    hints = [_HINTS[each.module] for each in unknown if each.module in _HINTS]
    if hints:
        return hints[0]
    if any(each.kind == "func" and interface.versions_with(each.module, each.name) for each in unknown):
        return "SDK and ABI marker disagree: build it with one SDK version"
    return "Build it with a Proxy-Wasm SDK for wasm32-wasip1 (Rust), GOOS=wasip1 (Go) or Emscripten (C++)"
