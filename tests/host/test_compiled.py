from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wasmtime

from workbench.host import compiled as room
from workbench.host.compiled import compiled
from workbench.host.compose import core_interface
from workbench.host.module import FilterModule

WASM = bytes(wasmtime.wat2wasm('(module (func (export "seven") (result i32) (i32.const 7)))'))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "_modules", {})
    yield tmp_path / "compiled"


def seven(module: wasmtime.Module) -> int:
    store = wasmtime.Store(room.engine())
    store.set_epoch_deadline(1 << 60)
    function = wasmtime.Instance(store, module, []).exports(store)["seven"]
    assert isinstance(function, wasmtime.Func)
    return int(function(store))


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_modules", {})


def never(*args: object) -> None:
    raise AssertionError("compiled again")


def test_a_second_load_takes_the_kept_code(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seven(compiled(WASM)) == 7
    (entry,) = cache.glob("*.cwasm")
    forget(monkeypatch)
    monkeypatch.setattr(room, "_compile", never)
    assert seven(compiled(WASM)) == 7
    assert list(cache.iterdir()) == [entry]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes are POSIX")
def test_the_directory_is_the_users_alone(cache: Path) -> None:
    cache.mkdir(mode=0o755)
    compiled(WASM)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in cache.iterdir()] == [0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_entry_is_compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    compiled(WASM)
    (entry,) = cache.glob("*.cwasm")
    code = bytearray(entry.read_bytes())
    if damage == "flipped":
        code[-1] ^= 0xFF
    entry.write_bytes({"cut": code[: len(code) // 2], "flipped": code, "empty": b""}[damage])
    forget(monkeypatch)
    assert seven(compiled(WASM)) == 7
    (entry,) = cache.glob("*.cwasm")
    assert room._whole(entry)


def test_code_for_another_engine_is_left_alone_and_compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(WASM)
    (entry,) = cache.glob("*.cwasm")
    key = entry.stem.partition("-")[0]
    entry.unlink()
    foreign = bytes(wasmtime.Module(wasmtime.Engine(), WASM).serialize())
    room._keep(key, foreign)
    forget(monkeypatch)
    assert seven(compiled(WASM)) == 7
    assert len(list(cache.glob("*.cwasm"))) == 2


def test_a_cache_that_cannot_be_written_only_costs_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.joinpath("compiled").write_text("in the way")
    assert seven(compiled(WASM)) == 7


def test_the_oldest_entries_go_when_there_are_too_many(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(WASM)
    (old,) = cache.glob("*.cwasm")
    os.utime(old, (1, 1))
    monkeypatch.setattr(room, "_MOST_BYTES", old.stat().st_size + 1)
    compiled(bytes(wasmtime.wat2wasm('(module (func (export "eight") (result i32) (i32.const 8)))')))
    (kept,) = cache.glob("*.cwasm")
    assert kept != old


def test_two_processes_can_fill_it_at_once(cache: Path, repo: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(repo)!r}); from workbench.host.compiled import compiled; compiled({WASM!r})"
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [each.wait(300) for each in running] == [0, 0]
    assert room._whole(next(cache.glob("*.cwasm")))


def test_a_real_go_filter_loads_quickly_the_second_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch, sample_filter: Callable[[str], Path]
) -> None:
    path = sample_filter("add_header")
    seconds = []
    for _ in range(6):
        forget(monkeypatch)
        began = time.process_time()  # not the clock on the wall: other work on the machine must not decide
        compiled(FilterModule.load(path, core_interface()).code)
        seconds.append(time.process_time() - began)
    first, again = seconds[0], min(seconds[1:])
    print(f"{path.stat().st_size} bytes: first load {first * 1e3:.0f} ms, again {again * 1e3:.1f} ms")
    assert again < first / 10, "a hundredth is usual"
