"""Steps into hostcalls: a user's function sees a call with its arguments, lets it through, answers in its place, or stops the replay.

Only the imports of hooked hostcalls of hooked filters lead here (`Composition.intercept`). A call of the filter comes in between two of
its instructions, and nothing may be raised through the wasm frames below: whatever ends the call is kept, and the import's wasm traps.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeAlias

import wasmtime

from ..capture.packing import pack_str
from ..errors import ConfigError, InterceptError
from ..trace.numbers import Status
from ..trace.records import NONE
from .abi import HostFunction
from .arguments import Parameter, Raw, Signature, signature
from .binary import shown
from .compose import Composition, Vm, core_interface
from .watchdog import Watchdog

__all__ = ["Call", "Hook", "HookFunction", "Hooks", "Result", "check_name"]

_PLACE = struct.Struct("<QQQIIIIII")
_CHANGED, _REWRITTEN, _STOOD_IN = 1, 2, 4
_REMEDY = "Mend the function; the error's `replay` holds what was done until then"


class Result(NamedTuple):
    """What a hostcall gives: its status (an errno for WASI) and its results by name."""

    status: int
    values: dict[str, Any]


class Call:
    """One call of a hostcall, as a hook gets it. It can be kept; only while the hook runs can it be acted on.

    name        of the hostcall in the ABI
    filter      name of the filter that calls, None while its VM starts
    exchange    index of the exchange, None in a root context
    context_id  the context that the call acts on
    callback    the callback that runs
    time        virtual, in nanoseconds since the Unix epoch
    args        arguments by name: text, bytes, lists of pairs, numbers, those of enumerations with their names (`trace.numbers`);
                None for what does not lie in the filter's memory. A property's path has dots between its parts
    raw         the same as numbers and bytes
    """

    __slots__ = ("_act", "_chosen", "args", "callback", "context_id", "exchange", "filter", "name", "raw", "time")

    def __init__(self, name: str, place: _Place, args: dict[str, Any], raw: Mapping[str, Raw | None], act: _Act) -> None:
        self.name = name
        self.filter = place.filter
        self.exchange = place.exchange
        self.context_id = place.context
        self.callback = place.callback
        self.time = place.now
        self.args = args
        self.raw = raw
        self._act: _Act | None = act
        self._chosen: Result | None = None

    def proceed(self) -> Result:
        """Let the call through, once; gives its status and results. A hook that neither asks for this nor answers does it at its end."""
        return self._acting().proceed()

    def result(self, status: int | str = 0, **values: Any) -> Result:
        """Answer with this status (a number or its name) and these results by name; all others are as the host gave them, else empty.

        TypeError or ValueError for a result that this hostcall has not, or that does not fit.
        """
        number = status_number(status)
        self._acting().check(values)
        self._chosen = Result(number, values)
        return self._chosen

    def _acting(self) -> _Act:
        if self._act is None:
            raise RuntimeError(f"this call of {self.name} is over: a hook acts on it while it runs")
        return self._act

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={shown(repr(value), 60)}" for name, value in self.args.items())
        return f"<{self.name}({given}) of {self.filter} in {self.callback}, exchange {self.exchange}>"


Ended: TypeAlias = wasmtime.Trap | wasmtime.WasmtimeError
HookFunction: TypeAlias = Callable[[Call], object]


@dataclass(frozen=True, eq=False)
class Hook:
    """A function for the calls of one hostcall, of all filters or the one at place `filter`; `stays` if no `with` ends it."""

    name: str
    function: HookFunction
    filter: int | None = None
    stays: bool = False


def check_name(name: str) -> None:
    """Raises `ConfigError` unless the host has a function of that name."""
    known = sorted({each.name for each in core_interface().host})
    if name not in known:
        near = get_close_matches(name, known, 1) or get_close_matches(f"proxy_{name}", known, 1)
        remedy = f"Did you mean {near[0]}?" if near else "Give its name in the ABI, such as proxy_get_property"
        raise ConfigError(f"no hostcall is named {name!r}", remedy=remedy)


def status_number(status: object) -> int:
    """A status by its number or name. ValueError for a name that the ABI has not, TypeError for what is neither."""
    if isinstance(status, str):
        if status not in Status.__members__:
            raise ValueError(f"a status is one of {', '.join(Status.__members__)}, not {status!r}")
        return Status[status]
    if not isinstance(status, int):
        raise TypeError(f"a status is a number or its name, not {type(status).__name__}")
    return status


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a call comes from, as the core says (`intercept.rs`)."""

    now: int
    started: int
    host_ns: int
    number: int
    filter: str | None
    exchange: int | None
    context: int
    callback: str
    allowed: bool
    row: int


