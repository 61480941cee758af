"""The calls of one exchange in their order, as a tree: callbacks, what the filter called in them, and what happened between."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ..trace.records import FINISHED, NO_FILTER, NONE, Event, Kind, ResponseSource
from ..trace.trace import Row, Trace
from . import words
from .callouts import callout_text, limit_text
from .calls import ExchangeRows, arguments, log_line, shown, spelt
from .vms import thread_name

__all__ = ["Call", "call_tree"]

_TONES = (
    ("ends", ("send_local_response", "close_")),
    ("write", ("add_", "replace_", "remove_", "set_", "enqueue_", "increment_", "record_", "define_", "register_")),
    ("control", ("continue_", "http_call", "grpc_", "dispatch_", "done", "clear_", "call_foreign")),
)
_NOTHING = ("NotFound", "Empty")

_ROOT_ROWS = 2000
"""Rows of a root context's callback that are read to show what it did for an exchange."""


@dataclass(frozen=True, slots=True)
class Call:
    """A node of the tree. Texts are escaped for display; `seq` is the row's number in the trace.

    `kind` is callback, hostcall, log or event. `name` is the ABI's (with `proxy_`), or the event's. `filter` is the place in
    the chain from 0, None for the proxy's own events. `args` and `outs` (what the host gave back, and a header's values before
    and after) are pairs of name and value in words. `result` is by name, empty where there is none; `ok` is False for a hostcall
    that was refused and a call that a trap ended (`finished` False).
    `clock_ns` is virtual time since the request's start; `filter_ns` and `host_ns` are real time; `own` is False for a root
    context's callback that also served other exchanges. `message` is a log line's or an event's text, `level` a log line's level.
    """

    seq: int
    kind: str
    name: str
    filter: int | None
    context: int
    args: tuple[tuple[str, str], ...]
    outs: tuple[tuple[str, str], ...]
    result: str
    ok: bool
    finished: bool
    clock_ns: int
    filter_ns: int
    host_ns: int
    own: bool = True
    level: str = ""
    message: str = ""
    children: tuple[Call, ...] = ()

    @property
    def tone(self) -> str:
        """What a hostcall does: read, write, control (streams, callouts and the like), ends (answers or closes the stream); else empty."""
        if self.kind != "hostcall":
            return ""
        name = words.short_name(self.name)
        return next((tone for tone, starts in _TONES if name.startswith(starts)), "read")

    @property
    def refused(self) -> bool:
        """True for a call that was not answered as asked. That there is nothing to read is an answer."""
        return not self.ok and not (self.finished and self.tone == "read" and self.result in _NOTHING)

    @property
    def title(self) -> str:
        """As on screen: `get_header_map_value(HttpRequestHeaders, ":path") = Ok, "/toys"`."""
        inside = ", ".join(words.shorten(value, 80) for _, value in self.args)
        given = [words.shorten(value, 80) for name, value in self.outs if name not in ("before", "after")]
        end = ", ".join(filter(None, [self.result, *given])) if self.finished else ""
        return f"{words.short_name(self.name)}({inside})" + (f" = {end}" if end else "" if self.finished else " did not return")


def call_tree(rows: ExchangeRows) -> tuple[Call, ...]:
    """Callbacks and events of one exchange in order, each with what belongs to it."""
    request = rows.event(Event.REQUEST) or rows.event(Event.CONNECTION)
    start = request.time if request is not None else rows.rows[0].time if rows.rows else 0
    every = {row.seq: row for row in rows.rows}
    foreign: set[int] = set()
    for row in rows.rows:
        parent = rows.parent(row) if row.kind != Kind.CALLBACK else None
        if parent is not None and parent.exchange != rows.index and parent.seq not in foreign:
            foreign.add(parent.seq)
            every[parent.seq] = parent
            every.update((found.seq, found) for found in _root_calls(rows.trace, parent, rows.index))
    below: defaultdict[int, list[Row]] = defaultdict(list)
    top: list[Row] = []
    for seq in sorted(every):
        row = every[seq]
        (below[row.parent] if row.kind != Kind.CALLBACK and row.parent in every else top).append(row)
    return tuple(_node(rows, row, below, start, row.seq not in foreign) for row in top)


