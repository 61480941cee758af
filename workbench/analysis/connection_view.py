"""One TCP connection in detail: what `exchange` is for HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..capture.connection import Connection
from ..trace.records import Event
from . import words
from .connection import ConnectionResult, Connections, bytes_after, connection_result
from .exchange import ExchangeView
from .stages import Stage

__all__ = ["ConnectionView"]


@dataclass(frozen=True, repr=False)
class ConnectionView(ExchangeView):
    """Connection number `index` of a replay: an `ExchangeView` whose `request` are the client's bytes and `response` the upstream's."""

    connections: Connections | None = None

    @cached_property
    def captured(self) -> Connection:
        """The connection as it was captured."""
        assert self.connections is not None
        return self.connections[self.index]

    @cached_property
    def result(self) -> ConnectionResult:
        """The result as other programs read it."""
        assert self.connections is not None
        return connection_result(self.rows, self.connections, self.judges)

    def _bodies(self) -> tuple[None, None]:
        return None, None  # what is shown of a connection's bytes is no body

    @cached_property
    def request(self) -> tuple[Stage, ...]:
        """What the client sent, and what the upstream got of it."""
        return self._stages("client", "upstream", 0)

    @cached_property
    def response(self) -> tuple[Stage, ...]:
        """What the upstream sent, and what the client got of it."""
        return self._stages("upstream", "client", 1)

    def _stages(self, sender: str, receiver: str, way: int) -> tuple[Stage, ...]:
        before, end = self.captured.sent(by_client=way == 0), self.rows.event(Event.CONNECTION_END)
        sent = Stage(sender, f"{sender} sent", None, True, (), (), len(before), before)
        if end is None:
            return (sent,)
        return sent, Stage(receiver, f"{receiver} got", None, True, (), (), (end.a, end.b)[way], bytes_after(self.captured, end, way))

    @property
    def finding(self) -> str:
        """The answer in one sentence, escaped for display."""
        if self.decision.reason:
            return self.decision.reason
        result = self.result
        ways = (
            f"{name} got {words.size(way['size_after'])}"
            for name, way in (("upstream", result["to_upstream"]), ("client", result["to_client"]))
        )
        return f"{', '.join(ways)}; {self._told_changes()}"
