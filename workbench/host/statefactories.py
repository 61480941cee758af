"""Which filter state Envoy makes from a string, and how it reads afterwards.

Source: Envoy's documentation, "Well known filter state objects"; each tried with Envoy 1.40.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..trace.numbers import Status

__all__ = ["State", "read_state"]

_TEXT = frozenset(
    {
        "envoy.string", "envoy.hashable_string", "envoy.network.network_namespace", "envoy.network.upstream_server_name",
        "envoy.network.upstream_subject_alt_names", "envoy.tcp_proxy.cluster", "envoy.upstream.dynamic_host",
    }
)  # fmt: skip
_UNSEEN = frozenset({"envoy.network.application_protocols"})
_NUMBERS = {
    "envoy.ratelimit.hits_addend": 1 << 32,
    "envoy.tcp_proxy.per_connection_idle_timeout_ms": 1 << 64,
    "envoy.upstream.dynamic_port": 1 << 32,
}
_ADDRESSES = frozenset(
    {
        "envoy.filters.listener.original_dst.local_ip", "envoy.filters.listener.original_dst.remote_ip",
        "envoy.network.transport_socket.original_dst_address",
    }
)  # fmt: skip
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


@dataclass(frozen=True)
class State:
    """An object of filter state: how it reads as a property, if at all."""

    shown: bytes
    readable: bool = True


def read_state(name: str, value: str) -> State | Status:
    """The object that Envoy makes of a value; NotFound for a name it does not know, BadArgument for a value that it refuses."""
    if name in _TEXT:
        return State(value.encode())
    if name in _UNSEEN:
        return State(b"", readable=False)
    if name in _NUMBERS:
        digits = value.strip().removeprefix("+")
        fits = len(digits) <= 20 and digits.isascii() and digits.isdigit() and int(digits) < _NUMBERS[name]
        return State(str(int(digits)).encode()) if fits else Status.BadArgument
    if name in _ADDRESSES:
        # an object with fields: as a whole it reads as an empty map
        return State(bytes(4)) if _has_port(value) else Status.BadArgument
    if name == "envoy.network.ip":
        return _address(value)
    if name == "envoy.tcp_proxy.disable_tunneling":
        return State(b"true" if value == "true" else b"false")
    if name == "envoy.bool":
        low = value.lower()
        return State(b"true" if low in _TRUE else b"false") if low in (*_TRUE, *_FALSE) else Status.BadArgument
    return Status.NotFound


def _has_port(value: str) -> bool:
    host, _, port = value.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host if ":" not in host else ""
    if not (len(port) <= 5 and port.isascii() and port.isdigit() and int(port) < 65536):
        return False
    return not isinstance(_address(host), Status)


def _address(value: str) -> State | Status:
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        return Status.BadArgument
    return State(f"[{parsed}]:0".encode() if parsed.version == 6 else f"{parsed}:0".encode())
