"""A sampled profile: functions by name, the one that works hardest first, and files that its viewers read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import wasmtime

import workbench as wb
from workbench.analysis.profile import GuestProfile
from workbench.errors import ConfigError

FILTER = """
(module
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func $spin (param $left i32)
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (i32.store (i32.const 0) (local.get $left))
      (br_if $again (local.get $left))))
  (func $much (call $spin (i32.const 9000000)))
  (func $little (call $spin (i32.const 900000)))
  (func $entry (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $much) (call $little) (i32.const 0)))
"""


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory, sample_capture: Path) -> Any:
    path = tmp_path_factory.mktemp("profile") / "busy.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(FILTER)))
    return wb.Chain(path).replay(wb.open_capture(sample_capture), profile=0.002)


def test_functions_by_name_and_share(replay: Any) -> None:
    profile: GuestProfile = replay.profile
    assert len(profile) > 0
    functions = {each.function: each for each in profile.functions}
    assert {each.filter for each in profile.functions} == {"busy"}
    assert profile.functions[0].function == "spin"
    assert functions["spin"].own > 0.5 * len(profile)
    assert functions["entry"].own < 0.5 * len(profile) < functions["entry"].total
    # it works ten times as much; how many samples there are is up to the machine
    assert functions["much"].total > functions["little"].total if "little" in functions else True
    assert sum(times for _, times in profile.stacks()) == len(profile)
    assert any([name for _, name in stack] == ["entry", "much", "spin"] for stack, _ in profile.stacks())
    table = profile.table
    assert table["own"].sum() == len(profile)
    assert table.iloc[0]["total_share"] <= 1
    assert "spin" in repr(profile)


def test_the_profile_as_files(replay: Any, tmp_path: Path) -> None:
    path = tmp_path / "firefox.json"
    replay.profile.to_firefox(path)
    assert json.loads(path.read_text())["threads"][0]["samples"]["length"] == len(replay.profile)
    assert replay.to_speedscope(tmp_path / "s.json") == 4
    found = json.loads((tmp_path / "s.json").read_text())
    sampled = next(each for each in found["profiles"] if each["name"] == "Functions, sampled")
    assert sum(sampled["weights"]) == len(replay.profile) * 2_000_000
    assert "spin" in {frame["name"] for frame in found["shared"]["frames"]}


def test_none_is_taken_unasked(sample_capture: Path, sample_filter: Any) -> None:
    plain = wb.Chain(sample_filter("add_header")).replay(wb.open_capture(sample_capture))
    sampled = wb.Chain(sample_filter("add_header")).replay(wb.open_capture(sample_capture), profile=True)
    assert plain.profile is None
    assert plain.digest() == sampled.digest()


def test_a_distance_that_cannot_be(sample_capture: Path, sample_filter: Any) -> None:
    with pytest.raises(ConfigError, match="Give seconds from"):
        wb.Chain(sample_filter("add_header")).replay(wb.open_capture(sample_capture), profile=1e-9)


def test_a_profile_without_samples() -> None:
    empty = GuestProfile(b"", 1_000_000)
    assert len(empty) == 0 and empty.functions == () and "too short" in repr(empty)
