"""Requests go to Envoy as they were captured."""

from __future__ import annotations

from collections.abc import Callable

from workbench.capture.exchange import Exchange
from workbench.envoy.client import render_request


def test_fields_keep_order_case_and_repeats(exchange: Callable[..., Exchange]) -> None:
    headers = ((b"X-B", b"1"), (b"Host", b"other"), (b"x-a", b"caf\xe9"), (b"X-B", b""), (b"Content-Length", b"3"))
    data = render_request(exchange(method=b"POST", headers=headers, body=b"abc").request)
    assert data == b"POST /toys?id=1 HTTP/1.1\r\nX-B: 1\r\nHost: other\r\nx-a: caf\xe9\r\nX-B: \r\nContent-Length: 3\r\n\r\nabc"


def test_a_request_captured_over_http2_gets_host_and_framing(exchange: Callable[..., Exchange]) -> None:
    data = render_request(exchange(headers=((b"accept", b"*/*"),), body=b"abc").request)
    assert data.startswith(
        b"GET /toys?id=1 HTTP/1.1\r\nHost: toys.example\r\naccept: */*\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )


def test_trailers_need_chunks(exchange: Callable[..., Exchange]) -> None:
    headers = ((b"Host", b"h"), (b"Content-Length", b"3"))
    data = render_request(exchange(headers=headers, body=b"abc", trailers=((b"X-T", b"1"),)).request)
    assert b"Content-Length" not in data
    assert data.endswith(b"0\r\nX-T: 1\r\n\r\n")


def test_connect_names_the_authority(exchange: Callable[..., Exchange]) -> None:
    assert render_request(exchange(method=b"CONNECT").request).startswith(b"CONNECT toys.example HTTP/1.1\r\n")
