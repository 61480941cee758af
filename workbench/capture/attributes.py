"""What a capture knows of a connection, as Envoy's attributes: paths joined by NUL, values serialised as Envoy serialises them."""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import Any, NamedTuple

from .exchange import Pairs

__all__ = ["Address", "Ends", "attributes", "connection_attributes"]

Address = tuple[Any, ...] | None
"""(host, port) and, for IPv6, more; None or an empty host where unknown."""

_PROTOCOLS = {b"HTTP/2.0": b"HTTP/2", b"HTTP/3.0": b"HTTP/3"}
"""Envoy's `request.protocol` where captures write it otherwise."""
_TLS = {"QUICv1": "TLSv1.3"}
"""QUIC is TLS 1.3 (RFC 9001)."""


class Ends(NamedTuple):
    """The two connections of an exchange: client to proxy, proxy to upstream. `mtls`: the client showed a certificate."""

    source: Address
    destination: Address
    upstream: Address
    upstream_local: Address
    mtls: bool
    server_name: str
    tls_version: str | None
    upstream_tls_version: str | None


def attributes(ends: Ends, connection: int, http_version: bytes) -> Pairs:
    """The attributes of one exchange; what the capture does not know is not there."""
    return (*connection_attributes(ends, connection), (b"request\0protocol", _PROTOCOLS.get(http_version, http_version)))


def connection_attributes(ends: Ends, connection: int) -> Pairs:
    """Those that a TCP connection has, too."""
    return (*_ends(ends), (b"connection\0id", struct.pack("<Q", connection)))


@lru_cache(maxsize=512)
def _ends(ends: Ends) -> Pairs:
    return (
        *_address(b"source", ends.source),
        *_address(b"destination", ends.destination),
        *_address(b"upstream", ends.upstream),
        *((b"upstream\0local_address", text) for _, text in _address(b"", ends.upstream_local)[:1]),
        (b"connection\0mtls", b"\1" if ends.mtls else b"\0"),
        (b"connection\0requested_server_name", ends.server_name.encode()),
        *_tls_version(b"connection", ends.tls_version),
        *_tls_version(b"upstream", ends.upstream_tls_version),
    )


def _address(owner: bytes, address: Address) -> Pairs:
    """`OWNER.address` as ip:port (IPv6 in brackets) and `OWNER.port` as int64."""
    try:
        host, port = (address or ())[:2]
        ip = ipaddress.ip_address(host)
    except ValueError:
        return ()
    if not 0 < port < 1 << 16:
        return ()
    text = f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"
    return ((owner + b"\0address", text.encode()), (owner + b"\0port", struct.pack("<q", port)))


def _tls_version(owner: bytes, version: str | None) -> Pairs:
    return ((owner + b"\0tls_version", _TLS.get(version, version).encode()),) if version else ()
