"""Small filters written in WAT, exchanges made by hand, and what a replay of them must say where no filter changes anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.capture.exchange import Exchange, Pairs, Request, Response

_IMPORTS = """
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_send_local_response" (func $local (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
"""
_FRAME = """
(memory (export "memory") 4)
(global $free (mut i32) (i32.const 65536))
(func (export "malloc") (param i32) (result i32)
  (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 0))))
(func (export "proxy_abi_version_0_2_1"))
"""


class Wat:
    """Puts texts into a module's memory and builds the module."""

    def __init__(self) -> None:
        self._data = b""

    def text(self, value: bytes) -> str:
        """The two operands, place and length, of a text."""
        at = 1024 + len(self._data)
        self._data += value
        return f"(i32.const {at}) (i32.const {len(value)})"

    def build(self, path: Path, functions: str) -> Path:
        """Write a filter with these functions to `path`."""
        from wasmtime import wat2wasm

        escaped = "".join(f"\\{byte:02x}" for byte in self._data)
        path.write_bytes(bytes(wat2wasm(f'(module {_IMPORTS} {_FRAME} (data (i32.const 1024) "{escaped}") {functions})')))
        return path


@pytest.fixture
def wat() -> Wat:
    """A fresh builder."""
    return Wat()


def make_exchange(
    index: int = 0,
    *,
    method: bytes = b"GET",
    scheme: bytes = b"http",
    path: bytes = b"/toys?id=1",
    headers: Pairs = ((b"Host", b"toys.example"),),
    body: bytes = b"",
    trailers: Pairs = (),
    response: Response | int | None = 200,
    start_ms: int = 0,
) -> Exchange:
    """An exchange; a number as response makes a plain one of that status."""
    if isinstance(response, int):
        response = make_response(status=response)
    start = 1_700_000_000_000_000_000 + start_ms * 1_000_000
    request = Request(method, scheme, b"toys.example", path, b"HTTP/1.1", headers, body, trailers, start, start + 1)
    return Exchange(index, request, response)


def make_response(headers: Pairs = ((b"Content-Length", b"2"),), body: bytes = b"ok", trailers: Pairs = (), status: int = 200) -> Response:
    return Response(status, b"OK", b"HTTP/1.1", headers, body, trailers, 0, 0)


def untouched(exchange: Exchange) -> dict[str, Any]:
    """What a replay must say of an exchange that no filter changes, written out by hand for messages without peculiarities."""
    request, response = exchange.request, exchange.response
    assert response is not None
    headers = [[":authority", "toys.example"], [":path", request.path.decode()], [":method", request.method.decode()]]
    headers += [[":scheme", request.scheme.decode()], *_fields(request.headers, ("host", "transfer-encoding"))]
    headers.append(["x-forwarded-proto", request.scheme.decode()])
    answered = [[":status", str(response.status)], *_fields(response.headers, ("transfer-encoding",))]
    return {
        "exchange": exchange.index,
        "upstream_request": {"headers": headers, **_rest(request.body, request.trailers)},
        "downstream_response": {"status": response.status, "headers": answered, **_rest(response.body, response.trailers)},
    }


def _fields(pairs: Pairs, without: tuple[str, ...] = ()) -> list[list[str]]:
    decoded = [[name.decode().lower(), value.decode("latin-1")] for name, value in pairs]
    return [pair for pair in decoded if pair[0] not in without]


def _rest(body: bytes, trailers: Pairs) -> dict[str, Any]:
    return {"body_size": len(body), "body_sha256": hashlib.sha256(body).hexdigest(), "trailers": _fields(trailers)}


@pytest.fixture
def exchange() -> Callable[..., Exchange]:
    """`make_exchange`, as tests in this folder cannot import from here."""
    return make_exchange


@pytest.fixture
def response() -> Callable[..., Response]:
    """`make_response`, likewise."""
    return make_response


@pytest.fixture
def replayed() -> Callable[[Exchange], dict[str, Any]]:
    """`untouched`, likewise."""
    return untouched
