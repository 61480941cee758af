"""Scripted filters: "in this callback make these hostcalls, return that", as WAT.

A callback's script is a list of steps. What a hostcall answered is in the trace; `Show` also logs it, for hosts whose trace has no values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import wasmtime

from workbench.host.abi import Abi, HostFunction
from workbench.host.compose import core_interface

__all__ = [
    "LAST", "OUT", "TRAP", "Bytes", "Call", "Filter", "If", "In", "Loop", "Nth", "Out", "Raw", "Ret", "Show",
    "call", "pairs", "show", "text", "wasm",
]  # fmt: skip

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
_DATA, _SCRATCH, _NAMED, _HEAP = 4096, 1024, 2048, 1 << 20


@dataclass(frozen=True)
class Out:
    """As an argument: a place for a result that keeps it; `In` of the same name is what it holds, as u32."""

    name: str


@dataclass(frozen=True)
class In:
    """As an argument: the number that a call before left in the `Out` of this name."""

    name: str


@dataclass(frozen=True)
class Bytes:
    """As an argument: pointer and length as given, wherever that is."""

    at: int
    size: int


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
class Show:
    """A hostcall, and where it answers Ok a log line (info) of what it gave: bytes by pointer and size as `text`, as the 64-bit `number`
    they hold or as list of `pairs` (`name: value; …`), or the numbers in its places as `u32` or `u64`, parted by spaces."""

    call: Call
    kind: Kind


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
Kind = Literal["text", "number", "pairs", "u32", "u64"]


def call(name: str, *args: object) -> Call:
    """`call("log", 2, "text")`: a hostcall by its name in the ABI or one of `SHORT`."""
    return Call(SHORT.get(name, name), args)


def show(name: str, *args: object, kind: Kind | None = None) -> Show:
    """`Show` of a hostcall; without `kind`, `text` where it has two places for results and `u32` where it has one."""
    outs = sum(arg is OUT or isinstance(arg, Out) for arg in args)
    # shared data has a third place, for the number to compare with
    return Show(call(name, *args), kind or ("text" if outs > 1 else "u32"))


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
    named: dict[str, int] = field(default_factory=dict)
    outs: list[int] = field(default_factory=list)
    shows: bool = False

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
        self.outs = []
        for arg in step.args:
            kind = types.params[len(values)]
            if arg is OUT or isinstance(arg, Out):
                place = self.named.setdefault(arg.name, _NAMED + 16 * len(self.named)) if isinstance(arg, Out) else 0
                self.outs.append(place or _SCRATCH + 16 * len(self.outs))
                values.append(f"(i32.const {self.outs[-1]})")
            elif isinstance(arg, Bytes):
                values += [f"(i32.const {arg.at})", f"(i32.const {arg.size})"]
            elif isinstance(arg, In):
                values.append(f"(i32.load (i32.const {self.named[arg.name]}))")
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
        if isinstance(step, Show):
            answer = self.call(step.call)[len("(drop ") : -1]
            return f"(if (i32.eqz {answer}) (then {self.shown(step.kind)}))"
        if isinstance(step, Loop):
            again = "(br 0)"
            if step.times is not None:
                again = f"(br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {step.times})))"
            return f"(local.set $i (i32.const 0)) (loop {self.steps(name, step.steps)} {again})"
        if isinstance(step, Raw):
            return step.text
        raise TypeError(step)

    def shown(self, kind: Kind) -> str:
        """Log what the call just written left in its places."""
        self.shows = True
        places = list(self.outs)
        self.call(call("log", 2, "."))  # for its import
        size = {"u32": "(i64.load32_u", "u64": "(i64.load"}
        if kind in size:
            parts = [f"(call $put_number {size[kind]} (i32.const {at})))" for at in places]
        else:
            data, length = (f"(i32.load (i32.const {at}))" for at in places[:2])
            parts = [f"(call $put_number (i64.load {data}))" if kind == "number" else f"(call $put_{kind} {data} {length})"]
        between = f"(call $put_text (i32.const {self.place(b' ')}) (i32.const 1))"
        return f"(global.set $end (i32.const {_LINE})) {between.join(parts)} (call $log_line)"

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
                *([_SHOW] if self.shows else []),
                *self.data,
                marker,
                *self.body,
                ")",
            ]
        )


_LINE = 0x80000
_SHOW = f"""
(global $end (mut i32) (i32.const 0))
(func $put_text (param $at i32) (param $size i32)
  (memory.copy (global.get $end) (local.get $at) (local.get $size))
  (global.set $end (i32.add (global.get $end) (local.get $size))))
(func $put_number (param $n i64) (local $at i32)
  (local.set $at (i32.const {_LINE - 16}))
  (loop
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10)))))
    (br_if 0 (i64.ne (local.tee $n (i64.div_u (local.get $n) (i64.const 10))) (i64.const 0))))
  (call $put_text (local.get $at) (i32.sub (i32.const {_LINE - 16}) (local.get $at))))
(func $put_pairs (param $at i32) (param $size i32) (local $count i32) (local $sizes i32) (local $data i32)
  (if (i32.eqz (local.get $size)) (then (return)))
  (local.set $count (i32.load (local.get $at)))
  (local.set $sizes (i32.add (local.get $at) (i32.const 4)))
  (local.set $data (i32.add (local.get $sizes) (i32.mul (local.get $count) (i32.const 8))))
  (block (loop
    (br_if 1 (i32.eqz (local.get $count)))
    (call $put_text (local.get $data) (i32.load (local.get $sizes)))
    (i32.store16 (global.get $end) (i32.const 0x203a))
    (global.set $end (i32.add (global.get $end) (i32.const 2)))
    (local.set $data (i32.add (i32.add (local.get $data) (i32.load (local.get $sizes))) (i32.const 1)))
    (call $put_text (local.get $data) (i32.load offset=4 (local.get $sizes)))
    (i32.store16 (global.get $end) (i32.const 0x203b))
    (global.set $end (i32.add (global.get $end) (i32.const 2)))
    (local.set $data (i32.add (i32.add (local.get $data) (i32.load offset=4 (local.get $sizes))) (i32.const 1)))
    (local.set $sizes (i32.add (local.get $sizes) (i32.const 8)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br 0))))
(func $log_line
  (drop (call $proxy_log (i32.const 2) (i32.const {_LINE}) (i32.sub (global.get $end) (i32.const {_LINE})))))
"""

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


def text(
    *,
    abi: Abi = Abi.V0_2_1,
    memory: str = "32",
    without: Sequence[str] = (),
    extra: str = "",
    every: bool = False,
    **callbacks: Sequence[object],
) -> str:
    """The module as text, with `extra` in it. Each further keyword is a callback without `proxy_on_` (or `malloc`, `_initialize`,
    `_start`), its value the steps; those not given are not exported, unless `every` gives it all of them."""
    filter_ = Filter(abi)
    scripts: dict[str, Sequence[object]] = dict.fromkeys(("malloc", *(_ALL if every else ())), ()) | callbacks
    for name, steps in scripts.items():
        if name not in without:
            filter_.callback(name, steps)
    filter_.body.append(extra)
    return filter_.text(memory)


def wasm(
    *, abi: Abi = Abi.V0_2_1, memory: str = "32", without: Sequence[str] = (), extra: str = "", **callbacks: Sequence[object]
) -> bytes:
    """The built module with every callback, the scripts of those given as in `text`."""
    return bytes(wasmtime.wat2wasm(text(abi=abi, memory=memory, without=without, extra=extra, every=True, **callbacks)))