def _root_calls(trace: Trace, callback: Row, exchange: int) -> list[Row]:
    """The calls in a root context's callback, without those for other exchanges."""
    found = []
    for seq in range(callback.seq + 1, min(callback.seq + 1 + _ROOT_ROWS, len(trace))):
        row = trace.row(seq)
        if row.kind == Kind.CALLBACK:
            break
        if row.parent == callback.seq and row.exchange in (NONE, exchange):
            found.append(row)
    return found


def _node(rows: ExchangeRows, row: Row, below: dict[int, list[Row]], start: int, own: bool) -> Call:
    children = tuple(_node(rows, child, below, start, True) for child in below.get(row.seq, ()))
    place = row.filter if row.filter != NO_FILTER else None
    done, host = bool(row.flags & FINISHED), min(row.other_ns, row.ns)
    clock = row.time - start
    if row.kind == Kind.EVENT:
        name = rows.trace.name(row)
        message = _intercepted(rows.trace, row) if row.code == Event.INTERCEPTED else _event_text(row)
        return Call(row.seq, "event", name, place, row.context, (), (), "", True, True, clock, 0, 0, True, "", message, children)
    name = rows.trace.name(row)
    line = log_line(rows.trace, row, "")
    given = arguments(rows.trace, row)
    if name == "wasi" and isinstance(given.get("name"), bytes):
        name = spelt("name", given.pop("name")).strip('"')
    spoken = {key: spelt(key, value, name) for key, value in given.items()}
    outs = tuple((key, value) for key, value in spoken.items() if key in _outs(name))
    args = tuple((key, value) for key, value in spoken.items() if key not in _outs(name))
    result = words.result(name, row.result) if done else ""
    filter_ns, host_ns = (row.ns - host, host) if row.kind == Kind.CALLBACK else (host, row.ns - host)
    kind = "callback" if row.kind == Kind.CALLBACK else "log" if line is not None else "hostcall"
    ok = done and (row.kind == Kind.CALLBACK or row.result == 0 or not result)
    level, message = (line.level, shown(line.message.encode())) if line is not None else ("", "")
    return Call(
        row.seq, kind, name, place, row.context, args, outs, result, ok, done, clock, filter_ns, host_ns, own, level, message, children
    )  # fmt: skip


_GIVEN_BACK = {
    "proxy_get_shared_data": ("cas", "value"),
    "proxy_register_shared_queue": ("token",),
    "proxy_resolve_shared_queue": ("token",),
    "proxy_dequeue_shared_queue": ("value",),
    "proxy_call_foreign_function": ("result",),
    "proxy_http_call": ("token",),
    "proxy_grpc_call": ("token",),
    "proxy_grpc_stream": ("token",),
    "proxy_define_metric": ("metric_id",),
}


def _outs(name: str) -> tuple[str, ...]:
    """Names of what a hostcall gives back: the rest are what the filter passed."""
    if name.startswith("proxy_get_") and name not in _GIVEN_BACK:
        return ("value", "code", "message", "count", "level", "size")
    return _GIVEN_BACK.get(name, ("before", "after", "size_before"))


_DIRECTIONS = ("request", "response")
_ENDS = ((1, "request left paused"), (2, "response left paused"), (4, "reset"), (8, "waited for an answer that nobody gives"))
_SIDES = ("client", "upstream")
_PHASES = ("headers", "body", "trailers", "connection", "data")


