"""A filter that asks three services for each request: two over HTTP at once and one over gRPC, and goes on when all have answered."""

from __future__ import annotations

from pathlib import Path

import wasmtime

from tests.core.wat import pairs

__all__ = ["write_three_calls"]

_HEADS = [pairs((":method", "GET"), (":path", path), (":authority", "users.example")) for path in ("/first", "/second")]
_TEXTS = [b"users", b"limits", b"pkg.Limits", b"Check", b"ping", b"x-answers", b"0", *_HEADS]

_WAT = """
(module
  (import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call" (func $grpc (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (memory (export "memory") 64)
  (global $free (mut i32) (i32.const 3145728))
  {data}
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (global.get $free))
  ;; three tables: the stream of an HTTP token, of a gRPC token, and how many answers a stream has had
  (func $place (param $base i32) (param $at i32) (result i32) (i32.add (local.get $base) (i32.shl (local.get $at) (i32.const 2))))
  (func $remember (param $base i32) (param $ctx i32)
    (i32.store (call $place (local.get $base) (i32.shr_u (i32.load (i32.const 1024)) (i32.const 2))) (local.get $ctx)))
  (func $answered (param $base i32) (param $token i32)
    (local $ctx i32) (local $count i32) (local $at i32)
    (local.set $ctx (i32.load (call $place (local.get $base) (i32.shr_u (local.get $token) (i32.const 2)))))
    (local.set $at (call $place (i32.const 2097152) (local.get $ctx)))
    (local.set $count (i32.add (i32.load (local.get $at)) (i32.const 1)))
    (i32.store (local.get $at) (local.get $count))
    (if (i32.eq (local.get $count) (i32.const 3)) (then
      (drop (call $effective (local.get $ctx)))
      (i32.store8 {zero_at} (i32.add (i32.const 48) (local.get $count)))
      (drop (call $add (i32.const 0) {name} {zero}))
      (drop (call $continue (i32.const 0))))))
  (func (export "proxy_on_request_headers") (param $ctx i32) (param i32 i32) (result i32)
    {calls}
    (i32.const 1))
  (func (export "proxy_on_http_call_response") (param i32) (param $token i32) (param i32 i32 i32)
    (call $answered (i32.const 65536) (local.get $token)))
  (func (export "proxy_on_grpc_receive") (param i32) (param $token i32) (param i32)
    (call $answered (i32.const 1048576) (local.get $token))))
"""


def write_three_calls(path: Path) -> Path:
    """Build the filter; it calls the clusters `users` (HTTP, paths /first and /second) and `limits` (gRPC, pkg.Limits/Check)."""
    places, data, at = [], [], 2048
    for text in _TEXTS:
        escaped = "".join(f"\\{byte:02x}" for byte in text)
        data.append(f'(data (i32.const {at}) "{escaped}")')
        places.append(f"(i32.const {at}) (i32.const {len(text)})")
        at += len(text) + 8
    users, limits, service, method, ping, name, zero, *heads = places
    nothing = "(i32.const 0) (i32.const 0)"
    calls = [f"(drop (call $http {users} {head} {nothing} {nothing} (i32.const 0) (i32.const 1024)))" for head in heads]
    calls.append(f"(drop (call $grpc {limits} {service} {method} {nothing} {ping} (i32.const 5000) (i32.const 1024)))")
    bases = (65536, 65536, 1048576)
    steps = "\n    ".join(f"{call} (call $remember (i32.const {base}) (local.get $ctx))" for call, base in zip(calls, bases, strict=True))
    text = _WAT.format(data="\n  ".join(data), calls=steps, name=name, zero=zero, zero_at=zero.partition(") ")[0] + ")")
    path.write_bytes(bytes(wasmtime.wat2wasm(text)))
    return path
