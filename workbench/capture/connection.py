"""One captured TCP connection, as plain data: what `Exchange` is for HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from .exchange import Pairs

__all__ = ["Connection", "Ending", "TcpMessage"]


class Ending(IntEnum):
    """How a connection was over."""

    CLIENT = 0
    """The client ended first, then the upstream; also where the capture does not tell."""
    UPSTREAM = 1
    """The upstream ended first, then the client."""
    RESET = 2
    """It broke: the upstream reset it."""
    UNREACHED = 3
    """The upstream was never reached."""


@dataclass(frozen=True, slots=True)
class TcpMessage:
    """Bytes that came in at once, from the client or from the upstream. TCP is a stream: where a message ends says nothing."""

    from_client: bool
    data: bytes
    time_ns: int


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection of a client through the proxy to an upstream.

    `index` is the place among the file's connections from 0, times are nanoseconds since the Unix epoch, `attributes` as those of
    an `Exchange`. `error` is a failure in words, where there was one.
    """

    index: int
    start_ns: int
    end_ns: int
    messages: tuple[TcpMessage, ...]
    ending: Ending = Ending.CLIENT
    connection: int = 1
    attributes: Pairs = field(default=())
    error: str = ""

    def sent(self, *, by_client: bool) -> bytes:
        """Everything that one side sent."""
        return b"".join(message.data for message in self.messages if message.from_client == by_client)
