"""One mitmproxy flow as an exchange. The only file that imports mitmproxy, and not before the first flow is decoded."""

from __future__ import annotations

import ipaddress
import math
import struct
from typing import TYPE_CHECKING, Any

from .exchange import Exchange, Pairs, Request, Response

if TYPE_CHECKING:
    from mitmproxy import connection, http

__all__ = ["CURRENT_VERSION", "decode", "nanoseconds", "readable_version"]

CURRENT_VERSION = 21
"""The flow format that mitmproxy 10 to 12 write; for any other, mitmproxy itself is asked whether it can read it."""

_PROTOCOLS = {"HTTP/2.0": "HTTP/2", "HTTP/3.0": "HTTP/3"}
"""Envoy's `request.protocol` where mitmproxy writes it otherwise."""
_TLS = {"QUICv1": "TLSv1.3"}
"""QUIC is TLS 1.3 (RFC 9001), and Envoy names it so."""


def readable_version(version: int | tuple[int, ...]) -> bool:
    """Whether the installed mitmproxy can read flows of this format."""
    if version == CURRENT_VERSION:
        return True
    from mitmproxy.io import compat
    from mitmproxy.version import FLOW_FORMAT_VERSION

    return version == FLOW_FORMAT_VERSION or (version if isinstance(version, int) else version[:2]) in compat.converters


def nanoseconds(seconds: float | None) -> int | None:
    """Unix time in seconds as nanoseconds; None for what is no time after 1970 that fits 63 bits."""
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds < 1 << 33:
        return None
    return round(seconds * 1e9)


def decode(raw: bytes, index: int, connection: int, start_ns: int) -> tuple[Exchange, tuple[str, ...]]:
    """The exchange in one flow as mitmproxy wrote it, and what is missing in it, in words.

    `index`, `connection` and `start_ns` are the index's; ValueError says what is wrong with the flow.
    """
    flow = _load(raw)
    lost = []
    if flow.request.raw_content is None:
        lost.append("the request's body was not recorded")
    if flow.response is not None and flow.response.raw_content is None:
        lost.append("the response's body was not recorded")
    if flow.websocket is not None:
        lost.append("the WebSocket messages after its upgrade are not replayed")
    error = flow.error.msg if flow.error else ""
    if flow.response is None and not error:
        error = "no response was recorded"
    request = _request(flow.request, start_ns)
    response = None if flow.response is None else _response(flow.response, request.end_ns)
    return Exchange(index, request, response, connection, _attributes(flow, connection), error), tuple(lost)


def _load(raw: bytes) -> http.HTTPFlow:
    from mitmproxy import flow, http
    from mitmproxy.io import compat, tnetstring

    try:
        state: Any = tnetstring.loads(raw)
        loaded = flow.Flow.from_state(compat.migrate_flow(state))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except Exception as error:  # a flow may hold anything, so mitmproxy may stumble over anything
        said = "".join(letter if letter.isprintable() else " " for letter in str(error)[:200])
        raise ValueError(f"mitmproxy cannot read it ({type(error).__name__}: {said})") from None
    if not isinstance(loaded, http.HTTPFlow):
        raise ValueError(f"it is a {loaded.type} flow")
    return loaded


def _request(message: http.Request, start_ns: int) -> Request:
    data = message.data
    authority = data.authority
    if not message.is_http2 and not message.is_http3:
        authority = next((value for name, value in data.headers.fields if name.lower() == b"host"), authority)
    return Request(
        method=data.method,
        scheme=data.scheme,
        authority=authority or f"{data.host}:{data.port}".encode(),
        path=data.path,
        http_version=data.http_version,
        headers=_fields(data.headers),
        body=data.content or b"",
        trailers=_fields(data.trailers),
        start_ns=start_ns,
        end_ns=nanoseconds(data.timestamp_end) or start_ns,
    )


def _response(message: http.Response, asked_ns: int) -> Response:
    data = message.data
    if not 100 <= data.status_code <= 999:
        raise ValueError(f"{data.status_code} is no HTTP status")
    start_ns = nanoseconds(data.timestamp_start) or asked_ns
    return Response(
        status=data.status_code,
        reason=data.reason,
        http_version=data.http_version,
        headers=_fields(data.headers),
        body=data.content or b"",
        trailers=_fields(data.trailers),
        start_ns=start_ns,
        end_ns=nanoseconds(data.timestamp_end) or start_ns,
    )


def _fields(headers: http.Headers | None) -> Pairs:
    fields: Pairs = headers.fields if headers else ()
    if not all(len(pair) == 2 and all(isinstance(part, bytes) for part in pair) for pair in fields):
        raise ValueError("its header fields are no pairs of bytes")
    return fields


def _attributes(flow: http.HTTPFlow, number: int) -> Pairs:
    """Envoy's attributes as far as the capture knows them, serialised as Envoy does (int64 and uint64 little-endian, bool a byte)."""
    client, server = flow.client_conn, flow.server_conn
    protocol = flow.request.http_version
    found = [
        *_address(b"source", client.peername),
        *_address(b"destination", client.sockname),
        *_address(b"upstream", server.peername),
        *((b"upstream\0local_address", text) for _, text in _address(b"", server.sockname)[:1]),
        (b"connection\0id", struct.pack("<Q", number)),
        (b"connection\0mtls", b"\1" if client.certificate_list else b"\0"),
        (b"connection\0requested_server_name", (client.sni or "").encode() if client.tls else b""),
        *_tls_version(b"connection", client),
        *_tls_version(b"upstream", server),
        (b"request\0protocol", _PROTOCOLS.get(protocol, protocol).encode()),
    ]
    return tuple(found)


def _address(owner: bytes, address: tuple[Any, ...] | None) -> list[tuple[bytes, bytes]]:
    """`OWNER.address` as ip:port (an IPv6 address in brackets) and `OWNER.port`; nothing where mitmproxy knew none."""
    try:
        host, port = (address or ())[:2]
        ip = ipaddress.ip_address(host)
    except ValueError:
        return []
    if not 0 < port < 1 << 16:
        return []
    text = f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"
    return [(owner + b"\0address", text.encode()), (owner + b"\0port", struct.pack("<q", port))]


def _tls_version(owner: bytes, conn: connection.Connection) -> list[tuple[bytes, bytes]]:
    version = conn.tls_version
    return [(owner + b"\0tls_version", _TLS.get(version, version).encode())] if version else []
