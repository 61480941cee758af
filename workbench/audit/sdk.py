"""Which language and SDK a module was made with: a guess from what compilers and SDKs leave behind, each sign named.

Signs seen in modules built with each toolchain; the producers section is the strongest, a name found among the strings the weakest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from ..host.binary import shown
from .outline import Outline

__all__ = ["Guess", "guess"]

_MOST_EVIDENCE = 8
_STRONG, _FAIR, _WEAK = 4, 2, 1

_PRODUCERS = (
    ("rustc", "Rust"),
    ("tinygo", "TinyGo"),
    ("go cmd/compile", "Go"),
    ("assemblyscript", "AssemblyScript"),
    ("emscripten", "C++"),
    ("zig", "Zig"),
    ("swift", "Swift"),
    ("moonbit", "MoonBit"),
    (".net", "C#"),
)
_STRINGS: tuple[tuple[re.Pattern[bytes], str, str, int], ...] = (
    (re.compile(rb"[/\\]proxy-wasm-(\d+\.\d+\.\d+[\w.-]{0,20})[/\\]src"), "Rust", "proxy-wasm-rust-sdk", _STRONG),
    (re.compile(rb"proxy_wasm[\w:]{0,40}dispatcher|proxy_wasm::"), "Rust", "proxy-wasm-rust-sdk", _FAIR),
    (re.compile(rb"[/\\]rustc[/\\][0-9a-f]{8,40}[/\\]library|[/\\]rust[/\\]library[/\\]|library[/\\]core[/\\]src"), "Rust", "", _FAIR),
    (re.compile(rb"\xff Go buildinf:"), "Go", "", _STRONG),
    (re.compile(rb"github\.com/(?:proxy-wasm|tetratelabs)/proxy-wasm-go-sdk(?:[@\t](v[\w.+-]{1,60}))?"), "", "proxy-wasm-go-sdk", _STRONG),
    (re.compile(rb"github\.com/(?:alibaba/higress|higress-group)/[\w/.-]{0,60}(?:[@\t](v[\w.+-]{1,60}))?"), "", "Higress wasm-go", _STRONG),
    (re.compile(rb"tinygo", re.IGNORECASE), "TinyGo", "", _WEAK),
    (re.compile(rb"~lib/rt/|~\0l\0i\0b\0/\0r\0t\0/"), "AssemblyScript", "", _STRONG),
    (re.compile(rb"proxy_wasm_intrinsics"), "C++", "proxy-wasm-cpp-sdk", _STRONG),
    (re.compile(rb"proxy-wasm-zig-sdk|[/\\]lib[/\\]zig[/\\]"), "Zig", "", _FAIR),
)
_EMSCRIPTEN = ("__indirect_function_table", "stackSave", "stackAlloc", "emscripten_stack_get_current", "_emscripten_stack_restore")
_TINYGO = ("calloc", "realloc", "asyncify_start_unwind")
_ASSEMBLYSCRIPT = ("__new", "__pin", "__unpin", "__collect", "__rtti_base")
_CPP_STRINGS = ("Cannot find root_id", "Multiple calls to registerContextFactory", "proxy_wasm_api")
_SDKS = {"C++": "proxy-wasm-cpp-sdk", "Rust": "proxy-wasm-rust-sdk", "AssemblyScript": "proxy-runtime", "Zig": "proxy-wasm-zig-sdk"}


@dataclass(frozen=True, slots=True)
class Guess:
    """`language` and `sdk` are empty where nothing points to any; `certain` says that the toolchain itself left its name."""

    language: str
    sdk: str
    sdk_version: str
    certain: bool
    evidence: tuple[str, ...]


def guess(data: bytes, found: Outline) -> Guess:
    """Weigh the signs in a module."""
    weights: defaultdict[str, int] = defaultdict(int)
    evidence: list[tuple[int, str, str]] = []
    sdk = version = ""

    def sign(weight: int, language: str, text: str) -> None:
        if language:
            weights[language] += weight
        evidence.append((weight, language, text))

    for what, name, built in found.producers:
        said = shown(f"{name} {built}".strip(), 60)
        for mark, language in _PRODUCERS:
            if mark in name.lower() or (what == "language" and language.lower() == name.lower()):
                sign(2 * _STRONG, language, f"producers section: {said}")
                break
        else:
            if name.lower().startswith("c++") or (what == "language" and name.lower().startswith("c_plus_plus")):
                sign(_STRONG, "C++", f"producers section: {said}")
    for pattern, language, kit, weight in _STRINGS:
        match = pattern.search(data)
        if match:
            sign(weight, language, f"string: {shown(match[0].decode('latin-1').strip(), 60)}")
            if kit and not sdk:
                sdk = kit
                version = shown((match[1] or b"").decode("latin-1"), 60) if pattern.groups else ""
    customs = {each.name for each in found.customs}
    for mark in ("go:buildid", "go.buildid"):
        if mark in customs:
            sign(_STRONG, "Go", f"custom section: {mark}")
    exports = {each.name for each in found.exports}
    for names, language in ((_EMSCRIPTEN, "C++"), (_TINYGO, "TinyGo"), (_ASSEMBLYSCRIPT, "AssemblyScript")):
        seen = [name for name in names if name in exports]
        if seen:
            sign(_FAIR * len(seen), language, f"exports {', '.join(seen)}")
    imports = {(each.module, each.name) for each in found.imports}
    if ("env", "emscripten_notify_memory_growth") in imports:
        sign(_STRONG, "C++", "import env.emscripten_notify_memory_growth: Emscripten's runtime")
    if ("env", "abort") in imports:
        sign(_FAIR, "AssemblyScript", "import env.abort")
    for text in _CPP_STRINGS:
        if text.encode() in data:
            sign(_FAIR, "C++", f"string: {text}")
    if not weights and _looks_written(found):
        sign(_WEAK, "WAT", "no toolchain's marks, no WASI, little code: assembled by hand")
    if not weights:
        return Guess("", sdk, version, False, tuple(text for _, _, text in evidence[:_MOST_EVIDENCE]))
    language = max(weights, key=lambda name: weights[name])
    if not sdk and "proxy_on_context_create" in exports:
        sdk = _SDKS.get(language, "")
    signs = [text for _, of, text in sorted(evidence, key=lambda each: -each[0]) if of in (language, "")]
    return Guess(language, sdk, version, weights[language] >= 2 * _STRONG, tuple(dict.fromkeys(signs))[:_MOST_EVIDENCE])


def _looks_written(found: Outline) -> bool:
    wasi = any(each.module.startswith("wasi") for each in found.imports)
    return not wasi and not found.producers and found.section_size("code") < 64 << 10
