"""Bodies in a HAR file are text without content coding: here they become bytes as they were on the wire again.

A filter in Envoy sees a coded body behind Content-Encoding, so the coding is put back. The coder need not be the server's: the bytes
mean the same but may be others, and as many as there are now is what Content-Length says.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import urlencode

from .content import coding_of, encoded
from .exchange import Pairs

__all__ = ["Lost", "on_the_wire", "request_body", "response_body", "to_bytes"]

Lost = tuple[str, ...]
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_KNOWN = re.compile(
    r"(utf-?(8|16|32)(le|be)?|us-ascii|(iso-?8859|windows|cp)[-_]?\d{1,4}|latin-?1|koi8-[ru]|shift[-_]jis|euc-(jp|kr)|iso-2022-jp|gbk?|gb2312"
    r"|gb18030|big5|macintosh)",
    re.IGNORECASE,
)
"""Charsets of the Encoding Standard that Python knows; others of Python's are slow on purpose or no charsets."""
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030"}
_MAGIC = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def to_bytes(text: str) -> bytes:
    """Text as UTF-8; lone surrogates stand for bytes that were none, as mitmproxy and Python write them."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def request_body(data: object, headers: Pairs, size: object, by_mitmproxy: bool) -> tuple[bytes, Lost]:
    """The bytes of `postData` without content coding, and what is missing in them, in words. `size` is `bodySize`."""
    length = _length(headers)
    sizes = _sizes(length, size)
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        if isinstance(data, dict) and isinstance(data.get("params"), list) and data["params"]:
            return _form(data["params"]), ()
        return b"", ("the request's body is not in the file",) if sizes else ()
    body, lost = _bytes(data["text"], data.get("encoding"), _label(headers, data.get("mimeType")), sizes, by_mitmproxy)
    if not body and sizes:
        return b"", ("the request's body is not in the file",)
    return body, tuple(f"the request's body {each}" for each in lost)


def response_body(content: object, headers: Pairs, size: object, by_mitmproxy: bool, *, bodiless: bool) -> tuple[bytes, Lost]:
    """The same of `content`; a `bodiless` response has none on the wire, though a browser may show for a 304 what it kept."""
    if bodiless:
        return b"", ()
    content = content if isinstance(content, dict) else {}
    decoded = content.get("size")
    if by_mitmproxy and isinstance(decoded, int) and isinstance(saved := content.get("compression"), int):
        decoded += saved  # mitmproxy puts the size on the wire there
    sizes = _sizes(decoded) if coding_of(headers) else _sizes(_length(headers), size)
    text = content.get("text")
    if not isinstance(text, str) or not text:
        missing = sizes or (isinstance(decoded, int) and decoded > 0)
        return b"", ("the response's body is not in the file",) if missing else ()
    body, lost = _bytes(text, content.get("encoding"), _label(headers, content.get("mimeType")), sizes, by_mitmproxy)
    return body, tuple(f"the response's body {each}" for each in lost)


def on_the_wire(body: bytes, headers: Pairs) -> tuple[bytes, Pairs, Lost]:
    """A body in the coding that `headers` name, the fields with its length, and what could not be done."""
    lost: Lost = ()
    if not body:
        return body, headers, lost
    coding = coding_of(headers)
    # some writers leave a body as it was
    if coding and not body.startswith(_MAGIC.get(coding.rpartition(",")[2].strip(), b"\0none")):
        coded = encoded(body, coding)
        if coded is None:
            lost = (f"a body is as in the file, without the coding {coding[:40]!a} that its header fields name",)
        else:
            body = coded
    length = str(len(body)).encode()
    return body, tuple((name, length if name.lower() == b"content-length" else value) for name, value in headers), lost


def _bytes(text: str, encoding: object, charset: str, sizes: set[int], by_mitmproxy: bool) -> tuple[bytes, Lost]:
    """Text as the bytes of one of the sizes that are known of them, where that can be had, else in its charset."""
    if encoding == "base64":
        try:
            return base64.b64decode(text), ()
        except ValueError:
            return b"", ("is no base64 in the file and was left out",)
    if encoding:
        return b"", ("has an encoding in the file that is not known and was left out",)
    first: bytes | None = None
    # mitmproxy takes text without a charset for latin-1
    for name in dict.fromkeys((charset or ("latin-1" if by_mitmproxy else "utf-8"), "utf-8", "cp1252", "latin-1")):
        try:
            body = to_bytes(text) if name == "utf-8" else text.encode(name)
        except (UnicodeError, LookupError):
            continue
        if not sizes or len(body) in sizes:
            return body, ()
        first = body if first is None else first
    return first or b"", ("holds signs in the place of bytes that were no text",) if _REPLACED in text else ()


def _label(headers: Pairs, mime: object) -> str:
    """The charset that a message names for its body, empty for none that is known."""
    types = [value.decode("latin-1") for name, value in headers if name.lower() == b"content-type"]
    says = types[-1] if types else mime if isinstance(mime, str) else ""
    found = _CHARSET.search(says[:1000])
    name = found[1].lower() if found else "utf-8" if "json" in says[:200].lower() else ""
    return _WIDER.get(name, name) if _KNOWN.fullmatch(name) else ""


def _length(headers: Pairs) -> int | None:
    values = [value for name, value in headers if name.lower() == b"content-length"]
    return int(values[0]) if values and values[0].isdigit() and len(values[0]) < 16 else None


def _sizes(*said: object) -> set[int]:
    return {each for each in said if isinstance(each, int) and each > 0}


def _form(params: list[Any]) -> bytes:
    """A form that is written as a list of its fields."""
    pairs = [(str(each.get("name", "")), str(each.get("value", ""))) for each in params if isinstance(each, dict)]
    return urlencode(pairs, errors="surrogatepass").encode()
