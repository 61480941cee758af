"""What the toystore's services have in common: each listens on 127.0.0.1 while a `with` lasts."""

from __future__ import annotations

import socketserver
import threading
from typing import Self

__all__ = ["Loopback"]


class Loopback:
    """A service while the `with` lasts; `port` is where it listens."""

    def __init__(self, server: socketserver.TCPServer) -> None:
        self._server = server
        self.port: int = server.server_address[1]
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
