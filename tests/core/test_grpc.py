"""gRPC callouts, unary and streaming. Each rule was seen with real Envoy 1.40 and a server made with grpcio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.core.conftest import GET, MS, START_NS, Play, Played, request
from tests.core.wat import LAST, OUT, Nth, Ret, call, pairs
from workbench.capture.packing import unpack_pairs
from workbench.services.calls import NEVER, GrpcAnswer, GrpcRequest, GrpcResponse, HttpResponse, Reset, Unreachable
from workbench.services.function import FunctionService
from workbench.trace.records import CalloutEnd, Event

GRPC_CALLBACKS = (
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
)


def unary(method: str = "Get", *, cluster: str | bytes = "svc", message: bytes = b"ping", metadata: bytes = b"", timeout: int = 200) -> Any:
    return call("grpc_call", cluster, "pkg.Svc", method, metadata, message, timeout, OUT)


def stream(method: str = "Talk", *, cluster: str = "svc", metadata: bytes = b"") -> Any:
    return call("grpc_stream", cluster, "pkg.Svc", method, metadata, OUT)


def send(message: bytes = b"m", end: bool = False, token: int = 6) -> Any:
    return call("grpc_send", token, message, int(end))


def service(function: Callable[[Any], Any]) -> dict[str, FunctionService]:
    return {"svc": FunctionService(function)}


def pong(asked: GrpcRequest) -> GrpcAnswer:
    return GrpcResponse(b"pong:" + asked.message, metadata={"init": "1"}, trailers={"trail": "2"}, latency_ms=3)


def seen(played: Played) -> list[tuple[Any, ...]]:
    """The gRPC callbacks in order, in short: name, token, number."""
    found = []
    for row in played.rows:
        name = played.trace.name(row)
        if row.kind == 1 and name in GRPC_CALLBACKS:
            found.append((name.removeprefix("proxy_on_grpc_"), row.a, row.b))
    return found


def ends(played: Played) -> list[tuple[int, str, int]]:
    return [(row.a, CalloutEnd(row.c).name, row.result) for row in played.events(Event.CALLOUT)]


STATUS = call("status", OUT, OUT, OUT)


@pytest.mark.parametrize(
    ("cluster", "status", "callbacks"),
    [
        ("svc", 0, [("receive", 5, 9)]),
        ("nope", 4, []),
        (b"\x0a\x05\x0a\x03svc", 0, [("receive", 5, 9)]),
        # a protobuf that names a cluster nobody knows: refused, and told of all the same
        (b"\x0a\x06\x0a\x04nope", 10, [("close", 5, 14)]),
        (b"\x0a\x7f\x0a\x04nope", 4, []),
    ],
)
def test_clusters(play: Play, cluster: Any, status: int, callbacks: list[Any]) -> None:
    played = play([{"request_headers": [unary(cluster=cluster)], "grpc_close": [STATUS]}], clusters=service(pong))
    assert played.results("proxy_grpc_call") == [status]
    assert seen(played) == callbacks
    if status == 10:
        assert played.of("proxy_get_status")[0].fields[0] == b"Cluster not available"


def test_tokens_of_each_kind(play: Play) -> None:
    asks = [unary(), unary(cluster="nope"), unary(), stream(), stream(cluster="nope"), stream()]
    played = play([{"request_headers": asks}], clusters=service(pong))
    assert [row.b for row in played.of("proxy_grpc_call")] == [5, 0, 9]
    assert [row.a for row in played.of("proxy_grpc_stream")] == [6, 0, 10]


def test_a_unary_answer(play: Play) -> None:
    got: list[GrpcRequest] = []

    def answer(asked: GrpcRequest) -> GrpcAnswer:
        got.append(asked)
        return pong(asked)

    looks = [call("body", 5, 0, 99, OUT, OUT), call("pairs", 4, OUT, OUT), call("get", 4, "init", OUT, OUT), STATUS]
    edits = [call("set_body", 5, 0, 0, "q"), call("set_body", 5, 2, 1, "mid"), call("set_body", 5, 99, 0, "end")]
    script = {
        "request_headers": [unary(metadata=pairs(("X-Md", "1"))), Ret(1)],
        "grpc_receive": [*looks, *edits, call("body_status", 5, OUT, OUT), call("effective", LAST), call("cont", 0)],
        "log": [call("set_body", 5, 0, 0, "q"), call("body", 5, 0, 9, OUT, OUT)],
    }
    played = play([script], clusters=service(answer))
    assert seen(played) == [("receive", 5, 9)]
    assert [(asked.service, asked.method, asked.message, asked.metadata, asked.timeout_ms) for asked in got] == [
        ("pkg.Svc", "Get", b"ping", ((b"x-md", b"1"), (b"x-envoy-internal", b"true"), (b"x-envoy-expected-rq-timeout-ms", b"200")), 200)
    ]
    assert [(row.result, row.d) for row in played.of("proxy_get_buffer_bytes")] == [(0, 9), (0, 0)]
    assert played.results("proxy_set_buffer_bytes") == [0, 2, 0, 2]
    assert [row.b for row in played.of("proxy_get_buffer_status")] == [13]
    assert played.results("proxy_get_header_map_value") == [2]
    assert ends(played) == [(5, "ANSWERED", 0)]
    assert played.events(Event.CALLOUT)[0].fields[2] == b"pong:ping"
    assert played.status() == 200


@pytest.mark.parametrize(
    ("given", "status", "message", "end"),
    [
        (GrpcResponse(status=7, status_message="no % way é"), 7, b"no %25 way %C3%A9{via_upstream}", "ANSWERED"),
        (GrpcResponse(status=8), 8, b"via_upstream", "ANSWERED"),
        (HttpResponse(403), 7, b"via_upstream", "ANSWERED"),
        (HttpResponse(204), 2, b"via_upstream", "ANSWERED"),
        (NEVER, 14, b"upstream request timeout{response_timeout}", "TIMEOUT"),
        (Reset(), 13, b"via_upstream", "FAILED"),
        (
            Unreachable(),
            14,
            b"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
            b"{upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}}",
            "FAILED",
        ),
        (
            Unreachable(0, "connection termination"),
            14,
            b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"
            b"{upstream_reset_before_response_started{connection_termination}}",
            "FAILED",
        ),
    ],
)
def test_unary_failures(play: Play, given: GrpcAnswer, status: int, message: bytes, end: str) -> None:
    played = play([{"request_headers": [unary()], "grpc_close": [STATUS], "done": [STATUS]}], clusters=service(lambda _: given))
    assert seen(played) == [("close", 5, status)]
    assert ends(played) == [(5, end, status)]
    within = [row for row in played.of("proxy_get_status") if row.fields[0]]
    assert [(row.a, row.fields[0]) for row in within] == [(status, message)]
    # the code stays, its message does not
    assert played.of("proxy_get_status")[-1].a == status
    assert played.of("proxy_get_status")[-1].fields[0] == b""


def test_tokens_that_are_none(play: Play) -> None:
    calls = [
        (call("grpc_cancel", 4), 2),
        (call("grpc_cancel", 7), 2),
        (call("grpc_cancel", 6), 1),
        (call("grpc_cancel", 5), 0),
        (call("grpc_cancel", 5), 1),
        (call("grpc_close", 4), 2),
        (call("grpc_close", 6), 1),
        (call("grpc_close", 9), 0),
        (call("grpc_close", 9), 1),
        (send(token=5), 2),
        (send(token=4), 2),
        (send(token=10), 1),
    ]
    played = play([{"request_headers": [unary(), unary(), *(step for step, _ in calls)]}], clusters=service(pong))
    results = [row.result for row in played.hostcalls() if played.trace.name(row).startswith("proxy_grpc_")][2:]
    assert results == [status for _, status in calls]
    assert seen(played) == []
    assert ends(played) == [(5, "CANCELLED", -1), (9, "CANCELLED", -1)]


def test_a_unary_token_lives_through_its_callback(play: Play) -> None:
    script = {
        "request_headers": [unary()],
        "grpc_receive": [call("grpc_cancel", 5), call("grpc_cancel", 5)],
        "done": [call("grpc_cancel", 5)],
    }
    played = play([script], [GET, request(at_ms=50)], clusters=service(pong))
    assert played.results("proxy_grpc_cancel")[:2] == [0, 1]
    assert set(played.results("proxy_grpc_cancel")[2:]) == {1}


def test_a_stream(play: Play) -> None:
    messages: list[bytes] = []

    def echo(asked: GrpcRequest) -> GrpcAnswer:
        messages.append(asked.message)
        return GrpcResponse(b"re:" + asked.message, metadata={"init": "1"}, trailers={"trail": "2"}, latency_ms=5)

    script = {
        "request_headers": [stream(metadata=pairs(("m", "v"))), send(b"one"), send(b"two", end=True), send(b"three")],
        "grpc_receive_initial_metadata": [call("get", 4, "init", OUT, OUT), call("get", 4, "nope", OUT, OUT), call("size", 4, OUT)],
        "grpc_receive": [call("body", 5, 0, 99, OUT, OUT), call("get", 4, "init", OUT, OUT)],
        "grpc_receive_trailing_metadata": [call("get", 5, "trail", OUT, OUT), call("pairs", 5, OUT, OUT), call("get", 4, "init", OUT, OUT)],
        "grpc_close": [STATUS, call("get", 5, "trail", OUT, OUT)],
    }
    played = play([script], clusters=service(echo))
    assert messages == [b"one", b"two"]
    assert played.results("proxy_grpc_send") == [0, 0, 0]
    assert seen(played) == [
        ("receive_initial_metadata", 6, 4),
        ("receive", 6, 6),
        ("receive", 6, 6),
        ("receive_trailing_metadata", 6, 3),
        ("close", 6, 0),
    ]
    assert played.results("proxy_get_header_map_value") == [0, 1, 2, 2, 0, 2, 2]
    assert played.results("proxy_get_header_map_size") == [2]
    assert (played.of("proxy_get_status")[0].a, played.of("proxy_get_status")[0].fields[0]) == (0, b"via_upstream")
    assert [row.fields[2] for row in played.events(Event.CALLOUT_PART)] == [b"", b"re:one", b"re:two"]
    initial = unpack_pairs(played.events(Event.CALLOUT_PART)[0].fields[1])[0]
    content = (b"content-type", b"application/grpc")
    assert initial == ((b":status", b"200"), content, (b"init", b"1"), (b"x-envoy-upstream-service-time", b"5"))
    (end,) = played.events(Event.CALLOUT)
    assert unpack_pairs(end.fields[3])[0] == ((b"grpc-status", b"0"), (b"grpc-message", b""), (b"trail", b"2"))


def test_half_close_and_an_answer_of_trailers_only(play: Play) -> None:
    script = {
        "request_headers": [stream(), call("grpc_close", 6), send(), call("grpc_close", 6)],
        "grpc_receive_initial_metadata": [call("get", 4, "a", OUT, OUT), call("pairs", 4, OUT, OUT)],
        "grpc_receive_trailing_metadata": [call("get", 5, ":status", OUT, OUT)],
        "grpc_close": [send(), call("get", 4, "a", OUT, OUT)],
        "done": [send()],
    }
    played = play([script], [GET, request(at_ms=50)], clusters=service(pong))
    assert seen(played)[:3] == [("receive_initial_metadata", 6, 0), ("receive_trailing_metadata", 6, 4), ("close", 6, 0)]
    assert played.results("proxy_grpc_close")[:2] == [0, 0]
    # within the close the token still stands, afterwards it does not: we had closed before
    assert played.results("proxy_grpc_send")[:2] == [0, 0]
    assert played.results("proxy_get_header_map_value")[:3] == [1, 0, 2]


@pytest.mark.parametrize(
    ("given", "callbacks"),
    [
        (GrpcResponse(status=12), [("receive_initial_metadata", 6, 0), ("receive_trailing_metadata", 6, 4), ("close", 6, 12)]),
        (HttpResponse(403), [("receive_initial_metadata", 6, 0), ("receive_trailing_metadata", 6, 0), ("close", 6, 7)]),
        (Unreachable(), [("receive_initial_metadata", 6, 0), ("receive_trailing_metadata", 6, 4), ("close", 6, 14)]),
        (NEVER, []),
    ],
)
def test_stream_failures(play: Play, given: GrpcAnswer, callbacks: list[Any]) -> None:
    played = play([{"request_headers": [stream(), send()]}], clusters=service(lambda _: given))
    assert seen(played) == callbacks


def test_the_token_of_a_stream_that_the_service_ended(play: Play) -> None:
    """It stays until the filter closes it too."""
    script = {"request_headers": [Nth(1, (stream(), send())), Nth(2, (send(), call("grpc_close", 6), send(), call("grpc_cancel", 6)))]}
    played = play([script], [GET, request(at_ms=50)], clusters=service(lambda _: GrpcResponse(status=12)))
    assert played.results("proxy_grpc_send") == [0, 0, 1]
    assert played.results("proxy_grpc_close") == [0]
    assert played.results("proxy_grpc_cancel") == [1]
    assert len(seen(played)) == 3


def test_a_cancelled_stream_hears_nothing(play: Play) -> None:
    script = {"request_headers": [stream(), send()], "grpc_receive_initial_metadata": [call("grpc_cancel", 6), call("grpc_cancel", 6)]}
    played = play([script], clusters=service(pong))
    assert seen(played) == [("receive_initial_metadata", 6, 4 - 1)]
    assert played.results("proxy_grpc_cancel") == [0, 1]
    assert ends(played) == [(6, "CANCELLED", -1)]


def test_a_stream_nobody_answers_is_a_hang(play: Play) -> None:
    played = play([{"request_headers": [stream(), send(), Ret(1)]}], clusters=service(lambda _: NEVER))
    assert played.end() & 8
    assert ends(played) == [(6, "UNANSWERED", -1)]


def test_messages_do_not_overtake(play: Play) -> None:
    latencies = iter([9, 1])
    script = {"request_headers": [stream(), send(b"slow"), send(b"quick")], "grpc_receive": [call("body", 5, 0, 99, OUT, OUT)]}
    played = play([script], clusters=service(lambda asked: GrpcResponse(asked.message, latency_ms=next(latencies))))
    messages = [(row.fields[2], (row.time - START_NS) / MS) for row in played.events(Event.CALLOUT_PART) if row.fields[2]]
    assert messages == [(b"slow", 9), (b"quick", 9)]
