"""The built filters are those of today's sources, and modules that a Proxy-Wasm host can load; the test filters assemble."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import wasmtime

from sample_filters.build import FILTERS, HERE, built_path, expected_stamp
from sample_filters.sources import read_stamp

ROOT = HERE.parent
TEST_FILTERS = sorted((ROOT / "tests" / "filters").glob("*.wat"))
LARGEST = {"add_header": 4_000_000, "rls_shim": 2_500_000, "trace_every_call": 20_000}
LARGEST_RUST = 400_000

# every export that a host looks up in a filter of ABI 0.2.x, with its number of parameters and whether it answers
CALLBACKS = {
    "proxy_on_context_create": (2, False),
    "proxy_on_vm_start": (2, True),
    "proxy_validate_configuration": (2, True),
    "proxy_on_configure": (2, True),
    "proxy_on_tick": (1, False),
    "proxy_on_queue_ready": (2, False),
    "proxy_on_new_connection": (1, True),
    "proxy_on_downstream_data": (3, True),
    "proxy_on_upstream_data": (3, True),
    "proxy_on_downstream_connection_close": (2, False),
    "proxy_on_upstream_connection_close": (2, False),
    "proxy_on_request_headers": (3, True),
    "proxy_on_request_body": (3, True),
    "proxy_on_request_trailers": (2, True),
    "proxy_on_request_metadata": (2, True),
    "proxy_on_response_headers": (3, True),
    "proxy_on_response_body": (3, True),
    "proxy_on_response_trailers": (2, True),
    "proxy_on_response_metadata": (2, True),
    "proxy_on_http_call_response": (5, False),
    "proxy_on_grpc_receive_initial_metadata": (3, False),
    "proxy_on_grpc_receive": (3, False),
    "proxy_on_grpc_receive_trailing_metadata": (3, False),
    "proxy_on_grpc_close": (3, False),
    "proxy_on_foreign_function": (3, False),
    "proxy_on_done": (1, True),
    "proxy_on_log": (1, False),
    "proxy_on_delete": (1, False),
    "proxy_on_memory_allocate": (1, True),
}
MARKERS = {"proxy_abi_version_0_1_0", "proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"}
LIFECYCLE = {"_initialize", "_start", "main", "malloc"}


def module_of(wasm: bytes) -> wasmtime.Module:
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    return wasmtime.Module(wasmtime.Engine(config), wasm)


def assemble(path: Path) -> bytes:
    return bytes(wasmtime.wat2wasm(path.read_text(encoding="utf-8")))


def check_proxy_wasm(module: wasmtime.Module) -> set[str]:
    """Names of the exported functions, after every check that holds for any filter."""
    functions = {export.name: export.type for export in module.exports if isinstance(export.type, wasmtime.FuncType)}
    assert len(MARKERS & functions.keys()) == 1
    assert any(export.name == "memory" and isinstance(export.type, wasmtime.MemoryType) for export in module.exports)
    assert "proxy_on_memory_allocate" in functions
    for name, kind in functions.items():
        if name in CALLBACKS:
            shape = ([str(param) for param in kind.params], [str(result) for result in kind.results])
            params, answers = CALLBACKS[name]
            assert shape == (["i32"] * params, ["i32"] * answers), name
        else:
            assert name in MARKERS | LIFECYCLE, f"{name} is no callback of the ABI"
    for needed in module.imports:
        allowed = needed.module == "wasi_snapshot_preview1" or (needed.module == "env" and str(needed.name).startswith("proxy_"))
        assert allowed, f"{needed.module}.{needed.name}"
    return set(functions)


def test_every_folder_with_a_built_filter_is_known() -> None:
    assert {path.parent.name for path in HERE.glob("*/*.wasm") if path.parent.name != "target"} == set(FILTERS)


@pytest.mark.parametrize("name", FILTERS)
def test_built_from_todays_sources(name: str) -> None:
    assert read_stamp(built_path(name).read_bytes()) == expected_stamp(name), f"run: python -m sample_filters.build {name}"


@pytest.mark.parametrize("name", FILTERS)
def test_small_documented_and_without_paths_of_a_machine(name: str) -> None:
    wasm = built_path(name).read_bytes()
    assert len(wasm) < LARGEST.get(name, LARGEST_RUST)
    assert (HERE / name / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")
    for folder in (str(Path.home()), str(ROOT), ".cargo/registry"):
        assert folder.encode() not in wasm
    assert not re.search(rb"/(root|home|Users)/\w", wasm)


@pytest.mark.parametrize("name", FILTERS)
def test_is_a_filter(name: str) -> None:
    exports = check_proxy_wasm(module_of(built_path(name).read_bytes()))
    assert exports & {"proxy_on_request_headers", "proxy_on_response_headers"}


def test_trace_every_call_has_every_callback() -> None:
    exports = check_proxy_wasm(module_of(built_path("trace_every_call").read_bytes()))
    assert exports == CALLBACKS.keys() | {"proxy_abi_version_0_2_1"}


@pytest.mark.parametrize("path", TEST_FILTERS, ids=lambda path: path.stem)
def test_test_filter_is_a_filter(path: Path) -> None:
    exports = check_proxy_wasm(module_of(assemble(path)))
    assert "proxy_abi_version_0_2_1" in exports


def instance_of(path: Path) -> tuple[wasmtime.Store, wasmtime.Instance]:
    """A test filter alone: each host function answers 0 and does nothing, which is all that what it does by itself needs."""
    config = wasmtime.Config()
    config.consume_fuel = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    store.set_fuel(1_000_000)
    store.set_limits(memory_size=64 << 20)
    module = wasmtime.Module(engine, assemble(path))
    functions = []
    for needed in module.imports:
        kind = needed.type
        assert isinstance(kind, wasmtime.FuncType)
        functions.append(wasmtime.Func(store, kind, lambda *_: 0))
    return store, wasmtime.Instance(store, module, functions)


def call(store: wasmtime.Store, instance: wasmtime.Instance, name: str, *args: int) -> int:
    function = instance.exports(store)[name]
    assert isinstance(function, wasmtime.Func)
    answer = function(store, *args)
    return int(answer) if answer is not None else 0


@pytest.mark.parametrize("path", [*TEST_FILTERS, HERE / "trace_every_call" / "trace_every_call.wat"], ids=lambda path: path.stem)
def test_allocator_stays_inside_memory_and_apart(path: Path) -> None:
    store, instance = instance_of(path)
    memory = instance.exports(store)["memory"]
    assert isinstance(memory, wasmtime.Memory)
    previous = (0, 0)
    for size in [1, 7, 8, 4000, 65536, 1, 30000, 30000, 30000, 65535, 3] * 3:
        at = call(store, instance, "proxy_on_memory_allocate", size)
        assert at >= 65536 and at % 8 == 0 and at + size <= memory.data_len(store)
        assert at >= previous[1] or at + size <= previous[0] or at == 65536, "overlaps the block before it without having begun anew"
        previous = (at, at + size)
    for size in (0x7FFFFFFF, -1):
        assert call(store, instance, "proxy_on_memory_allocate", size) == 0


@pytest.mark.parametrize(("name", "code"), [("trap_third", wasmtime.TrapCode.UNREACHABLE), ("spin_third", wasmtime.TrapCode.OUT_OF_FUEL)])
def test_the_third_request_does_not_return(name: str, code: wasmtime.TrapCode) -> None:
    store, instance = instance_of(ROOT / "tests" / "filters" / f"{name}.wat")
    for context in (2, 3):
        assert call(store, instance, "proxy_on_request_headers", context, 4, 1) == 0
    with pytest.raises(wasmtime.Trap) as caught:
        call(store, instance, "proxy_on_request_headers", 4, 4, 1)
    assert caught.value.trap_code == code


def test_grow_takes_all_the_memory_it_gets() -> None:
    store, instance = instance_of(ROOT / "tests" / "filters" / "grow.wat")
    with pytest.raises(wasmtime.Trap) as caught:
        call(store, instance, "proxy_on_request_headers", 2, 4, 1)
    assert caught.value.trap_code == wasmtime.TrapCode.UNREACHABLE
    memory = instance.exports(store)["memory"]
    assert isinstance(memory, wasmtime.Memory)
    assert (64 << 20) - (16 << 16) < memory.data_len(store) <= 64 << 20
