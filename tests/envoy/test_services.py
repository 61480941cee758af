"""A chain's callouts in real Envoy are answered as in the replay: responses, failures, silence; gRPC is told as what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from tests.core.traffic import spread
from workbench.capture import Exchange
from workbench.capture.packing import pack_pairs
from workbench.chain import Chain
from workbench.services.calls import NEVER, HttpRequest, HttpResponse, Reset, Unreachable

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

Make = Callable[..., Exchange]
_MS = 1_000_000


def asks(path: Path) -> Path:
    """A filter that asks `GET /who` of the cluster `auth` for each request, and puts the answer's number of headers and its body into a
    header of the request."""
    head = pack_terminated(((b":method", b"GET"), (b":path", b"/who"), (b":authority", b"auth.example"), (b"x-from", b"filter")))
    data = "".join(f"\\{byte:02x}" for byte in head)
    path.write_bytes(
        bytes(
            wat2wasm(f"""(module
(import "env" "proxy_http_call" (func $ask (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $be (param i32) (result i32)))
(import "env" "proxy_continue_stream" (func $go (param i32) (result i32)))
(memory (export "memory") 4)
(global $free (mut i32) (i32.const 65536))
(global $stream (mut i32) (i32.const 0))
(func (export "malloc") (param i32) (result i32)
  (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 0))))
(func (export "proxy_abi_version_0_2_1"))
(data (i32.const 16) "auth") (data (i32.const 32) "x-said") (data (i32.const 48) "x-headers") (data (i32.const 1024) "{data}")
(func (export "proxy_on_context_create") (param i32 i32))
(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
  (global.set $stream (local.get 0))
  (call $ask (i32.const 16) (i32.const 4) (i32.const 1024) (i32.const {len(head)}) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 300) (i32.const 64))
  (if (result i32) (then (i32.const 0)) (else (i32.const 1))))
(func (export "proxy_on_http_call_response") (param $root i32) (param $token i32) (param $headers i32) (param $size i32) (param i32)
  (drop (call $buffer (i32.const 4) (i32.const 0) (local.get $size) (i32.const 80) (i32.const 84)))
  (drop (call $be (global.get $stream)))
  (i32.store8 (i32.const 96) (i32.add (i32.const 48) (local.get $headers)))
  (drop (call $add (i32.const 0) (i32.const 48) (i32.const 9) (i32.const 96) (i32.const 1)))
  (if (local.get $size) (then (drop (call $add (i32.const 0) (i32.const 32) (i32.const 6) (i32.load (i32.const 80)) (local.get $size)))))
  (drop (call $go (i32.const 0)))))""")
        )
    )
    return path


def pack_terminated(pairs: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """A header map as the ABI has it: count, sizes, then each text with a NUL behind it."""
    sizes = pack_pairs(pairs)[: 4 + 8 * len(pairs)]
    return sizes + b"".join(part + b"\0" for pair in pairs for part in pair)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (HttpResponse(200, {"x-a": "1"}, "ok"), "ok"),
        (HttpResponse(403, {"content-length": "4"}, "nope", latency_ms=40), "nope"),
        (Reset(), None),
        (NEVER, None),
    ],
    ids=["response", "late", "reset", "never"],
)
def test_a_callout_is_answered_as_in_the_replay(tmp_path: Path, exchange: Make, answer: Any, said: str | None) -> None:
    replay = Chain(asks(tmp_path / "asks.wasm"), clusters={"auth": answer}).replay(spread([exchange(), exchange()]))
    upstream = replay[1].result["upstream_request"]
    assert upstream is not None
    if said is not None:
        assert ["x-said", said] in upstream["headers"]
    found = replay.verify_with_envoy()
    assert [str(each) for each in found.differences] == []


def test_a_function_is_asked_the_same(tmp_path: Path, exchange: Make) -> None:
    """Who answers sees in Envoy what it sees in the replay, time and filter aside; the replay's own answers stay as they were."""
    asked: list[HttpRequest] = []

    def who(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return HttpResponse(200, {}, f"{request.exchange} {request.path.decode()}")

    replay = Chain(asks(tmp_path / "asks.wasm"), clusters={"auth": who}).replay(spread([exchange(), exchange()]))
    assert replay.verify_with_envoy().agreed == 2
    ours, theirs = asked[:2], asked[2:4]
    assert [(one.exchange, one.cluster, sorted(one.headers), one.body) for one in theirs] == [
        (one.exchange, one.cluster, sorted(one.headers), one.body) for one in ours
    ]


def test_trailers_bring_a_field_with_them(tmp_path: Path, exchange: Make) -> None:
    """HTTP/1.1 has trailers only with `transfer-encoding`, which the filter counts; that is all that differs."""
    answer = HttpResponse(200, {}, "with", trailers={"x-t": "1"})
    found = Chain(asks(tmp_path / "asks.wasm"), clusters={"auth": answer}).replay(spread([exchange()])).verify_with_envoy()
    assert [(each.what, each.ours, each.envoy) for each in found.differences] == [("header x-headers", ["2"], ["3"])]


def test_a_service_that_is_not_there(tmp_path: Path, exchange: Make) -> None:
    replay = Chain(asks(tmp_path / "asks.wasm"), clusters={"auth": Unreachable()}).replay(spread([exchange()]))
    found = replay.verify_with_envoy()
    assert {each.what for each in found.differences} <= {"header x-said"}
    unknown = Chain(asks(tmp_path / "asks.wasm")).replay(spread([exchange()]))
    assert unknown.verify_with_envoy().agreed == 1
