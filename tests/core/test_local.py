"""Answers made here. Source: Envoy 1.40 as it behaves."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, POST, Play, request, response
from tests.core.wat import OUT, Nth, Ret, call, pairs
from workbench.capture.packing import unpack_pairs
from workbench.trace.records import Event

GIVEN = pairs(("X-Own", "1"), ("Content-Length", "99"), (":status", "418"), ("x-own", "2"), ("Server", "own"))
GRPC = request("POST", "/p", "content-type: application/grpc", "content-length: 5", body=bytes(5))
DENY = call("local", 403, "my det", "denied", "", -1)


def shown(text: str) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(tuple(part.encode("latin-1").split(b"=", 1)) for part in text.split(" "))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("asked", "body", "headers", "grpc", "expected", "calls"),
    [
        (GET, "denied", GIVEN, -1, ":status=403 x-own=1 content-length=6 x-own=2 server=own content-type=text/plain", ["(6, 0)", "(6, 1)"]),
        (GET, "denied", b"", 5, ":status=403 content-length=6 content-type=text/plain", ["(3, 0)", "(6, 1)"]),
        (
            GET,
            "d",
            pairs(("content-type", "a/b"), ("date", "D")),
            -1,
            ":status=403 content-type=a/b date=D content-length=1",
            ["(4, 0)", "(1, 1)"],
        ),
        (GET, "", pairs(("content-type", "a/b"), ("content-length", "9"), ("set-cookie", "a")), -1, ":status=403 set-cookie=a", ["(2, 1)"]),
        (request("HEAD"), "denied", b"", -1, ":status=403 content-length=6 content-type=text/plain", ["(3, 1)"]),
        (request("HEAD"), "", pairs(("content-type", "a/b"), ("content-length", "9")), -1, ":status=403", ["(1, 1)"]),
        (GRPC, "bo dy", b"", -1, ":status=200 content-type=application/grpc grpc-status=7 grpc-message=bo~dy", ["(4, 1)"]),
        (GRPC, "", pairs(("x", "1")), 9, ":status=200 x=1 content-type=application/grpc grpc-status=9", ["(4, 1)"]),
        (GRPC, "a\n\xc3\xa9%", b"", 17, ":status=200 content-type=application/grpc grpc-status=7 grpc-message=a%0A%C3%A9%25", ["(4, 1)"]),
        (
            GRPC,
            "b",
            pairs(("content-type", "a/b"), ("x", "1"), ("grpc-status", "9"), ("grpc-message", "old"), ("content-length", "4")),
            3,
            ":status=200 content-type=application/grpc x=1 grpc-status=9 grpc-message=b",
            ["(5, 1)"],
        ),
    ],
)
def test_shape(play: Play, asked: object, body: str, headers: bytes, grpc: int, expected: str, calls: list[str]) -> None:
    """As the filter itself sees it."""
    played = play([{"request_headers": [call("local", 403, "my det", body, headers, grpc)]}], [asked])
    seen = [each for each in played.calls() if "response" in each]
    assert [each[each.index("(") :] for each in seen] == calls
    (row,) = played.events(Event.LOCAL_RESPONSE)
    assert unpack_pairs(row.fields[2])[0] == tuple((k, v.replace(b"~", b" ")) for k, v in shown(expected))
    assert row.fields[0] == b"my_det"


@pytest.mark.parametrize(
    ("kind", "is_grpc"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc-web", False),
        ("application/grpc;x=1", False),
        ("Application/GRPC", False),
    ],
)
def test_what_counts_as_grpc(play: Play, kind: str, is_grpc: bool) -> None:
    played = play([{"request_headers": [DENY]}], [request("POST", "/p", f"content-type: {kind}")])
    assert played.status() == (200 if is_grpc else 403)


@pytest.mark.parametrize(
    ("code", "grpc"), [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (500, 2), (200, 2)]
)
def test_grpc_status_from_http(play: Play, code: int, grpc: int) -> None:
    played = play([{"request_headers": [call("local", code, "", "", "", -1)]}], [GRPC])
    assert dict(played.client().headers)[b"grpc-status"] == b"%d" % grpc  # type: ignore[union-attr]


@pytest.mark.parametrize(("callback", "who"), [("request_headers", "ba"), ("request_body", "cba"), ("request_trailers", "cba")])
def test_who_sees_an_answer_to_a_request(play: Play, callback: str, who: str) -> None:
    """The filters that saw the request's headers, last first; the others are made for the log."""
    asked = request("POST", "/p", "transfer-encoding: chunked", body=b"abc", trailers=("T: 1",))
    played = play([{}, {callback: [DENY, Ret(0)]}, {}], [asked])
    assert [each[0] for each in played.calls() if "response_headers" in each] == list(who)
    end = played.calls()[-(9 if who == "cba" else 10) :]
    created = [] if who == "cba" else ["c.context_create"]
    assert end == ["a.log", "b.log", *created, "c.log", "a.done", "a.delete", "b.done", "b.delete", "c.done", "c.delete"]
    assert played.upstream() is None and played.status() == 403


@pytest.mark.parametrize("answer", [response(body=b"long body"), response(304), response(204), response(200, "content-length: 0")])
@pytest.mark.parametrize("value", [0, 1])
def test_in_place_of_a_response(play: Play, answer: object, value: int) -> None:
    """Sent directly: no filter sees it, not even those that come after; what the callback returns does not matter."""
    played = play([{}, {"response_headers": [DENY, Ret(value)]}, {}], [(GET, answer)])
    assert [each[0] for each in played.calls() if "response" in each] == ["c", "b"]
    message = played.client()
    assert message is not None and (message.status, message.body, message.reset) == (403, b"denied", False)


