"""Steps into hostcalls: a user's function sees a call with its arguments, lets it through, answers in its place, or stops the replay.

Only the imports of hooked hostcalls of hooked filters lead here (`Composition.intercept`). A call of the filter comes in between two of
its instructions, and nothing may be raised through the wasm frames below: whatever ends the call is kept, and the import's wasm traps.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from reprlib import repr as brief
from typing import TypeAlias

import wasmtime

from ..capture.packing import pack_str
from ..errors import ConfigError, InterceptError
from ..trace.numbers import Status
from ..trace.records import NONE
from . import hook
from .abi import HostFunction
from .arguments import Parameter, Raw, signature
from .binary import shown
from .compose import Composition, Vm, core_interface
from .foreign import NAME, ForeignFunction, ForeignFunctions, own_answer
from .hook import Act, Call, Fallen, Hook, HookFunction, Invocation, Outcome, Place
from .watchdog import Runs, Watchdog

__all__ = ["Hooks", "check_name", "let_go"]

_PLACE = struct.Struct("<QQQIIIIII")
_SCRATCH = 512
_CHANGED, _REWRITTEN, _STOOD_IN = 1, 2, 4
_REMEDY = "Mend the function; the error's `replay` holds what was done until then"


Ended: TypeAlias = wasmtime.Trap | wasmtime.WasmtimeError


class Hooks:
    """The hooks of one replay, and what became of the call that one of them is in."""

    def __init__(
        self,
        host: Composition,
        watchdog: Watchdog,
        hooks: Sequence[Hook],
        filters: Sequence[str],
        foreign: Mapping[str, ForeignFunction] | None = None,
    ) -> None:
        self._host = host
        self._foreign = ForeignFunctions(host, foreign or {})
        self._watchdog = watchdog
        self._hooks = tuple(hooks)
        self._filters = tuple(filters)
        self._codes = {each.name: code for code, each in enumerate(host.schema.hostcalls)}
        self._functions = {each.export: each for each in reversed(host.interface.host)}
        self._scratch = host.call("core_alloc", _SCRATCH)
        self._in_hook = False
        self._fallen: Ended | None = None
        self._stopped: tuple[BaseException, Invocation] | None = None
        self._interrupted = False

    def bind(self, vm: Vm, filters: Sequence[int]) -> None:
        """Lead the hooked hostcalls of a VM with these filters in it here, and the one that is always answered here."""
        wanted = {hook.name for hook in self._hooks if hook.filter is None or hook.filter in filters}
        if NAME not in vm.denied:
            wanted |= {NAME} & {each.name for each in vm.module.binary.imports}
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
        watch, outcome = self._host.watch, 0
        # the core is called from here, and the watchdog must not end it halfway
        watch.set_runs(Runs.HOSTCALL)
        try:
            outcome = self._handle(self._host.vms[vm], function, values)
        except Fallen:
            pass
        except KeyboardInterrupt:
            self._interrupted = True
        if self._fallen is not None or self._stopped is not None or self._interrupted:
            watch.stop_after_hostcall()
        else:
            watch.set_runs(Runs.FILTER)
        return outcome if function.type.results else None

    def _handle(self, vm: Vm, function: HostFunction, values: tuple[int, ...]) -> int:
        described = signature(function.name, function.type.params)
        place = self._place(function.name)
        call = Invocation(vm, function, described, values, place, {})
        concerned = [h for h in self._hooks if h.name == function.name and (h.filter is None or h.filter == place.number)]
        if not place.allowed or (not concerned and function.name != NAME):
            return self._direct(call).status
        with self._watchdog.counting(not concerned):
            call.raw = described.read(values, lambda at, size: self._host.read_filter(vm, at, size))
            outcome = self.ask(concerned, call)
            return self._settle(call, outcome) if concerned or call.native else outcome.status

    def _place(self, name: str) -> Place:
        self._host.call("intercept_begin", self._code(name), self._scratch)
        now, started, host_ns, number, exchange, context, callback, allowed, row = _PLACE.unpack(
            self._host.read(self._scratch, _PLACE.size)
        )
        filter_ = self._filters[number] if number < len(self._filters) else None
        called = self._host.schema.callbacks[callback].name if callback != NONE else ""
        where = None if exchange == NONE else exchange
        return Place(now, started, host_ns, number, filter_, where, context, called, bool(allowed), row)

    def _code(self, name: str) -> int:
        """Under which the trace has it; the rarer functions of WASI have one in common."""
        if name == "fd_pwrite":
            name = "fd_write"
        unrecorded = name in ("pthread_equal", "emscripten_notify_memory_growth")
        return self._codes.get(name, NONE if unrecorded else self._codes["wasi"])

    def ask(self, hooks: Sequence[Hook], call: Invocation) -> Outcome:
        """What the last of these hooks, before which the others stand, makes of a call; the host's own answer without any."""
        if not hooks:
            return self.perform(call)
        act = Act(self, call, hooks[:-1])
        args = {each.name: each.shown(call.raw[each.name]) for each in call.signature.inputs}
        asked = Call(call.function.name, call.place, args, dict(call.raw), act)
        try:
            answer = self._entered(hooks[-1].function, asked)
            chosen = asked._chosen if answer is None else answer
            if self._fallen is not None:
                raise Fallen
            if chosen is None:
                return act.outcome or self.ask(hooks[:-1], call)
            return act.chosen(chosen)
        except (Fallen, KeyboardInterrupt):
            raise
        except BaseException as raised:
            if self._stopped is None:
                self._stopped = raised, call
            raise Fallen from None
        finally:
            asked._act = None

    def _entered(self, function: HookFunction, call: Call) -> object:
        try:
            self._in_hook = True
            return function(call)
        finally:
            self._in_hook = False

    def inside(self, others: Sequence[Hook], call: Invocation) -> Outcome:
        """From within a hook back to the host, where no interrupt may strike."""
        if self._fallen is not None or self._stopped is not None:
            raise Fallen
        self._in_hook = False
        outcome = self.ask(others, call)
        self._in_hook = True
        return outcome

    def perform(self, call: Invocation) -> Outcome:
        """The host's own answer."""
        name, argument = call.raw.get("name"), call.raw.get("argument")
        if call.function.name != NAME or NAME in call.vm.denied or not isinstance(name, bytes) or not isinstance(argument, bytes):
            return self._direct(call)
        own = self._foreign.own(name)
        if own is not None:
            call.blame = f"the foreign function {shown(name.decode('utf-8', 'replace'))!r}"
            answer: tuple[int, bytes] | None = self._entered_foreign(own, name, argument, call)
        else:
            root = call.vm.number, call.place.number
            with self._watchdog.counting(True):
                answer = self._foreign.answer(call.vm.number, root, call.place.context, name, argument)
        if answer is None:
            return self._direct(call)
        call.native = True
        call.host = Outcome(answer[0], {"result": answer[1]})
        return Outcome(answer[0], {"result": answer[1]})

    def _entered_foreign(self, own: ForeignFunction, name: bytes, argument: bytes, call: Invocation) -> tuple[int, bytes]:
        try:
            self._in_hook = True
            with self._watchdog.counting(False):
                return own_answer(own(argument), name)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            self._stopped = raised, call
            raise Fallen from None
        finally:
            self._in_hook = False

    def _direct(self, call: Invocation) -> Outcome:
        """The core's function itself."""
        # nothing has been recorded since the call came in
        call.row = call.place.row
        with self._filter_runs():
            status = self._host.direct(call.vm, call.function.export, call.values)
        outcome = Outcome(status, {})
        if status == 0:
            for each, places in call.places:
                value = self._read(call.vm, each, places)
                if value is not None:
                    outcome.values[each.name] = value
        call.host = Outcome(status, dict(outcome.values))
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
    def _filter_runs(self) -> Iterator[None]:
        """Around calls that may enter the filter: a trap in it is kept, for nothing but the end of the call can come of it."""
        try:
            with self._watchdog.counting(True):
                yield
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            error.__traceback__ = None
            self._fallen = error
            raise Fallen from None
        self._host.watch.set_runs(Runs.HOSTCALL)

    def _settle(self, call: Invocation, outcome: Outcome) -> int:
        """Give the filter what it is to get, and the trace what it got."""
        host, status, values = call.host, outcome.status & 0xFFFFFFFF, outcome.values
        if host is None and status == 0:
            values = _defaults(call) | values
        before = host.values if host else {}
        changed = {name: value for name, value in values.items() if host is None or before.get(name) != value}
        # what the core did it has given and recorded, all else is done here
        done = host is not None and not call.native
        given = changed if done else values
        code = self._code(call.function.name)
        rewritten = not done or bool(changed)
        numbers, fields = self._record(call, values) if rewritten else ([0] * 4, [])
        if not done:
            head = struct.pack("<5I", code, *numbers)
            call.row = (
                self._host.call_with("intercept_open", head + b"".join(map(pack_str, fields)), call.vm.number) if code != NONE else NONE
            )
        for each, places in call.places:
            if each.name in given and not self._give(call, places, each.width, given[each.name], data=each.kind == "buffer"):
                status = Status.InvalidMemoryAccess
        differs = host is None or bool(changed) or status != host.status
        bits = _CHANGED * differs | _REWRITTEN * rewritten | _STOOD_IN * (host is None)
        told = [(name.encode(), _told(before.get(name)), _told(value)) for name, value in changed.items()]
        was = host.status if host else NONE
        close = struct.pack("<5I2Q4I", call.row, code, status, bits, was, call.place.started, call.place.host_ns, *numbers)
        blobs = b"".join(map(pack_str, fields)), b"".join(pack_str(part) for each in told for part in each)
        self._close(call.vm.number, close + b"".join(map(pack_str, blobs)))
        return status

    def _close(self, vm: int, packed: bytes) -> None:
        if len(packed) > _SCRATCH:
            self._host.call_with("intercept_close", packed, vm)
        else:
            self._host.write(self._scratch, packed)
            self._host.call("intercept_close", vm, self._scratch, len(packed))

    def _record(self, call: Invocation, values: Mapping[str, Raw]) -> tuple[list[int], list[bytes]]:
        code = self._code(call.function.name)
        if code == NONE:
            return [0] * 4, []
        schema = self._host.schema.hostcalls[code]
        if schema.name == "wasi":
            return [0] * 4, [call.function.name.encode()]
        numbers, fields = call.signature.record(schema, {**call.raw, **values})
        return (numbers + [0] * 4)[:4], fields

    def _give(self, call: Invocation, places: tuple[int, ...], width: int, value: Raw, *, data: bool) -> bool:
        """One result into the filter's memory, as the host gives it; False where its pointer leads nowhere."""
        host, vm = self._host, call.vm
        if isinstance(value, int):
            return host.call("intercept_store", vm.number, places[0], value, width) == 0
        if data:
            return host.write_filter(vm, places[0], value)
        at = host.put(value)
        with self._filter_runs():
            give = "foreign_give" if call.function.name == NAME else "intercept_give"
            status = host.call(give, vm.number, call.row, at, len(value), *places)
        host.call("core_free", at, len(value))
        return status == 0


