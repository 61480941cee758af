"""The client before Envoy: sends an exchange's request as captured, on a connection of its own, and keeps what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from typing import NamedTuple

from workbench.capture.exchange import Exchange, Request

from .wire import Broken, Message, Wire, render_body, values

__all__ = ["Fetched", "fetch", "render_request"]

_HOST_NAME = re.compile(rb"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\Z")


class Fetched(NamedTuple):
    """What a client got: the response, None if not even a head came, and in words why it is missing or not complete: `timeout`,
    `closed`, `reset`, `no HTTP`, or an empty text. It began to send at `sent_ns`, since the Unix epoch, from its port `port`."""

    message: Message | None
    failure: str
    sent_ns: int
    port: int


def render_request(request: Request) -> bytes:
    """The request's bytes for HTTP/1.1: fields in order and case, repeats kept; `Host` in front where there is none (captured over HTTP/2).

    A body that no captured field frames goes chunked, as do trailers; filters do not see that in Envoy.
    """
    fields = [pair for pair in request.headers if not pair[0].startswith(b":")]
    if not values(request.headers, b"host") and request.authority:
        fields.insert(0, (b"Host", request.authority))
    chunked = any(value.lower().endswith(b"chunked") for value in values(request.headers, b"transfer-encoding"))
    if not chunked and (request.trailers or (request.body and not values(request.headers, b"content-length"))):
        fields = [pair for pair in fields if pair[0].lower() != b"content-length"]
        fields.append((b"Transfer-Encoding", b"chunked"))
        chunked = True
    target = request.authority if request.method == b"CONNECT" else request.path
    head = b"%b %b HTTP/1.1\r\n" % (request.method, target) + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n"
    return head + render_body(request.body, request.trailers, chunked=chunked)


async def fetch(exchange: Exchange, port: int, *, tls: ssl.SSLContext | None, timeout: float) -> Fetched:
    """Send and wait for the answer, at most `timeout` seconds for its next byte.

    Of the responses the final one counts, 1xx are passed over.
    """
    name = _server_name(exchange.request.authority) if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    sent_ns, port = time.time_ns(), writer.get_extra_info("sockname")[1]
    sending = asyncio.create_task(_send(writer, render_request(exchange.request)))
    message: Message | None = None
    failure = ""
    try:
        wire = Wire(reader, timeout)
        head = await wire.head()
        while 100 <= head.status < 200 and head.status != 101:
            head = await wire.head()
        message = Message(head)
        empty = exchange.request.method == b"HEAD" or head.status in (101, 204, 304)
        await wire.body(message, to_end=True, empty=empty)
    except Broken as broken:
        failure = str(broken)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        writer.transport.abort()  # what Envoy still holds of this exchange ends now
    return Fetched(message, failure, sent_ns, port)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    # An answer may come, and the connection go, before the request is out: the reader tells.
    with contextlib.suppress(OSError):
        writer.write(data)
        await writer.drain()


def _server_name(authority: bytes) -> str:
    """The name for SNI; a captured authority may be anything, so only a plain host name is taken."""
    host = authority.rsplit(b":", 1)[0]
    return host.decode() if len(host) < 254 and _HOST_NAME.match(host) else "localhost"
