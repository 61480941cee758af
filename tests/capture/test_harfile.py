"""HAR files as captures: those of the real mitmdump and of a real Chromium, damaged ones and hostile ones."""

from __future__ import annotations

import codecs
import dataclasses
import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.capture import Exchange, open_capture
from workbench.capture.content import coding_of, decoded
from workbench.errors import CaptureError

from .conftest import CAPTURES
from .har_entries import entry, exported, har


@pytest.fixture
def mitmdump(need: Callable[..., str]) -> str:
    return need("mitmdump")


@pytest.mark.parametrize("name", ["toystore", "edge"])
def test_mitmdumps_har_holds_the_exchanges_of_its_flows(name: str, mitmdump: str, tmp_path: Path) -> None:
    """What HAR cannot hold is lost: trailers, who asked, and the very bytes of coded bodies."""
    flows = list(open_capture(CAPTURES / f"{name}.mitm"))
    capture = open_capture(exported(mitmdump, CAPTURES / f"{name}.mitm", tmp_path / "a.har"))
    assert capture.problems == ()
    assert len(capture) == len(flows)
    for old, new in zip(flows, capture, strict=True):
        assert _comparable(new) == _comparable(old)
        for there, here in ((old.request, new.request), (old.response, new.response)):
            if there is not None and here is not None:
                assert abs(here.start_ns - there.start_ns) <= 1000 and abs(here.end_ns - there.end_ns) <= 1000


def _comparable(exchange: Exchange) -> tuple[object, ...]:
    request, response = exchange.request, exchange.response
    asked = dataclasses.replace(request, trailers=(), start_ns=0, end_ns=0, host=b"")
    if response is None:
        return exchange.index, asked, exchange.error
    coding = coding_of(response.headers)
    plain = decoded(response.body, coding, 1 << 20) if coding else response.body
    headers = tuple((name, b"" if coding and name.lower() == b"content-length" else value) for name, value in response.headers)
    return exchange.index, asked, exchange.error, dataclasses.replace(
        response, headers=headers, body=plain or b"", trailers=(), start_ns=0, end_ns=0
    )  # fmt: skip


def test_mitmdumps_websockets(mitmdump: str, tmp_path: Path) -> None:
    flows = list(open_capture(CAPTURES / "websocket.mitm"))
    for old, new in zip(flows, open_capture(exported(mitmdump, CAPTURES / "websocket.mitm", tmp_path / "a.har")), strict=True):
        assert (old.websocket is None) == (new.websocket is None)
        if old.websocket is not None and new.websocket is not None:
            said = new.websocket.frames
            assert said and said == tuple(
                dataclasses.replace(each, time_ns=mine.time_ns) for each, mine in zip(old.websocket.frames, said, strict=False)
            )


PAGE = b"""<!doctype html><title>toys</title><img src="/picture.png"><script>
fetch("/caf\xc3\xa9", {method: "POST", body: JSON.stringify({toy: "K\xc3\xa4fer"}), headers: {"x-toy": "1"}})
  .then(() => fetch("/gone").catch(() => 0))
  .then(() => fetch("data:text/plain,hi"))
  .then(() => document.title = "done")
</script>"""


