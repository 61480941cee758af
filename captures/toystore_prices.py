"""The toystore's price board: a WebSocket on 127.0.0.1, for recording captures, and a client for it.

It greets, answers each message (`price 3`; anything else comes back in capitals, bytes turned round), and says goodbye on `bye`.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver

from toystore_loopback import Loopback
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, RejectConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError

__all__ = ["Prices", "visit"]


class Prices(Loopback):
    """The service while the `with` lasts; `port` is where it listens."""

    def __init__(self) -> None:
        super().__init__(_Server(("127.0.0.1", 0), _Handler))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        peer: socket.socket = self.request
        ws = WSConnection(ConnectionType.SERVER)
        with contextlib.suppress(OSError, LocalProtocolError):  # what comes behind a close needs no answer
            while data := peer.recv(65536):
                ws.receive_data(data)
                for event in ws.events():
                    for answer in _answers(event):
                        peer.sendall(ws.send(answer))
                    if isinstance(event, CloseConnection):
                        return


def _answers(event: Event) -> list[Event]:
    if isinstance(event, Request):
        if event.target == "/closed":
            return [RejectConnection(status_code=403, headers=[(b"content-length", b"0")])]
        return [AcceptConnection(), TextMessage("welcome to the price board")]
    if isinstance(event, TextMessage):
        if event.data == "bye":
            return [TextMessage("goodbye"), CloseConnection(1000, "closing time")]
        words = event.data.split()
        if len(words) == 2 and words[0] == "price" and words[1].isdigit():
            return [TextMessage(f"toy {words[1]} costs {250 * int(words[1])}")]
        return [TextMessage(event.data.upper())]
    if isinstance(event, BytesMessage):
        return [BytesMessage(bytes(reversed(event.data)))]
    return [event.response()] if isinstance(event, CloseConnection) else []


def visit(port: int, host: str, target: str, *messages: str | bytes, pause: float = 0.05, close: bool = True) -> None:
    """One WebSocket: say the messages, wait a moment for an answer after each, then close as it should be, or hang up."""
    with socket.create_connection(("127.0.0.1", port), 10) as peer:
        peer.settimeout(pause)
        ws = WSConnection(ConnectionType.CLIENT)
        sending: list[Event] = [Request(host=host, target=target)]
        sending += [TextMessage(each) if isinstance(each, str) else BytesMessage(each) for each in messages]
        if close:
            sending.append(CloseConnection(1000, "thank you"))
        for event in sending:
            with contextlib.suppress(OSError):
                peer.sendall(ws.send(event))
                while data := peer.recv(65536):
                    ws.receive_data(data)
                    for heard in ws.events():
                        if isinstance(heard, RejectConnection):
                            return
                        if isinstance(heard, CloseConnection):
                            if not close:
                                peer.sendall(ws.send(heard.response()))
                            return
