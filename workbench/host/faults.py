"""What a trap means, in words: kind, cause, and where in the filter."""

from __future__ import annotations

import re
from ctypes import byref

import wasmtime
from wasmtime import TrapCode
from wasmtime import _bindings as raw
from wasmtime._trap import Frame, FrameList

from ..trace.records import FailureKind
from .binary import shown
from .watchdog import Verdict

__all__ = ["describe"]

_MOST_FRAMES = 3
_CAUSES = {
    TrapCode.STACK_OVERFLOW: "used up its stack: endless recursion?",
    TrapCode.MEMORY_OUT_OF_BOUNDS: "read or wrote outside its memory",
    TrapCode.TABLE_OUT_OF_BOUNDS: "called through a table outside its bounds",
    TrapCode.INDIRECT_CALL_TO_NULL: "called a function pointer that is null",
    TrapCode.BAD_SIGNATURE: "called a function pointer of another type",
    TrapCode.INTEGER_OVERFLOW: "integer overflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "integer division by zero",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "converted a number that no integer holds",
    TrapCode.UNREACHABLE: "reached `unreachable`: a panic or an abort",
}
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_MANGLED = re.compile(r"_Z|_R[A-Z]")
_SPELT = re.compile(r"^ *(\d+): +0x[0-9a-f]+ - .*?!(.+)$", re.MULTILINE)
_MACHINERY = re.compile(r"^(<?(std|core|alloc)::|_?_?rust_|__rg_|__rdl_|_?abort$|panic)|panicking|begin_panic|^proxy_on_")
_OUT_OF_MEMORY = re.compile(r"alloc_error|rust_oom|handle_alloc|out_of_memory|bad_alloc|outofmem", re.IGNORECASE)


def describe(
    error: wasmtime.Trap | wasmtime.WasmtimeError, verdict: Verdict | None, limit_s: float, memory: int, memory_limit: int
) -> tuple[FailureKind, str]:
    """Kind and one bounded line of text for a call into a filter that did not return.

    `memory` is how many bytes the filter had. A refused `memory.grow` leaves no mark of its own, so an abort counts as want of memory
    where the filter had half of its limit or more (the next doubling is what is refused) or its allocator gave up.
    """
    names = _names(error)
    if verdict is Verdict.TIMEOUT:
        return FailureKind.TIMEOUT, _placed(f"ran for longer than {limit_s:g} s", names)
    code = error.trap_code if isinstance(error, wasmtime.Trap) else None
    exhausted = (memory and memory * 2 >= memory_limit) or any(_OUT_OF_MEMORY.search(name) for name in names)
    if code is TrapCode.UNREACHABLE and exhausted:
        return FailureKind.MEMORY, _placed(f"got no more memory: it had {memory >> 20} MiB, the limit is {memory_limit >> 20} MiB", names)
    if code is None:
        return FailureKind.TRAP, shown(str(error).splitlines()[0])
    cause = _CAUSES.get(code, code.name.lower().replace("_", " "))
    return FailureKind.TRAP, _placed(cause, names)


def _frames(error: wasmtime.Trap | wasmtime.WasmtimeError) -> list[Frame]:
    if isinstance(error, wasmtime.Trap):
        return error.frames
    frames = FrameList(error)
    raw.wasmtime_error_wasm_trace(error.ptr(), byref(frames.vec))
    return [Frame._from_ptr(frames.vec.data[i], frames) for i in range(frames.vec.size)]


def _names(error: wasmtime.Trap | wasmtime.WasmtimeError) -> list[str]:
    """The filter's functions, innermost first: behind the gate come the host's."""
    # wasmtime demangles the names of Rust and C++ in its text alone
    spelt = {int(number): name for number, name in _SPELT.findall(str(error))}
    names = []
    for number, frame in enumerate(_frames(error)):
        if frame.module_name == "workbench.gate":
            break
        if frame.module_name not in ("workbench.imports", "workbench.hooks"):
            name = frame.func_name
            if name and _MANGLED.match(name):
                name = spelt.get(number, name)
            names.append(shown(_RUST_HASH.sub("", name), 80) if name else f"function {frame.func_index}")
    return names


def _placed(cause: str, names: list[str]) -> str:
    """The cause with the innermost functions of the filter, those of the language's own panic machinery left out."""
    telling = [name for name in names if not _MACHINERY.search(name)]
    places = list(dict.fromkeys(telling or names))[:_MOST_FRAMES]
    return f"{cause}, in {' < '.join(places)}" if places else cause
