"""What mitmproxy's filter terms ask of one captured exchange or connection. The judge is mitmproxy's `flowfilter`, a test compares."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from ..capture.connection import Connection
from ..capture.content import coding_of, decoded
from ..capture.exchange import NO_RESPONSE, Exchange, Pairs
from ..capture.websocket import Opcode, payload
from .query_pattern import Pattern

__all__ = ["ASKS", "domain", "hosts", "pretty_url"]

_READ = 64 << 20
"""Bytes of a body that a search looks at, once its coding is taken off."""
_AUTHORITY = re.compile(r"(?P<host>[^:]+|\[.+\])(?::(?P<port>\d+))?")
_LABEL = re.compile(rb"[A-Za-z0-9_-]{1,63}")
_PORTS = {"http": 80, "https": 443}
_ASSETS = re.compile(rb"text/javascript|application/x-javascript|application/javascript|text/css|image/.*|font/.*|application/font.*")


def pretty_url(scheme: str, authority: str, path: str) -> str:
    """The URL as mitmproxy writes it: a port that goes without saying is left out."""
    host, port = _ends(authority)
    default = _PORTS.get(scheme)
    port = port or default or 443
    return f"{scheme}://{host}{'' if port == default else f':{port}'}{'' if path == '*' else path}"


@lru_cache(maxsize=4096)
def _ends(authority: str) -> tuple[str, int | None]:
    """Host and port; what is no authority is all host, as mitmproxy has it."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return authority, None
    host, port = found["host"], found["port"]
    if host[:1] == "[" and host[-1:] == "]":
        host = host[1:-1]
    if not _is_host(host) or (port and (len(port) > 9 or int(port) > 65535)):
        return authority, None
    return host, int(port) if port else None


def _is_host(name: str) -> bool:
    """A DNS name, underscores allowed, or an IP address."""
    try:
        raw = name.encode("idna")
        raw.decode("idna")
    except UnicodeError:
        return False
    if len(raw) <= 255 and all(map(_LABEL.fullmatch, raw.removesuffix(b".").split(b"."))):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _lines(headers: Pairs) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def _types(*sides: Pairs) -> Iterator[bytes]:
    return (value for headers in sides for name, value in headers if name.lower() == b"content-type")


def _request(each: Exchange) -> Pairs:
    return each.request.headers


def _response(each: Exchange) -> Pairs:
    return each.response.headers if each.response is not None else ()


def _bodies(each: Exchange | Connection, request: bool, response: bool) -> Iterator[bytes]:
    if isinstance(each, Connection):
        yield from (said.data for said in each.messages if (request if said.from_client else response))
        return
    if each.websocket is not None:
        said = (frame.data for frame in each.websocket.frames if (request if frame.from_client else response))
        yield from (payload(frame) for frame in said if frame[0] & 0xF in (Opcode.TEXT, Opcode.BINARY))
        return
    for message, wanted in ((each.request, request), (each.response, response)):
        if wanted and message is not None:
            content = decoded(message.body, coding_of(message.headers), _READ)
            yield message.body if content is None else content


def _address(each: Exchange | Connection, side: bytes) -> str:
    """`ip:port`, as mitmproxy writes it: IPv6 without brackets."""
    for name, value in each.attributes:
        if name == side + b"\0address":
            return _text(value).replace("[", "").replace("]", "")
    return ""


def _over_http(ask: Callable[[Exchange, Any], object]) -> Callable[[Exchange | Connection, Any], bool]:
    return lambda each, value: isinstance(each, Exchange) and bool(ask(each, value))


def _any(pattern: Pattern | re.Pattern[bytes], texts: Iterator[bytes]) -> bool:
    return any(pattern.search(each) for each in texts)


def _header(pattern: Pattern, *sides: Pairs) -> bool:
    return any(headers and pattern.search(_lines(headers)) for headers in sides)


def _url(each: Exchange) -> str:
    request = each.request
    return pretty_url(_text(request.scheme), _text(request.authority), _text(request.path))


def domain(authority: bytes) -> str:
    """The host that a request names, without a port."""
    return _ends(_text(authority))[0]


def hosts(each: Exchange) -> tuple[str, ...]:
    """The hosts of a request: where it was sent, and what it names."""
    return tuple(dict.fromkeys((_text(each.request.host), domain(each.request.authority))))


def _domain(each: Exchange, pattern: Pattern) -> bool:
    return any(map(pattern.search, hosts(each)))


ASKS: dict[str, Callable[[Exchange | Connection, Any], bool]] = {
    "u": _over_http(lambda each, rex: rex.search(_url(each))),
    "m": _over_http(lambda each, rex: rex.search(each.request.method)),
    "d": _over_http(_domain),
    "c": _over_http(lambda each, code: each.response is not None and each.response.status == code),
    "h": _over_http(lambda each, rex: _header(rex, _request(each), _response(each))),
    "hq": _over_http(lambda each, rex: _header(rex, _request(each))),
    "hs": _over_http(lambda each, rex: _header(rex, _response(each))),
    "b": lambda each, rex: _any(rex, _bodies(each, True, True)),
    "bq": lambda each, rex: _any(rex, _bodies(each, True, False)),
    "bs": lambda each, rex: _any(rex, _bodies(each, False, True)),
    "t": _over_http(lambda each, rex: _any(rex, _types(_request(each), _response(each)))),
    "tq": _over_http(lambda each, rex: _any(rex, _types(_request(each)))),
    "ts": _over_http(lambda each, rex: _any(rex, _types(_response(each)))),
    "q": _over_http(lambda each, _: each.response is None),
    "s": _over_http(lambda each, _: each.response is not None),
    "e": lambda each, _: bool(each.error) and each.error != NO_RESPONSE,
    "a": _over_http(lambda each, _: _any(_ASSETS, _types(_response(each)))),
    "src": lambda each, rex: bool((address := _address(each, b"source")) and rex.search(address)),
    "dst": lambda each, rex: bool((address := _address(each, b"upstream")) and rex.search(address)),
    "websocket": _over_http(lambda each, _: each.websocket is not None),
}
"""For each term the question, given the exchange and the term's value."""
