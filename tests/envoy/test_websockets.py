"""Replays of WebSockets and real Envoy agree: every callback with its arguments, the headers, and what both sides got."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import START_NS, Play, fields, play
from tests.core.traffic import Made
from tests.core.wat import TRAP, Nth, Ret, call, pairs, wasm
from tests.envoy.test_tcp_judge import calls_in
from workbench.capture import Ending, Exchange, Request, Response, TcpMessage, WebSocket, open_capture
from workbench.capture.websocket import frame
from workbench.chain import Chain, Filter
from workbench.envoy import FilterSpec, compare, run_envoy, run_envoy_websockets

__all__ = ["play"]
pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

MS = 1_000_000
# on a busy machine Envoy would else see two messages as one, or be given up too soon
PACE_S, PATIENCE_S = 0.05, 1.2


def websocket(*said: str, ending: Ending = Ending.UPSTREAM, extra: tuple[str, ...] = ()) -> Exchange:
    """A WebSocket; what the client says begins with `>`, what the upstream says with `<`."""
    frames = []
    for n, one in enumerate(said, 1):
        by_client = one[0] == ">"
        frames.append(TcpMessage(by_client, frame(1, one[1:].encode(), from_client=by_client), START_NS + (3 + 10 * n) * MS))
    ws = WebSocket(tuple(frames), ending, START_NS + (13 + 10 * len(said)) * MS)
    asked = fields("Host: h", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k", *extra)
    answered = fields("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: a")
    request = Request(b"GET", b"http", b"h", b"/chat", b"HTTP/1.1", asked, ws.sent(by_client=True), (), START_NS, START_NS + MS)
    body = ws.sent(by_client=False)
    response = Response(101, b"Switching Protocols", b"HTTP/1.1", answered, body, (), START_NS + 2 * MS, START_NS + 3 * MS)
    return Exchange(0, request, response, 7, websocket=ws)


TALK = websocket(">hello", "<hello!", ">more")
CASES: dict[str, tuple[list[Any], Exchange]] = {
    "plain": ([{}, {}], TALK),
    "client closes": ([{}, {}], websocket(">hello", "<hello!", ending=Ending.CLIENT)),
    "nothing said": ([{}], websocket()),
    "other fields": ([{}], websocket(">x", extra=("Keep-Alive: 5", "TE: trailers", "Proxy-Connection: x", "Content-Length: 0"))),
    "edited": ([{"request_body": (call("set_body", 0, 0, 0, "+"),), "response_body": (call("set_body", 1, 99, 0, "+"),)}, {}], TALK),
    "held once": ([{"request_body": (Nth(2, (Ret(1),)),), "response_body": (Nth(2, (Ret(1),)),)}, {}], TALK),
    "held at the begin": ([{"request_body": (Nth(1, (Ret(1),)),)}, {}], TALK),
    "headers changed": ([{"request_headers": (call("add", 0, "x-a", "1"),), "response_headers": (call("add", 2, "x-b", "2"),)}], TALK),
    "answered": ([{"request_headers": (call("local", 403, "", "no", pairs(), 0),)}, {}], TALK),
    "traps in the talk": ([{"request_body": (Nth(2, (TRAP,)),)}, {}], TALK),
    "closed by a filter": ([{"request_body": (Nth(2, (call("close", 0),)),)}, {}], TALK),
}


@pytest.mark.parametrize("name", CASES)
def test_a_filter_here_and_in_envoy(name: str, play: Play, tmp_path: Path) -> None:
    filters, exchange = CASES[name]
    played = play(filters, [exchange])
    specs = []
    for letter, script in zip("abc", filters, strict=False):
        path = tmp_path / f"envoy-{letter}.wasm"
        path.write_bytes(wasm(**script))
        specs.append(FilterSpec.of(Filter(path, name=letter, vm_id=letter)))
    (seen,) = run_envoy_websockets([exchange], specs, wasm_log_level="trace", pace_s=PACE_S, patience_s=PATIENCE_S)
    assert [each.partition(".")[2] for each in played.calls()] == calls_in(seen.log)
    for ours, got, captured in (
        (played.upstream(), seen.to_upstream, exchange.request.body),
        (played.client(), seen.to_client, exchange.response.body if exchange.response else b""),
    ):
        if ours is None:
            assert got == b""
            continue
        head, _, body = got.partition(b"\r\n\r\n")
        names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
        added = {b"host", b"date", b"server"} if ours.status != 403 else {b"date", b"server", b"connection", b"host"}
        assert [pair[0] for pair in ours.headers if pair[0][:1] != b":"] == [name for name in names if name not in added]
        assert (captured if ours.body is None else ours.body) == body


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_the_judge_knows_websockets(scheme: bytes, tmp_path: Path) -> None:
    asked = replace(TALK, request=replace(TALK.request, scheme=scheme))
    plain = replace(TALK, index=1, websocket=None, request=replace(TALK.request, headers=fields("Host: h"), body=b"", path=b"/p"))
    plain = replace(plain, response=Response(200, b"OK", b"HTTP/1.1", fields("content-length: 2"), b"ok", (), START_NS, START_NS))
    path = tmp_path / "adds.wasm"
    path.write_bytes(wasm(request_headers=(call("add", 0, "x-a", "1"),), request_body=(call("set_body", 0, 99, 0, "+"),)))
    chain = Chain(Filter(path))
    made = Made([asked, plain])
    results = list(chain.replay(made).outcomes())
    seen = run_envoy(made, [FilterSpec.of(each) for each in chain])
    assert [str(each) for each in compare(seen, run_envoy(made, []), results)] == []
    assert results[0]["upstream_request"]["body_size"] == len(asked.request.body) + 3


def test_a_captured_file(repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "adds.wasm"
    path.write_bytes(wasm(request_headers=(call("add", 0, "x-a", "1"),), response_body=(call("set_body", 1, 99, 0, "!"),)))
    chain = Chain(Filter(path))
    with open_capture(repo / "captures/websocket.mitm") as capture:
        assert [each.websocket.ending for each in capture if each.websocket] == [Ending.UPSTREAM] * 3 + [Ending.CLIENT]
        results = list(chain.replay(capture).outcomes())
        seen, plain = run_envoy(capture, [FilterSpec.of(each) for each in chain]), run_envoy(capture, [])
    assert [str(each) for each in compare(seen, plain, results)] == []
    statuses = [each["downstream_response"]["status"] for each in results]
    assert statuses == [200, 101, 101, 101, 101, 403, 200]
