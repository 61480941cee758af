"""Instructions counted: exact for a filter of which they are known, alike in every run, and none of the host's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import wasmtime

import workbench as wb
from workbench.cli.tour import tour_chain
from workbench.errors import ReplayError
from workbench.trace.records import Event, Kind

FILTER = """
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (local $left i32)
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const {size})))
    (local.set $left (i32.const {rounds}))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    {end}))
"""
PER_ROUND = 6  # local.get, i32.const, i32.sub, local.set, local.get, br_if


@pytest.fixture
def counted(tmp_path: Path, sample_capture: Path) -> Any:
    def count(rounds: int, size: int, end: str = "(i32.const 0)") -> list[int]:
        path = tmp_path / f"{rounds}-{size}.wasm"
        path.write_bytes(bytes(wasmtime.wat2wasm(FILTER.format(rounds=rounds, size=size, end=end))))
        replay = wb.Chain(path).replay(wb.open_capture(sample_capture), fuel=True)
        return [row["instructions"] for row in rows(replay) if row["callback"] == "proxy_on_request_headers"]

    return count


def rows(replay: Any) -> list[dict[str, Any]]:
    trace = replay.trace
    found = []
    for seq in range(len(trace)):
        row = trace.row(seq)
        if row.kind == Kind.EVENT and row.code == Event.FUEL:
            callback = trace.row(row.parent)
            assert (callback.kind, callback.filter, callback.exchange) == (Kind.CALLBACK, row.filter, row.exchange)
            found.append({"callback": trace.name(callback), "instructions": row.a | row.b << 32})
    return found


def test_a_loop_costs_its_instructions(counted: Any) -> None:
    few, many = counted(1000, 8), counted(3000, 8)
    assert len(set(few)) == len(set(many)) == 1 and len(few) == 93
    assert many[0] - few[0] == 2000 * PER_ROUND
    assert 0 <= few[0] - 1000 * PER_ROUND < 80  # the rest of the function, and the way in and out


def test_what_the_host_does_is_not_counted(counted: Any) -> None:
    assert counted(10, 8) == counted(10, 60_000)


def test_a_callback_that_traps_has_none(counted: Any) -> None:
    assert counted(10, 8, "(unreachable)") == []


def test_twice_the_same(repo: Path, sample_capture: Path) -> None:
    capture = wb.open_capture(sample_capture)
    first, second = (tour_chain(repo).replay(capture, fuel=True) for _ in range(2))
    assert rows(first) == rows(second)
    assert first.digest() == second.digest()
    assert len(rows(first)) == len(first.callbacks)
    plain = tour_chain(repo).replay(capture)
    assert [result["mutations"] for result in first.outcomes()] == [result["mutations"] for result in plain.outcomes()]
    assert rows(plain) == []
    with pytest.raises(ReplayError, match="fuel=True"):
        _ = plain.instructions
    groups = first.instructions.groups("callbacks")
    assert sum(group.own.sum for group in groups) == first.instructions.tree.ns > 0
    assert sum(group.host.sum for group in groups) == 0
    said = [call.message for top in first[0].calls for call in top.children if call.name == "fuel"]
    assert said and all(message.endswith("instructions of the filter") for message in said)
