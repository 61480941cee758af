"""The toystore: a small HTTP/1.1 service on 127.0.0.1 with something of everything, for recording captures and for tests.

    with Toystore() as toystore:
        ...  # http://127.0.0.1:{toystore.port}/toys

It answers whatever Host it is asked for, keeps its toys in memory and starts with the same ones each time.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import threading
import time
import zlib
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import brotli
from toystore_loopback import Loopback

__all__ = ["Toystore"]

_NAMES = ["Teddy bear", "Kite", "Yo-yo", "Marbles", "Tin robot", "Doll's house", "Puzzle", "Spinning top", "Rocking horse", "Drum"]
_CODINGS = {"br": brotli.compress, "gzip": lambda data: gzip.compress(data, mtime=0), "deflate": zlib.compress}
_ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


class Toystore(Loopback):
    """The service while the `with` lasts; `port` is where it listens."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(_Server(("127.0.0.1", port), _Handler))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lock = threading.Lock()
        self.toys: dict[int, dict[str, object]] = {n: {"id": n, "name": name, "price_cents": 250 * n} for n, name in enumerate(_NAMES, 1)}
        self.next_id = len(self.toys) + 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "toystore/1.0"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 30
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing: the capture is the log."""

    def handle_method(self) -> None:
        url = urlsplit(self.path)
        body = self._body()
        name, _, rest = url.path.strip("/").partition("/")
        answer = self._rooms.get(name)
        if answer is None:
            self._json(404, {"error": "no such page"})
        else:
            answer(self, rest, parse_qs(url.query), body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_method

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    # -- pages

    def _toys(self, which: str, query: dict[str, list[str]], body: bytes) -> None:
        if self.command == "OPTIONS":
            self._send(204, b"", [("Allow", _ALLOWED), ("Access-Control-Allow-Origin", "*")])
        elif which:
            self._toy(which, body)
        elif self.command == "POST":
            self._create(body)
        elif self.command in ("GET", "HEAD"):
            with self.server.lock:
                toys = list(self.server.toys.values())
            self._json(200, {"toys": toys[: int(query.get("limit", ["10"])[0])]}, tagged=True)
        else:
            self._json(405, {"error": "not on the whole shelf"}, [("Allow", "GET, HEAD, POST, OPTIONS")])

    def _create(self, body: bytes) -> None:
        kind = self.headers.get_content_type()
        if kind == "application/json":
            try:
                toy = dict(json.loads(body))
            except ValueError:
                self._json(400, {"error": "this is no JSON object"})
                return
        elif kind == "application/x-www-form-urlencoded":
            toy = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        elif kind == "multipart/form-data":
            toy = {"parts": body.count(b"Content-Disposition")}
        else:
            self._json(415, {"error": "JSON or a form, please"})
            return
        with self.server.lock:
            number, self.server.next_id = self.server.next_id, self.server.next_id + 1
            self.server.toys[number] = {**toy, "id": number}
        self._json(201, {**toy, "id": number}, [("Location", f"/toys/{number}")])

    def _toy(self, which: str, body: bytes) -> None:
        with self.server.lock:
            answer: dict[str, object]
            toy = self.server.toys.get(int(which)) if which.isdigit() else None
            if toy is None:
                status, answer = 404, {"error": "no such toy"}
            elif self.command == "DELETE":
                del self.server.toys[int(which)]
                status, answer = 204, {}
            elif self.command in ("PUT", "PATCH"):
                changed = dict(json.loads(body or b"{}"))
                toy = {**(toy if self.command == "PATCH" else {}), **changed, "id": int(which)}
                self.server.toys[int(which)] = toy
                status, answer = 200, toy
            else:
                status, answer = 200, toy
        if status == 204:
            self._send(204, b"", [])
        else:
            self._json(status, answer, tagged=self.command in ("GET", "HEAD"))

    def _productpage(self, _which: str, _query: dict[str, list[str]], _body: bytes) -> None:
        cookies = [("Set-Cookie", "session=5f2c9a; Path=/; HttpOnly"), ("Set-Cookie", "theme=wood; Path=/; Max-Age=3600")]
        rows = "".join(f"<li>{html.escape(name)}</li>" for name in _NAMES)
        page = f"<!doctype html><title>Toys</title><h1>Toys</h1><ul>{rows}</ul>\n".encode()
        self._chunked([page[at : at + 64] for at in range(0, len(page), 64)], [("Content-Type", "text/html; charset=utf-8"), *cookies])

    def _search(self, _which: str, query: dict[str, list[str]], _body: bytes) -> None:
        wanted = query.get("q", [""])[0]
        self._json(200, {"q": wanted, "found": [name for name in _NAMES if wanted.lower() in name.lower()]})

    def _slow(self, which: str, _query: dict[str, list[str]], _body: bytes) -> None:
        time.sleep(min(int(which or 300), 2000) / 1000)
        self._json(200, {"waited_ms": int(which or 300)})

    def _status(self, which: str, _query: dict[str, list[str]], _body: bytes) -> None:
        status = int(which)
        self._json(status, {"error": HTTPStatus(status).phrase}, [("Retry-After", "2")] if status == 503 else [])

    def _hang_up(self, *_: object) -> None:
        self.close_connection = True

    def _headers(self, *_: object) -> None:
        fields = [("X-Long", "0123456789abcdef" * 256), ("X-Latin", "caf\xe9"), ("X-Tag", "wood"), ("x-tag", "red"), ("X-Empty", "")]
        self._json(200, {"ok": True}, fields)

    def _empty(self, *_: object) -> None:
        self._send(200, b"", [])

    _rooms: ClassVar[dict[str, Any]] = {
        "toys": _toys,
        "productpage": _productpage,
        "search": _search,
        "slow": _slow,
        "status": _status,
        "hang-up": _hang_up,
        "headers": _headers,
        "empty": _empty,
    }

    # -- answers

    def _json(self, status: int, value: object, fields: list[tuple[str, str]] | None = None, *, tagged: bool = False) -> None:
        fields = [("Content-Type", "application/json"), *(fields or [])]
        body = json.dumps(value).encode()
        if tagged:
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            fields.append(("ETag", tag))
            if self.headers.get("if-none-match") == tag:
                self._send(304, b"", [("ETag", tag)])
                return
        accepted = [coding.strip() for coding in self.headers.get("accept-encoding", "").split(",")]
        coding = next((coding for coding in accepted if coding in _CODINGS), None)
        if coding:
            body = _CODINGS[coding](body)
            fields += [("Content-Encoding", coding), ("Vary", "Accept-Encoding")]
        self._send(status, body, fields)

    def _send(self, status: int, body: bytes, fields: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunked(self, chunks: list[bytes], fields: list[tuple[str, str]]) -> None:
        self.send_response(200)
        for name, value in [*fields, ("Transfer-Encoding", "chunked")]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            for chunk in chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
