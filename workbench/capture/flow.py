"""One mitmproxy flow as an exchange or a TCP connection.

The only file that imports mitmproxy, and not before there is a flow that `layout` cannot read: an old, edited or odd one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import visible
from . import layout
from .attributes import Ends, attributes, connection_attributes
from .connection import Connection, Ending, TcpMessage
from .exchange import NO_RESPONSE, Exchange, Pairs, Request, Response
from .tnetstring import DICT, entries, span
from .websocket import Opcode, WebSocket, close_payload, frame

if TYPE_CHECKING:
    from mitmproxy import flow as flows
    from mitmproxy import http, tcp, websocket

__all__ = ["CURRENT_VERSION", "decode", "decode_by_mitmproxy", "decode_connection", "nanoseconds", "readable_version"]

CURRENT_VERSION = 21
"""The flow format that mitmproxy 10 to 12 write; for any other, mitmproxy itself is asked whether it can read it."""

_NO_REQUEST_BODY = "the request's body was not recorded"
_NO_RESPONSE_BODY = "the response's body was not recorded"
_NULL = ord("~")
_MOST_VALUES = 2_000_000


def readable_version(version: int | tuple[int, ...]) -> bool:
    """Whether the installed mitmproxy can read flows of this format."""
    if version == CURRENT_VERSION:
        return True
    from mitmproxy.io import compat
    from mitmproxy.version import FLOW_FORMAT_VERSION

    return version == FLOW_FORMAT_VERSION or (version if isinstance(version, int) else version[:2]) in compat.converters


def nanoseconds(seconds: float | None) -> int | None:
    """Unix time in seconds as nanoseconds; None for what is no time after 1970 that fits 63 bits."""
    if seconds is None or not 0 < seconds < 1 << 33:  # nor is NaN between them
        return None
    return round(seconds * 1e9)


def decode(raw: bytes, index: int, connection: int, start_ns: int) -> tuple[Exchange, tuple[str, ...]]:
    """The exchange in one flow as mitmproxy wrote it, and what is missing in it, in words.

    `index`, `connection` and `start_ns` are the index's; ValueError says what is wrong with the flow.
    """
    where = layout.locate(raw)
    if where is not None:
        try:
            return _read(raw, where, index, connection, start_ns)
        except (ValueError, IndexError):
            pass  # mitmproxy says better what is wrong, if anything is
    return decode_by_mitmproxy(raw, index, connection, start_ns)


def _read(raw: bytes, where: layout.Layout, index: int, connection: int, start_ns: int) -> tuple[Exchange, tuple[str, ...]]:
    lost: tuple[str, ...] = ()
    request_end, _, trailers, body, fields, version, _ = where.request
    if raw[body[1]] == _NULL:
        lost += (_NO_REQUEST_BODY,)
    headers = layout.fields(raw[fields[0] : fields[1]])
    end_ns = _time(request_end) or start_ns
    request = Request(
        where.method,
        where.scheme,
        _authority(where.authority, headers, version) or where.host + b":" + where.port,
        raw[where.path[0] : where.path[1]],
        version,
        headers,
        raw[body[0] : body[1]],
        layout.fields(raw[trailers[0] : trailers[1]]),
        start_ns,
        end_ns,
        where.host,
    )
    response = None
    if where.response is not None:
        response_end, response_start, trailers, body, fields, answered, _ = where.response
        if raw[body[1]] == _NULL:
            lost += (_NO_RESPONSE_BODY,)
        first_ns = _time(response_start) or end_ns
        response = Response(
            where.status,
            where.reason,
            answered,
            layout.fields(raw[fields[0] : fields[1]]),
            raw[body[0] : body[1]],
            layout.fields(raw[trailers[0] : trailers[1]]),
            first_ns,
            _time(response_end) or first_ns,
        )
    (first, last), client, server = where.error, where.client, where.server
    error = (layout.error_text(raw[first:last]) if first < last else "") or ("" if response else NO_RESPONSE)
    ends = layout.ends(raw[client[0] : client[1]], raw[server[0] : server[1]])
    return Exchange(index, request, response, connection, attributes(ends, connection, version), error), lost


def _time(text: bytes) -> int | None:
    return nanoseconds(float(text)) if text else None


def _authority(authority: bytes, headers: Pairs, version: bytes) -> bytes:
    """HTTP/1 says it in Host, later versions in a field of their own."""
    if version in (b"HTTP/2.0", b"HTTP/3", b"HTTP/3.0"):
        return authority
    for name, value in headers:
        if name.lower() == b"host":
            return value
    return authority


def decode_by_mitmproxy(raw: bytes, index: int, connection: int, start_ns: int) -> tuple[Exchange, tuple[str, ...]]:
    """The same by mitmproxy's own means, for any flow that it can read."""
    from mitmproxy import http

    flow = _load(raw)
    if not isinstance(flow, http.HTTPFlow):
        raise ValueError(f"it is a {flow.type} flow")
    lost = []
    if flow.request.raw_content is None:
        lost.append(_NO_REQUEST_BODY)
    if flow.response is not None and flow.response.raw_content is None:
        lost.append(_NO_RESPONSE_BODY)
    error = flow.error.msg if flow.error else ""
    if flow.response is None and not error:
        error = NO_RESPONSE
    request = _request(flow.request, start_ns)
    response = None if flow.response is None else _response(flow.response, request.end_ns)
    websocket = None
    if flow.websocket is not None and response is not None:
        websocket = _websocket(flow.websocket, response.end_ns)
        request = replace(request, body=websocket.sent(by_client=True))
        response = replace(response, body=websocket.sent(by_client=False))
    return Exchange(
        index, request, response, connection, attributes(_ends(flow), connection, request.http_version), error, websocket
    ), tuple(lost)


