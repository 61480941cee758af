"""One entry as an exchange, as each writer of HAR files puts it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from workbench.capture import Exchange
from workbench.capture.exchange import NO_RESPONSE
from workbench.capture.har import decode, facts, load
from workbench.capture.websocket import payload

from .har_entries import entry

TEN = 1_768_471_200_000_000_000
"""2026-01-15, ten o'clock."""


def exchange(of: dict[str, Any], *, mitmproxy: bool = False) -> Exchange:
    return decode(of, 3, 7, mitmproxy)[0]


def fields(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def test_request_and_response() -> None:
    of = entry(
        request={"method": "POST", "headers": fields(("Host", "a"), ("X-A", "1"), ("x-a", "2")), "postData": {"text": "hi"}},
        response={"headers": fields(("Content-Type", "text/plain")), "content": {"size": 5, "text": "there"}, "bodySize": 5},
    )
    found = exchange(of)
    assert (found.index, found.connection, found.error) == (3, 7, "")
    request, response = found.request, found.response
    assert (request.method, request.scheme, request.authority, request.path) == (b"POST", b"http", b"a", b"/toys?limit=3")
    assert (request.host, request.http_version, request.body) == (b"toys.example", b"HTTP/1.1", b"hi")
    assert request.headers == ((b"Host", b"a"), (b"X-A", b"1"), (b"x-a", b"2"))
    assert response is not None
    assert (response.status, response.reason, response.body) == (200, b"OK", b"there")
    assert decode(of, 3, 7, False)[1] == ()


def test_times_begin_when_the_browser_is_connected() -> None:
    timings = {"blocked": 2, "dns": 3, "connect": 5, "ssl": 4, "send": 1, "wait": 5.5, "receive": 1.25}
    of = entry(timings=timings)
    for by_mitmproxy, first in ((False, 260_000_000), (True, 250_000_000)):
        found = exchange(of, mitmproxy=by_mitmproxy)
        assert found.response is not None
        times = (found.request.start_ns, found.request.end_ns, found.response.start_ns, found.response.end_ns)
        assert [each - TEN - first for each in times] == [0, 1_000_000, 6_500_000, 7_750_000]
        assert facts(of, by_mitmproxy)[:2] == (times[0], times[3])


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ("10:00:00Z", 0),
        ("11:30:00.5+01:30", 500_000_000),
        ("10:00:00.123456789Z", 123_456_000),
        ("10:00:00", 0),
        ("10:00:00.25+00:00", 250_000_000),
    ],
)
def test_moments(said: str, after: int) -> None:
    assert exchange(entry(startedDateTime=f"2026-01-15T{said}")).request.start_ns == TEN + after


@pytest.mark.parametrize("value", [-1, None, "5", True, float("nan"), float("inf"), [], 10**400])
def test_a_time_that_is_none_is_none(value: object) -> None:
    found = exchange(entry(timings={"send": value, "wait": 2, "receive": value, "connect": value}))
    assert found.response is not None
    assert found.response.end_ns - found.request.start_ns <= 2 * 86_400_000_000_000 + 2_000_000
    assert found.request.end_ns >= found.request.start_ns >= TEN


def test_without_timings_the_whole_time_counts() -> None:
    found = exchange(entry(timings=None, time=40))
    assert found.response is not None
    assert (found.request.end_ns - found.request.start_ns, found.response.end_ns - found.request.end_ns) == (0, 40_000_000)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("HTTP/1.1", b"HTTP/1.1"), ("http/1.1", b"HTTP/1.1"), ("HTTP/1.0", b"HTTP/1.0"), ("h2", b"HTTP/2.0"), ("http/2.0", b"HTTP/2.0"),
        ("HTTP/2", b"HTTP/2.0"), ("HTTP/2.0", b"HTTP/2.0"), ("h3", b"HTTP/3"), ("h3-29", b"HTTP/3"), ("HTTP/3", b"HTTP/3"),
        ("http/2+quic/46", b"HTTP/3"), ("unknown", b"HTTP/1.1"), ("", b"HTTP/1.1"), (None, b"HTTP/1.1"),
    ],
)  # fmt: skip
def test_versions(said: object, version: bytes) -> None:
    found = exchange(entry(request={"httpVersion": said}, response={"httpVersion": ""}))
    assert found.request.http_version == version
    assert found.response is not None and found.response.http_version == version


