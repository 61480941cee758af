from __future__ import annotations

import pytest

from tests.audit.modules import FRAME, LOADED, assembled, custom, leb, text
from workbench.audit.outline import outline
from workbench.audit.sdk import Guess, guess


def of(module: bytes) -> Guess:
    return guess(module, outline(module, "test"))


def producers(*entries: tuple[str, str, str]) -> bytes:
    return custom("producers", leb(len(entries)) + b"".join(text(what) + b"\1" + text(name) + text(built) for what, name, built in entries))


PLAIN = assembled(LOADED["plain"])
CONTEXT = '(func (export "proxy_on_context_create") (param i32 i32))'


@pytest.mark.parametrize(
    ("entries", "language"),
    [
        ([("language", "Rust", ""), ("processed-by", "rustc", "1.80.0")], "Rust"),
        ([("language", "C99", ""), ("processed-by", "rustc", "1.85.0"), ("processed-by", "clang", "18")], "Rust"),
        ([("processed-by", "Go cmd/compile", "go1.24")], "Go"),
        ([("processed-by", "TinyGo", "0.34.0")], "TinyGo"),
        ([("language", "C_plus_plus_14", ""), ("processed-by", "clang", "15")], "C++"),
        ([("sdk", "Emscripten", "3.1.67")], "C++"),
    ],
)
def test_producers_tell(entries: list[tuple[str, str, str]], language: str) -> None:
    found = of(PLAIN + producers(*entries))
    assert found.language == language
    assert any("producers section" in each for each in found.evidence)


def test_emscripten_without_producers() -> None:
    exports = '(func (export "_initialize")) (func (export "stackSave") (result i32) (i32.const 0)) ' + CONTEXT
    module = f'(module (import "env" "emscripten_notify_memory_growth" (func (param i32))) {FRAME} {exports})'
    found = of(assembled(module))
    assert (found.language, found.sdk) == ("C++", "proxy-wasm-cpp-sdk")
    assert any("stackSave" in each for each in found.evidence)


def test_assemblyscript_without_producers() -> None:
    exports = (
        '(func (export "__new") (param i32 i32) (result i32) (i32.const 0)) (func (export "__pin") (param i32) (result i32) (i32.const 0))'
    )
    found = of(assembled(f'(module (import "env" "abort" (func (param i32 i32 i32 i32))) {FRAME} {CONTEXT} {exports})'))
    assert (found.language, found.sdk) == ("AssemblyScript", "proxy-runtime")


def test_the_version_of_an_sdk_in_strings() -> None:
    rust = of(PLAIN + custom("rodata", b"\0registry/src/proxy-wasm-0.2.3/src/dispatcher.rs\0"))
    assert (rust.language, rust.sdk, rust.sdk_version) == ("Rust", "proxy-wasm-rust-sdk", "0.2.3")
    go = of(PLAIN + custom("go:buildid", b"x") + custom("modinfo", b"dep\tgithub.com/proxy-wasm/proxy-wasm-go-sdk\tv0.0.0-2025\n"))
    assert (go.language, go.sdk, go.sdk_version) == ("Go", "proxy-wasm-go-sdk", "v0.0.0-2025")


def test_nothing_points_anywhere() -> None:
    module = f'(module (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32))) {FRAME})'
    assert of(assembled(module)) == Guess("", "", "", False, ())


def test_evidence_is_bounded() -> None:
    names = ("processed-by", "rustc " + "x" * 5000, "1")
    found = of(PLAIN + producers(*[names] * 150))
    assert len(found.evidence) <= 8 and max(map(len, found.evidence)) < 100
