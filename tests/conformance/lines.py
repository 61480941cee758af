"""The text in which a case says what must happen, and in which both hosts' traces are written.

    proxy_on_request_headers(2, 5, 1) -> Continue        a callback with its arguments and what the filter returned
      proxy_add_header_map_value(HttpRequestHeaders) -> Ok   a hostcall in it with its status
      proxy_log(info) "text" -> Ok
    proxy_on_request_body(2, 6, 0) failed                a callback that never returned
    refused                                              the host does not take the filter
    upstream: GET h/p                                    what the upstream got, in the end; `as sent` where nothing of it was changed
      x-a: b                                             its fields in order, without those that a proxy adds by itself
      body "abc"
      trailer x-t: 1
    client: 200                                          what the client got; `as answered`, `nothing`, or `200, cut short`

Of a TCP connection both sides got bytes: `upstream: "text"`, `as sent`, or `not connected`.

Of arguments only those are written that a log of numbers shows and that mean something elsewhere: no pointers, no sizes of texts, no
ids that count over a whole process. Several exchanges have their number: `upstream 1: …`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.analysis import words
from workbench.capture.connection import Connection
from workbench.capture.exchange import Exchange, Pairs

__all__ = [
    "ENUMERATIONS", "HOSTCALL_ARGS", "Message", "callback_line", "connection_lines", "hostcall_line", "message_lines", "quoted",
    "request_head",
]  # fmt: skip

HOSTCALL_ARGS: dict[str, tuple[tuple[str, int], ...]] = {
    "proxy_log": (("level", 0),),
    "proxy_continue_stream": (("stream_type", 0),),
    "proxy_close_stream": (("stream_type", 0),),
    "proxy_send_local_response": (("status_code", 0), ("grpc_status", 7)),
    "proxy_get_header_map_value": (("map_type", 0),),
    "proxy_add_header_map_value": (("map_type", 0),),
    "proxy_replace_header_map_value": (("map_type", 0),),
    "proxy_remove_header_map_value": (("map_type", 0),),
    "proxy_get_header_map_pairs": (("map_type", 0),),
    "proxy_set_header_map_pairs": (("map_type", 0),),
    "proxy_get_header_map_size": (("map_type", 0),),
    "proxy_get_buffer_bytes": (("buffer_type", 0), ("start", 1), ("max_size", 2)),
    "proxy_get_buffer_status": (("buffer_type", 0),),
    "proxy_set_buffer_bytes": (("buffer_type", 0), ("start", 1), ("size", 2)),
    "proxy_http_call": (("timeout_ms", 8),),
    "proxy_grpc_call": (("timeout_ms", 10),),
    "proxy_set_tick_period_milliseconds": (("period", 0),),
    "proxy_define_metric": (("metric_type", 0),),
    "proxy_set_effective_context": (("context_id", 0),),
    "fd_write": (("fd", 0),),
    "clock_time_get": (("clock_id", 0),),
    "random_get": (("size", 1),),
    "proc_exit": (("code", 0),),
}
"""Of which hostcalls which arguments are written: by the name in our schema, and by place among those of the ABI."""

ENUMERATIONS: dict[str, Sequence[str]] = {
    "level": words.LOG_LEVELS,
    "stream_type": words.STREAMS,
    "map_type": words.MAPS,
    "buffer_type": words.BUFFERS,
    "metric_type": words.METRICS,
}
_PROCESS_WIDE = {"proxy_on_queue_ready": (1,)}
_ALL_BITS = 0xFFFFFFFF
_BY_ITSELF = {"upstream": ("transfer-encoding",), "client": ("transfer-encoding", "date", "connection")}


def callback_line(name: str, args: Sequence[int], result: int | None, returned: bool) -> str:
    """A callback; the first argument is the context."""
    hidden = _PROCESS_WIDE.get(name, ())
    shown = "" if name == "main" else ", ".join("_" if place in hidden else str(arg) for place, arg in enumerate(args))
    return f"{name}({shown}){_outcome(name, result, returned)}"


def hostcall_line(name: str, args: Sequence[int], result: int | None, returned: bool, message: bytes | None = None) -> str:
    """A hostcall; `args` are those that `HOSTCALL_ARGS` names."""
    shown = []
    for (what, _), arg in zip(HOSTCALL_ARGS.get(name, ()), args, strict=True):
        plain = "-1" if arg & _ALL_BITS == _ALL_BITS else str(arg)
        shown.append(words.enumerated(ENUMERATIONS[what], arg) if what in ENUMERATIONS else plain)
    text = "" if message is None else " " + quoted(message)
    return f"  {name}({', '.join(shown)}){text}{_outcome(name, result, returned)}"


def _outcome(name: str, result: int | None, returned: bool) -> str:
    if not returned:
        return " failed"
    if result is None or not (word := words.result(name, result)):
        return ""
    return f" -> {word}"


def quoted(data: bytes) -> str:
    """Bytes on one line, between quotation marks; those that are not UTF-8 as hexadecimal escapes."""
    try:
        return json.dumps(data.decode(), ensure_ascii=False)
    except UnicodeDecodeError:
        return f'b"{repr(data)[2:-1]}"'


@dataclass(frozen=True)
class Message:
    """What a peer got. `head` is the first line without `upstream: `; `whole` is False for one cut short."""

    head: str
    fields: Sequence[tuple[str, str]]
    body: bytes
    trailers: Sequence[tuple[str, str]]
    whole: bool = True


def message_lines(side: str, message: Message | None, exchange: Exchange, several: bool) -> list[str]:
    """What one peer got of an exchange; `side` is `upstream` or `client`, `several` where the case has more than one."""
    start = f"{side} {exchange.index}:" if several else f"{side}:"
    # what never became whole is of no use to an upstream, and whether it saw a part of it is a matter of timing
    if message is None or (side == "upstream" and not message.whole):
        return [f"{start} nothing"]
    lines = _written(side, message)
    sent = _request(exchange) if side == "upstream" else _response(exchange)
    if sent is not None and lines == _written(side, sent):
        return [f"{start} as {'sent' if side == 'upstream' else 'answered'}"]
    return [f"{start} {lines[0]}", *lines[1:]]


def connection_lines(upstream: bytes | None, client: bytes, connection: Connection) -> list[str]:
    """What both sides of a TCP connection got; None for an upstream that was not connected."""
    sent, answered = connection.sent(by_client=True), connection.sent(by_client=False)
    told = "not connected" if upstream is None else "as sent" if upstream == sent else _bytes(upstream)
    return [f"upstream: {told}", f"client: {'as answered' if client == answered else _bytes(client)}"]


def _bytes(data: bytes) -> str:
    return quoted(data) if data else "nothing"


def _written(side: str, message: Message) -> list[str]:
    lines = [message.head + ("" if message.whole else ", cut short")]
    for name, value in message.fields:
        added = name in _BY_ITSELF[side] or (name, value) in (("x-forwarded-proto", "http"), ("content-length", "0"))
        if not added and not name.startswith(":"):
            lines.append(f"  {name}: {words.visible(value)}")
    if message.body:
        lines.append(f"  body {quoted(message.body)}" if len(message.body) <= 200 else f"  body of {len(message.body)} bytes")
    # HTTP/1.1 has no room for trailers behind a body of known length
    trailers = () if any(name == "content-length" for name, _ in message.fields) else message.trailers
    return lines + [f"  trailer {name}: {words.visible(value)}" for name, value in trailers]


def request_head(method: str, authority: str, path: str) -> str:
    """The first line of a request."""
    return f"{method} {authority}{path}"


def _request(exchange: Exchange) -> Message:
    sent = exchange.request
    head = request_head(*map(words.text, (sent.method, sent.authority, sent.path)))
    return Message(head, _fields(sent.headers, "host"), sent.body, _fields(sent.trailers))


def _response(exchange: Exchange) -> Message | None:
    sent = exchange.response
    if sent is None:
        return None
    if exchange.request.method == b"HEAD":
        return Message(str(sent.status), _fields(sent.headers), b"", ())
    return Message(str(sent.status), _fields(sent.headers), sent.body, _fields(sent.trailers))


def _fields(pairs: Pairs, without: str = "") -> list[tuple[str, str]]:
    return [(words.text(name).lower(), words.text(value)) for name, value in pairs if name.lower() != without.encode()]
