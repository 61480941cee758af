"""Scripted filters: "in this callback make these hostcalls, return that", as WAT.

A callback's script is a list of steps. Nothing is read back inside the filter: what a hostcall answered is in the trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import wasmtime

from workbench.host.abi import Abi, HostFunction
from workbench.host.compose import core_interface

__all__ = ["LAST", "OUT", "TRAP", "Call", "Filter", "If", "Loop", "Nth", "Raw", "Ret", "call", "pairs", "wasm"]

LAST = object()
"""As an argument: the id of the stream context that was created last."""
OUT = object()
"""As an argument: a place for a result."""
SHORT = {
    "get": "proxy_get_header_map_value",
    "add": "proxy_add_header_map_value",
    "replace": "proxy_replace_header_map_value",
    "remove": "proxy_remove_header_map_value",
    "pairs": "proxy_get_header_map_pairs",
    "set_pairs": "proxy_set_header_map_pairs",
    "size": "proxy_get_header_map_size",
    "body": "proxy_get_buffer_bytes",
    "body_status": "proxy_get_buffer_status",
    "set_body": "proxy_set_buffer_bytes",
    "local": "proxy_send_local_response",
    "cont": "proxy_continue_stream",
    "close": "proxy_close_stream",
    "effective": "proxy_set_effective_context",
    "prop": "proxy_get_property",
    "set_prop": "proxy_set_property",
    "log": "proxy_log",
    "tick": "proxy_set_tick_period_milliseconds",
    "done": "proxy_done",
    "http_call": "proxy_http_call",
    "grpc_call": "proxy_grpc_call",
    "grpc_stream": "proxy_grpc_stream",
    "grpc_send": "proxy_grpc_send",
    "grpc_close": "proxy_grpc_close",
    "grpc_cancel": "proxy_grpc_cancel",
    "status": "proxy_get_status",
}
_RESULTS = {"vm_start": 1, "configure": 1, "done": 1}
_DATA, _SCRATCH, _HEAP = 4096, 1024, 1 << 20


@dataclass(frozen=True)
class Call:
    """A hostcall. Bytes and text stand for pointer and length, `OUT` for a place of its own; the rest are numbers."""

    name: str
    args: tuple[object, ...]


@dataclass(frozen=True)
class Ret:
    """What the callback returns, from here."""

    value: int


@dataclass(frozen=True)
class Nth:
    """Steps for the n-th time only that this callback is called in this VM."""

    n: int
    steps: tuple[object, ...]


@dataclass(frozen=True)
class If:
    """Steps where a hostcall answers a certain status."""

    call: Call
    status: int
    steps: tuple[object, ...]


@dataclass(frozen=True)
class Loop:
    """Steps so many times; without a number for ever."""

    steps: tuple[object, ...]
    times: int | None = None


@dataclass(frozen=True)
class Raw:
    """Instructions as they are."""

    text: str


TRAP = Raw("(unreachable)")


def call(name: str, *args: object) -> Call:
    """`call("log", 2, "text")`: a hostcall by its name in the ABI or one of `SHORT`."""
    return Call(SHORT.get(name, name), args)


def pairs(*items: tuple[bytes | str, bytes | str]) -> bytes:
    """A pair list as filters pass it: count, sizes, then names and values with a NUL behind each."""
    raw = [[part.encode("latin-1") if isinstance(part, str) else part for part in item] for item in items]
    sizes = b"".join(len(part).to_bytes(4, "little") for item in raw for part in item)
    return len(raw).to_bytes(4, "little") + sizes + b"".join(part + b"\0" for item in raw for part in item)


@cache
def _functions(abi: Abi) -> dict[str, HostFunction]:
    return {each.name: each for (module, _), each in core_interface().imports(abi).items() if module != "wasi_unstable"}


@dataclass
class Filter:
    """One module being written."""

    abi: Abi = Abi.V0_2_1
    body: list[str] = field(default_factory=list)
    imports: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    at: int = _DATA

    def place(self, data: bytes) -> int:
        """Put bytes into the module; their address."""
        at = self.at
        escaped = "".join(f"\\{byte:02x}" for byte in data)
        self.data.append(f'(data (i32.const {at}) "{escaped}")')
        self.at += len(data) + 1
        return at

    def call(self, step: Call) -> str:
        function = _functions(self.abi)[step.name]
        types = function.type
        signature = f"(param {' '.join(types.params)}) " + "".join(f"(result {result})" for result in types.results)
        self.imports[step.name] = f'(import "{function.module}" "{step.name}" (func ${step.name} {signature}))'
        values: list[str] = []
        out = _SCRATCH
        for arg in step.args:
            kind = types.params[len(values)]
            if arg is OUT:
                values.append(f"(i32.const {out})")
                out += 16
            elif arg is LAST:
                values.append("(global.get $last)")
            elif isinstance(arg, int):
                values.append(f"({kind}.const {arg})")
            elif isinstance(arg, (bytes, str)):
                raw = arg.encode("latin-1") if isinstance(arg, str) else arg
                values += [f"(i32.const {self.place(raw) if raw else 0})", f"(i32.const {len(raw)})"]
            else:
                raise TypeError(arg)
        text = f"(call ${step.name} {' '.join(values)})"
        return f"(drop {text})" if types.results else text

    def steps(self, name: str, steps: Iterable[object]) -> str:
        return "\n".join(self.step(name, step) for step in steps)

    def step(self, name: str, step: object) -> str:
        if isinstance(step, Call):
            return self.call(step)
        if isinstance(step, Ret):
            return f"(local.set $ret (i32.const {step.value}))"
        if isinstance(step, Nth):
            return f"(if (i32.eq (global.get $n_{name}) (i32.const {step.n})) (then {self.steps(name, step.steps)}))"
        if isinstance(step, If):
            answer = self.call(step.call)[len("(drop ") : -1]
            return f"(if (i32.eq {answer} (i32.const {step.status})) (then {self.steps(name, step.steps)}))"
        if isinstance(step, Loop):
            again = "(br 0)"
            if step.times is not None:
                again = f"(br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {step.times})))"
            return f"(local.set $i (i32.const 0)) (loop {self.steps(name, step.steps)} {again})"
        if isinstance(step, Raw):
            return step.text
        raise TypeError(step)

    def callback(self, name: str, steps: Sequence[object]) -> None:
        export = name if name in ("malloc", "_initialize", "_start", "main") else f"proxy_on_{name}"
        known = core_interface().callbacks(self.abi)[export].type
        params = " ".join(known.params)
        result = "(result i32)" if known.results else ""
        default = _RESULTS.get(name, _HEAP if name == "malloc" else 0)
        created = "(if (local.get 1) (then (global.set $last (local.get 0))))" if name == "context_create" else ""
        self.body.append(
            f"(global $n_{name} (mut i32) (i32.const 0))"
            f'(func (export "{export}") {f"(param {params})" if params else ""} {result} (local $ret i32) (local $i i32)'
            f"(local.set $ret (i32.const {default})) (global.set $n_{name} (i32.add (global.get $n_{name}) (i32.const 1)))"
            f"{created} {self.steps(name, steps)} {'(local.get $ret)' if result else ''})"
        )

    def text(self, memory: str) -> str:
        marker = f'(func (export "{self.abi.marker}"))'
        return "\n".join(
            [
                "(module",
                *self.imports.values(),
                f'(memory (export "memory") {memory})',
                "(global $last (mut i32) (i32.const 0))",
                *self.data,
                marker,
                *self.body,
                ")",
            ]
        )


# Every callback is there unless it is left out, so that the trace shows all of them.
_ALL = (
    "context_create",
    "vm_start",
    "configure",
    "tick",
    "queue_ready",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
    "done",
    "delete",
    "http_call_response",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
)


def wasm(
    *, abi: Abi = Abi.V0_2_1, memory: str = "32", without: Sequence[str] = (), extra: str = "", **callbacks: Sequence[object]
) -> bytes:
    """The module, with `extra` in it. Each further keyword is a callback without `proxy_on_` (or `malloc`, `_initialize`, `_start`), its
    value the steps."""
    filter_ = Filter(abi)
    scripts: dict[str, Sequence[object]] = dict.fromkeys(("malloc", *_ALL), ()) | callbacks
    for name, steps in scripts.items():
        if name not in without:
            filter_.callback(name, steps)
    filter_.body.append(extra)
    return bytes(wasmtime.wat2wasm(filter_.text(memory)))
