"""WebSocket messages as frames, read back by another implementation of RFC 6455."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from workbench.capture import Ending, open_capture
from workbench.capture.packing import pack
from workbench.capture.websocket import MASK, close_payload, frame


def read(data: bytes, *, from_client: bool) -> list[tuple[Opcode, bytes]]:
    """The frames in bytes, as wsproto reads them."""
    protocol = FrameProtocol(client=not from_client, extensions=[])
    protocol.receive_bytes(data)
    found = []
    for each in protocol.received_frames():
        payload = each.payload
        if each.opcode == Opcode.CLOSE:
            payload = struct.pack(">H", payload[0]) + payload[1].encode()
        found.append((each.opcode, payload.encode() if isinstance(payload, str) else bytes(payload)))
    return found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("from_client", [True, False])
def test_a_frame(size: int, from_client: bool) -> None:
    payload = (bytes(range(256)) * 300)[:size]
    raw = frame(2, payload, from_client=from_client)
    assert b"".join(part for _, part in read(raw, from_client=from_client)) == payload
    assert (MASK in raw[:14]) == from_client


def test_the_example_of_the_standard() -> None:
    # RFC 6455, 5.7: a single-frame masked text message of "Hello"
    assert frame(1, b"Hello", from_client=True).hex() == "818537fa213d7f9f4d5158"
    assert frame(1, b"Hello", from_client=False).hex() == "810548656c6c6f"


def test_a_close_frame_fits() -> None:
    assert close_payload(1000, "ä" * 100)[2:].decode() == "ä" * 61
    ((opcode, payload),) = read(frame(8, close_payload(1001, "going"), from_client=False), from_client=False)
    assert (opcode, payload) == (Opcode.CLOSE, struct.pack(">H", CloseReason.GOING_AWAY) + b"going")


def test_a_captured_websocket(tmp_path: Path) -> None:
    path = tmp_path / "ws.mitm"
    flow = tflow.twebsocketflow()
    abnormal = tflow.twebsocketflow(err=True)
    abnormal.websocket.closed_by_client = True
    with path.open("wb") as file:
        for each in (flow, abnormal):
            FlowWriter(file).add(each)
    capture = open_capture(path)
    (first, second) = capture
    assert capture.problems == ()
    assert first.websocket is not None and second.websocket is not None
    said = [(message.from_client, message.content) for message in flow.websocket.messages]
    frames = [(each.from_client, read(each.data, from_client=each.from_client)[0]) for each in first.websocket.frames]
    assert [(by_client, payload) for by_client, (opcode, payload) in frames if opcode != Opcode.CLOSE] == said
    # a closing handshake, then the upstream goes first
    assert [opcode for _, (opcode, _) in frames[-2:]] == [Opcode.CLOSE] * 2 and {by for by, _ in frames[-2:]} == {True, False}
    assert first.websocket.ending == Ending.UPSTREAM
    assert second.websocket.ending == Ending.CLIENT and len(second.websocket.frames) == len(said)
    assert first.request.body == first.websocket.sent(by_client=True)
    packed = pack([first])
    assert struct.unpack_from("<I", packed, 8)[0] & 8
    count = len(first.websocket.frames) + 2
    assert struct.unpack_from("<I", packed, len(packed) - 16 * count - 4)[0] == count