def test_in_place_of_an_answer(play: Play) -> None:
    """Its own or another filter's."""
    played = play([{"request_headers": [DENY], "response_headers": [call("local", 404, "", "two", "", -1)]}, {}])
    assert played.status() == 404 and played.client().body == b"two"  # type: ignore[union-attr]
    assert len([each for each in played.calls() if "response" in each]) == 1


@pytest.mark.parametrize(("n", "body"), [(1, b""), (2, b"abc")])
def test_once_the_head_is_out(play: Play, n: int, body: bytes) -> None:
    """The client keeps the upstream's head and what came before; the code stays, the details are the answer's."""
    script = {
        "response_body": [Nth(n, (DENY,))],
        "log": [call("prop", "response\0code", OUT, OUT), call("prop", "response\0code_details", OUT, OUT)],
    }
    answer = response(200, "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",))
    played = play([script], [(GET, answer)], chunk_size=3)
    message = played.client()
    assert message is not None and message.reset and message.body == body and message.status == 200 and message.trailers == ()
    assert played.values("proxy_get_property") == [(200).to_bytes(8, "little"), b"my_det"]
    assert played.events(Event.LOCAL_RESPONSE)[0].c == 1


def test_a_cut_response_has_no_trailers(play: Play) -> None:
    answer = response(200, "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",))
    message = play([{"response_trailers": [DENY]}], [(GET, answer)]).client()
    assert message is not None and message.reset and message.trailers == ()


def test_the_first_of_a_call_counts(play: Play) -> None:
    played = play([{"request_headers": [DENY, call("local", 404, "", "", "", -1)]}])
    assert played.status() == 403
    assert sorted((row.result, row.c) for row in played.events(Event.LOCAL_RESPONSE)) == [(403, 0), (404, 1)]


def test_the_request_map_stays_after_an_answer(play: Play) -> None:
    """The callback counts as one that paused."""
    played = play([{"request_headers": [DENY, call("add", 0, "x", "1")], "response_headers": [call("get", 0, ":path", OUT, OUT)]}])
    assert played.results("proxy_add_header_map_value") == played.results("proxy_get_header_map_value") == [0]


def test_properties_of_an_answer(play: Play) -> None:
    """Code and details are there in its own response callback; empty details are an empty property."""
    read = [call("prop", "response\0code", OUT, OUT), call("prop", "response\0code_details", OUT, OUT)]
    played = play([{"request_headers": [call("local", 429, "", "x", "", -1)], "response_headers": read, "log": read}])
    assert played.values("proxy_get_property") == [(429).to_bytes(8, "little"), b""] * 2


def test_grpc_code_before_and_after(play: Play) -> None:
    """The given code in its own response callback, 200 in the log."""
    read = [call("prop", "response\0code", OUT, OUT)]
    played = play([{"request_headers": [DENY], "response_headers": read, "log": read}], [GRPC])
    assert played.values("proxy_get_property") == [(403).to_bytes(8, "little"), (200).to_bytes(8, "little")]


@pytest.mark.parametrize("code", [0, 99, 101, 204, 600, 1000])
def test_any_code_goes(play: Play, code: int) -> None:
    played = play([{"request_headers": [call("local", code, "", "x", "", -1)]}])
    assert played.status() == code and played.client().body == b"x"  # type: ignore[union-attr]


@pytest.mark.parametrize("paused", ["request_headers", "response_headers"])
def test_from_a_tick(play: Play, paused: str) -> None:
    """Through the filters in the request phase, directly in the response phase."""
    script = {"configure": [call("tick", 50)], "tick": [Nth(1, (call("effective", 2), DENY))], paused: [Ret(1)]}
    played = play([{}, script])
    assert played.status() == 403
    assert ("a.response_headers(3, 0)" in played.calls()) is (paused == "request_headers")


def test_without_a_stream_nothing_happens(play: Play) -> None:
    played = play([{"configure": [DENY], "tick": [DENY]}])
    assert played.results("proxy_send_local_response") == [0] and played.status() == 200


def test_in_the_log_nothing_happens(play: Play) -> None:
    """Envoy crashes there."""
    played = play([{"log": [DENY], "done": [DENY], "delete": [DENY]}])
    assert played.status() == 200 and not [row for row in played.events(Event.LOCAL_RESPONSE) if row.c == 0]


@pytest.mark.parametrize(
    ("callback", "status", "code", "details"),
    [
        ("request_headers", None, None, b"wasm_close_stream"),
        ("request_body", None, None, b"wasm_close_stream"),
        ("response_headers", None, 200, b"via_upstream"),
        ("response_body", -200, 200, b"via_upstream"),
    ],
)
def test_close_stream(play: Play, callback: str, status: int | None, code: int | None, details: bytes) -> None:
    """Details are set unless they are already."""
    read = [call("prop", "response\0code", OUT, OUT), call("prop", "response\0code_details", OUT, OUT)]
    played = play([{callback: [call("close", 0)], "log": read}], [POST])
    assert played.results("proxy_close_stream") in ([0], [0, 0]) and played.status() == status
    assert played.values("proxy_get_property") == [None if code is None else code.to_bytes(8, "little"), details]


@pytest.mark.parametrize(("stream_type", "status"), [(2, 0), (3, 0), (4, 2)])
def test_close_stream_types(play: Play, stream_type: int, status: int) -> None:
    played = play([{"request_headers": [call("close", stream_type)]}])
    assert played.results("proxy_close_stream") == [status] and played.status() == 200
