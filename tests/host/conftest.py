"""Small filters as text, small captures as batches, and a cache of compiled code of their own for these tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import wasmtime

from workbench.capture.exchange import Exchange, Request, Response
from workbench.capture.packing import pack

START_NS = 1_768_471_200_000_000_000
STEP_NS = 1_000_000

ALLOCATOR = """
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 131072)) (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))"""


@dataclass(frozen=True)
class PackedBatch:
    data: bytes
    count: int
    start_ns: int


def filter_text(body: str = "", *, imports: str = "", abi: str = "0_2_1", memory: str = "2", allocator: str = ALLOCATOR) -> str:
    """A filter with `body` in it; `imports` stand before everything else."""
    return f"""(module {imports}
      (memory (export "memory") {memory})
      {allocator}
      (func (export "proxy_abi_version_{abi}"))
      {body})"""


@pytest.fixture
def text() -> Callable[..., str]:
    return filter_text


@pytest.fixture
def assembled(tmp_path: Path) -> Callable[..., Path]:
    """Puts a module's text into a `.wasm`."""

    def assemble(wat: str, name: str = "filter") -> Path:
        path = tmp_path / f"{name}.wasm"
        path.write_bytes(bytes(wasmtime.wat2wasm(wat)))
        return path

    return assemble


def exchange(index: int, path: bytes = b"/toys", body: bytes = b"", answer: bytes = b"ok") -> Exchange:
    start = START_NS + index * STEP_NS
    headers = ((b"host", b"toystore.example"), (b"x-h1", b"one"))
    request = Request(b"GET", b"https", b"toystore.example", path, b"HTTP/1.1", headers, body, (), start, start + 1000)
    answered = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(answer)))
    response = Response(200, b"OK", b"HTTP/1.1", answered, answer, (), start + 300_000, start + 400_000)
    return Exchange(index, request, response)


@pytest.fixture
def batches() -> Callable[..., list[PackedBatch]]:
    """So many exchanges, a millisecond apart, in batches of `size`."""

    def make(count: int, size: int = 100) -> list[PackedBatch]:
        made = []
        for first in range(0, count, size):
            part = [exchange(index) for index in range(first, min(count, first + size))]
            made.append(PackedBatch(pack(part), len(part), START_NS + first * STEP_NS))
        return made

    return make
