"""Bodies of HAR files become the bytes that were on the wire, or it is said that they are not there."""

from __future__ import annotations

import base64
import gzip
import time
from typing import Any

import pytest

from workbench.capture.content import decoded
from workbench.capture.exchange import Pairs
from workbench.capture.harbody import on_the_wire, request_body, response_body

TEXT = "Käfer für 5 €"


def content_type(value: str) -> Pairs:
    return ((b"Content-Type", value.encode()),)


def response(content: dict[str, Any], headers: Pairs = (), size: int = -1, *, mitmproxy: bool = False) -> tuple[bytes, tuple[str, ...]]:
    return response_body(content, headers, size, mitmproxy, bodiless=False)


@pytest.mark.parametrize(("charset", "codec"), [("utf-8", "utf-8"), ("windows-1252", "cp1252"), ("UTF-16LE", "utf-16-le")])
def test_text_goes_back_to_its_charset(charset: str, codec: str) -> None:
    assert response({"text": TEXT}, content_type(f'text/plain; charset="{charset}"')) == (TEXT.encode(codec), ())


def test_the_size_decides_where_the_charset_is_wrong_or_missing() -> None:
    latin = "Käfer"
    assert response({"text": latin}, (), 5) == (latin.encode("latin-1"), ())
    assert response({"text": latin}, (), 6) == (latin.encode(), ())
    assert response({"text": latin}, content_type("text/plain; charset=iso-8859-1"), 6) == (latin.encode(), ())
    assert response({"text": TEXT}, content_type("text/plain; charset=iso-8859-1"), 13) == (TEXT.encode("cp1252"), ())
    assert response({"text": latin}) == (latin.encode(), ())


def test_mitmproxy_takes_text_without_a_charset_for_latin_1() -> None:
    raw = TEXT.encode()
    assert response({"text": raw.decode("latin-1")}, mitmproxy=True) == (raw, ())
    assert response({"text": TEXT}, content_type("application/json"), mitmproxy=True) == (raw, ())


def test_bytes_that_are_no_text_survive() -> None:
    raw = b"\xff\x00caf\xe9"
    assert response({"text": raw.decode("utf-8", "surrogateescape")}, content_type("text/plain; charset=utf-8")) == (raw, ())
    assert response({"text": base64.b64encode(raw).decode(), "encoding": "base64"}) == (raw, ())


@pytest.mark.parametrize("charset", ["idna", "punycode", "unicode_escape", "rot13", "zlib", "no-such", "utf-8\udcff"])
def test_charsets_that_are_none_are_utf_8(charset: str) -> None:
    start = time.process_time()
    text = "a" * 300_000 + "ä"
    body, _ = response({"text": text, "mimeType": f"text/plain; charset={charset}"})
    assert body == text.encode()
    assert time.process_time() - start < 5, "one of them takes quadratic time"


def test_what_is_not_there_is_said() -> None:
    gone = "the response's body is not in the file"
    assert response({"size": 10}) == (b"", (gone,))
    assert response({}, ((b"Content-Length", b"10"),)) == (b"", (gone,))
    assert response({"text": ""}) == response({}) == (b"", ())
    for content in ({"size": 10}, {"size": 4, "text": "kept"}):
        assert response_body(content, (), 10, False, bodiless=True) == (b"", ())
    assert response({"text": "abc", "encoding": "base64"}) == (b"", ("the response's body is no base64 in the file and was left out",))
    unknown = "the response's body has an encoding in the file that is not known and was left out"
    assert response({"text": "a", "encoding": "rot13"}) == (b"", (unknown,))
    (lost,) = response({"text": "a\N{REPLACEMENT CHARACTER}b"}, (), 3)[1]
    assert lost == "the response's body holds signs in the place of bytes that were no text"


def test_requests() -> None:
    assert request_body({"text": TEXT}, (), 0, False) == (TEXT.encode(), ())
    assert request_body(None, (), 0, False) == (b"", ())
    for data in (None, {}, {"text": ""}, {"text": None}):
        assert request_body(data, ((b"content-length", b"4"),), -1, False) == (b"", ("the request's body is not in the file",))
    form = {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "ü"}, {"name": "c"}, 7]}
    assert request_body(form, (), 0, False) == (b"a+b=%C3%BC&c=", ())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br", "GZIP"])
def test_the_coding_is_put_back(coding: str) -> None:
    headers: Pairs = ((b"Content-Encoding", coding.encode()), (b"X", b"1"), (b"content-length", b"7"))
    body, fields, lost = on_the_wire(TEXT.encode() * 50, headers)
    assert decoded(body, coding.lower(), 1 << 20) == TEXT.encode() * 50
    assert fields == (headers[0], headers[1], (b"content-length", str(len(body)).encode()))
    assert lost == ()


def test_a_body_that_is_coded_already_or_in_no_known_coding_stays() -> None:
    packed = gzip.compress(TEXT.encode())
    assert on_the_wire(packed, ((b"content-encoding", b"gzip"),))[0] == packed
    body, fields, (lost,) = on_the_wire(b"plain", ((b"content-encoding", b"dcb"), (b"content-length", b"99")))
    assert (body, fields[1]) == (b"plain", (b"content-length", b"5"))
    assert lost == "a body is as in the file, without the coding 'dcb' that its header fields name"
    head: Pairs = ((b"content-encoding", b"gzip"), (b"content-length", b"99"))
    assert on_the_wire(b"", head) == (b"", head, ())
