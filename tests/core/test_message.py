"""A captured message as the first filter sees it, and what Envoy does not take. Source of all rules: Envoy 1.40 as it behaves, HTTP/1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.conftest import GET, Play, request, response
from tests.core.wat import OUT, call
from workbench.trace.records import Event, ResponseSource

PSEUDO = ((b":authority", b"h"), (b":path", b"/p"), (b":method", b"GET"), (b":scheme", b"http"))


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (("X-A: 1", "x-a: 2"), ((b"x-a", b"1"), (b"x-a", b"2"))),
        (("User-Agent: u", "X-B: 1", "user-agent: v"), ((b"user-agent", b"u,v"), (b"x-b", b"1"))),
        (("Cookie: a=1", "Cookie: b=2"), ((b"cookie", b"a=1"), (b"cookie", b"b=2"))),
        (("X-Empty:", "x_y: caf\xe9\ta"), ((b"x-empty", b""), (b"x_y", b"caf\xe9\ta"))),
        (("Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Proxy-Connection: x", "Upgrade: foo"), ()),
        (("Connection: te", "TE: gzip, trailers"), ((b"te", b"trailers"),)),
        (("TE: trailers;q=0.5",), ()),
        (("TE:",), ((b"te", b""),)),
        (("Expect: 100-Continue",), ()),
        (("Expect: more",), ((b"expect", b"more"),)),
        (("X-Forwarded-Client-Cert: c", "X-Envoy-Max-Retries: 3", "X-Envoy-Foo: 1"), ((b"x-envoy-foo", b"1"),)),
        (("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"), ()),
        ((":path: /other", ":status: 1"), ()),
    ],
)
def test_request_fields(play: Play, lines: tuple[str, ...], shown: tuple[tuple[bytes, bytes], ...]) -> None:
    """Names in lower case, inline ones joined, hop-by-hop and internal ones gone, x-forwarded-proto last."""
    assert play([{}], [request("GET", "/p", *lines)]).seen() == (*PSEUDO, *shown, (b"x-forwarded-proto", b"http"))


@pytest.mark.parametrize(
    ("scheme", "lines", "expected"),
    [
        ("https", (), b"https"),
        ("http", ("X-Forwarded-Proto: HTTPS",), b"https"),
        ("https", ("X-Forwarded-Proto: ftp",), b"http"),
        ("http", ("X-Forwarded-Proto: https", "X-Forwarded-Proto: https"), b"http"),
    ],
)
def test_scheme_follows_forwarded_proto(play: Play, scheme: str, lines: tuple[str, ...], expected: bytes) -> None:
    assert dict(play([{}], [request("GET", "/p", *lines, scheme=scheme)]).seen())[b":scheme"] == expected


def test_values_lose_the_blanks_around_them(play: Play) -> None:
    exchange = request("GET", "/p")
    odd = (*exchange.headers, (b"x-a", b" \t a b \t"))
    assert dict(play([{}], [replace(exchange, headers=odd)]).seen())[b"x-a"] == b"a b"


def test_response_fields(play: Play) -> None:
    """Hop-by-hop fields but keep-alive are shown to filters, and taken off behind them."""
    lines = ("Connection: close", "Keep-Alive: 5", "Set-Cookie: a", "Set-Cookie: b", "Vary: a", "Vary: b", "content-length: 0")
    played = play([{"log": [call("get", 2, "connection", OUT, OUT)]}], [(GET, response(200, *lines))])
    # the log does not see them any more
    assert played.results("proxy_get_header_map_value") == [1]
    cookies = ((b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"vary", b"a,b"), (b"content-length", b"0"))
    assert played.seen(Event.RESPONSE) == ((b":status", b"200"), (b"connection", b"close"), *cookies)
    assert played.client() is not None and played.client().headers == ((b":status", b"200"), *cookies)  # type: ignore[union-attr]


def test_no_content_loses_a_length_of_zero(play: Play) -> None:
    assert play([{}], [(GET, response(204, "content-length: 0"))]).seen(Event.RESPONSE) == ((b":status", b"204"),)


CODEC, CHARACTERS = b"http1.codec_error", b"http1.invalid_characters"


@pytest.mark.parametrize(
    ("asked", "status", "details"),
    [
        (request("QUERY"), 400, CODEC),
        (request("get"), 400, CODEC),
        (request("M-SEARCH"), 400, CODEC),
        (request("GET", "/a b"), 400, CODEC),
        (request("GET", "/caf\xe9"), 400, CODEC),
        (request("GET", "/a\x7f"), 400, CHARACTERS),
        (request("GET", "*"), 400, b"http1.invalid_url"),
        (request("GET", "/p", "X A: 1"), 400, CODEC),
        (request("GET", "/p", "X: a\x01b"), 400, CHARACTERS),
        (request("POST", "/p", "content-length: 1", "content-length: 1", body=b"x"), 400, CODEC),
        (request("POST", "/p", "content-length: x"), 400, CODEC),
        (request("POST", "/p", "transfer-encoding: chunked", "content-length: 1"), 400, b"http1.content_length_and_chunked_not_allowed"),
        (request("POST", "/p", "transfer-encoding: gzip"), 501, b"http1.invalid_transfer_encoding"),
        (request("GET", "/p", "Connection: X-Forwarded-For"), 400, b"http1.connection_header_rejected"),
        (request("GET", "/p", "Connection: :path"), 400, b"http1.connection_header_rejected"),
        (request("GET", "/p", host="a/b"), 400, b"http.invalid_authority"),
        (request("GET", "/p", *(f"x{i}: 1" for i in range(100))), 431, b"http1.too_many_headers"),
        (request("GET", "/p", "x: " + "a" * 61408), 431, b"http1.headers_too_large"),
        (request("GET", "/p", host=""), 400, b"missing_host_header"),
        (request("GET", "/a#b"), 400, b"path_normalization_failed"),
        (request("OPTIONS", "*"), 404, b"absolute_path_rejected"),
        (request("GET", "/p", "Connection: Upgrade", "Upgrade: websocket"), 403, b"upgrade_failed"),
    ],
)
def test_refused_before_any_filter(play: Play, asked: object, status: int, details: bytes) -> None:
    """No filter is asked; each is told at the end."""
    played = play([{"log": [call("pairs", 0, OUT, OUT)]}, {}], [asked])
    assert played.calls() == ["a.context_create", "a.log", "b.context_create", "b.log", "a.done", "a.delete", "b.done", "b.delete"]
    (answer,) = played.events(Event.LOCAL_RESPONSE)
    assert (answer.result, answer.fields[0], answer.b) == (status, details, ResponseSource.PROXY)
    assert played.status() == status and played.upstream() is None
    # behind the codec nothing is known of the request
    assert (played.of("proxy_get_header_map_pairs")[0].b == 0) is details.startswith(b"http")


@pytest.mark.parametrize(
    "asked",
    [
        request("GET", "/p", *(f"x{i}: 1" for i in range(99))),
        request("GET", "/p", *(["accept: 1"] * 150)),
        request("GET", "/p", "x: " + "a" * 61407),
        request("MSEARCH"),
        request("GET", '/a"<>^`{|}\\b//../%2f'),
        request("GET", "/p", "x: a\tb\xff"),
        request("GET", "/p", host="u@b:80"),
    ],
)
def test_just_taken(play: Play, asked: object) -> None:
    assert play([{}], [asked]).status() == 200


def test_an_upgrade_is_noted(play: Play) -> None:
    (note,) = play([{}], [request("GET", "/p", "Connection: upgrade", "Upgrade: websocket")]).notes()
    assert "upgrade_configs" in note


def test_connect_has_no_path_and_no_route(play: Play) -> None:
    played = play([{}], [request("CONNECT", "h:443")])
    assert b":path" not in dict(played.seen())
    assert played.status() == 404


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (200, ("content-length: 2", "content-length: 2")),
        (200, ("content-length: x",)),
        (200, ("content-length: 2", "transfer-encoding: chunked")),
        (200, ("transfer-encoding: gzip, chunked",)),
        (200, ("x: a\x01", "content-length: 2")),
        (200, ("x(: a", "content-length: 2")),
        (200, tuple(f"x{i}: 1" for i in range(110))),
        (204, ("content-length: 2",)),
        (204, ("transfer-encoding: chunked",)),
    ],
)
def test_malformed_response_becomes_502(play: Play, status: int, lines: tuple[str, ...]) -> None:
    """The router answers instead, through the response filters."""
    played = play([{}], [(GET, response(status, *lines, body=b"ok"))])
    assert played.status() == 502
    assert played.calls()[2:4] == ["a.response_headers(3, 0)", "a.response_body(87, 1)"]
    assert played.events(Event.LOCAL_RESPONSE)[0].fields[0] == b"upstream_reset_before_response_started{protocol_error}"


def test_http2_response_may_have_what_http1_may_not(play: Play) -> None:
    assert play([{}], [(GET, response(204, "content-length: 2", version=b"HTTP/2"))]).status() == 204


def test_no_answer_is_503_by_the_router(play: Play) -> None:
    played = play([{}], [(GET, None)])
    assert played.status() == 503
    assert played.calls()[2:4] == ["a.response_headers(3, 0)", "a.response_body(95, 1)"]


def test_one_hundred_continue_is_no_answer(play: Play) -> None:
    assert play([{}], [(GET, response(100, "x: 1"))]).status() == 503


@pytest.mark.parametrize(
    ("asked", "answer", "calls"),
    [
        (request("HEAD"), response(200, "content-length: 5"), ["a.response_headers(2, 1)"]),
        (GET, response(304, "content-length: 5"), ["a.response_headers(2, 1)"]),
        (GET, response(204), ["a.response_headers(1, 1)"]),
        (GET, response(200, "content-length: 0"), ["a.response_headers(2, 1)"]),
        (GET, response(200, "transfer-encoding: chunked"), ["a.response_headers(2, 0)", "a.response_body(0, 1)"]),
        (GET, response(200, "x: until close"), ["a.response_headers(2, 0)", "a.response_body(0, 1)"]),
        (GET, response(200, "x: h2", version=b"HTTP/2"), ["a.response_headers(2, 1)"]),
        (GET, response(200, "x: h2", version=b"HTTP/2", body=b"ab"), ["a.response_headers(2, 0)", "a.response_body(2, 1)"]),
        (
            GET,
            response(200, body=b"ab", trailers=("T: 1",)),
            ["a.response_headers(2, 0)", "a.response_body(2, 0)", "a.response_trailers(1)"],
        ),
        (GET, response(200, "x: 1", trailers=("T: 1",)), ["a.response_headers(2, 0)", "a.response_trailers(1)"]),
    ],
)
def test_where_a_response_ends(play: Play, asked: object, answer: object, calls: list[str]) -> None:
    played = play([{}], [(asked, answer)])
    assert [each for each in played.calls() if "response" in each] == calls


def test_pieces_come_at_their_time(play: Play) -> None:
    """Spread evenly over the message's time."""
    asked = request("POST", "/p", "content-length: 6", body=b"abcdef", took_ms=30)
    played = play([{}], [(asked, response(after_ms=40))], chunk_size=2)
    times = [(row.a, row.b, (row.time - asked.start_ns) // 1_000_000) for row in played.of("proxy_on_request_body")]
    assert times == [(2, 0, 10), (2, 0, 20), (2, 0, 30), (0, 1, 30)]


def test_many_small_pieces_need_no_stack(play: Play) -> None:
    body = bytes(300_000)
    played = play([{}], [request("POST", "/p", "content-length: 300000", body=body, took_ms=0)], chunk_size=1)
    assert len(played.of("proxy_on_request_body")) == 300_001
    assert played.upstream() is not None and played.upstream().body is None  # type: ignore[union-attr]
