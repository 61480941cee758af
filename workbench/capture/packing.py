"""Exchanges and TCP connections as packed bytes: what the host's core reads. Little-endian, lengths and counts u32, times u64 nanoseconds.

    record     := u32 size of the rest
                  u32 index   u32 flags   u64 request start   u64 request end   u64 response start   u64 response end
                  u32 status  u32 connection
                  str method  str scheme  str authority  str path
                  pairs request headers   str request body    pairs request trailers
                  pairs response headers  str response body   pairs response trailers
                  pairs attributes        str error
    str        := u32 length, bytes
    pairs      := u32 count, count x (u32 name length, u32 value length), then name and value bytes in turn

Flags: bit 0 a response is present; bits 8-15 the request's HTTP version, bits 16-23 the response's
(10, 11, 20 or 30). Bit 3: it became a WebSocket; then `u32 count` and the messages follow as those of a connection, their bytes
being the two bodies.

A connection has bit 1 and the same beginning:

    record     := u32 size of the rest
                  u32 index   u32 flags   u64 start   u64 end   u32 connection   u32 count
                  count x (u64 time, u32 size, u32 kind)
                  str client's bytes   str upstream's bytes   pairs attributes   str error

Each message's bytes are the next `size` of its side's. Kind: bit 0 from the upstream, bit 1 the side has ended, bit 2 it reset the
connection. Flag bit 2: the upstream was never reached.

The core, not this file, turns a message into what Envoy shows to a filter.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from ..errors import CaptureError
from .connection import Connection, Ending, TcpMessage
from .exchange import Exchange, Pairs

__all__ = ["HAS_RESPONSE", "IS_CONNECTION", "pack", "pack_connections", "pack_each", "pack_pairs", "pack_str", "unpack_pairs"]

HAS_RESPONSE = 1
IS_CONNECTION = 2
_UNREACHED, _WEBSOCKET = 4, 8
_FROM_UPSTREAM, _END, _RESET = 1, 2, 4
_CONNECTION = struct.Struct("<IIQQII")
_MESSAGE = struct.Struct("<QII")
_HEAD = struct.Struct("<IIQQQQII")
_U32 = struct.Struct("<I")
_VERSIONS = {b"HTTP/1.0": 10, b"HTTP/1.1": 11, b"HTTP/2.0": 20, b"HTTP/2": 20, b"HTTP/3": 30, b"HTTP/3.0": 30}


def pack_str(data: bytes) -> bytes:
    """Bytes with their length before them."""
    return _U32.pack(len(data)) + data


def pack_pairs(pairs: Pairs) -> bytes:
    """A pair list in the core's form: sizes first, then the bytes, nothing between."""
    sizes = [n for name, value in pairs for n in (len(name), len(value))]
    return struct.pack(f"<{len(sizes) + 1}I", len(pairs), *sizes) + b"".join(part for pair in pairs for part in pair)


def unpack_pairs(data: bytes | memoryview, at: int = 0) -> tuple[Pairs, int]:
    """Read a pair list at `at`; gives the pairs and the position behind them."""
    (count,) = _U32.unpack_from(data, at)
    sizes = struct.unpack_from(f"<{2 * count}I", data, at + 4)
    at += 4 + 8 * count
    parts = []
    for size in sizes:
        parts.append(bytes(data[at : at + size]))
        at += size
    return tuple(zip(parts[::2], parts[1::2], strict=True)), at


def pack(exchanges: Iterable[Exchange]) -> bytes:
    """The packed form of `exchanges`, one record behind the other."""
    return b"".join(map(_pack_one, exchanges))


def pack_each(read: Callable[[int], Exchange], order: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """The exchanges that `read` gives for these indexes, each with its start; those that it finds damaged are left out."""
    for index in order:
        try:
            exchange = read(index)
        except CaptureError:
            continue
        yield exchange.request.start_ns, pack((exchange,))


def _pack_one(exchange: Exchange) -> bytes:
    request, response = exchange.request, exchange.response
    flags = _VERSIONS.get(request.http_version, 11) << 8
    if exchange.websocket is not None:
        flags |= _WEBSOCKET
    times = (request.start_ns, request.end_ns, request.end_ns, request.end_ns)
    status, headers, body, trailers = 0, b"\0\0\0\0", b"", b"\0\0\0\0"
    if response is not None:
        flags |= HAS_RESPONSE | _VERSIONS.get(response.http_version, 11) << 16
        times = (request.start_ns, request.end_ns, response.start_ns, response.end_ns)
        status, body = response.status, response.body
        headers, trailers = pack_pairs(response.headers), pack_pairs(response.trailers)
    rest = b"".join(
        (
            _HEAD.pack(exchange.index, flags, *times, status, exchange.connection),
            pack_str(request.method),
            pack_str(request.scheme),
            pack_str(request.authority),
            pack_str(request.path),
            pack_pairs(request.headers),
            pack_str(request.body),
            pack_pairs(request.trailers),
            headers,
            pack_str(body),
            trailers,
            pack_pairs(exchange.attributes),
            pack_str(exchange.error.encode()),
        )
    )
    if exchange.websocket is not None:
        said = exchange.websocket
        messages = _messages(said.frames, times[2], said.end_ns, said.ending)
        rest += _U32.pack(len(messages)) + b"".join(_MESSAGE.pack(*message) for message in messages)
    return pack_str(rest)


def pack_connections(connections: Iterable[Connection]) -> bytes:
    """The packed form of `connections`, one record behind the other. Messages come in the order given, none before the one before."""
    return b"".join(map(_pack_connection, connections))


def _pack_connection(connection: Connection) -> bytes:
    messages = _messages(connection.messages, connection.start_ns, connection.end_ns, connection.ending)
    end = max(connection.end_ns, messages[-1][0] if messages else connection.start_ns)
    flags = IS_CONNECTION | (_UNREACHED if connection.ending == Ending.UNREACHED else 0)
    rest = b"".join(
        (
            _CONNECTION.pack(connection.index, flags, connection.start_ns, end, connection.connection, len(messages)),
            *(_MESSAGE.pack(*message) for message in messages),
            pack_str(connection.sent(by_client=True)),
            pack_str(connection.sent(by_client=False)),
            pack_pairs(connection.attributes),
            pack_str(connection.error.encode()),
        )
    )
    return pack_str(rest)


def _messages(said: Iterable[TcpMessage], start_ns: int, end_ns: int, ending: Ending) -> list[tuple[int, int, int]]:
    """Time, size and kind of each, none before the one before, and the ends."""
    latest, messages = start_ns, []
    for message in said:
        latest = max(latest, message.time_ns)
        messages.append((latest, len(message.data), 0 if message.from_client else _FROM_UPSTREAM))
    end = max(latest, end_ns)
    if ending == Ending.RESET:
        messages.append((end, 0, _FROM_UPSTREAM | _RESET))
    elif ending != Ending.UNREACHED:
        messages += sorted(((end, 0, _END), (end, 0, _FROM_UPSTREAM | _END)), reverse=ending == Ending.UPSTREAM)
    return messages