_NO_CLOSE_FRAME = (None, 1006, 1015)
"""Codes that say that there was none (RFC 6455, 7.4.1); 1005 is one without a code."""


def _websocket(data: websocket.WebSocketData, start_ns: int) -> WebSocket:
    """What was said as frames. Behind a closing handshake the upstream closes the connection (RFC 6455, 7.1.1)."""
    frames = []
    for each in data.messages:
        if not isinstance(each.content, bytes):
            raise ValueError("a WebSocket message holds no bytes")
        raw = frame(int(each.type), each.content, from_client=bool(each.from_client))
        frames.append(TcpMessage(bool(each.from_client), raw, nanoseconds(each.timestamp) or start_ns))
    last = max((each.time_ns for each in frames), default=start_ns)
    end = max(nanoseconds(data.timestamp_end) or last, last)
    if data.close_code in _NO_CLOSE_FRAME:
        return WebSocket(tuple(frames), Ending.UPSTREAM if data.closed_by_client is False else Ending.CLIENT, end)
    code = data.close_code
    payload = b"" if code == 1005 or not isinstance(code, int) or not 0 <= code < 1 << 16 else close_payload(code, data.close_reason or "")
    for by_client in (data.closed_by_client is not False, data.closed_by_client is False):
        frames.append(TcpMessage(by_client, frame(Opcode.CLOSE, payload, from_client=by_client), end))
    return WebSocket(tuple(frames), Ending.UPSTREAM, end)


def decode_connection(raw: bytes, index: int, start_ns: int) -> Connection:
    """The connection in one TCP flow; ValueError says what is wrong with it.

    mitmproxy does not keep who closed first. Where its times tell, the earlier end counts, else the client's.
    """
    from mitmproxy import tcp

    flow = _load(raw)
    if not isinstance(flow, tcp.TCPFlow):
        raise ValueError(f"it is a {flow.type} flow")
    messages = tuple(TcpMessage(bool(each.from_client), _octets(each), nanoseconds(each.timestamp) or start_ns) for each in flow.messages)
    ends = [nanoseconds(side.timestamp_end) for side in (flow.client_conn, flow.server_conn)]
    last = max((message.time_ns for message in messages), default=start_ns)
    return Connection(
        index,
        start_ns,
        max(last, *(end or 0 for end in ends)),
        messages,
        _ending(flow, ends),
        index + 1,
        connection_attributes(_ends(flow), index + 1),
        flow.error.msg if flow.error else "",
    )


def _ending(flow: tcp.TCPFlow, ends: list[int | None]) -> Ending:
    if flow.error:
        return Ending.RESET if flow.messages or flow.server_conn.timestamp_tcp_setup else Ending.UNREACHED
    client, upstream = ends
    return Ending.UPSTREAM if client and upstream and upstream < client else Ending.CLIENT


def _octets(message: tcp.TCPMessage) -> bytes:
    if not isinstance(message.content, bytes):
        raise ValueError("a message holds no bytes")
    return message.content


def _ends(flow: flows.Flow) -> Ends:
    client, server = flow.client_conn, flow.server_conn
    return Ends(
        client.peername,
        client.sockname,
        server.peername,
        server.sockname,
        bool(client.certificate_list),
        (client.sni or "") if client.tls else "",
        client.tls_version,
        server.tls_version,
    )


def _load(raw: bytes) -> flows.Flow:
    from mitmproxy import flow
    from mitmproxy.io import compat, tnetstring

    if _values(raw) > _MOST_VALUES:
        raise ValueError(f"it holds more than {_MOST_VALUES} values")
    try:
        state: Any = tnetstring.loads(raw)
        loaded = flow.Flow.from_state(compat.migrate_flow(state))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except Exception as error:  # a flow may hold anything, so mitmproxy may stumble over anything
        said = visible(str(error)[:200])
        raise ValueError(f"mitmproxy cannot read it ({type(error).__name__}: {said})") from None
    return loaded


def _values(raw: bytes) -> int:
    """At most how many values a flow holds, bodies not looked into: each has a colon, and three bytes can become an object of 60."""
    count = raw.count(b":")
    if count > _MOST_VALUES:
        for key, kind, first, last in entries(raw, *span(raw, 0, len(raw))):
            if kind == DICT and key in (b"request", b"response"):
                count -= sum(raw.count(b":", a, b) for name, _, a, b in entries(raw, first, last) if name == b"content")
            elif key == b"messages":
                count -= sum(raw.count(b":", a, b) for a, b in _message_contents(raw, first, last))
    return count


def _message_contents(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the bytes of a TCP flow's messages are: each is a list of a bool, these, and a time."""
    while at < end:
        start, stop = span(raw, at, end)
        _, after = span(raw, start, stop)
        yield span(raw, after + 1, stop)
        at = stop + 1


def _request(message: http.Request, start_ns: int) -> Request:
    data = message.data
    headers = _fields(data.headers)
    return Request(
        method=data.method,
        scheme=data.scheme,
        authority=_authority(data.authority, headers, data.http_version) or f"{data.host}:{data.port}".encode(),
        path=data.path,
        http_version=data.http_version,
        headers=headers,
        body=data.content or b"",
        trailers=_fields(data.trailers),
        start_ns=start_ns,
        end_ns=nanoseconds(data.timestamp_end) or start_ns,
        host=data.host.encode(errors="surrogateescape"),
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
