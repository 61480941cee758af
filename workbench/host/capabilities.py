"""Capability restriction: what a filter may import and export when its configuration lists what it may.

Source: proxy-wasm-cpp-host, `src/wasm.cc` and `src/exports.cc`, and tried with Envoy 1.40. A function that is not listed links all the
same; a callback that is not listed is never called. What starts a module or allocates is not restricted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from ..trace.numbers import Status
from ..trace.records import Hostcall
from .abi import ALLOCATORS, HostFunction
from .arguments import Signature, signature

__all__ = ["allowed_callbacks", "denied", "operands"]

_Callback = TypeVar("_Callback")
_NOTCAPABLE = 76
_FREE = ("pthread_equal", "emscripten_notify_memory_growth")


def allowed_callbacks(callbacks: Mapping[str, _Callback], allowed: Collection[str]) -> Mapping[str, _Callback]:
    """Those of a module's callbacks that are called; all of them where nothing is listed."""
    if not allowed:
        return callbacks
    return {name: each for name, each in callbacks.items() if name in allowed or name in ALLOCATORS or not name.startswith("proxy_")}


def denied(function: HostFunction, allowed: Collection[str]) -> bool:
    """True for an import that answers without doing anything."""
    return bool(allowed) and function.name not in allowed and function.name not in _FREE


def operands(function: HostFunction, schema: Sequence[Hostcall], name_at: int) -> list[str]:
    """What `intercept_deny` gets for a call of it, as instructions: code, the row's four numbers, place and length of the name, status.

    `name_at` is where in the core's memory the function's name lies.
    """
    codes = {each.name: code for code, each in enumerate(schema)}
    recorded = {"fd_pwrite": "fd_write"}.get(function.name, function.name)
    named = recorded not in codes
    code = codes["wasi" if named else recorded]
    known = signature(function.name, function.type.params)
    numbers = [_number(known, name, function.type.params) for name in schema[code].args]
    status = Status.InternalFailure if function.name.startswith("proxy_") else _NOTCAPABLE
    whole = [*numbers, *["(i32.const 0)"] * 4][:4]
    place = (name_at, len(function.name)) if named else (0, 0)
    return [f"(i32.const {code})", *whole, *(f"(i32.const {value})" for value in (*place, int(status)))]


def _number(known: Signature, name: str, types: Sequence[str]) -> str:
    """The parameter that the trace calls `name`, or 0 for a result."""
    if name == "size" and known.results and known.results[0].kind == "buffer":
        return "(local.get 1)"
    at = 0
    for each in known.inputs:
        for suffix, shift in (("", 0), ("_low", 0), ("_high", 32)):
            if f"{each.name}{suffix}" == name and not each.is_bytes:
                value = f"(local.get {at})"
                return value if types[at] == "i32" else f"(i32.wrap_i64 (i64.shr_u {value} (i64.const {shift})))"
        at += 2 if each.is_bytes else 1
    return "(i32.const 0)"