class _Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/":
            cookies = ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")
            self._answer(gzip.compress(PAGE), ("Content-Type", "text/html; charset=utf-8"), ("Content-Encoding", "gzip"), *cookies)
        elif self.path == "/picture.png":
            self._answer(bytes(range(256)), ("Content-Type", "image/png"))
        else:
            self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("Käfer".encode("latin-1"), ("Content-Type", "text/plain; charset=iso-8859-1"))

    def _answer(self, body: bytes, *fields: tuple[str, str]) -> None:
        self.send_response(200)
        for name, value in (*fields, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_what_chromium_records(need: Callable[..., str], tmp_path: Path) -> None:
    chromium = need("chromium", "chromium-browser", "google-chrome")
    from playwright.sync_api import sync_playwright

    path = tmp_path / "chromium.har"
    with site() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(record_har_path=path)
        page = context.new_page()
        page.goto(f"{url}/#part")
        page.wait_for_function("document.title == 'done'")
        context.close()
        browser.close()
    found = {(each.request.method, each.request.path): each for each in open_capture(path)}
    assert set(found) >= {(b"GET", b"/"), (b"GET", b"/picture.png"), (b"POST", b"/caf%C3%A9"), (b"GET", b"/gone")}
    front = found[b"GET", b"/"].response
    assert front is not None
    assert decoded(front.body, "gzip", 1 << 20) == PAGE
    assert (b"Content-Length", str(len(front.body)).encode()) in front.headers
    assert [value for name, value in front.headers if name == b"Set-Cookie"] == [b"a=1", b"b=2"]
    posted = found[b"POST", b"/caf%C3%A9"]
    assert posted.request.body == '{"toy":"Käfer"}'.encode()
    assert (b"x-toy", b"1") in posted.request.headers
    assert any(name.lower() == b"cookie" and value == b"a=1; b=2" for name, value in posted.request.headers)
    assert posted.response is not None and posted.response.body == "Käfer".encode("latin-1")
    picture = found[b"GET", b"/picture.png"].response
    assert picture is not None and picture.body == bytes(range(256))
    gone = found[b"GET", b"/gone"]
    assert gone.response is None and "ERR_" in gone.error


def test_entries_are_numbered_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    path = har(
        tmp_path / "a.har",
        entry(connection="12", serverIPAddress="127.0.0.1"),
        entry(_fromCache="memory"),
        entry(request={"url": "data:,"}),
        "none",
        entry(request={"headers": 5}),
        entry(connection="12", serverIPAddress="127.0.0.1", startedDateTime="2026-01-15T09:59:59Z"),
        entry(),
        entry(connection="12", serverIPAddress="127.0.0.2"),
        entry(_fromCache="disk"),
    )
    capture, at = open_capture(path), path.read_bytes().index(b'"none"')
    assert len(capture) == 5
    assert [(each.index, each.connection) for each in capture] == [(0, 1), (2, 1), (3, 3), (4, 4)]
    assert [each.index for each in capture.in_time()] == [2, 0, 3, 4]
    assert capture.problems == (
        f"Dropped entry 3 at byte {at}: it is no object.",
        "Skipped 2 entries that a browser answered from its cache.",
        "Skipped 1 entry whose URL is not of HTTP.",
        "Exchange 1: left out, as its entry is damaged: its headers are no list.",
    )
    with pytest.raises(CaptureError, match=r"a\.har, exchange 1 \(entry 4\): the entry is damaged: its headers are no list\."):
        capture[1]
    assert capture.start_ns == capture[2].request.start_ns
    assert capture.end_ns == capture[0].response.end_ns  # type: ignore[union-attr]
    assert len(capture.connections) == 0


def test_a_file_that_is_cut_short_keeps_its_whole_entries(tmp_path: Path) -> None:
    path = har(tmp_path / "a.har", entry(), entry(), entry())
    data = path.read_bytes()
    path.write_bytes(data[:-200])
    capture = open_capture(path)
    assert len(list(capture)) == 2
    assert capture.problems == (
        f"Dropped the rest of the file behind entry 1 (byte {len(data) - 200}): the file ends before its JSON does.",
    )
    path.write_bytes(data[: data.index(b'"startedDateTime"')])
    with pytest.raises(CaptureError, match=r"no whole entry is in this HAR file \(Dropped the rest .*\)"):
        open_capture(path)


def test_order_indent_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    log = {"pages": [{"entries": [1]}], "entries": [entry()], "creator": {"name": "mitmproxy"}, "version": "1.1"}
    path = tmp_path / "a.har"
    path.write_bytes(codecs.BOM_UTF8 + b"\r\n " + json.dumps({"x": {"log": 1}, "log": log}, indent="\t").encode())
    capture = open_capture(path)
    assert len(list(capture)) == 1 and capture.problems == ()


def test_a_large_entry_is_left_out(tmp_path: Path) -> None:
    big = entry(response={"content": {"size": 1000, "text": "x" * 1000}})
    path = har(tmp_path / "a.har", entry(), big)
    capture = open_capture(path, max_flow=1500)
    assert len(capture) == 1
    assert capture.problems == ("Skipped 1 entry of more than 1500 bytes (open_capture's max_flow can be raised).",)


def test_a_file_that_changes_is_said(tmp_path: Path) -> None:
    path = har(tmp_path / "a.har", entry(), entry())
    capture = open_capture(path)
    path.write_bytes(b" " * path.stat().st_size + b" ")
    with pytest.raises(CaptureError, match="changed after it was opened"):
        capture[0]


def test_notes_are_bounded(tmp_path: Path) -> None:
    capture = open_capture(har(tmp_path / "a.har", entry(), *(["x"] * 150), *([entry(request={"bodySize": 9})] * 150)))
    assert len(list(capture)) == 151
    assert len(capture.problems) == 200
