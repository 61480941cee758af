"""Small modules, one peculiarity each, for what an audit must see and what a real Envoy says to it."""

from __future__ import annotations

from wasmtime import wat2wasm

MEMORY = '(memory (export "memory") 1)'
REST = '(func (export "malloc") (param i32) (result i32) (i32.const 1024)) (func (export "proxy_abi_version_0_2_1"))'
FRAME = f"{MEMORY} {REST}"
ABI_0_1 = FRAME.replace("0_2_1", "0_1_0")
V128 = "(v128.const i64x2 1 2)"

LOADED: dict[str, str] = {
    "plain": f"(module {FRAME})",
    "bulk_memory": f"(module {FRAME} (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
    "multi_value": f"(module {FRAME} (func (result i32 i32) (i32.const 0) (i32.const 0)))",
    "simd": f"(module {FRAME} (func (result i32) (i8x16.extract_lane_s 0 {V128})))",
    "relaxed_simd": f"(module {FRAME} (func (result v128) (i8x16.relaxed_swizzle {V128} {V128})))",
    "tail_call": f"(module {FRAME} (func $f (return_call $f)))",
    "exceptions": f"(module {FRAME} (tag $e) (func (throw $e)))",
    "legacy_exceptions": f"(module {FRAME} (tag $e) (func try catch $e end))",
    "threads": f'(module (memory (export "memory") 1 2 shared) {REST})',
    "multi_memory": f"(module {FRAME} (memory 1))",
    "function_references": f"(module {FRAME} (type $t (func)) (func (param (ref null $t)) (call_ref $t (local.get 0))))",
    "gc": f"(module {FRAME} (type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1)))))",
    "start function": f"(module {FRAME} (func $s) (start $s))",
    "imported memory": f'(module (import "env" "memory" (memory 1)) (export "memory" (memory 0)) {REST})',
    "memory by another name": f'(module (memory (export "mem") 1) {REST})',
    "Envoy's own function": f'(module (import "env" "envoy_resolve_dns" (func (param i32 i32 i32) (result i32))) {FRAME})',
    "a function of 0.1.0": f'(module (import "env" "proxy_clear_route_cache" (func (result i32))) {ABI_0_1})',
    "a wrong export that nobody calls": f'(module {FRAME} (func (export "proxy_on_redis_call_response") (param i64)))',
    "two allocators": f'(module {FRAME} (func (export "proxy_on_memory_allocate")))',
}
"""What a real Envoy 1.40 starts with, by what is peculiar in it."""

REFUSED: dict[str, str] = {
    "three unknown imports": f'(module (import "env" "a" (func)) (import "env" "b" (func)) (import "x" "c" (func)) {FRAME})',
    "a wrong import": f'(module (import "env" "proxy_log" (func (param i32) (result i32))) {FRAME})',
    "a function of another ABI": f'(module (import "env" "proxy_clear_route_cache" (func (result i32))) {FRAME})',
    "no result, as 0.1.0 has it in words": f'(module (import "env" "proxy_continue_request" (func)) {ABI_0_1})',
    "an imported global": f'(module (import "env" "g" (global i32)) {FRAME})',
    "a wrong export": f'(module {FRAME} (func (export "proxy_on_tick") (param i64)))',
    "a wrong callback of callouts": f'(module {FRAME} (func (export "proxy_on_http_call_response") (param i32)))',
    "no marker": f'(module {MEMORY} (func (export "malloc") (param i32) (result i32) (i32.const 0)))',
    "no allocator": f'(module {MEMORY} (func (export "proxy_abi_version_0_2_1")))',
    "an ABI of the future": f"(module {FRAME.replace('0_2_1', '0_3_0')})",
    "wide_arithmetic": f"(module {FRAME} (func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 1))))",
    "too much memory": f'(module (memory (export "memory") 20000) {REST})',
}
"""What a real Envoy 1.40 refuses."""


def assembled(text: str) -> bytes:
    """The module as bytes."""
    return bytes(wat2wasm(text))


def section(number: int, body: bytes) -> bytes:
    """A section as bytes."""
    return bytes([number]) + leb(len(body)) + body


def custom(name: str, body: bytes = b"") -> bytes:
    """A custom section as bytes."""
    raw = name.encode()
    return section(0, leb(len(raw)) + raw + body)


def leb(value: int) -> bytes:
    """An unsigned number as the format writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def text(value: str) -> bytes:
    """A name as the format writes it."""
    raw = value.encode()
    return leb(len(raw)) + raw
