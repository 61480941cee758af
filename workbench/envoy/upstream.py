"""The upstream behind Envoy: answers each request as it was answered when captured, and keeps what it received."""

from __future__ import annotations

import asyncio
from types import TracebackType

from workbench.capture.exchange import Exchange, Response

from .wire import Broken, Message, Wire, render_body, values

__all__ = ["Upstream"]

_NO_BODY = (204, 304)


class Upstream:
    """A loopback HTTP/1.1 server for one exchange at a time.

    The driver says with `expect` which exchange is on its way; every request that arrives until the next `expect` belongs to it,
    whatever a filter made of its path or headers. Nothing is added to an answer. A request that is not whole gets none, and one whose
    capture has no response neither: the connection is closed.
    """

    def __init__(self) -> None:
        self._patience = 10.0
        self._server: asyncio.Server | None = None
        self._exchange: Exchange | None = None
        self._received: list[Message] = []
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._serving.values():
            writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving, timeout=2)

    def expect(self, exchange: Exchange, *, patience: float) -> list[Message]:
        """From now on requests belong to `exchange`; the list fills with them as they arrive, the first one first.

        `patience` bounds the wait for the rest of a request, in seconds.
        """
        self._exchange, self._received, self._patience = exchange, [], patience
        return self._received

    @property
    def exchange(self) -> Exchange | None:
        """The exchange that is on its way, or was the last."""
        return self._exchange

    async def settle(self) -> None:
        """Wait, at most a second, until what is still arriving has ended, so that the list holds all of it."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        wire = Wire(reader, self._patience)
        try:
            message = Message(await wire.head())
            # Only now: Envoy may have opened the connection for an exchange that then needed none.
            exchange, received = self._exchange, self._received
            received.append(message)
            await wire.body(message, to_end=False)
            if exchange is not None and exchange.response is not None:
                answer, framed = _answer(message.head.method, exchange.response)
                writer.write(answer)
                await writer.drain()
                if framed:
                    await asyncio.wait_for(reader.read(), 10)  # Envoy closes first
        except (Broken, OSError, TimeoutError):
            pass  # seen in the message: it is not complete
        finally:
            del self._serving[task]
            writer.close()


def _answer(method: bytes, response: Response) -> tuple[bytes, bool]:
    """The response's bytes, and whether their end is known without closing.

    A captured message without framing of HTTP/1 (it came over HTTP/2) ends by closing, as filters would see a field that frames it; only
    trailers need one, `Transfer-Encoding`.
    """
    fields = [pair for pair in response.headers if not pair[0].startswith(b":")]
    bodyless = method == b"HEAD" or response.status in _NO_BODY
    length = values(response.headers, b"content-length")
    chunked = any(value.lower().endswith(b"chunked") for value in values(response.headers, b"transfer-encoding"))
    if response.trailers and not (bodyless or chunked or length):
        fields.append((b"Transfer-Encoding", b"chunked"))
        chunked = True
    head = b"HTTP/1.1 %d %b\r\n" % (response.status, response.reason) + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n"
    if bodyless:
        return head, True
    return head + render_body(response.body, response.trailers, chunked=chunked), chunked or length == [b"%d" % len(response.body)]
