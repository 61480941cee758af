"""Plays exchanges made in code through scripted filters, and reads the trace in the terms of the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.core.traffic import GET, MS, POST, SECOND, START_NS, Batch, connection, exchanges, fields, request, response
from tests.core.wat import wasm
from workbench.capture.connection import Connection
from workbench.capture.packing import pack, pack_connections, unpack_pairs
from workbench.chain import Filter
from workbench.host.driver import Settings, replay
from workbench.trace.records import NONE, Event, Kind
from workbench.trace.trace import Row, Trace

__all__ = [
    "GET", "MS", "POST", "SECOND", "START_NS", "Message", "Play", "Played", "connection", "exchanges", "fields", "request", "response",
]  # fmt: skip


@dataclass(frozen=True)
class Message:
    """What the upstream or the client got."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None  # None: as captured
    trailers: tuple[tuple[bytes, bytes], ...]
    reset: bool


class Played:
    """A trace in the terms of the rules. Filters are `a`, `b`, `c` in chain order."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.rows = [trace.row(seq) for seq in range(len(trace))]

    def calls(self, exchange: int | None = 0) -> list[str]:
        """The callbacks of an exchange (of the root contexts for None) as `a.request_body(3, 0)`: arguments without the context."""
        found = []
        for row in self.rows:
            if row.kind == Kind.CALLBACK and row.exchange == (NONE if exchange is None else exchange):
                schema = self.trace.schema.callbacks[row.code]
                args = (row.a, row.b, row.c, row.d)[: sum(name != "-" for name in schema.args)]
                shown = f"({', '.join(map(str, args))})" if args and schema.name != "proxy_on_context_create" else ""
                found.append(f"{self.trace.filter_name(row)}.{schema.name.removeprefix('proxy_on_')}{shown}")
        return found

    def of(self, name: str, exchange: int | None = None) -> list[Row]:
        """The rows of a hostcall or callback by its name in the ABI."""
        wanted = [row for row in self.rows if row.kind != Kind.EVENT and self.trace.name(row) == name]
        return wanted if exchange is None else [row for row in wanted if row.exchange == exchange]

    def hostcalls(self) -> list[Row]:
        return [row for row in self.rows if row.kind == Kind.HOSTCALL]

    def results(self, name: str) -> list[int]:
        """What the calls of one hostcall answered."""
        return [row.result for row in self.of(name)]

    def values(self, name: str) -> list[bytes | None]:
        """The last field of the calls of one hostcall, None where it failed."""
        return [row.fields[-1] if row.result == 0 else None for row in self.of(name)]

    def events(self, event: Event, exchange: int | None = None) -> list[Row]:
        found = [row for row in self.rows if row.kind == Kind.EVENT and row.code == event]
        return found if exchange is None else [row for row in found if row.exchange == exchange]

    def notes(self) -> list[str]:
        return [row.fields[0].decode() for row in self.events(Event.NOTE)]

    def _message(self, event: Event, exchange: int) -> Message | None:
        rows = self.events(event, exchange)
        assert len(rows) <= 1, f"{event.name} twice"
        if not rows:
            return None
        row = rows[0]
        head, trailers, body = row.fields
        return Message(row.result, unpack_pairs(head)[0], None if row.c else body, unpack_pairs(trailers)[0], bool(row.d))

    def got(self, exchange: int = 0) -> tuple[bytes | None, bytes | None, int]:
        """What upstream and client of a connection got (None: as captured), and the close type."""
        (row,) = self.events(Event.CONNECTION_END, exchange)
        upstream, client = row.fields
        return None if row.c & 1 else upstream, None if row.c & 2 else client, row.result

    def upstream(self, exchange: int = 0) -> Message | None:
        return self._message(Event.UPSTREAM_REQUEST, exchange)

    def client(self, exchange: int = 0) -> Message | None:
        return self._message(Event.DOWNSTREAM_RESPONSE, exchange)

    def seen(self, event: Event = Event.REQUEST, exchange: int = 0) -> tuple[tuple[bytes, bytes], ...]:
        """Headers as the first filter is shown them."""
        return unpack_pairs(self.events(event, exchange)[0].fields[0])[0]

    def status(self, exchange: int = 0) -> int | None:
        """What the client got; None for nothing at all, negative for a response cut short."""
        message = self.client(exchange)
        return None if message is None else -message.status if message.reset else message.status

    def end(self, exchange: int = 0) -> int:
        (row,) = self.events(Event.END, exchange)
        return row.a


Play = Callable[..., Played]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """`play(filters, exchanges, **settings)`; a filter is a module, a callback's script by name, or either with options of `Filter`."""

    def run(filters: Iterable[Any], traffic: Iterable[Any] = (GET,), batch: int = 1000, clusters: Any = None, **settings: Any) -> Played:
        chain = []
        for name, given in zip("abcdefgh", filters, strict=False):
            script, options = given if isinstance(given, tuple) else (given, {})
            path = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}.wasm"
            path.write_bytes(wasm(**script) if isinstance(script, dict) else script)
            chain.append(Filter(path, name=name, **{"vm_id": name} | options))
        made: list[Any] = list(traffic)
        tcp = bool(made) and isinstance(made[0], Connection)
        made = made if tcp else list(exchanges(*made))
        parts = [made[at : at + batch] for at in range(0, len(made), batch)]
        if tcp:
            batches = [Batch(pack_connections(part), len(part), part[0].start_ns) for part in parts]
        else:
            batches = [Batch(pack(part), len(part), part[0].request.start_ns) for part in parts]
        return Played(replay(chain, batches, Settings(**settings), clusters=clusters))

    return run