def test_http2_as_chromium_and_as_firefox_show_it() -> None:
    pseudo = fields((":authority", "a.example"), (":method", "GET"), (":path", "/x"), (":scheme", "https"), ("accept", "*/*"))
    chromium = exchange(
        entry(
            request={"url": "https://a.example/x", "httpVersion": "h2", "headers": pseudo},
            response={"headers": fields((":status", "200"), ("set-cookie", "a=1\nb=2"))},
        )
    )
    firefox = exchange(
        entry(request={"url": "https://a.example/x", "httpVersion": "HTTP/2", "headers": fields(("Host", "a.example"), ("accept", "*/*"))})
    )
    for found in (chromium, firefox):
        assert (found.request.scheme, found.request.authority, found.request.path) == (b"https", b"a.example", b"/x")
        assert found.request.headers == ((b"accept", b"*/*"),)
    assert chromium.response is not None
    assert chromium.response.headers == ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))


@pytest.mark.parametrize("status", [0, -1, None])
def test_without_an_answer(status: object) -> None:
    found = exchange(entry(response={"status": status, "httpVersion": "", "_error": "net::ERR_ABORTED"}))
    assert (found.response, found.error) == (None, "net::ERR_ABORTED")
    assert exchange(entry(response={"status": status, "_failureText": "gone"})).error == "gone"
    assert exchange(entry(response={"status": status, "_error": None})).error == NO_RESPONSE


@pytest.mark.parametrize(
    ("url", "scheme", "authority", "path", "host"),
    [
        ("https://user:pw@a.example/x?y#z", b"https", b"a.example", b"/x?y", b"a.example"),
        ("HTTP://A.example", b"http", b"A.example", b"/", b"A.example"),
        ("http://a.example?x=1", b"http", b"a.example", b"/?x=1", b"a.example"),
        ("wss://[2001:db8::1]:8443/live", b"https", b"[2001:db8::1]:8443", b"/live", b"2001:db8::1"),
        ("http://a.example/<b>\u00e4\udce4", b"http", b"a.example", b"/<b>\xc3\xa4\xe4", b"a.example"),
    ],
)
def test_urls(url: str, scheme: bytes, authority: bytes, path: bytes, host: bytes) -> None:
    request = exchange(entry(request={"url": url, "headers": []})).request
    assert (request.scheme, request.authority, request.path, request.host) == (scheme, authority, path, host)


def test_what_a_browser_had_kept_was_not_on_the_wire() -> None:
    kept = {"content": {"size": 4, "text": "kept"}, "headers": fields(("ETag", "x"), ("Content-Length", "4"))}
    for of in (entry(response={"status": 304, **kept}), entry(request={"method": "HEAD"}, response=kept)):
        response = exchange(of).response
        assert response is not None and (response.body, response.headers[1]) == (b"", (b"Content-Length", b"4"))


def test_what_is_known_of_the_connections() -> None:
    of = entry(
        request={"url": "https://a.example/"}, serverIPAddress="[2001:db8::1]", _serverPort=8443, _securityDetails={"protocol": "TLS 1.3"}
    )
    found = dict(exchange(of).attributes)
    assert found[b"upstream\0address"] == b"[2001:db8::1]:8443"
    assert found[b"connection\0requested_server_name"] == b"a.example"
    assert found[b"connection\0tls_version"] == b"TLSv1.3"
    assert found[b"connection\0id"] == struct.pack("<Q", 7)
    assert b"source\0address" not in found
    del of["_serverPort"], of["_securityDetails"]
    assert dict(exchange(of).attributes)[b"upstream\0port"] == struct.pack("<q", 443)
    assert b"upstream\0address" not in dict(exchange(of, mitmproxy=True).attributes), "a reverse proxy's port is in no HAR file"
    for odd in ({"serverIPAddress": ["x"]}, {"serverIPAddress": "x" * 10**6}, {"_serverPort": {}}, {"_securityDetails": {"protocol": []}}):
        exchange(of | odd)


