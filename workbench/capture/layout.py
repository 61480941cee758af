"""The layout in which mitmproxy 10 to 12 write an HTTP flow, read without mitmproxy and more than ten times as fast.

mitmproxy writes the keys of a flow in one order, last first. What has any length is hopped over by its length, and all
between is matched, so nothing captured can be taken for structure. Whatever does not fit is None, and `flow` asks mitmproxy.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .attributes import Address, Ends
from .exchange import Pairs
from .tnetstring import entries, number, span

__all__ = ["Layout", "Message", "connection_id", "ends", "error_text", "fields", "locate"]

_TIMES = rb"13:timestamp_end;(\d\d?):([\d.e+-]*)[\^~]15:timestamp_start;(\d\d?):([\d.e+-]+)\^8:trailers;(?:0:~7:content;)?(\d{1,12}):"
_BEGIN = re.compile(rb"\d{1,12}:9:websocket;0:~8:response;(\d{1,12}):")
_RESPONSE = re.compile(rb"6:reason;(\d{1,4}):([^,]*),11:status_code;3:([1-9]\d\d)#" + _TIMES)
_REQUEST = re.compile(rb"7:request;(\d{1,12}):4:path;(\d{1,9}):")
_TARGET = re.compile(
    rb",9:authority;(\d{1,4}):([^,]*),6:scheme;(\d\d?):([a-z]*),6:method;(\d\d?):([A-Za-z]*),"
    rb"4:port;(\d):(\d+)#4:host;(\d{1,4}):([^;]*);" + _TIMES
)
_CONTENT = re.compile(rb"[\]~]7:content;(\d{1,12}):")
_HEADERS = re.compile(rb"[,~]7:headers;(\d{1,9}):")
_VERSION = re.compile(rb"\]12:http_version;8:(HTTP/\d\.\d),\}")
_SERVER = re.compile(
    rb"6:backup;0:~17:timestamp_created;(?:\d\d:[\d.]+\^|\d\d?:\d+#)7:comment;0:;8:metadata;0:\}6:marked;0:;"
    rb"9:is_replay;0:~11:intercepted;5:false!11:server_conn;(\d{1,9}):"
)
_CLIENT = re.compile(rb"\}11:client_conn;(\d{1,9}):")
_ERROR = re.compile(rb"\}5:error;(\d{1,9}):")
_END = re.compile(rb"[~}]2:id;36:[\da-f-]{36};4:type;4:http;7:version;2:21#\}")
_LENGTH = re.compile(rb"(\d{1,9}):")
_KEPT = 4096
"""Longer headers and connections are not kept for the next exchange that has the same."""
_TEXT, _DICT, _NULL, _TRUE = ord(";"), ord("}"), ord("~"), b"true"
_TRAILERS_KEY = ord("s")
"""The last letter of `trailers`: before a length, it tells trailers from content."""

Span = tuple[int, int]


class Message(NamedTuple):
    """Where a message's parts lie (start and stop), its times as text (empty: none), its version, and where it stops."""

    end: bytes
    start: bytes
    trailers: Span
    body: Span
    headers: Span
    version: bytes
    stop: int


class Layout(NamedTuple):
    """Where the parts of a flow lie. `response`, `status` and `reason` are None, 0 and empty without a response."""

    request: Message
    method: bytes
    scheme: bytes
    authority: bytes
    path: Span
    host: bytes
    port: bytes
    response: Message | None
    status: int
    reason: bytes
    server: Span
    client: Span
    error: Span


def locate(raw: bytes) -> Layout | None:
    """Where everything is in one flow, or None if mitmproxy has to look at it."""
    try:
        return _locate(raw)
    except (_UnknownLayout, IndexError):
        return None


class _UnknownLayout(Exception):
    pass


def _match(pattern: re.Pattern[bytes], raw: bytes, at: int) -> re.Match[bytes]:
    found = pattern.match(raw, at)
    if found is None:
        raise _UnknownLayout
    return found


def _hop(pattern: re.Pattern[bytes], raw: bytes, at: int) -> Span:
    """Match a piece that ends in a length; gives where what has that length starts and stops."""
    found = pattern.match(raw, at)
    if found is None:
        raise _UnknownLayout
    start = found.end()
    return start, start + int(found[1])


def _locate(raw: bytes) -> Layout:
    at, stop = _hop(_BEGIN, raw, 0)
    response, status, reason = None, 0, b""
    if raw[stop] == _DICT:
        found = _match(_RESPONSE, raw, at)
        size, reason, code, *times = found.groups()
        status = int(code)
        response = _message(raw, found, times)
        if int(size) != len(reason) or response.stop != stop + 1:
            raise _UnknownLayout
    elif at != stop or raw[stop] != _NULL:
        raise _UnknownLayout
    found = _match(_REQUEST, raw, stop + 1)
    request_stop = found.end(1) + 1 + int(found[1]) + 1
    path = found.end(), found.end() + int(found[2])
    found = _match(_TARGET, raw, path[1])
    n1, authority, n2, scheme, n3, method, n4, port, n5, host, *times = found.groups()
    request = _message(raw, found, times)
    if (
        request.stop != request_stop
        or int(n1) != len(authority)
        or int(n2) != len(scheme)
        or int(n3) != len(method)
        or int(n4) != len(port)
        or int(n5) != len(host)
    ):
        raise _UnknownLayout
    server = _hop(_SERVER, raw, request.stop)
    client = _hop(_CLIENT, raw, server[1])
    error = _hop(_ERROR, raw, client[1])
    if _match(_END, raw, error[1]).end() != len(raw):
        raise _UnknownLayout
    return Layout(request, method, scheme, authority, path, host, port, response, status, reason, server, client, error)


