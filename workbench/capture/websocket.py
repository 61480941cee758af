"""What was said over a WebSocket, as the bytes that went over the wire (RFC 6455, section 5).

mitmproxy keeps messages, not frames: each becomes one frame that is whole, not compressed, and from the client masked with a key that
is always the same. So sizes and cuts may differ from those of the capture; what was said does not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from .connection import Ending, TcpMessage

__all__ = ["MASK", "Opcode", "WebSocket", "close_payload", "frame", "payload"]

MASK = b"\x37\xfa\x21\x3d"
"""The key that masks every frame of a client: the one of the examples in RFC 6455."""
_FINAL, _MASKED = 0x80, 0x80


class Opcode(IntEnum):
    """What a frame holds (RFC 6455, 5.2)."""

    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class WebSocket:
    """The frames behind an upgrade in their order, and which side ended the connection."""

    frames: tuple[TcpMessage, ...]
    ending: Ending
    end_ns: int

    def sent(self, *, by_client: bool) -> bytes:
        """All frames of one side: what an HTTP filter sees as that side's body."""
        return b"".join(each.data for each in self.frames if each.from_client == by_client)


def frame(opcode: int, payload: bytes, *, from_client: bool) -> bytes:
    """One whole frame."""
    size, bit = len(payload), _MASKED if from_client else 0
    if size < 126:
        head = struct.pack(">BB", _FINAL | opcode, bit | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", _FINAL | opcode, bit | 126, size)
    else:
        head = struct.pack(">BBQ", _FINAL | opcode, bit | 127, size)
    return head + MASK + _masked(payload) if from_client else head + payload


def payload(frame: bytes) -> bytes:
    """What was said in a frame that `frame` made."""
    long = {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    if frame[1] & _MASKED:
        return _masked(frame[6 + long :])
    return frame[2 + long :]


def _masked(payload: bytes) -> bytes:
    size = len(payload)
    mask = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def close_payload(code: int, reason: str) -> bytes:
    """What a Close frame carries: the code, and the reason cut to what fits (125 bytes in all)."""
    return struct.pack(">H", code) + reason.encode()[:123].decode(errors="ignore").encode()
