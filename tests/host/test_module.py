from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from workbench.errors import ConfigError, FilterLoadError
from workbench.host.abi import Abi
from workbench.host.binary import WasmBinary
from workbench.host.compose import Composition, core_interface
from workbench.host.module import PAGE, FilterModule, detect_abi

Text = Callable[..., str]
Assembled = Callable[..., Path]


def load(path: Path, memory_limit: int = 64 * PAGE) -> FilterModule:
    return FilterModule.load(path, core_interface(), memory_limit)


def refusal(path: Path, memory_limit: int = 64 * PAGE) -> FilterLoadError:
    with pytest.raises(FilterLoadError) as caught:
        load(path, memory_limit)
    assert caught.value.where == str(path)
    return caught.value


@pytest.mark.parametrize(
    ("content", "says", "remedy"),
    [
        (b"", "empty", ".wasm"),
        (b"hello", "not a wasm file", ".wasm"),
        (b"\x7fELF\2\1\1\0", "not a wasm file", "native"),
        (gzip.compress(b"\0asm\1\0\0\0"), "not a wasm file", "gzip"),
        (b"  (module)", "text form", "wat2wasm"),
        (b";; a comment\n(module)", "text form", "wat2wasm"),
        (b"\0asm", "cut short", "again"),
        (b"\0asm\x0d\0\1\0", "component", "wasip2"),
        (b"\0asm\2\0\0\0", "version 2", ""),
        (b"\0asm\1\0\0\0\1\x05\0", "cut short: section 1 at byte 8 says 5 bytes, 1 are left", "again"),
        (b"\0asm\1\0\0\0\1\1\xff", "broken module at byte", "again"),
        (b"\0asm\1\0\0\0\7\6\1\2\xff\xfe\0\0", "not UTF-8", "again"),
        (b"\0asm\1\0\0\0\3\2\1\5", "no type 5", "again"),
    ],
)
def test_what_is_no_module_is_named(tmp_path: Path, content: bytes, says: str, remedy: str) -> None:
    path = tmp_path / "filter.wasm"
    path.write_bytes(content)
    error = refusal(path)
    assert says in error.what
    assert remedy in error.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.wasm").what


def test_every_cut_of_a_real_module_is_one_clear_error(tmp_path: Path, text: Text) -> None:
    whole = bytes(wasmtime.wat2wasm(text('(func (export "proxy_on_context_create") (param i32 i32))')))
    path = tmp_path / "filter.wasm"
    names = next(start for section, start, _ in WasmBinary.parse(whole, "whole").sections if section == 0)  # last, and not needed
    for size in range(names):
        path.write_bytes(whole[:size])
        with pytest.raises(FilterLoadError):
            # where a cut falls between two sections and the audit misses nothing, linking does
            Composition().add_vm(load(path))
            pytest.fail(f"{size} of {len(whole)} bytes were taken for a whole module")


def test_no_marker(assembled: Assembled) -> None:
    error = refusal(assembled('(module (memory (export "memory") 1) (func (export "_start")))'))
    assert "no Proxy-Wasm ABI marker" in error.what
    assert "cdylib" in error.remedy


@pytest.mark.parametrize(
    ("exports", "found"),
    [
        ('(func (export "proxy_abi_version_0_2_0")) (func (export "proxy_abi_version_0_1_0"))', Abi.V0_2_0),
        ('(global (export "proxy_abi_version_0_2_1") i32 (i32.const 0)) (func (export "proxy_abi_version_0_1_0"))', Abi.V0_1_0),
        ('(func (export "proxy_abi_version_0_3_0")) (func (export "proxy_abi_version_0_2_1"))', Abi.V0_2_1),
        ('(func (export "proxy_abi_version_0_x_x"))', None),
        ('(global (export "proxy_abi_version_0_2_1") i32 (i32.const 0))', None),
    ],
)
def test_the_first_marker_function_decides(exports: str, found: Abi | None) -> None:
    assert detect_abi(WasmBinary.parse(bytes(wasmtime.wat2wasm(f"(module {exports})")), "filter.wasm")) == found


def test_all_unknown_imports_at_once(assembled: Assembled, text: Text) -> None:
    imports = """
      (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
      (import "env" "proxy_paint" (func))
      (import "wasi_snapshot_preview1" "sock_open" (func (param i32) (result i32)))
      (import "env" "proxy_clear_route_cache" (func (result i32)))
      (import "env" "table" (table 1 funcref))"""
    error = refusal(assembled(text(imports=imports)))
    for name in ("env.proxy_paint", "wasi_snapshot_preview1.sock_open", "table env.table"):
        assert name in error.what
    assert "env.proxy_clear_route_cache (only in ABI 0.1.0)" in error.what
    assert "proxy_log" not in error.what


def test_a_hundred_unknown_imports_are_bounded(assembled: Assembled, text: Text) -> None:
    imports = "".join(f'(import "env" "{"long" * 50}_{number}" (func))' for number in range(5000))
    error = refusal(assembled(text(imports=imports)))
    assert "and 4900 more" in error.what
    assert len(str(error)) < 20_000


