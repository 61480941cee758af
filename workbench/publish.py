"""Filters over HTTP, each with its SHA-256 beside it, as an operator serves modules to a mesh: for an Envoy or Istio of one's own."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, unquote, urlsplit

from .errors import ConfigError, FilterLoadError
from .host.binary import check_header
from .host.module import path_text, read_file

__all__ = ["ServedFilters", "serve_filter"]

Seen = Callable[[str], None]
_SUM = ".sha256"


class ServedFilters:
    """Files that are served until `close()`, or the end of `with`. A file is read at each request, so a new build is served at once."""

    def __init__(self, paths: list[Path], host: str, port: int, seen: Seen | None) -> None:
        self._paths = {path.name: path for path in paths}
        try:
            self._server = ThreadingHTTPServer((host, port), partial(_Handler, self._paths, seen))
        except OSError as error:
            raise ConfigError(
                f"cannot be listened at: {error.strerror}", where=f"{host}:{port}", remedy="Give another address or port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="workbench-serve-filter", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """`http://HOST:PORT`."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def urls(self) -> dict[str, str]:
        """The address of each file by its name; with `.sha256` behind it that of its hash, in the form of `sha256sum`."""
        return {name: f"{self.address}/{quote(os.fsencode(name))}" for name in self._paths}

    @property
    def url(self) -> str:
        """The address of the first file."""
        return next(iter(self.urls.values()))

    @property
    def sha256(self) -> str:
        """Of the first file as it is now, in hexadecimal: what a WasmPlugin or Envoy's remote data source wants beside the address."""
        return _hash(read_file(next(iter(self._paths.values()))))

    def wait(self) -> None:
        """Serve until interrupted."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ServedFilters:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return "\n".join(f"{url}\nsha256 {_hash(read_file(self._paths[name]))}" for name, url in self.urls.items())


def serve_filter(*paths: str | os.PathLike[str], host: str = "127.0.0.1", port: int = 0, seen: Seen | None = None) -> ServedFilters:
    """Serve `.wasm` files over HTTP, each at `/NAME` and its hash at `/NAME.sha256`, on loopback unless told otherwise.

    port  0 takes a free one
    seen  told of each request, a line

    Raises `FilterLoadError` for a file that cannot be read, `ConfigError` for an address that is taken or two files of one name.
    """
    files = [Path(path_text(path)) for path in paths]
    if not files:
        raise ConfigError("no file to serve", remedy="Give the path of a .wasm file")
    for file in files:
        check_header(read_file(file), str(file))
        same = [str(each) for each in files if each.name == file.name]
        if len(same) > 1:
            raise ConfigError(f"two files of the name {file.name}", where=", ".join(same), remedy="Serve them one at a time")
    return ServedFilters(files, host, port, seen)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, paths: dict[str, Path], seen: Seen | None, *args: object) -> None:
        self._paths = paths
        self._seen = seen
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        name = unquote(urlsplit(self.path).path, errors="surrogateescape").removeprefix("/")
        path = self._paths.get(name.removesuffix(_SUM))
        if path is None:
            names = ", ".join(quote(os.fsencode(each)) for each in self._paths)
            self._send(HTTPStatus.NOT_FOUND, "text/plain", f"Served are: {names}\n".encode(), body)
            return
        try:
            data = read_file(path)
            check_header(data, path.name)
        except FilterLoadError as error:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", f"{error.what}\n".encode(), body)
            return
        digest = _hash(data)
        if name.endswith(_SUM):
            self._send(HTTPStatus.OK, "text/plain", f"{digest}  ".encode() + os.fsencode(path.name) + b"\n", body)
        elif self.headers.get("if-none-match") == f'"{digest}"':
            self._send(HTTPStatus.NOT_MODIFIED, None, b"", False, digest)
        else:
            self._send(HTTPStatus.OK, "application/wasm", data, body, digest)

    def _send(self, status: HTTPStatus, kind: str | None, data: bytes, body: bool, digest: str = "") -> None:
        self.send_response(status)
        if kind is not None:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        if digest:
            self.send_header("ETag", f'"{digest}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        if self._seen is not None:
            self._seen(format % args)
