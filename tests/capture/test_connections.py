"""TCP connections in flow files: found, decoded one at a time, packed, and told apart from exchanges."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mitmproxy.flow import Error
from mitmproxy.io import FlowWriter
from mitmproxy.tcp import TCPFlow, TCPMessage
from mitmproxy.test import tflow

from workbench.capture import Connection, Ending, TcpMessage, open_capture
from workbench.capture.packing import pack_connections
from workbench.errors import CaptureError

CAPTURES = Path(__file__).parents[2] / "captures"


def write(path: Path, *flows: TCPFlow) -> Path:
    with path.open("wb") as file:
        writer = FlowWriter(file)
        for flow in flows:
            writer.add(flow)
    return path


def made(
    *messages: tuple[bool, bytes, float], client_end: float | None = None, server_end: float | None = None, error: str = ""
) -> TCPFlow:
    flow = tflow.ttcpflow()
    flow.messages = [TCPMessage(*each) for each in messages]
    flow.client_conn.timestamp_start = 1000.0
    flow.client_conn.timestamp_end, flow.server_conn.timestamp_end = client_end, server_end
    flow.error = Error(error) if error else None
    return flow


def test_the_sample_capture() -> None:
    with open_capture(CAPTURES / "tcp.mitm") as capture:
        assert len(capture) == 3 and [each.request.path for each in capture] == [b"/toys/1", b"/toys/2", b"/toys/3"]
        assert any(text.startswith("6 TCP connections beside") for text in capture.problems)
        connections = capture.connections
        assert len(connections) == 6 and connections.problems[0].startswith("3 HTTP exchanges beside")
        first = connections[0]
        assert first.messages[0] == TcpMessage(False, b"+LEDGER 1 ready\r\n", first.messages[0].time_ns)
        assert first.sent(by_client=True) == b"STOCK 1\r\nTAKE 1 3\r\nSTOCK 1\r\nLIST\r\nQUIT\r\n"
        assert dict(first.attributes)[b"upstream\0address"].startswith(b"127.0.0.1:")
        starts = [each.start_ns for each in connections.in_time()]
        assert starts == sorted(starts) and starts[0] == connections.start_ns
        assert [each.index for each in connections] == list(range(6))
        batches = list(connections.batches(size=4))
        assert [each.count for each in batches] == [4, 2]
        with pytest.raises(IndexError):
            connections[6]


def test_how_it_ended(tmp_path: Path) -> None:
    said = (True, b"x", 1000.5)
    path = write(
        tmp_path / "ends.mitm",
        made(said),
        made(said, client_end=1003.0, server_end=1002.0),
        made(said, client_end=1002.0, server_end=1003.0),
        made(said, error="reset"),
    )
    endings = [(each.ending, each.end_ns) for each in open_capture(path).connections]
    late = 1_003_000_000_000
    assert endings == [
        (Ending.CLIENT, 1_000_500_000_000),
        (Ending.UPSTREAM, late),
        (Ending.CLIENT, late),
        (Ending.RESET, 1_000_500_000_000),
    ]
    unreached = made(error="connection refused")
    unreached.server_conn.timestamp_tcp_setup = None
    (one,) = open_capture(write(tmp_path / "unreached.mitm", unreached)).connections
    assert one.ending == Ending.UNREACHED and one.error == "connection refused"


def test_a_damaged_flow_costs_only_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "damaged.mitm", made((True, b"one", 1000.5)), made((True, b"two", 1001.5)))
    # a message's flag becomes text
    path.write_bytes(path.read_bytes().replace(b"3:one,", b"3:one;", 1))
    capture = open_capture(path)
    connections = capture.connections
    with pytest.raises(CaptureError, match=r"connection 0 at byte 0: the flow is damaged: a message holds no bytes"):
        connections[0]
    assert [each.index for each in connections] == [1]
    assert connections.problems[-1].startswith("Connection 0: left out")


def test_flows_over_the_limit_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "large.mitm", made((True, b"x" * 100_000, 1000.5)), made((True, b"y", 1001.5)))
    capture = open_capture(path, max_flow=50_000)
    assert len(capture.connections) == 1 and "Skipped 1 TCP connection of more than 50000 bytes" in capture.connections.problems[0]


def test_the_packed_form() -> None:
    messages = (TcpMessage(True, b"ab", 5), TcpMessage(False, b"xyz", 4), TcpMessage(True, b"c", 9))
    packed = pack_connections([Connection(3, 2, 8, messages, Ending.UPSTREAM, 7, ((b"k", b"v"),), "e")])
    size, index, flags, start, end, connection, count = struct.unpack_from("<IIIQQII", packed)
    assert (size, index, flags, start, end, connection, count) == (len(packed) - 4, 3, 2, 2, 9, 7, 5)
    rows = [struct.unpack_from("<QII", packed, 36 + 16 * n) for n in range(5)]
    # no message before the one before it; the upstream ends first
    assert rows == [(5, 2, 0), (5, 3, 1), (9, 1, 0), (9, 0, 3), (9, 0, 2)]
    assert packed[36 + 80 :] == b"\3\0\0\0abc\3\0\0\0xyz\1\0\0\0\1\0\0\0\1\0\0\0kv\1\0\0\0e"


def test_bytes_that_look_like_many_values(tmp_path: Path) -> None:
    text = b"a:" * 1_200_000
    path = write(tmp_path / "text.mitm", made((True, text, 1000.5), (False, text, 1001.0)))
    (one,) = open_capture(path).connections
    assert one.sent(by_client=False) == text
    many = made(*[(True, b"", 1000.5)] * 700_000)
    capture = open_capture(write(tmp_path / "many.mitm", many))
    with pytest.raises(CaptureError, match="more than 2000000 values"):
        capture.connections[0]