def test_names_cannot_break_out_of_the_message(assembled: Assembled, text: Text) -> None:
    error = refusal(assembled(text(imports='(import "env" "a\\0a\\1b[31m\\e2\\80\\ae" (func))')))
    assert str(error).isprintable()


def test_wrong_types_all_at_once(assembled: Assembled, text: Text) -> None:
    imports = """
      (import "env" "proxy_log" (func (param i32) (result i32)))
      (import "env" "proxy_increment_metric" (func (param i32 i32) (result i32)))"""
    body = """
      (func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))
      (global (export "proxy_on_log") i32 (i32.const 0))"""
    what = refusal(assembled(text(body, imports=imports))).what
    assert "env.proxy_log expected (i32, i32, i32) -> i32, found (i32) -> i32" in what
    assert "env.proxy_increment_metric expected (i32, i64) -> i32, found (i32, i32) -> i32" in what
    assert "proxy_on_request_headers expected (i32, i32, i32) -> i32, found (i32, i32) -> i32" in what
    assert "proxy_on_log expected (i32) -> (), found a global" in what


def test_types_that_no_host_looks_up_do_not_matter(assembled: Assembled, text: Text) -> None:
    body = '(func (export "main") (result i64) (i64.const 0)) (func (export "proxy_on_paint"))'
    assert load(assembled(text(body))).abi == Abi.V0_2_1


def test_abi_0_1_0_takes_its_own_types(assembled: Assembled, text: Text) -> None:
    imports = '(import "env" "proxy_continue_request" (func)) (import "env" "proxy_clear_route_cache" (func (result i32)))'
    body = '(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))'
    module = load(assembled(text(body, imports=imports, abi="0_1_0")))
    assert module.abi == Abi.V0_1_0
    assert module.called["proxy_on_request_headers"].name == "proxy_on_request_headers_abi_01"


@pytest.mark.parametrize("missing", ["(result i32)", ""])
def test_the_allocator_is_needed(assembled: Assembled, text: Text, missing: str) -> None:
    assert "no allocator" in refusal(assembled(text(allocator=""))).what


def test_malloc_comes_first(assembled: Assembled, text: Text) -> None:
    malloc = '(func (export "malloc") (param i32) (result i32) (i32.const 8))'
    called = load(assembled(text(malloc))).called
    assert "malloc" in called
    assert "proxy_on_memory_allocate" not in called


@pytest.mark.parametrize(
    ("wat", "says"),
    [
        ('(module (import "env" "memory" (memory 1)) {})', "imports its memory"),
        ("(module (memory 1) {})", "exports no memory"),
        ('(module (memory (export "memory") 1) (memory 1) {})', "2 memories"),
        ('(module (memory (export "memory") 1 2 shared) {})', "shared"),
        ('(module (memory (export "memory") i64 1) {})', "64-bit"),
        ('(module (memory (export "memory") 65) {})', "starts with 4259840 bytes of memory, the limit is 4194304"),
    ],
)
def test_memory_that_no_host_serves(assembled: Assembled, wat: str, says: str) -> None:
    rest = '(func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 8))'
    assert says in refusal(assembled(wat.format(rest))).what


@pytest.mark.parametrize(("memory", "maximum"), [("2", 64), ("2 10", 10), ("2 1000", 64), ("64 64", 64)])
def test_the_memory_maximum_is_lowered_and_nothing_else(assembled: Assembled, text: Text, memory: str, maximum: int) -> None:
    path = assembled(text('(data (i32.const 9) "kept")', memory=memory))
    module = load(path)
    (kept,) = WasmBinary.parse(module.code, "patched").memories
    assert (kept.minimum, kept.maximum) == (int(memory.split()[0]), maximum)
    assert module.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    before = {section: module.binary.data[start:end] for section, start, end in module.binary.sections if section != 5}
    patched = WasmBinary.parse(module.code, "patched")
    assert before == {section: module.code[start:end] for section, start, end in patched.sections if section != 5}
    wasmtime.Module(wasmtime.Engine(), module.code)


def test_an_odd_memory_limit_is_refused(assembled: Assembled, text: Text) -> None:
    with pytest.raises(ConfigError, match="multiple of 65536"):
        load(assembled(text()), 100_000)


def test_custom_sections_are_found(assembled: Assembled, text: Text) -> None:
    module = load(assembled(text('(@custom "build-id" "\\01\\02\\03")')))
    (custom,) = [each for each in module.binary.customs if each.name == "build-id"]
    assert module.binary.data[custom.offset : custom.offset + custom.size] == b"\1\2\3"


def test_every_host_function_is_offered_under_both_wasi_names() -> None:
    known = core_interface().imports(Abi.V0_2_1)
    names = {name for module, name in known if module == "wasi_snapshot_preview1"}
    assert "fd_write" in names
    assert names == {name for module, name in known if module == "wasi_unstable"}
    assert ("env", "proxy_get_log_level") in known
    assert ("env", "proxy_get_log_level") not in core_interface().imports(Abi.V0_2_0)
    assert ("env", "proxy_continue_request") in core_interface().imports(Abi.V0_1_0)
