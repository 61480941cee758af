"""The toystore's ledger: a small line protocol over TCP on 127.0.0.1, for recording captures and for tests.

It speaks first (`+LEDGER 1 ready`). Commands are lines, answers lines too: `STOCK n`, `TAKE n k`, `LIST`, `BLOB size` (that many bytes
behind a line with their number), `PUSH count` (lines at their own pace), `QUIT` (it says goodbye and closes first).
"""

from __future__ import annotations

import socketserver
import time

from toystore_loopback import Loopback

__all__ = ["Ledger"]

_STOCK = {1: ("Teddy bear", 12), 2: ("Kite", 40), 3: ("Yo-yo", 150), 4: ("Marbles", 9000), 5: ("Tin robot", 3)}
_MOST = 1 << 16


class Ledger(Loopback):
    """The service while the `with` lasts; `port` is where it listens."""

    def __init__(self) -> None:
        super().__init__(_Server(("127.0.0.1", 0), _Handler))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        stock = {number: count for number, (_, count) in _STOCK.items()}
        self._say("+LEDGER 1 ready")
        for line in self.rfile:
            command, *given = line.decode("latin-1").split()[:3] or [""]
            numbers = [int(part) for part in given if part.isdigit()]
            if command == "QUIT":
                return self._say("+BYE")
            if command == "STOCK" and numbers and numbers[0] in stock:
                self._say(f"+{stock[numbers[0]]} {_STOCK[numbers[0]][0]}")
            elif command == "TAKE" and len(numbers) == 2 and stock.get(numbers[0], 0) >= numbers[1]:
                stock[numbers[0]] -= numbers[1]
                self._say(f"+{stock[numbers[0]]} left")
            elif command == "LIST":
                self._say("\r\n".join(f"*{number} {count} {_STOCK[number][0]}" for number, count in stock.items()) + "\r\n.")
            elif command == "BLOB" and numbers and numbers[0] <= _MOST:
                self._say(f"+{numbers[0]}")
                self.wfile.write(bytes(range(256)) * (numbers[0] // 256) + bytes(numbers[0] % 256))
            elif command == "PUSH" and numbers:
                for n in range(min(numbers[0], 20)):
                    self._say(f"!{n} price of {_STOCK[n % 5 + 1][0]} is now {995 - n}")
                    time.sleep(0.03)
            else:
                self._say("-ERR no such thing")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode("latin-1") + b"\r\n")
