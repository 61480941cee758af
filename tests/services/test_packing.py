"""Answers as the core takes them: here the counters that a rate-limit service tells with them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.core.traffic import MS, START_NS, Made, request
from tests.core.wat import LAST, OUT, Ret, call, wasm
from workbench.chain import Chain
from workbench.replay import Replay
from workbench.services import NEVER, GrpcRequest, GrpcResponse, LimitState
from workbench.services.calls import GrpcAnswer
from workbench.services.packing import grpc_parts, message_parts
from workbench.trace.records import NO_FILTER, Event, Kind
from workbench.trace.trace import Row

ASKS = {
    "request_headers": [call("grpc_call", "rls", "pkg.Limits", "Check", b"", b"hello", 20, OUT), Ret(1)],
    "grpc_receive": [call("effective", LAST), call("cont", 0)],
    "grpc_close": [call("effective", LAST), call("cont", 0)],
}
STATE = LimitState("limitador toys", "create", "user=jane", True, 5, 1 << 40, 1, 10, START_NS, START_NS + 10_000_000_000, "shadow")


def _limits(replay: Replay) -> list[Row]:
    rows = (replay.trace.row(seq) for seq in range(len(replay.trace)))
    return [row for row in rows if row.kind == Kind.EVENT and row.code == Event.LIMIT]


def _replay(tmp_path: Path, answer: GrpcAnswer) -> Replay:
    (tmp_path / "asks.wasm").write_bytes(wasm(**ASKS))

    def service(asked: GrpcRequest) -> GrpcAnswer:
        return answer

    return Chain(tmp_path / "asks.wasm", clusters={"rls": service}).replay(Made([request(), request(at_ms=50)]))  # type: ignore[arg-type]


def test_each_counter_is_a_row_of_the_callout(tmp_path: Path) -> None:
    other = LimitState("envoy shop", "", "", False, 3, 2)
    replay = _replay(tmp_path, GrpcResponse(b"yes", latency_ms=4, limits=(STATE, other)))
    first, second, *later = _limits(replay)
    assert len(later) == 2 and [row.exchange for row in later] == [1, 1]
    asked, told = replay.trace.row(first.parent), next(row for row in replay.trace.rows(0) if row.kind == 3 and row.code == Event.CALLOUT)
    assert replay.trace.name(asked) == "proxy_grpc_call" and told.parent == first.parent == second.parent
    assert (first.filter, first.exchange, first.context) == (told.filter, told.exchange, told.context)
    assert (first.time, told.time) == (START_NS, START_NS + 4 * MS), "the service counts when it is asked"
    assert (first.result, first.a, first.b, first.c, first.d) == (2, 5, 0xFFFFFFFF, 1, 10)
    window = struct.pack("<QQ", START_NS, START_NS + 10_000_000_000)
    assert first.fields == (b"limitador toys", b"create", b"user=jane", window, b"shadow")
    assert (second.result, second.a, second.b, second.c, second.d) == (1, 3, 2, 1, 0)
    assert second.fields == (b"envoy shop", b"", b"", bytes(16), b"")
    told_of = next(node for node in replay[0].calls if node.name == "proxy_on_request_headers").children[0].children
    assert [node.message for node in told_of][:2] == [
        "create of limitador toys, user=jane: 4294967295 of 5, over it, shadow",
        "envoy shop: 2 of 3",
    ]
    assert replay.digest() == _replay(tmp_path, GrpcResponse(b"yes", latency_ms=4, limits=(STATE, other))).digest()


@pytest.mark.parametrize("answer", [GrpcResponse(b"late", latency_ms=50, limits=(STATE,)), GrpcResponse(status=14, limits=(STATE,))])
def test_they_are_told_also_where_the_filter_gets_no_answer(tmp_path: Path, answer: GrpcAnswer) -> None:
    assert [row.exchange for row in _limits(_replay(tmp_path, answer))] == [0, 1]


def test_a_service_that_says_nothing_leaves_no_row(tmp_path: Path) -> None:
    assert _limits(_replay(tmp_path, GrpcResponse(b"yes"))) == [] == _limits(_replay(tmp_path, NEVER))


def test_in_a_stream_they_come_once() -> None:
    said, refused = GrpcResponse(b"yes", limits=(STATE,)), GrpcResponse(status=8, limits=(STATE,))
    assert [len(part.limits) for part in message_parts(said, first=True, end=True)] == [0, 1, 0]
    assert [len(part.limits) for part in message_parts(refused, first=True, end=True)] == [1]
    assert [len(part.limits) for part in grpc_parts(refused)] == [1]


def test_what_they_say_is_bounded(tmp_path: Path) -> None:
    long = LimitState("s", "n", "k" * 10_000, False, 1, 1)
    rows = _limits(_replay(tmp_path, GrpcResponse(b"", limits=(long,) * 1500)))
    assert len(rows) == 2000 and {row.filter for row in rows} != {NO_FILTER}
    key = rows[0].fields[2]
    assert len(key) == 4096 and key.endswith("…".encode())