def _intercepted(trace: Trace, row: Row) -> str:
    """What a user's function made of a hostcall, in a few words."""
    names = [call.name for call in trace.schema.hostcalls]
    name = names[row.d] if row.d < len(names) else ""
    got = f"the filter got {words.result(name, row.result) or 'no result'}"
    changed = []
    for at in range(0, len(row.fields) - 2, 3):
        what, before, after = (shown(field) for field in row.fields[at : at + 3])
        changed.append(f'{what} "{before}" → "{after}"' if row.b else f'{what} "{after}"')
    asked = f"intercepted: the host gave {words.result(name, row.c) or 'no result'}" if row.b else "intercepted before the host"
    return ", ".join((asked, got, *changed))


def _event_text(row: Row) -> str:
    """An event in a few words, its captured parts escaped."""
    direction = _DIRECTIONS[row.a] if row.a < 2 else str(row.a)
    match row.code:
        case Event.REQUEST:
            return f"request arrives, body {words.size(row.a)}"
        case Event.RESPONSE:
            return f"upstream answers {row.result}, body {words.size(row.a)}"
        case Event.MAP:
            return f"{words.enumerated(words.MAPS, row.a)} changed"
        case Event.BODY:
            after = len(row.fields[0]) if row.fields else 0
            if row.a > 1:
                return f"bytes from the {_SIDES[row.a & 1]} changed, {words.size(row.b)} → {words.size(after)}"
            return f"{direction} body changed, {words.size(row.b)} → {words.size(after)}"
        case Event.UPSTREAM_REQUEST:
            return f"upstream has the request, body {words.size(row.a)}"
        case Event.DOWNSTREAM_RESPONSE:
            return f"client has {row.result}, body {words.size(row.a)}" + (", then the stream was reset" if row.d else "")
        case Event.LOCAL_RESPONSE:
            who = ("filter", "host, for the failed filter", "proxy")[row.b] if row.b in list(ResponseSource) else ""
            details = f" ({shown(row.fields[0])})" if row.fields and row.fields[0] else ""
            return f"local response {row.result} by the {who}{details}" + (", without effect" if row.c else "")
        case Event.FAILURE:
            return f"{words.failure(row.a)}: {shown(row.fields[0]) if row.fields else ''} ({words.policy(row.b)}: {words.effect(row.c)})"
        case Event.PAUSE:
            if row.b == 3:
                return "connection paused at its begin"
            of = f"bytes from the {_SIDES[row.a & 1]}" if row.b == 4 else direction
            return f"{of} paused" + (f" at its {words.enumerated(_PHASES, row.b)}" if row.b < 3 else "")
        case Event.RESUME:
            return f"{direction} goes on" + (f", {words.size(row.b)} were held" if row.b else "")
        case Event.END:
            left = [text for bit, text in _ENDS if row.a & bit]
            return "the exchange is over" + (f": {', '.join(left)}" if left else "")
        case Event.CALLOUT | Event.CALLOUT_PART:
            return callout_text(row)
        case Event.LIMIT:
            return limit_text(row)
        case Event.CONNECTION:
            return f"client connects; it sends {words.size(row.a)}, the upstream {words.size(row.b)}"
        case Event.DATA:
            end = " resets the connection" if row.d else " ends" if row.c else ""
            return f"{_SIDES[row.a & 1]}{end or ' sends ' + words.size(row.b)}"
        case Event.CONNECTION_END:
            who = words.enumerated(words.PEERS, row.result).lower()
            return f"connection closed ({who}); upstream has {words.size(row.a)}, client {words.size(row.b)}"
        case Event.VM:
            where = f" ({thread_name(row.c)})" if row.c else ""
            return f"VM {row.a} of this filter{where}, {('start', 'reload', 'restart')[row.b] if row.b < 3 else row.b}"
        case Event.FUEL:
            return f"{words.count(row.a | row.b << 32)} instructions of the filter"
        case Event.MEMORY:
            return f"memory {words.size(row.a << 16)}" + (f", before {words.size(row.b << 16)}" if row.b else " at the start")
    return shown(row.fields[0]) if row.fields else ""