def test_a_websocket() -> None:
    messages = [
        {"type": "send", "time": TEN / 1e9 + 1, "opcode": 1, "data": "h\u00e9"},
        {"type": "receive", "time": TEN / 1e9 + 2, "opcode": 2, "data": "/wA="},
        {"type": "send", "time": None, "opcode": 9, "data": ""},
    ]
    of = entry(request={"url": "ws://a.example/"}, response={"status": 101}, _webSocketMessages=messages)
    found = exchange(of)
    assert found.websocket is not None and found.response is not None
    assert [(each.from_client, payload(each.data), each.time_ns - TEN) for each in found.websocket.frames] == [
        (True, "h\u00e9".encode(), 10**9),
        (False, b"\xff\0", 2 * 10**9),
    ]
    assert (found.request.body, found.response.body) == tuple(found.websocket.sent(by_client=by) for by in (True, False))
    assert exchange(entry(_webSocketMessages=messages)).websocket is None, "no upgrade, no frames"


@pytest.mark.parametrize(
    ("of", "unsent"),
    [
        (entry(), ""),
        (entry(request={"url": "wss://a/"}), ""),
        (entry(request={"url": "data:text/plain,hi"}), "whose URL is not of HTTP"),
        (entry(request={"url": "chrome-extension://abc/x.js"}), "whose URL is not of HTTP"),
        (entry(_fromCache="disk"), "that a browser answered from its cache"),
        (entry(_fetchedViaServiceWorker=True), "that a service worker of the page answered"),
    ],
)
def test_what_no_proxy_saw(of: dict[str, Any], unsent: str) -> None:
    assert facts(of, False).unsent == unsent


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (entry(request={"url": 5}), "its url is no text"),
        (entry(request={"url": "http:///x"}), "names no host"),
        (entry(request={"url": "ftp://x"}), "not of HTTP"),
        (entry(request={"method": None}), "its method is no text"),
        (entry(request={"headers": None}), "headers are no list"),
        (entry(request={"headers": [{"name": "a"}]}), "no name or no value"),
        (entry(request={"headers": [["a", "b"]]}), "no name or no value"),
        (entry(response={"status": 1000}), "1000 is no HTTP status"),
        (entry(response={"status": 10**30}), "is no HTTP status"),
        (entry(startedDateTime="soon"), "'soon' is no time"),
        (entry(startedDateTime="0001-01-01T00:00:00Z"), "no time after 1970"),
        (entry(startedDateTime="0001-01-01T00:00:00+23:00"), "no time"),
        (entry(startedDateTime=None), "startedDateTime is no text"),
        (entry(response={"status": 101}, _webSocketMessages=[{"data": 5}]), "WebSocket messages has no data"),
        (entry(response={"status": 101}, _webSocketMessages=[{"type": "send", "opcode": 2, "data": "a"}]), "base64|padding|multiple of 4"),
        ({"startedDateTime": "x"}, "it has no request"),
    ],
)
def test_damaged_entries_say_what_is_wrong(of: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(of, 0, 1, False)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"[" + b"[]," * 2_000_000 + b"[]]", "more than 2000000 values"),
        (b"[]", "no object"),
        (b'{"a": nope}', r"no JSON \(Expecting value, 6 bytes in\)"),
        (b'{"a": "\xff"}', r"no UTF-8 \(7 bytes in\)"),
        (b'{"a": ' + b"1" * 5000 + b"}", "digits"),
    ],
)
def test_hostile_json(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(raw)


def test_a_large_body_is_not_counted_as_values() -> None:
    assert len(load(b'{"text": "' + b'[,\\"' * 1_500_000 + b'"}')["text"]) == 4_500_000
