"""A body without its content coding (RFC 9110, 8.4): what a person reads and a search looks at. Bounded: a bomb stops at the bound.

And back, for captures that hold bodies without it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from io import BytesIO

from .exchange import Pairs

__all__ = ["coding_of", "decoded", "encoded"]

_BITE = 16


def coding_of(headers: Pairs) -> str:
    """What Content-Encoding says, in lower case; empty for none."""
    return b", ".join(value for name, value in headers if name.lower() == b"content-encoding").decode("latin-1").strip().lower()


def decoded(body: bytes, coding: str, most: int) -> bytes | None:
    """The first `most` bytes of what gzip, deflate, br or zstd packed, one or several of them in a row.

    None for no coding or another one, and for what is broken from the start; what is broken later is given up to there.
    """
    steps = _steps(coding)
    if not steps or not body or len(steps) > 4:
        return None
    data: bytes | None = body
    for step in reversed(steps):  # they are listed in the order in which they were applied
        unpack = _CODINGS.get(step)
        data = unpack(data, most) if unpack is not None and data else None
    return data


def encoded(body: bytes, coding: str) -> bytes | None:
    """`body` in this coding, or None for one that is not known. No coder gives just the bytes of another, but all mean the same."""
    steps = _steps(coding)
    if len(steps) > 4 or not all(step in _CODERS for step in steps):
        return None
    for step in steps:
        body = _CODERS[step](body)
    return body


def _steps(coding: str) -> list[str]:
    return [step.strip() for step in coding.split(",") if step.strip() not in ("", "identity", "none")]


def _inflate(data: bytes, most: int) -> bytes | None:
    for bits in (47, -15):  # zlib or gzip by their headers; deflate without one, as some servers send it
        try:
            return _members(data, most, bits)
        except zlib.error:
            continue
    return None


def _members(data: bytes, most: int, bits: int) -> bytes:
    """gzip may be several members, one behind the other (RFC 1952, 2.2)."""
    parts: list[bytes] = []
    room = most
    while data and room > 0:
        unpacking = zlib.decompressobj(bits)
        try:
            parts.append(unpacking.decompress(data, room))
        except zlib.error:
            if parts:
                break
            raise
        room -= len(parts[-1])
        if not unpacking.eof or data[:2] != b"\x1f\x8b":
            break
        data = unpacking.unused_data
    return b"".join(parts)


def _brotli(data: bytes, most: int) -> bytes | None:
    import brotli

    unpacking = brotli.Decompressor()
    parts: list[bytes] = []
    room = most
    try:
        # the library has no bound on what it gives for one bite; 16 bytes make at most two blocks of 16 MiB (RFC 7932)
        for at in range(0, len(data), _BITE):
            parts.append(unpacking.process(data[at : at + _BITE]))
            room -= len(parts[-1])
            if room <= 0:
                break
    except brotli.error:
        if not any(parts):
            return None
    return b"".join(parts)[:most]


def _zstd(data: bytes, most: int) -> bytes | None:
    import zstandard

    parts: list[bytes] = []
    room = most
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(BytesIO(data), read_across_frames=True) as stream:
            while room > 0 and (part := stream.read(min(room, 1 << 16))):
                parts.append(part)
                room -= len(part)
    except (zstandard.ZstdError, MemoryError):
        if not parts:
            return None
    return b"".join(parts)


_CODINGS = {"gzip": _inflate, "x-gzip": _inflate, "deflate": _inflate, "br": _brotli, "zstd": _zstd}


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)


def _to_brotli(body: bytes) -> bytes:
    import brotli

    packed: bytes = brotli.compress(body, quality=5)
    return packed


def _to_zstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(body)


_CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip, "x-gzip": _gzip, "deflate": zlib.compress, "br": _to_brotli, "zstd": _to_zstd,
}  # fmt: skip
