"""HTTP/1.1 bytes are read as they are, and broken ones end in one exception with what came before it."""

from __future__ import annotations

import asyncio

import pytest

from workbench.envoy.wire import MAX_HEAD, Broken, Message, Wire, render_body


def read(data: bytes, *, to_end: bool = True, empty: bool = False, more: bool = False) -> tuple[Message, str]:
    """The first message of `data`, and why it is not whole. `more`: the peer stays, silent."""

    async def work() -> tuple[Message, str]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        if not more:
            reader.feed_eof()
        wire = Wire(reader, stall=0.05)
        message = Message(await wire.head())
        try:
            await wire.body(message, to_end=to_end, empty=empty)
        except Broken as broken:
            return message, str(broken)
        return message, ""

    return asyncio.run(work())


def test_a_head_keeps_order_case_repeats_and_bytes() -> None:
    message, _ = read(b"HTTP/1.1 200 A b\r\nX-B: 1\r\nx-a:\t v\xe9 \r\nX-b:2\r\nno colon\r\nEmpty:\r\n\r\n")
    assert (message.head.start, message.head.status) == (b"HTTP/1.1 200 A b", 200)
    assert message.head.fields == ((b"X-B", b"1"), (b"x-a", b"v\xe9"), (b"X-b", b"2"), (b"no colon", b""), (b"Empty", b""))


@pytest.mark.parametrize(
    ("framing", "body", "excess"),
    [
        (b"Content-Length: 3\r\n\r\nabcde", b"abc", b"de"),
        (b"Content-Length: 0\r\n\r\n", b"", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest", b"abcde", b"rest"),
        (b"\r\nuntil the end", b"until the end", b""),
    ],
)
def test_a_body_ends_where_its_framing_says(framing: bytes, body: bytes, excess: bytes) -> None:
    message, why = read(b"HTTP/1.1 200 OK\r\n" + framing)
    assert (message.body, message.excess, message.complete, why) == (body, excess, True, "")


def test_without_framing_a_request_and_a_response_to_head_have_no_body() -> None:
    assert read(b"GET / HTTP/1.1\r\n\r\nnext", to_end=False)[0].excess == b"next"
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", empty=True)[0].complete


def test_a_request_line_with_spaces_in_its_target() -> None:
    head = read(b"GET /a b HTTP/1.1\r\n\r\n", to_end=False)[0].head
    assert (head.method, head.target) == (b"GET", b"/a b")


def test_trailers_are_kept() -> None:
    message, _ = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\nx-t: 2\r\n\r\n")
    assert message.trailers == ((b"X-T", b"1"), (b"x-t", b"2"))


@pytest.mark.parametrize(
    ("data", "more", "body", "why"),
    [
        (b"Content-Length: 9\r\n\r\nabc", False, b"abc", "closed"),
        (b"Content-Length: 9\r\n\r\nabc", True, b"abc", "timeout"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", False, b"abc", "no HTTP"),
        (b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", False, b"", "too large"),
        (b"\r\nabc", True, b"abc", "timeout"),
    ],
)
def test_a_broken_body_keeps_what_came(data: bytes, more: bool, body: bytes, why: str) -> None:
    message, found = read(b"HTTP/1.1 200 OK\r\n" + data, more=more)
    assert (message.body, message.complete, found) == (body, False, why)


@pytest.mark.parametrize(("data", "why"), [(b"", "closed"), (b"\r\n\r\n", "no HTTP"), (b"x" * (MAX_HEAD + 100_000), "too large")])
def test_what_is_no_head(data: bytes, why: str) -> None:
    with pytest.raises(Broken, match=why):
        read(data)


def test_a_chunked_body_goes_out_as_it_is_read_again() -> None:
    data = render_body(b"abc", ((b"X-T", b"1"),), chunked=True)
    message, why = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert (message.body, message.trailers, why) == (b"abc", ((b"X-T", b"1"),), "")
    assert render_body(b"", (), chunked=True) == b"0\r\n\r\n"
