"""One entry of a HAR file as an exchange (HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/; 1.1 is a part of it).

Writers differ: browsers put HTTP/2's pseudo-header fields among the header fields, write 0 or -1 as the status of a request without an
answer and start the clock before they connect; mitmproxy starts it with the request. All of that ends here.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .attributes import Ends, attributes
from .connection import Ending, TcpMessage
from .exchange import NO_RESPONSE, Exchange, Pairs, Request, Response
from .flow import nanoseconds
from .harbody import Lost, on_the_wire, request_body, response_body, to_bytes
from .websocket import WebSocket, frame

__all__ = ["Facts", "decode", "facts", "load"]

_MOST_VALUES = 2_000_000
_LARGE = 4 << 20
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_URL = re.compile(r"(https?|wss?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_VERSION = re.compile(r"(?:http/|h)(\d)(?:\.(\d))?", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEFORE = ("blocked", "dns", "connect")
_OPCODES = (1, 2)
_DAY_MS = 86_400_000


class Facts(NamedTuple):
    """What an index wants to know of an entry. `unsent` says why no proxy ever saw it, empty for one that was sent."""

    start_ns: int
    end_ns: int
    connection: str
    unsent: str


def load(raw: bytes) -> dict[str, Any]:
    """The JSON of one entry; ValueError where it is none, or more than is good."""
    if len(raw) > _LARGE:
        # three bytes can become an object of 60
        signs = _STRING.sub(b"", raw)
        if signs.count(b",") + signs.count(b"{") + signs.count(b"[") > _MOST_VALUES:
            raise ValueError(f"it holds more than {_MOST_VALUES} values")
    try:
        entry = json.loads(raw)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg}, {error.pos} bytes in)") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 ({error.start} bytes in)") from None
    if not isinstance(entry, dict):
        raise ValueError("it is no object")
    return entry


def facts(entry: dict[str, Any], by_mitmproxy: bool) -> Facts:
    """When and where an entry was; ValueError says what is wrong with it."""
    request = _object(entry, "request")
    start, _, _, end = _times(entry, by_mitmproxy)
    name = entry.get("connection")
    address = entry.get("serverIPAddress")
    connection = f"{address}\n{name}"[:200] if isinstance(name, str | int) and name != "" else ""
    unsent = ""
    scheme = _text(request, "url")[:2048].partition(":")[0].lower()
    if scheme not in ("http", "https", "ws", "wss"):
        unsent = "whose URL is not of HTTP"
    elif isinstance(entry.get("_fromCache"), str):
        unsent = "that a browser answered from its cache"
    elif entry.get("_fetchedViaServiceWorker") is True:
        unsent = "that a service worker of the page answered"
    return Facts(start, end, connection, unsent)


def decode(entry: dict[str, Any], index: int, connection: int, by_mitmproxy: bool) -> tuple[Exchange, Lost]:
    """The exchange of an entry and what is missing in it, in words; ValueError says what is wrong with the entry."""
    asked, said = _object(entry, "request"), _object(entry, "response")
    times = _times(entry, by_mitmproxy)
    version = _version(asked) or _version(said) or b"HTTP/1.1"
    scheme, netloc, path = _target(_text(asked, "url"))
    method = to_bytes(_text(asked, "method"))
    headers, authority = _request_fields(asked, version)
    if method == b"CONNECT":
        path = b""
    body, lost = request_body(asked.get("postData"), headers, asked.get("bodySize"), by_mitmproxy)
    body, headers, more = on_the_wire(body, headers)
    request = Request(
        method=method,
        scheme=scheme,
        authority=authority or netloc,
        path=path,
        http_version=version,
        headers=headers,
        body=body,
        trailers=(),
        start_ns=times[0],
        end_ns=times[1],
        host=_host(netloc),
    )
    response, error, missing = _response(said, request, times, by_mitmproxy)
    websocket = None
    if response is not None and response.status == 101 and isinstance(messages := entry.get("_webSocketMessages"), list):
        websocket = _websocket(messages, response.end_ns)
    ends = _ends(entry, request, by_mitmproxy)
    exchange = Exchange(index, request, response, connection, attributes(ends, connection, version), error, websocket)
    return exchange if websocket is None else _with_frames(exchange, websocket), (*lost, *more, *missing)


def _response(said: dict[str, Any], request: Request, times: tuple[int, ...], by_mitmproxy: bool) -> tuple[Response | None, str, Lost]:
    status = said.get("status")
    why = next((each for key in ("_error", "_failureText") if isinstance(each := said.get(key), str) and each), "")
    if not isinstance(status, int) or status <= 0:
        return None, why[:1000] or NO_RESPONSE, ()
    if not 100 <= status <= 999:
        raise ValueError(f"{status} is no HTTP status")
    headers = tuple(pair for pair in _fields(said) if not pair[0].startswith(b":"))
    bodiless = request.method == b"HEAD" or status < 200 or status in (204, 304)
    body, lost = response_body(said.get("content"), headers, said.get("bodySize"), by_mitmproxy, bodiless=bodiless)
    body, headers, more = on_the_wire(body, headers)
    reason = said.get("statusText")
    response = Response(
        status=status,
        reason=to_bytes(reason) if isinstance(reason, str) else b"",
        http_version=_version(said) or request.http_version,
        headers=headers,
        body=body,
        trailers=(),
        start_ns=times[2],
        end_ns=times[3],
    )
    return response, why[:1000], (*lost, *more)


# -- when


def _times(entry: dict[str, Any], by_mitmproxy: bool) -> tuple[int, int, int, int]:
    """Start and end of the request and of the response, nanoseconds since the Unix epoch.

    `startedDateTime` is when the browser wanted the request: what it then waited for and how long it took to connect come first.
    """
    began = _text(entry, "startedDateTime")
    try:
        moment = datetime.fromisoformat(began[:64])
    except ValueError:
        raise ValueError(f"its startedDateTime {began[:64]!a} is no time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    start = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    if not nanoseconds(start / 1e9):
        raise ValueError(f"its startedDateTime {began[:64]!a} is no time after 1970")
    timings = entry.get("timings")
    timings = timings if isinstance(timings, dict) else {}
    if not by_mitmproxy:
        start += sum(_span(timings.get(each)) for each in _BEFORE)
    sent = start + _span(timings.get("send"))
    if not timings:
        return start, sent, sent, sent + _span(entry.get("time"))
    first = sent + _span(timings.get("wait"))
    return start, sent, first, first + _span(timings.get("receive"))


def _span(milliseconds: object) -> int:
    """A part of `timings` in nanoseconds; -1 is none, and nothing lasts longer than a day."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float) or not milliseconds > 0:
        return 0
    return round(min(milliseconds, _DAY_MS) * 1e6)