def _message(raw: bytes, found: re.Match[bytes], times: list[bytes]) -> Message:
    """The rest of a message from its times on, which `found` ends with."""
    end_size, end, start_size, start, size = times
    if int(end_size) != len(end) or int(start_size) != len(start):
        raise _UnknownLayout
    at = found.end()
    trailers = body = at, at + int(size)
    if raw[found.start(found.re.groups) - 2] == _TRAILERS_KEY:
        body = _hop(_CONTENT, raw, trailers[1])
    else:
        trailers = at, at
    headers = _hop(_HEADERS, raw, body[1])
    version = _match(_VERSION, raw, headers[1])
    return Message(end, start, trailers, body, headers, version[1], version.end())


def fields(data: bytes) -> Pairs:
    """The pairs in a list's payload; ValueError where it holds anything else."""
    return _kept_fields(data) if len(data) <= _KEPT else _fields(data)


def _fields(data: bytes) -> Pairs:
    found, at = [], 0
    while at < len(data):
        length = _LENGTH.match(data, at)
        if length is None:
            raise ValueError("no list of fields")
        start = length.end()
        stop = start + int(length[1])
        if data[stop : stop + 1] != b"]":
            raise ValueError("no list of fields")
        item = data[start:stop]
        found.append(_kept_pair(item) if len(item) <= 256 else _pair(item))
        at = stop + 1
    return tuple(found)


def _pair(item: bytes) -> tuple[bytes, bytes]:
    start, stop = span(item, 0, len(item))
    first, last = span(item, stop + 1, len(item))
    if item[stop] != 0x2C or item[last] != 0x2C or last + 1 != len(item):
        raise ValueError("no pair of bytes")
    return item[start:stop], item[first:last]


_kept_fields = lru_cache(maxsize=1024)(_fields)
_kept_pair = lru_cache(maxsize=4096)(_pair)


def connection_id(client: bytes) -> bytes:
    """The id in a `client_conn`."""
    return _kept_id(client) if len(client) <= _KEPT else _id(client)


def _id(client: bytes) -> bytes:
    return next((client[first:last] for key, _, first, last in entries(client, 0, len(client)) if key == b"id"), b"")


_kept_id = lru_cache(maxsize=1024)(_id)


def ends(client: bytes, server: bytes) -> Ends:
    """What a `client_conn` and a `server_conn` say of the connections; ValueError where they make no sense."""
    return _kept_ends(client, server) if len(client) + len(server) <= _KEPT else _ends(client, server)


def _ends(client: bytes, server: bytes) -> Ends:
    ours, theirs = _scalars(client), _scalars(server)
    return Ends(
        source=_address(ours[b"peername"]),
        destination=_address(ours[b"sockname"]),
        upstream=_address(theirs[b"peername"]),
        upstream_local=_address(theirs[b"sockname"]),
        mtls=bool(ours[b"certificate_list"][1]),
        server_name=ours[b"sni"][1].decode() if ours[b"tls"][1] == _TRUE else "",
        tls_version=ours[b"tls_version"][1].decode() or None,
        upstream_tls_version=theirs[b"tls_version"][1].decode() or None,
    )


_kept_ends = lru_cache(maxsize=1024)(_ends)
_WANTED = (b"peername", b"sockname", b"certificate_list", b"sni", b"tls", b"tls_version")


def _scalars(connection: bytes) -> dict[bytes, tuple[int, bytes]]:
    found = {key: (kind, connection[first:last]) for key, kind, first, last in entries(connection, 0, len(connection)) if key in _WANTED}
    if len(found) != len(_WANTED):
        raise ValueError("a connection lacks what mitmproxy always writes")
    return found


def _address(value: tuple[int, bytes]) -> Address:
    kind, data = value
    if kind != 0x5D:
        return None
    start, stop = span(data, 0, len(data))
    first, last = span(data, stop + 1, len(data))
    port = number(data, data[last], first, last)
    if data[stop] != _TEXT or port is None:
        raise ValueError("no address")
    return data[start:stop].decode(), int(port)


def error_text(error: bytes) -> str:
    """The message of a flow's `error`, empty where there is none."""
    return next(
        (error[first:last].decode() for key, kind, first, last in entries(error, 0, len(error)) if key == b"msg" and kind == _TEXT), ""
    )