def let_go(error: InterceptError) -> None:
    """Empty the frames between a hook and its replay: a kept exception would keep the store with all its memory."""
    raised = error.__cause__
    if raised is None:
        return
    frames, theirs = [], None
    ours = __file__, hook.__file__
    trace = raised.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ours:
            frames.append(trace.tb_frame)
        else:
            theirs = theirs or trace
        trace = trace.tb_next
    raised.__traceback__ = theirs
    below = theirs.tb_frame.f_back if theirs is not None else None
    while below is not None:
        frames.append(below)
        below = below.f_back
    for frame in frames:
        with suppress(RuntimeError):  # one that still runs
            frame.clear()


def check_name(name: str) -> None:
    """Raises `ConfigError` unless the host has a function of that name."""
    known = sorted({each.name for each in core_interface().host})
    if not isinstance(name, str):
        raise ConfigError(f"{brief(name)} is no name of a hostcall", remedy="Give its name in the ABI, such as proxy_get_property")
    if name not in known:
        near = get_close_matches(name, known, 1) or get_close_matches(f"proxy_{name}", known, 1)
        remedy = f"Did you mean {near[0]}?" if near else "Give its name in the ABI, such as proxy_get_property"
        raise ConfigError(f"no hostcall is named {name!r}", remedy=remedy)


def _defaults(call: Invocation) -> dict[str, Raw]:
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


def _stop(raised: BaseException, call: Invocation) -> InterceptError:
    place = call.place
    where = [f"filter {place.filter}" if place.filter else "a VM's start"]
    where += [f"exchange {place.exchange}"] if place.exchange is not None else []
    where += [f"in {place.callback}"] if place.callback else []
    why = shown(" ".join(str(raised).split()), 300)
    who = call.blame or f"the function that intercepts {call.function.name}"
    what = f"{who} raised {type(raised).__name__}" + (f": {why}" if why else "")
    return InterceptError(what, where=", ".join(where), remedy=_REMEDY)
