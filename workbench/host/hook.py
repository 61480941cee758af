"""What a user's function is given of a hostcall, and what it can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..trace.numbers import Status
from ..trace.records import NONE
from .abi import HostFunction
from .arguments import Parameter, Raw, Signature
from .binary import shown
from .compose import Vm

__all__ = ["Act", "Call", "Fallen", "Hook", "HookFunction", "Invocation", "Outcome", "Place", "Result"]


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

    def __init__(self, name: str, place: Place, args: dict[str, Any], raw: Mapping[str, Raw | None], act: Act) -> None:
        self.name = name
        self.filter = place.filter
        self.exchange = place.exchange
        self.context_id = place.context
        self.callback = place.callback
        self.time = place.now
        self.args = args
        self.raw = raw
        self._act: Act | None = act
        self._chosen: Result | None = None

    def proceed(self) -> Result:
        """Let the call through, once; gives its status and results. A hook that neither asks for this nor answers does it at its end."""
        return self._acting().proceed()

    def result(self, status: int | str = 0, **values: Any) -> Result:
        """Answer with this status (a number or its name) and these results by name; all others are as the host gave them, else empty.

        TypeError or ValueError for a result that this hostcall has not, or that does not fit.
        """
        number = _status_number(status)
        self._acting().check(values)
        self._chosen = Result(number, values)
        return self._chosen

    def _acting(self) -> Act:
        if self._act is None:
            raise RuntimeError(f"this call of {self.name} is over: a hook acts on it while it runs")
        return self._act

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={shown(repr(value), 60)}" for name, value in self.args.items())
        return f"<{self.name}({given}) of {self.filter} in {self.callback}, exchange {self.exchange}>"


HookFunction: TypeAlias = Callable[[Call], object]


@dataclass(frozen=True, eq=False)
class Hook:
    """A function for the calls of one hostcall, of all filters or the one at place `filter`; `stays` if no `with` ends it."""

    name: str
    function: HookFunction
    filter: int | None = None
    stays: bool = False


class Asker(Protocol):
    """Who lets a call through."""

    def inside(self, others: Sequence[Hook], call: Invocation) -> Outcome:
        """From within a hook: the outcome by these other hooks and the host."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
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


class Fallen(BaseException):
    """The filter fell within the call, so the hook cannot go on: no handler of the user's is to take it for a fault of the hook."""


@dataclass
class Outcome:
    """A status and results as they cross the border."""

    status: int
    values: dict[str, Raw]


@dataclass
class Invocation:
    """One call that a filter makes, whatever hooks it passes."""

    vm: Vm
    function: HostFunction
    signature: Signature
    values: tuple[int, ...]
    place: Place
    raw: dict[str, Raw | None]
    host: Outcome | None = None
    row: int = NONE
    native: bool = False
    """The host's answer was made in Python: the core knows nothing of the call yet."""
    blame: str = ""
    """Whose exception it is that stops the replay, where it is not a hook's."""

    @property
    def places(self) -> list[tuple[Parameter, tuple[int, ...]]]:
        """The results, and the pointers that the filter gave for them."""
        return self.signature.places([value & 0xFFFFFFFF for value in self.values])


@dataclass
class Act:
    """What one hook can do about a call."""

    asker: Asker
    call: Invocation
    others: Sequence[Hook]
    outcome: Outcome | None = None

    def proceed(self) -> Result:
        """Let the call through, to the hooks that came before and to the host, once; RuntimeError for a second time."""
        if self.outcome is not None:
            raise RuntimeError(f"{self.call.function.name} was let through already")
        self.outcome = self.asker.inside(self.others, self.call)
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
            self._fits(known[name], found[name])
        return found

    def _fits(self, each: Parameter, value: Raw) -> None:
        if each.kind == "buffer" and isinstance(value, bytes):
            (size,) = (places[1] for one, places in self.call.places if one is each)
            if len(value) != size:
                raise ValueError(f"{each.name} must be {size} bytes, as the filter asked, not {len(value)}")

    def chosen(self, answer: object) -> Outcome:
        """What a hook returned or asked for, over what the host gave."""
        single = [each for each in self.call.signature.results if each.is_bytes]
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
            status, values = _status_number(answer[0]), dict(answer[1])
        elif isinstance(answer, (bytes, bytearray)) and len(single) == 1:
            status, values = 0, {single[0].name: answer}
        elif isinstance(answer, int) and not isinstance(answer, bool):
            status, values = int(answer), {}
        else:
            what = "bytes, " if len(single) == 1 else ""
            raise TypeError(f"a hook of {self.call.function.name} returns None, call.result(…), a status or {what}not {answer!r:.100}")
        given = {name: value for name, value in values.items() if value is not None}
        return Outcome(status, (dict(self.outcome.values) if self.outcome else {}) | self.check(given))


def _status(function: HostFunction, status: int) -> int:
    names = function.name.startswith("proxy_") and status in list(Status)
    return Status(status) if names else status


def _status_number(status: object) -> int:
    """A status by its number or name. ValueError for a name that the ABI has not, TypeError for what is neither."""
    if isinstance(status, str):
        if status not in Status.__members__:
            raise ValueError(f"a status is one of {', '.join(Status.__members__)}, not {status!r}")
        return Status[status]
    if not isinstance(status, int):
        raise TypeError(f"a status is a number or its name, not {type(status).__name__}")
    return status
