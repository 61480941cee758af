"""One captured HTTP exchange, as plain data: the only thing the rest of the workbench knows of a capture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .websocket import WebSocket

__all__ = ["NO_RESPONSE", "Exchange", "Pairs", "Request", "Response"]

NO_RESPONSE = "no response was recorded"
"""`Exchange.error` where the capture has no response and does not say why."""

Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Header fields or trailers in their order, repeats kept, names as captured (case too)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the client sent. `body` is as it was on the wire, still compressed, without transfer coding.

    `host` is where the recording proxy sent it, without a port: for a reverse proxy its upstream, whatever `authority` says.
    """

    method: bytes
    scheme: bytes
    authority: bytes
    path: bytes
    http_version: bytes
    headers: Pairs
    body: bytes
    trailers: Pairs
    start_ns: int
    end_ns: int
    host: bytes = b""

    def __repr__(self) -> str:
        return f"<Request {_start(self.method)} {_start(self.path)}, {len(self.headers)} headers, body {len(self.body)} B>"


@dataclass(frozen=True, slots=True)
class Response:
    """What the upstream answered; the fields are those of `Request`."""

    status: int
    reason: bytes
    http_version: bytes
    headers: Pairs
    body: bytes
    trailers: Pairs
    start_ns: int
    end_ns: int

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.headers)} headers, body {len(self.body)} B>"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and, unless the upstream failed, its response.

    `index` is the place in the capture file from 0. Times are nanoseconds since the Unix epoch.
    `attributes` holds what else the capture knows, keyed by Envoy's attribute path joined with NUL
    (`b"source\\0address"`), the value serialised as Envoy does (reference: Proxy-Wasm properties).
    `error` is the upstream's or the connection's failure in words, where there was one.
    `websocket` holds the frames behind an upgrade; the two bodies are then all frames of a side.
    """

    index: int
    request: Request
    response: Response | None
    connection: int = 1
    attributes: Pairs = field(default=())
    error: str = ""
    websocket: WebSocket | None = None

    def __repr__(self) -> str:
        return f"<Exchange #{self.index} {self.request!r}, {self.response or self.error!r}>"

    @property
    def url(self) -> str:
        """Scheme, authority and path in one; bytes that are not UTF-8 appear in latin-1."""
        request = self.request
        raw = request.scheme + b"://" + request.authority + request.path
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def _start(text: bytes) -> str:
    """As much as a line has room for: what was captured may be of any length."""
    return repr(text[:120])[2:-1] + ("…" if len(text) > 120 else "")
