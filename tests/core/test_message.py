"""A captured message as the first filter sees it, and what Envoy does not take. Source of all rules: Envoy 1.40 as it behaves, HTTP/1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.core.conftest import GET, MS, Play, request, response
from tests.core.wat import OUT, call
from workbench.capture.exchange import Request
from workbench.trace.records import Event, ResponseSource


def apart(requests: Iterable[Request]) -> list[Request]:
    """Ten milliseconds between them, so that each is over before the next."""
    shifts = ((asked, 10 * index * MS) for index, asked in enumerate(requests))
    return [replace(asked, start_ns=asked.start_ns + shift, end_ns=asked.end_ns + shift) for asked, shift in shifts]


PSEUDO = ((b":authority", b"h"), (b":path", b"/p"), (b":method", b"GET"), (b":scheme", b"http"))


FIELDS = [
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
]


def test_request_fields(play: Play) -> None:
    """Names in lower case, inline ones joined, hop-by-hop and internal ones gone, x-forwarded-proto last."""
    played = play([{}], apart(request("GET", "/p", *lines) for lines, _ in FIELDS))
    expected = [(*PSEUDO, *shown, (b"x-forwarded-proto", b"http")) for _, shown in FIELDS]
    assert [played.seen(exchange=index) for index in range(len(FIELDS))] == expected


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


REFUSED = [
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
]


def test_refused_before_any_filter(play: Play) -> None:
    """No filter is asked; each is told at the end. Behind the codec nothing is known of the request."""
    played = play([{"log": [call("pairs", 0, OUT, OUT)]}, {}], apart(asked for asked, _, _ in REFUSED))
    answers = [(row.result, row.fields[0]) for row in played.events(Event.LOCAL_RESPONSE)]
    assert answers == [(status, details) for _, status, details in REFUSED]
    assert {row.b for row in played.events(Event.LOCAL_RESPONSE)} == {ResponseSource.PROXY}
    told = ["a.context_create", "a.log", "b.context_create", "b.log", "a.done", "a.delete", "b.done", "b.delete"]
    for index, (_, status, details) in enumerate(REFUSED):
        assert played.calls(index) == told
        assert played.status(index) == status and played.upstream(index) is None
        (pairs,) = played.of("proxy_get_header_map_pairs", index)
        assert (pairs.b == 0) is details.startswith(b"http")


TAKEN = [
    request("GET", "/p", *(f"x{i}: 1" for i in range(99))),
    request("GET", "/p", *(["accept: 1"] * 150)),
    request("GET", "/p", "x: " + "a" * 61407),
    request("MSEARCH"),
    request("GET", '/a"<>^`{|}\\b//../%2f'),
    request("GET", "/p", "x: a\tb\xff"),
    request("GET", "/p", host="u@b:80"),
]


def test_just_taken(play: Play) -> None:
    played = play([{}], apart(TAKEN))
    assert [played.status(index) for index in range(len(TAKEN))] == [200] * len(TAKEN)


def test_an_upgrade_is_noted(play: Play) -> None:
    (note,) = play([{}], [request("GET", "/p", "Connection: upgrade", "Upgrade: websocket")]).notes()
    assert "upgrade_configs" in note


def test_connect_has_no_path_and_no_route(play: Play) -> None:
    played = play([{}], [request("CONNECT", "h:443")])
    assert b":path" not in dict(played.seen())
    assert played.status() == 404


MALFORMED = [
    (200, ("content-length: 2", "content-length: 2")),
    (200, ("content-length: x",)),
    (200, ("content-length: 2", "transfer-encoding: chunked")),
    (200, ("transfer-encoding: gzip, chunked",)),
    (200, ("x: a\x01", "content-length: 2")),
    (200, ("x(: a", "content-length: 2")),
    (200, tuple(f"x{i}: 1" for i in range(110))),
    (204, ("content-length: 2",)),
    (204, ("transfer-encoding: chunked",)),
]


def test_malformed_response_becomes_502(play: Play) -> None:
    """The router answers instead, through the response filters."""
    answers = [response(status, *lines, body=b"ok") for status, lines in MALFORMED]
    played = play([{}], [(asked, answer) for asked, answer in zip(apart([GET] * len(answers)), answers, strict=True)])
    for index in range(len(answers)):
        assert played.status(index) == 502
        assert played.calls(index)[2:4] == ["a.response_headers(3, 0)", "a.response_body(87, 1)"]
    assert {row.fields[0] for row in played.events(Event.LOCAL_RESPONSE)} == {b"upstream_reset_before_response_started{protocol_error}"}


def test_http2_response_may_have_what_http1_may_not(play: Play) -> None:
    assert play([{}], [(GET, response(204, "content-length: 2", version=b"HTTP/2"))]).status() == 204


def test_no_answer_is_503_by_the_router(play: Play) -> None:
    played = play([{}], [(GET, None)])
    assert played.status() == 503
    assert played.calls()[2:4] == ["a.response_headers(3, 0)", "a.response_body(95, 1)"]


def test_one_hundred_continue_is_no_answer(play: Play) -> None:
    assert play([{}], [(GET, response(100, "x: 1"))]).status() == 503


ENDS = [
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
]


def test_where_a_response_ends(play: Play) -> None:
    traffic = [(asked, answer) for asked, (_, answer, _) in zip(apart(asked for asked, _, _ in ENDS), ENDS, strict=True)]
    played = play([{}], traffic)
    found = [[each.removeprefix("a.response_") for each in played.calls(index) if "response" in each] for index in range(len(ENDS))]
    assert found == [[each.removeprefix("a.response_") for each in calls] for _, _, calls in ENDS]


def test_pieces_come_at_their_time(play: Play) -> None:
    """Spread evenly over the message's time."""
    asked = request("POST", "/p", "content-length: 6", body=b"abcdef", took_ms=30)
    played = play([{}], [(asked, response(after_ms=40))], chunk_size=2)
    times = [(row.a, row.b, (row.time - asked.start_ns) // 1_000_000) for row in played.of("proxy_on_request_body")]
    assert times == [(2, 0, 10), (2, 0, 20), (2, 0, 30), (0, 1, 30)]


def test_many_small_pieces_need_no_stack(play: Play) -> None:
    body = bytes(100_000)
    played = play([{}], [request("POST", "/p", "content-length: 100000", body=body, took_ms=0)], chunk_size=1)
    assert len(played.of("proxy_on_request_body")) == 100_001
    assert played.upstream() is not None and played.upstream().body is None  # type: ignore[union-attr]
