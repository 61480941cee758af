"""Which proposals beyond WebAssembly 1.0 a module uses, found by validating it with each of them switched off.

Validation reads the code once and compiles nothing: a module of 3 MB takes half a second, most take milliseconds.
"""

from __future__ import annotations

from functools import cache

import wasmtime

from .binary import shown
from .compiled import engine

__all__ = ["FEATURES", "features_used", "refused_here"]

FEATURES = (
    "bulk_memory", "multi_value", "simd", "relaxed_simd", "tail_call", "exceptions", "threads", "memory64", "multi_memory",
    "function_references", "gc", "wide_arithmetic", "custom_page_sizes", "stack_switching",
)  # fmt: skip
"""The proposals told apart, by wasmtime's names. Reference types cannot be switched off alone; every host of today has them."""

_RARE = tuple(name for name in FEATURES if name not in ("bulk_memory", "multi_value", "simd"))
# wasmtime ends the process where one is off that another, left on, is built on: such pairs go together
_GO_TOO = {"simd": ("relaxed_simd",), "function_references": ("gc",)}


def features_used(data: bytes) -> tuple[tuple[str, ...], str]:
    """The proposals that a module uses, in the order of `FEATURES`, and in words why it is no valid module (then none are known)."""
    invalid = _problem(data, ())
    if "legacy_exceptions" in invalid:
        return ("legacy_exceptions",), ""  # wasmtime has never had them, and so cannot look further
    if invalid:
        return (), invalid
    if not _problem(data, FEATURES):
        return (), ""
    # few modules use more than the common ones: ask for the rest together first
    asked = FEATURES if _problem(data, _RARE) else tuple(name for name in FEATURES if name not in _RARE)
    used = [name for name in asked if _problem(data, (name, *_GO_TOO.get(name, ())))]
    if "gc" in used or "stack_switching" in used:
        used = [name for name in used if name != "function_references"]  # part of both
    if "wide_arithmetic" in used:
        used = [name for name in used if name != "multi_value"]
    return tuple(used), ""


def refused_here(data: bytes) -> str:
    """Why this host's engine does not take a module, in words; empty where it does."""
    return _validated(engine(), data)


def _problem(data: bytes, off: tuple[str, ...]) -> str:
    return _validated(_engine(off), data)


def _validated(with_: wasmtime.Engine, data: bytes) -> str:
    try:
        wasmtime.Module.validate(with_, data)
    except wasmtime.WasmtimeError as error:
        return shown(" ".join(str(error).split()), 300)
    return ""


@cache
def _engine(off: tuple[str, ...]) -> wasmtime.Engine:
    config = wasmtime.Config()
    for name in FEATURES:
        setattr(config, f"wasm_{name}", name not in off)
    return wasmtime.Engine(config)
