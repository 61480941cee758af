"""WebSockets through HTTP filters; `tests/envoy/test_websockets.py` holds the same against real Envoy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.conftest import Play, fields, request, response
from tests.core.wat import LAST, Nth, Ret, call
from workbench.capture import Ending, Exchange, TcpMessage, WebSocket
from workbench.trace.records import Event

ASK = request("GET", "/chat", "Connection: Upgrade", "Upgrade: WebSocket")
SWITCH = fields("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: a")
MS = 1_000_000


def websocket(*said: str, ending: Ending = Ending.UPSTREAM, status: int = 101, every_ms: int = 10) -> Exchange:
    start = ASK.start_ns + 2 * MS
    frames = tuple(TcpMessage(one[0] == ">", one[1:].encode(), start + n * every_ms * MS) for n, one in enumerate(said, 1))
    ws = WebSocket(frames, ending, start + (len(said) + 1) * every_ms * MS)
    answer = replace(response(status, body=ws.sent(by_client=False)), headers=SWITCH, start_ns=start, end_ns=start)
    return Exchange(0, replace(ASK, body=ws.sent(by_client=True)), answer, 7, websocket=ws)


TALK = websocket(">hello", "<hi", ">more")


def test_frames_are_body_without_an_end(play: Play) -> None:
    played = play([{}], [TALK])
    assert played.calls() == [
        f"a.{each}"
        for each in (
            *("context_create", "request_headers(7, 0)", "request_body(0, 0)", "response_headers(4, 0)", "response_body(0, 0)"),
            *("request_body(5, 0)", "response_body(2, 0)", "request_body(4, 0)", "response_body(0, 0)", "log", "done", "delete"),
        )
    ]
    names = [name for name, _ in played.seen()]
    assert names[4:] == [b"connection", b"upgrade", b"x-forwarded-proto"]
    upstream, client = played.upstream(), played.client()
    assert upstream is not None and upstream.body is None and client is not None and client.body is None
    assert client.status == 101 and (b"upgrade", b"websocket") in client.headers
    times = [row.time - ASK.start_ns for row in played.of("proxy_on_request_body")]
    assert [time // MS for time in times] == [0, 12, 32]
    assert played.end() == 0


@pytest.mark.parametrize(("allowed", "status"), [(0, 403), (1, 101), (2, 101)])
def test_what_is_allowed(play: Play, allowed: int, status: int) -> None:
    assert play([{}], [TALK], websocket=allowed).status() == status


def test_a_request_that_did_not_become_one(play: Play) -> None:
    # without captured frames it is refused, unless the setting lets every upgrade to WebSocket pass
    refused = (ASK, response(403, "content-length: 2", body=b"no"))
    played = play([{}], [refused])
    assert played.status() == 403 and "upgrade_configs" in played.notes()[0] and len(played.of("proxy_on_request_headers")) == 0
    played = play([{}], [refused], websocket=2)
    assert played.calls()[1:6] == [
        f"a.{each}"
        for each in ("request_headers(7, 0)", "request_body(0, 0)", "response_headers(2, 0)", "response_body(2, 0)", "response_body(0, 1)")
    ]
    assert played.status() == 403
    # other protocols stay refused, and so does HTTP/2 where there is no Upgrade
    other = replace(ASK, headers=fields("Host: h", "Connection: Upgrade", "Upgrade: foo"))
    assert play([{}], [(other, response())], websocket=2).status() == 403


def test_held_frames_and_the_answer_to_them(play: Play) -> None:
    tick = (call("effective", LAST), Nth(2, (call("cont", 0),)))
    held = {"request_body": (Nth(2, (Ret(1),)),), "configure": (call("tick", 40), Ret(1)), "tick": tick}
    played = play([held], [websocket(">hello", "<hi", ">more")])
    bodies = [(each, row.time) for each in ("proxy_on_request_body", "proxy_on_response_body") for row in played.of(each)]
    assert [row.a for row in played.of("proxy_on_request_body")] == [0, 5, 9]
    assert len(bodies) == 6 and played.status() == 101
    # never continued: the upstream never answers, and the stream ends as left paused
    played = play([{"request_body": (Nth(2, (Ret(1),)),), "done": ()}], [websocket(">hello", "<hi")])
    assert [row.a for row in played.of("proxy_on_response_body")] == [0] and played.end() & 1


def test_edits(play: Play) -> None:
    script = {"request_body": (call("set_body", 0, 0, 0, "+"),), "response_body": (call("set_body", 1, 99, 0, "-"),)}
    played = play([script], [websocket(">hello", "<hi", ending=Ending.CLIENT)])
    upstream, client = played.upstream(), played.client()
    assert upstream is not None and upstream.body == b"++hello"
    # bytes behind what a buffer holds are bytes in front of nothing
    assert client is not None and client.body == b"-hi-"
    assert len(played.events(Event.BODY)) == 4