# -- where


def _target(url: str) -> tuple[bytes, bytes, bytes]:
    """Scheme, authority and path of what a proxy would get: no user, no fragment."""
    found = _URL.match(url)
    if found is None:
        raise ValueError(f"its URL {url[:64]!a} is not of HTTP")
    scheme, netloc, path = found.groups()
    netloc = netloc.rpartition("@")[2]
    if not netloc:
        raise ValueError(f"its URL {url[:64]!a} names no host")
    if not path.startswith("/"):
        path = f"/{path}"
    return {"ws": b"http", "wss": b"https"}.get(scheme.lower(), scheme.lower().encode()), to_bytes(netloc), to_bytes(path)


def _host(authority: bytes) -> bytes:
    """Without a port, IPv6 without brackets."""
    found = re.fullmatch(rb"\[([^\]]*)\](?::\d*)?|(.*?)(?::\d*)?", authority, re.DOTALL)
    return (found[1] or found[2] or b"") if found else b""


def _ends(entry: dict[str, Any], request: Request, by_mitmproxy: bool) -> Ends:
    """What is known of the connections: the server's address, where a browser asked it, and what TLS shows."""
    address, port = entry.get("serverIPAddress"), entry.get("_serverPort")
    upstream = None
    if isinstance(address, str) and not by_mitmproxy:
        if not isinstance(port, int):
            port = _port(_text(_object(entry, "request"), "url"))
        upstream = (address.strip("[]")[:64], port)
    tls = request.scheme == b"https"
    details = entry.get("_securityDetails")
    protocol = details.get("protocol") if isinstance(details, dict) else None
    version = re.fullmatch(r"TLS (1(?:\.\d)?)", protocol) if isinstance(protocol, str) else None
    name = request.host.decode("latin-1")
    return Ends(
        source=None,
        destination=None,
        upstream=upstream,
        upstream_local=None,
        mtls=False,
        server_name=name if tls and not _is_ip(name) else "",
        tls_version=("TLSv1.3" if protocol == "QUIC" else f"TLSv{version[1]}" if version else None) if tls else None,
        upstream_tls_version=None,
    )


