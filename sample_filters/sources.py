"""Ties a built `.wasm` to the sources it was built from: a hash of them in a custom section of the module.

The section is called `workbench.sources` and holds `sha256:HEX`. The hash runs over every source file in the order of
its name: u32 length and bytes of the name (relative, with `/`), then u64 length and bytes of the content, little-endian.
Custom sections do not change what a module does (WebAssembly core specification, 2.5 and appendix "Custom Sections").
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.errors import FilterLoadError

__all__ = ["SECTION", "read_stamp", "source_files", "sources_hash", "stamp"]

SECTION = b"workbench.sources"
_HEADER = b"\0asm\x01\0\0\0"
_NOT_SOURCES = {".wasm", ".md"}
_NOT_FOLDERS = {"target", "node_modules", "__pycache__"}


def source_files(folder: Path) -> list[Path]:
    """Every file below `folder` that is a source: not built, not prose, not hidden."""
    found = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in _NOT_FOLDERS for part in parts) or path.suffix in _NOT_SOURCES:
            continue
        if path.is_file():
            found.append(path)
    return found


def sources_hash(paths: Iterable[Path], root: Path) -> str:
    """`sha256:HEX` over the files, named relative to `root`. Line ends of Windows count as those of Unix."""
    named = sorted((path.relative_to(root).as_posix().encode(), path) for path in paths)
    digest = hashlib.sha256()
    for name, path in named:
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(struct.pack("<I", len(name)) + name + struct.pack("<Q", len(content)) + content)
    return f"sha256:{digest.hexdigest()}"


def stamp(wasm: bytes, value: str) -> bytes:
    """The module with `value` as its only `workbench.sources` section, at the end."""
    kept = [wasm[start:end] for start, end, name, _ in _sections(wasm) if name != SECTION]
    payload = _leb128(len(SECTION)) + SECTION + value.encode()
    return _HEADER + b"".join(kept) + b"\0" + _leb128(len(payload)) + payload


def read_stamp(wasm: bytes) -> str | None:
    """What `stamp` wrote, or None where the module has no such section."""
    for _, end, name, content in _sections(wasm):
        if name == SECTION:
            return wasm[content:end].decode("utf-8", "replace")
    return None


def _sections(wasm: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Start, end, name (empty unless custom) and start of the content of each section."""
    if wasm[:8] != _HEADER:
        raise FilterLoadError("not a WebAssembly 1.0 module", remedy="Give the bytes of a .wasm file.")
    at = 8
    while at < len(wasm):
        size, content = _read_leb128(wasm, at + 1)
        end = content + size
        name = b""
        if wasm[at] == 0:
            name_size, content = _read_leb128(wasm, content)
            name = wasm[content : content + name_size]
            content += name_size
        if end > len(wasm) or content > end:
            raise FilterLoadError(f"section at byte {at} runs past its end", remedy="Build the module again.")
        yield at, end, name, content
        at = end


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _read_leb128(wasm: bytes, at: int) -> tuple[int, int]:
    """An unsigned 32-bit number at `at`, and the place after it."""
    value = 0
    for place, byte in enumerate(wasm[at : at + 5]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise FilterLoadError(f"the length at byte {at} does not end", remedy="Build the module again.")
