"""What an empty hostcall costs here: the least that any hostcall in a trace of this machine can read, measured through the real host."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import wasmtime

from ..trace.records import Kind, Policy
from .driver import replay
from .module import DEFAULT_MEMORY_LIMIT

__all__ = ["Baseline", "empty_hostcall"]

_CALLS = 20_000
_WARM_UP = 2_000

# proxy_clear_route_cache: there is one route in a replay, so the host has nothing to do for it
_WAT = f"""
(module
  (import "env" "proxy_clear_route_cache" (func $empty (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_1_0"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (local $left i32)
    (local.set $left (i32.const {_CALLS}))
    (loop $again
      (drop (call $empty))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.const 1)))
"""


@dataclass(frozen=True)
class Baseline:
    """`ns` is the median of `calls` hostcalls that do nothing, in nanoseconds as a trace's rows have them."""

    ns: float
    calls: int


@dataclass(frozen=True)
class _Empty:
    path: Path
    name: str = "empty"
    config: bytes = b""
    root_id: str = ""
    vm_config: bytes = b""
    vm_id: str = ""
    env: tuple[tuple[str, str], ...] = ()
    policy: Policy = Policy.CLOSED
    fail_open: bool = False
    allow_on_headers_stop_iteration: bool = False
    memory_limit: int = DEFAULT_MEMORY_LIMIT
    allowed_capabilities: tuple[str, ...] = ()
    expected_sha256: str = ""


@cache
def empty_hostcall() -> Baseline:
    """Measured once a process, in some milliseconds."""
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        path = Path(folder) / "empty.wasm"
        path.write_bytes(bytes(wasmtime.wat2wasm(_WAT)))
        trace = replay([_Empty(path)], [])
    ns = trace.column("ns")[trace.column("kind") == Kind.HOSTCALL][_WARM_UP:]
    return Baseline(float(np.median(ns)), len(ns))