class _Fallen(BaseException):
    """The filter fell within the call, so the hook cannot go on: no handler of the user's is to take it for a fault of the hook."""


@dataclass
class _Outcome:
    """A status and results as they cross the border."""

    status: int
    values: dict[str, Raw]


@dataclass
class _Invocation:
    """One call that a filter makes, whatever hooks it passes."""

    vm: Vm
    function: HostFunction
    signature: Signature
    values: tuple[int, ...]
    place: _Place
    raw: dict[str, Raw | None]
    host: _Outcome | None = None
    row: int = NONE

    @property
    def places(self) -> list[tuple[Parameter, tuple[int, ...]]]:
        """The results that the filter wants, and the pointers it gave for them."""
        found = self.signature.places([value & 0xFFFFFFFF for value in self.values])
        # of this one function a result may be left out
        return [each for each in found if all(each[1]) or self.function.name != "proxy_call_foreign_function"]


@dataclass
class _Act:
    """What one hook can do about a call."""

    hooks: Hooks
    call: _Invocation
    others: Sequence[Hook]
    outcome: _Outcome | None = None

    def proceed(self) -> Result:
        if self.outcome is not None:
            raise RuntimeError(f"{self.call.function.name} was let through already")
        self.outcome = self.hooks.inside(lambda: self.hooks.ask(self.others, self.call))
        results = {each.name: each.shown(self.outcome.values.get(each.name)) for each in self.call.signature.results}
        return Result(_status(self.call.function, self.outcome.status), results if self.outcome.values else {})

    def check(self, values: Mapping[str, object]) -> dict[str, Raw]:
        """The results as they cross the border; one that only comes back is what it was, byte for byte."""
        known = {each.name: each for each in self.call.signature.results}
        found: dict[str, Raw] = {}
        for name, value in values.items():
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise TypeError(f"{self.call.function.name} has no result {name!r}: {has}")
            before = self.outcome.values.get(name) if self.outcome else None
            if before is not None and value == known[name].shown(before):
                found[name] = before
            else:
                found[name] = known[name].raw(value)
        return found

    def chosen(self, answer: object) -> _Outcome:
        """What a hook returned or asked for, over what the host gave."""
        single = [each for each in self.call.signature.results if each.is_bytes]
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
            status, values = status_number(answer[0]), dict(answer[1])
        elif isinstance(answer, (bytes, bytearray)) and len(single) == 1:
            status, values = 0, {single[0].name: answer}
        elif isinstance(answer, int) and not isinstance(answer, bool):
            status, values = int(answer), {}
        else:
            what = "bytes, " if len(single) == 1 else ""
            raise TypeError(f"a hook of {self.call.function.name} returns None, call.result(…), a status or {what}not {answer!r:.100}")
        given = {name: value for name, value in values.items() if value is not None}
        return _Outcome(status, (dict(self.outcome.values) if self.outcome else {}) | self.check(given))