def _port(url: str) -> int:
    try:
        target = urlsplit(url)
        return target.port or (443 if target.scheme in ("https", "wss") else 80)
    except ValueError:
        return 0


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


# -- what


def _request_fields(asked: dict[str, Any], version: bytes) -> tuple[Pairs, bytes]:
    """The header fields and the authority. HTTP/2 and 3 say it in a field of their own, which some browsers show as Host."""
    fields = _fields(asked)
    pseudo = dict(pair for pair in fields if pair[0].startswith(b":"))
    kept = tuple(pair for pair in fields if not pair[0].startswith(b":"))
    host = next((value for name, value in kept if name.lower() == b"host"), b"")
    if version in (b"HTTP/2.0", b"HTTP/3"):
        kept = tuple(pair for pair in kept if pair[0].lower() != b"host")
        return kept, pseudo.get(b":authority") or host
    return kept, host


def _fields(message: dict[str, Any]) -> Pairs:
    """Header fields in their order. No value has a line break: browsers join the values of a repeated field with one."""
    fields = message.get("headers")
    if not isinstance(fields, list):
        raise ValueError("its headers are no list")
    found: list[tuple[bytes, bytes]] = []
    for each in fields:
        name, value = (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise ValueError("one of its header fields has no name or no value")
        found += ((to_bytes(name), to_bytes(part.rstrip("\r"))) for part in value.split("\n"))
    return tuple(found)


def _version(message: dict[str, Any]) -> bytes:
    """As mitmproxy writes it; empty where the entry does not know."""
    said = message.get("httpVersion")
    found = _VERSION.match(said) if isinstance(said, str) else None
    if found is None or (isinstance(said, str) and "quic" in said[:64].lower()):
        return b"HTTP/3" if found else b""
    major, minor = found.groups()
    return {"1": b"HTTP/1.0" if minor == "0" else b"HTTP/1.1", "2": b"HTTP/2.0", "3": b"HTTP/3"}.get(major, b"")


def _websocket(messages: list[Any], start_ns: int) -> WebSocket:
    """What was said as frames; a HAR file does not know how it ended."""
    frames = []
    for each in messages:
        data = each.get("data") if isinstance(each, dict) else None
        if not isinstance(data, str) or each.get("type") not in ("send", "receive"):
            raise ValueError("one of its WebSocket messages has no data or no direction")
        if (opcode := each.get("opcode")) not in _OPCODES:
            continue
        payload = to_bytes(data) if opcode == 1 else base64.b64decode(data)
        by_client = each["type"] == "send"
        time = each.get("time")
        at = nanoseconds(time) if isinstance(time, int | float) else None
        frames.append(TcpMessage(by_client, frame(opcode, payload, from_client=by_client), at or start_ns))
    return WebSocket(tuple(frames), Ending.CLIENT, max((each.time_ns for each in frames), default=start_ns))


def _with_frames(exchange: Exchange, websocket: WebSocket) -> Exchange:
    from dataclasses import replace

    assert exchange.response is not None
    request = replace(exchange.request, body=websocket.sent(by_client=True))
    response = replace(exchange.response, body=websocket.sent(by_client=False))
    return replace(exchange, request=request, response=response)


def _object(of: dict[str, Any], key: str) -> dict[str, Any]:
    value = of.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"it has no {key}")
    return value


def _text(of: dict[str, Any], key: str) -> str:
    value = of.get(key)
    if not isinstance(value, str):
        raise ValueError(f"its {key} is no text")
    return value
