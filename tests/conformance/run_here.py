"""A case on this host."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.conformance.case import Case
from tests.conformance.lines import HOSTCALL_ARGS, Message, callback_line, connection_lines, hostcall_line, message_lines, request_head
from tests.conformance.services import here
from tests.core.traffic import Batch
from workbench.analysis import words
from workbench.capture.connection import Connection
from workbench.capture.exchange import Exchange
from workbench.capture.packing import pack, pack_connections, unpack_pairs
from workbench.chain import Filter
from workbench.errors import FilterLoadError
from workbench.host.abi import Abi
from workbench.host.driver import Settings, replay
from workbench.trace.numbers import BufferType
from workbench.trace.records import FINISHED, LAST, MAIN, TRIAL, Event, Kind
from workbench.trace.trace import Row, Trace

__all__ = ["chain_of", "run_here"]

_SHORTER_IN_0_1 = ("proxy_on_request_headers", "proxy_on_response_headers")
"""Without end_of_stream in ABI 0.1.0."""


def chain_of(case: Case, folder: Path) -> list[Filter]:
    """The case's filters, their modules written to `folder`; without a vm_id the case's name is it."""
    chain = []
    for name, plugin in zip("abcdefgh", case.filters, strict=False):
        path = folder / f"{name}.wasm"
        path.write_bytes(plugin.wasm)
        options = dict(plugin.options)
        chain.append(Filter(path, name=name, **{"vm_id": case.name.replace("/", "-").replace(" ", "-")} | options))
    return chain


def run_here(case: Case) -> str:
    """Replay the case's exchanges; the trace as text."""
    with tempfile.TemporaryDirectory(prefix="workbench-case-") as folder:
        chain = chain_of(case, Path(folder))
        batches = [Batch(pack(case.traffic), len(case.traffic), case.traffic[0].request.start_ns)] if case.traffic else []
        if case.connections:
            batches = [Batch(pack_connections(case.connections), len(case.connections), case.connections[0].start_ns)]
        settings = Settings(**case.settings)
        try:
            trace = replay(chain, batches, settings, clusters=here().begin(None))
        except FilterLoadError:
            try:
                trace = replay(chain, [], replace(settings, start_anyway=True))
            except FilterLoadError:
                return "refused"
            return "\n".join([*_calls(case, trace), "refused"])
    lines = _calls(case, trace)
    for connection in case.connections:
        lines += _connection(trace, connection)
    several = len(case.traffic) > 1
    for exchange in case.traffic:
        lines += message_lines("upstream", _upstream(trace, exchange), exchange, several)
        lines += message_lines("client", _client(trace, exchange), exchange, several)
    return "\n".join(lines)


def _calls(case: Case, trace: Trace) -> list[str]:
    rows = [trace.row(seq) for seq in range(len(trace))]
    # of a replay with the main thread only the worker's calls: Envoy's log is read the same way
    elsewhere = {row.vm for row in rows if (row.kind, row.code) == (Kind.EVENT, Event.VM) and row.c in (MAIN, TRIAL)}
    return [line for row in rows if row.vm not in elsewhere for line in _line(case, trace, row)]


def _line(case: Case, trace: Trace, row: Row) -> Iterable[str]:
    if row.kind == Kind.EVENT:
        return
    name, returned = trace.name(row), bool(row.flags & FINISHED)
    numbers = (row.a, row.b, row.c, row.d)
    if row.kind == Kind.CALLBACK:
        args = [number for number, arg in zip(numbers, trace.schema.callbacks[row.code].args, strict=False) if arg != "-"]
        if name in _SHORTER_IN_0_1 and case.filters[row.filter].abi == Abi.V0_1_0:
            args.pop()
        own = name in ("_initialize", "_start", "main", "__main_void")
        yield callback_line(name, args if own else (row.context, *args), row.result, returned)
        return
    schema = trace.schema.hostcalls[row.code]
    by_name = dict(zip(schema.args, numbers, strict=False))
    if row.flags & LAST:
        by_name["buffer_type"] = BufferType.CallData  # what the filter said
    message = row.fields[-1] if name in ("proxy_log", "fd_write") and row.fields else None
    shown = row.fields[0].decode() if name == "wasi" else name
    yield hostcall_line(shown, [by_name[what] for what, _ in HOSTCALL_ARGS.get(shown, ())], row.result, returned, message)


def _connection(trace: Trace, connection: Connection) -> list[str]:
    end = next(row for row in trace.rows(connection.index) if (row.kind, row.code) == (Kind.EVENT, Event.CONNECTION_END))
    upstream, client = (connection.sent(by_client=way == 0) if end.c & 1 << way else end.fields[way] for way in (0, 1))
    return connection_lines(upstream if end.d else None, client, connection)


def _row(trace: Trace, event: Event, exchange: Exchange) -> Row | None:
    rows = [row for row in trace.rows(exchange.index) if row.kind == Kind.EVENT and row.code == event]
    return rows[-1] if rows else None


def _pairs(field: bytes) -> list[tuple[str, str]]:
    return [(words.text(name), words.text(value)) for name, value in unpack_pairs(field)[0]]


def _upstream(trace: Trace, exchange: Exchange) -> Message | None:
    row = _row(trace, Event.UPSTREAM_REQUEST, exchange)
    if row is None:
        return None
    fields = _pairs(row.fields[0])
    pseudo = dict(fields)
    head = request_head(*(pseudo.get(name, "") for name in (":method", ":authority", ":path")))
    return Message(head, fields, exchange.request.body if row.c else row.fields[2], _pairs(row.fields[1]))


def _client(trace: Trace, exchange: Exchange) -> Message | None:
    row = _row(trace, Event.DOWNSTREAM_RESPONSE, exchange)
    if row is None:
        return None
    captured = exchange.response.body if exchange.response else b""
    body = b"" if exchange.request.method == b"HEAD" else captured if row.c else row.fields[2]
    return Message(str(row.result), _pairs(row.fields[0]), body, _pairs(row.fields[1]), not row.d)