class Hooks:
    """The hooks of one replay, and what became of the call that one of them is in."""

    def __init__(self, host: Composition, watchdog: Watchdog, hooks: Sequence[Hook], filters: Sequence[str]) -> None:
        self._host = host
        self._watchdog = watchdog
        self._hooks = tuple(hooks)
        self._filters = tuple(filters)
        self._codes = {each.name: code for code, each in enumerate(host.schema.hostcalls)}
        self._functions = {each.export: each for each in reversed(host.interface.host)}
        self._scratch = host.call("core_alloc", _PLACE.size) if hooks else 0
        self._in_hook = False
        self._fallen: Ended | None = None
        self._stopped: tuple[BaseException, _Invocation] | None = None
        self._interrupted = False

    def bind(self, vm: Vm, filters: Sequence[int]) -> None:
        """Lead the hooked hostcalls of a VM with these filters in it here."""
        wanted = {hook.name for hook in self._hooks if hook.filter is None or hook.filter in filters}
        exports = {each.export: each for each in self._functions.values() if each.name in wanted}
        # the store keeps these functions for as long as it lives: they must not keep it in turn
        this = weakref.ref(self)

        def leading(function: HostFunction) -> Callable[..., int | None]:
            def come(*values: int) -> int | None:
                hooks = this()
                return hooks._come(vm_number, function, values) if hooks is not None else 0

            return come

        vm_number = vm.number
        if exports:
            self._host.intercept(vm, {export: leading(each) for export, each in exports.items()})

    def interrupt(self) -> None:
        """An interrupt came, in the thread of the replay: a hook that runs is left at once, wasm is not."""
        if self._in_hook:
            self._in_hook = False
            raise KeyboardInterrupt

    def take(self, error: Ended) -> tuple[Ended, bool]:
        """After a trap: what it was before it came through a hook, and whether the user interrupted one.

        Raises `InterceptError` where a hook raised.
        """
        fallen, stopped, interrupted = self._fallen, self._stopped, self._interrupted
        self._fallen, self._stopped, self._interrupted, self._in_hook = None, None, False, False
        if stopped is not None:
            raised, call = stopped
            raise _stop(raised, call) from raised
        return fallen or error, interrupted

    def _come(self, vm: int, function: HostFunction, values: tuple[int, ...]) -> int | None:
        """A filter calls. The result for it; where there is none the import's wasm is told to trap."""
        try:
            with self._watchdog.paused():
                outcome = self._handle(self._host.vms[vm], function, values)
        except _Fallen:
            outcome = None
        except KeyboardInterrupt:
            self._interrupted, outcome = True, None
        self._in_hook = False
        if outcome is None or self._fallen is not None or self._stopped is not None or self._interrupted:
            self._host.watch.stop_after_hostcall()
            outcome = 0
        return outcome if function.type.results else None

    def _handle(self, vm: Vm, function: HostFunction, values: tuple[int, ...]) -> int | None:
        described = signature(function.name, function.type.params)
        place = self._place(function.name)
        call = _Invocation(vm, function, described, values, place, {})
        concerned = [h for h in self._hooks if h.name == function.name and (h.filter is None or h.filter == place.number)]
        if not concerned or not place.allowed:
            return self.perform(call).status
        call.raw = described.read(values, lambda at, size: self._host.read_filter(vm, at, size))
        return self._settle(call, self.ask(concerned, call))

    def _place(self, name: str) -> _Place:
        self._host.call("intercept_begin", self._code(name), self._scratch)
        now, started, host_ns, number, exchange, context, callback, allowed, row = _PLACE.unpack(
            self._host.read(self._scratch, _PLACE.size)
        )
        filter_ = self._filters[number] if number < len(self._filters) else None
        called = self._host.schema.callbacks[callback].name if callback != NONE else ""
        where = None if exchange == NONE else exchange
        return _Place(now, started, host_ns, number, filter_, where, context, called, bool(allowed), row)

    def _code(self, name: str) -> int:
        """Under which the trace has it; the rarer functions of WASI have one in common."""
        if name == "fd_pwrite":
            name = "fd_write"
        unrecorded = name in ("pthread_equal", "emscripten_notify_memory_growth")
        return self._codes.get(name, NONE if unrecorded else self._codes["wasi"])

    def ask(self, hooks: Sequence[Hook], call: _Invocation) -> _Outcome:
        """What the last of these hooks, before which the others stand, makes of a call; the host's own answer without any."""
        if not hooks:
            return self.perform(call)
        act = _Act(self, call, hooks[:-1])
        args = {each.name: each.shown(call.raw[each.name]) for each in call.signature.inputs}
        asked = Call(call.function.name, call.place, args, dict(call.raw), act)
        try:
            answer = self._entered(hooks[-1].function, asked)
            chosen = asked._chosen if answer is None else answer
            if self._fallen is not None:
                raise _Fallen
            if chosen is None:
                return act.outcome or self.ask(hooks[:-1], call)
            return act.chosen(chosen)
        except (_Fallen, KeyboardInterrupt):
            raise
        except BaseException as raised:
            if self._stopped is None:
                # without the frame of this function, which has the store in it
                self._stopped = raised.with_traceback(raised.__traceback__ and raised.__traceback__.tb_next), call
            raise _Fallen from None
        finally:
            asked._act = None

    def _entered(self, function: HookFunction, call: Call) -> object:
        self._in_hook = True
        try:
            return function(call)
        finally:
            self._in_hook = False

    def inside(self, go_on: Callable[[], _Outcome]) -> _Outcome:
        """From within a hook back to the host, where no interrupt may strike."""
        if self._fallen is not None or self._stopped is not None:
            raise _Fallen
        self._in_hook = False
        outcome = go_on()
        self._in_hook = True
        return outcome

    def perform(self, call: _Invocation) -> _Outcome:
        """The host's own function."""
        self._host.call("intercept_begin", NONE, self._scratch)
        call.row = _PLACE.unpack(self._host.read(self._scratch, _PLACE.size))[-1]
        with self._wasm():
            status = self._host.direct(call.vm, call.function.export, call.values)
        outcome = _Outcome(status, {})
        if status == 0:
            for each, places in call.places:
                value = self._read(call.vm, each, places)
                if value is not None:
                    outcome.values[each.name] = value
        call.host = _Outcome(status, dict(outcome.values))
        return outcome

    def _read(self, vm: Vm, each: Parameter, places: tuple[int, ...]) -> Raw | None:
        """A result where the host put it."""
        read = self._host.read_filter
        if each.kind == "buffer":
            return read(vm, *places)
        words = [read(vm, place, each.width) for place in places]
        found = [int.from_bytes(word, "little") for word in words if word is not None]
        if len(found) < len(places):
            return None
        return read(vm, *found) if each.is_bytes else found[0]

    @contextmanager
    def _wasm(self) -> Iterator[None]:
        """Around a call of wasm from here: a trap in it is kept, for nothing but the end of the call can come of it."""
        try:
            with self._watchdog.resumed():
                yield
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            error.__traceback__ = None
            self._fallen = error
            raise _Fallen from None

    def _settle(self, call: _Invocation, outcome: _Outcome) -> int:
        """Give the filter what it is to get, and the trace what it got."""
        host, status, values = call.host, outcome.status & 0xFFFFFFFF, outcome.values
        if host is None and status == 0:
            values = _defaults(call) | values
        before = host.values if host else {}
        changed = {name: value for name, value in values.items() if host is None or before.get(name) != value}
        numbers, fields = self._record(call, values)
        code = self._code(call.function.name)
        if host is None:
            head = struct.pack("<5I", code, *numbers)
            call.row = (
                self._host.call_with("intercept_open", head + b"".join(map(pack_str, fields)), call.vm.number) if code != NONE else NONE
            )
        for each, places in call.places:
            if each.name in changed and not self._give(call, places, each.width, changed[each.name], data=each.kind == "buffer"):
                status = Status.InvalidMemoryAccess
        differs = host is None or bool(changed) or status != host.status
        bits = _CHANGED * differs | _REWRITTEN * (host is None or bool(changed)) | _STOOD_IN * (host is None)
        told = [(name.encode(), _told(before.get(name)), _told(value)) for name, value in changed.items()]
        was = host.status if host else NONE
        close = struct.pack("<5I2Q4I", call.row, code, status, bits, was, call.place.started, call.place.host_ns, *numbers)
        blobs = b"".join(map(pack_str, fields)), b"".join(pack_str(part) for each in told for part in each)
        self._host.call_with("intercept_close", close + b"".join(map(pack_str, blobs)), call.vm.number)
        return status

    def _record(self, call: _Invocation, values: Mapping[str, Raw]) -> tuple[list[int], list[bytes]]:
        code = self._code(call.function.name)
        if code == NONE:
            return [0] * 4, []
        schema = self._host.schema.hostcalls[code]
        if schema.name == "wasi":
            return [0] * 4, [call.function.name.encode()]
        numbers, fields = call.signature.record(schema, {**call.raw, **values})
        return (numbers + [0] * 4)[:4], fields

    def _give(self, call: _Invocation, places: tuple[int, ...], width: int, value: Raw, *, data: bool) -> bool:
        """One result into the filter's memory, as the host gives it; False where its pointer leads nowhere."""
        host, vm = self._host, call.vm
        if isinstance(value, int):
            with self._wasm():
                return host.call("intercept_store", vm.number, places[0], value, width) == 0
        if data:
            return host.write_filter(vm, places[0], value)
        at = host.put(value)
        with self._wasm():
            status = host.call("intercept_give", vm.number, call.row, at, len(value), *places)
        host.call("core_free", at, len(value))
        return status == 0


def _status(function: HostFunction, status: int) -> int:
    names = function.name.startswith("proxy_") and status in list(Status)
    return Status(status) if names else status


def _defaults(call: _Invocation) -> dict[str, Raw]:
    """What a filter gets of a result that the hook left out: nothing, and of what it wrote all."""
    found: dict[str, Raw] = {}
    for each, _ in call.places:
        if each.kind != "buffer":
            found[each.name] = b"" if each.is_bytes else 0
    written = call.raw.get("message")
    if call.function.name.startswith("fd_") and isinstance(written, bytes):
        found["size"] = len(written)
    return found


def _told(value: Raw | None) -> bytes:
    return value if isinstance(value, bytes) else b"" if value is None else str(value).encode()


def _stop(raised: BaseException, call: _Invocation) -> InterceptError:
    place = call.place
    where = [f"filter {place.filter}" if place.filter else "a VM's start"]
    where += [f"exchange {place.exchange}"] if place.exchange is not None else []
    where += [f"in {place.callback}"] if place.callback else []
    why = shown(" ".join(str(raised).split()), 300)
    what = f"the function that intercepts {call.function.name} raised {type(raised).__name__}" + (f": {why}" if why else "")
    return InterceptError(what, where=", ".join(where), remedy=_REMEDY)
