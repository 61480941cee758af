"""Chains of filters: what captures are replayed through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from reprlib import repr as brief
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from .errors import ConfigError, InterceptError
from .filter import Configuration, Filter
from .host.module import path_text
from .services.clusters import Clusters, GivenClusters
from .trace.records import NO_FILTER

if TYPE_CHECKING:
    from .capture import Capture, Connections
    from .host.driver import Swap
    from .host.foreign import ForeignFunction
    from .host.hook import Hook, HookFunction
    from .replay import Replay
    from .trace.trace import Trace

__all__ = ["Chain", "Configuration", "Filter", "Interception", "Kind"]

_SAMPLE_S, _LEAST_SAMPLE_S = 0.001, 0.0001

Moment: TypeAlias = int | timedelta | datetime
"""Of a capture: when that exchange or connection begins, by its index; so long after the first one; or a time of day with its zone."""

Kind: TypeAlias = Literal["http", "tcp"]
"""What a chain's filters are for: HTTP exchanges, or TCP connections."""


@dataclass(frozen=True)
class Successor:
    """A filter that takes the place of the one named `of` at a moment of the capture."""

    of: str
    filter: Filter
    at: Moment


@dataclass(frozen=True, init=False)
class Chain:
    """Filters in the order in which requests pass them; responses pass them the other way round.

    `kind` says what Envoy would hear from its configuration: `http` for HTTP filters, `tcp` for network filters in front of tcp_proxy,
    None to take it from what the filters export when they are replayed (see `kind_of`).
    """

    filters: tuple[Filter, ...]
    kind: Kind | None
    clusters: Clusters = field(hash=False)
    successors: tuple[Successor, ...]
    _hooks: list[Hook] = field(repr=False, compare=False)
    _foreign: dict[str, ForeignFunction] = field(repr=False, compare=False)

    def __init__(
        self,
        *filters: Filter | str | os.PathLike[str],
        kind: Kind | None = None,
        clusters: GivenClusters = None,
        foreign: Mapping[str, ForeignFunction] | None = None,
    ) -> None:
        """A path stands for a filter without configuration. A name that is taken already gets a number: `add_header`, `add_header-2`.

        `clusters` are the services that the filters can call, and who answers for each: a mapping of names to `HttpResponse(200)`,
        `GrpcResponse(b"…")` or a function of the request that gives one (all in `workbench.services`), `"capture"` (as it was when
        recorded) or `"http://HOST:PORT"` (a real server); or the path of a YAML file (`services.settings` tells its form). `foreign` are
        foreign functions of your own, see the method of that name.

        Raises `ConfigError` for too many filters, or a kind that is none.
        """
        if kind not in (None, *get_args(Kind)):
            raise ConfigError(f"a chain of kind {kind!r}", remedy=f"Give one of {', '.join(get_args(Kind))}, or leave it out")
        if len(filters) >= NO_FILTER:
            raise ConfigError(f"{len(filters)} filters in one chain, {NO_FILTER - 1} are the most")
        named: list[Filter] = []
        for each in filters:
            if isinstance(each, list | tuple | Chain):
                what = "a chain" if isinstance(each, Chain) else "a list"
                raise ConfigError(f"{what} stands where a filter should", remedy="Give the filters one by one: Chain(*filters)")
            named.append(_named_apart(each if isinstance(each, Filter) else Filter(each), named))
        object.__setattr__(self, "filters", tuple(named))
        object.__setattr__(self, "successors", ())
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "clusters", Clusters.of(clusters))
        object.__setattr__(self, "_hooks", [])
        object.__setattr__(self, "_foreign", {})
        if not isinstance(foreign, Mapping | None):
            raise ConfigError(f"foreign is {brief(foreign)}", remedy="Give a mapping of names to functions from bytes to bytes")
        for name, function in (foreign or {}).items():
            self.foreign(name, function)

    def __repr__(self) -> str:
        told = [
            *map(repr, self.filters),
            *([f"kind={self.kind!r}"] if self.kind else ()),
            *([f"clusters={self.clusters!r}"] if self.clusters else ()),
        ]
        return f"Chain({', '.join(told)})" + "".join(f".swap({one.of!r}, {one.filter!r}, at={one.at!r})" for one in self.successors)

    def __len__(self) -> int:
        return len(self.filters)

    def __iter__(self) -> Iterator[Filter]:
        return iter(self.filters)

    def __getitem__(self, key: int | str) -> Filter:
        return self.filters[self._place(key)]

    def _place(self, key: int | str) -> int:
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise ConfigError(f"no filter {key} in a chain of {len(self)}")
            return key % len(self)
        names = [each.name for each in self.filters]
        if key not in names:
            raise ConfigError(f"no filter named {key!r} in the chain", remedy=f"It has {', '.join(names) or 'none'}")
        return names.index(key)

    def with_filter(self, filter: Filter | str | os.PathLike[str], name: str | int | None = None) -> Chain:
        """A new chain with one filter replaced.

        `name` is the replaced filter's name or place; without it that is the filter of the same name, or the only one there is.
        A path keeps the replaced filter's name and configuration, a `Filter` brings its own.
        """
        own = filter.name if isinstance(filter, Filter) else Path(path_text(filter)).stem
        at = self._place(name if name is not None else 0 if len(self) == 1 else own)
        old = self.filters[at]
        new = replace(filter, name=old.name) if isinstance(filter, Filter) else replace(old, path=Path(filter), expected_sha256="")
        return Chain(*self.filters[:at], new, *self.filters[at + 1 :], kind=self.kind, clusters=self.clusters, foreign=self._foreign)

    def with_filters(self, *filters: Filter | str | os.PathLike[str]) -> Chain:
        """A new chain of these filters with kind, clusters and foreign functions of this one, and the swaps of filters that stay."""
        made = Chain(*filters, kind=self.kind, clusters=self.clusters, foreign=self._foreign)
        names, kept = {each.name for each in made}, []
        for each in self.successors:
            if each.of in names:
                kept.append(each)
                names.add(each.filter.name)
        object.__setattr__(made, "successors", tuple(kept))
        return made

    def swap(self, filter: str | int, new: Filter | str | os.PathLike[str], at: Moment, *, expected_sha256: str = "") -> Chain:
        """A new chain in which another build takes a filter's place at a moment of the capture, as when a mesh gets a new module.

            chain.swap("token_bucket", "token_bucket_v2.wasm", at=50)

        filter           its name or place; one that was swapped before is named by its own name, the successor by its
        new              a path keeps the filter's configuration, a `Filter` brings its own
        at               an exchange's index, a `timedelta` from the capture's first, or a `datetime` with its zone
        expected_sha256  what the new module must have; another one is refused before anything is replayed

        Exchanges under way finish on the old one, those that begin from then on meet the new one, and its limits go on where they are
        kept outside the filter's memory: in shared data of the same `vm_id`, in a service. Where the new one does not start the old
        one stays, as where Envoy rejects an update, and a NOTE in the trace says so. The successor has a name of its own in every view.

        Raises `ConfigError` for a filter that is not there, or a moment before its last swap.
        """
        every = self.stages
        names = [each.name for each in every]
        name = self.filters[self._place(filter)].name if isinstance(filter, int) else filter
        if name not in names:
            raise ConfigError(f"no filter named {name!r} in the chain", remedy=f"It has {', '.join(names) or 'none'}")
        if any(each.of == name for each in self.successors):
            raise ConfigError(f"filter {name!r} is swapped already", remedy=f"Swap its successor, one of {', '.join(names)}")
        if not isinstance(cast(object, at), int | timedelta | datetime):
            remedy = "Give an exchange's index, a timedelta, or a datetime with its zone"
            raise ConfigError(f"{brief(at)} is no moment", where=f"swap of {name}", remedy=remedy)
        if isinstance(at, datetime) and at.tzinfo is None:
            raise ConfigError("the moment has no time zone", where=f"swap of {name}", remedy="Give datetime(…, tzinfo=timezone.utc)")
        old = every[names.index(name)]
        filter_ = new if isinstance(new, Filter) else replace(old, path=Path(path_text(new)), expected_sha256="")
        if expected_sha256:
            filter_ = replace(filter_, expected_sha256=expected_sha256)
        made = self.with_filters(*self.filters)
        object.__setattr__(made, "successors", (*self.successors, Successor(name, _named_apart(filter_, every), at)))
        return made

    @property
    def stages(self) -> tuple[Filter, ...]:
        """Every filter that a replay loads, each followed by its successor: their places are those in the trace."""
        after = {each.of: each.filter for each in self.successors}
        found: list[Filter] = []
        for each in self.filters:
            found.append(each)
            while found[-1].name in after:
                found.append(after[found[-1].name])
        return tuple(found)

    def _swaps(self, capture: Any) -> list[Swap]:
        from .host.driver import Swap

        names = [each.name for each in self.stages]
        found: list[Swap] = []
        for each in self.successors:
            old = names.index(each.of)
            swap = Swap(old, old + 1, _time_of(each.at, capture, f"swap of {each.of}"))
            before = next((one for one in found if one.new == old), None)
            if before is not None and swap.time_ns < before.time_ns:
                raise ConfigError("is before the filter's own time begins", where=f"swap of {each.of}", remedy="Give a later moment")
            found.append(swap)
        return found

    def kind_of(self) -> Kind:
        """`kind`, or where that is None what the filters are for: `tcp` if they export callbacks of connections and one of them none of
        HTTP. SDKs export both, so that such a filter needs `kind="tcp"`. Raises `FilterLoadError` for a file that is no module.
        """
        if self.kind is not None or not self.filters:
            return self.kind or "http"
        from .host.compose import core_interface
        from .host.module import serves_connections

        return "tcp" if serves_connections((each.path for each in self.stages), core_interface()) else "http"

    def intercept(self, hostcall: str, function: HookFunction | None = None, *, filter: str | int | None = None) -> Interception:
        """Step into a hostcall: `function(call)` is called for each call of it, by every filter or the one named, while this is open.

            with chain.intercept("proxy_get_property", lambda call: print(call.args)):
                chain.replay(capture)

        Without a function it is a decorator, and the function stays until `remove()` of what the name stands for then:

            @chain.intercept("proxy_get_property")
            def moved(call):
                if call.args["path"] == "source.address":
                    return call.result(value="10.0.0.1:80")

        What `call` holds and can do: `host.hook.Call`. The hook gives back None (the call is let through, or was), a
        `call.result(…)`, a status, or bytes for a hostcall whose result they are. Where it raises, the replay stops with
        `InterceptError`. Of several functions the one that came last is asked first, its `call.proceed()` asks the next. They belong
        to this very chain, not to those made from it. Hostcalls that nobody intercepts cost nothing more.

        Raises `ConfigError` for a hostcall or filter that is not there.
        """
        from .host.intercept import check_name

        check_name(hostcall)
        if function is not None and not callable(function):
            raise ConfigError(f"{brief(function)} cannot be called", where=hostcall, remedy="Give a function of one argument")
        place = None if filter is None else self._place(filter)
        return Interception(self._hooks, hostcall, place, function)

    def foreign(self, name: str, function: ForeignFunction) -> None:
        """Answer `proxy_call_foreign_function` of that name: `function(argument)` gets bytes and gives bytes.

        It may give a status too, alone or before the bytes, or None for Ok and no result. It goes before Envoy's function of the same
        name, and chains made from this one have it too. Where it raises, the replay stops with `InterceptError`. Envoy's own functions
        are there without this. Raises `ConfigError` for an empty name or what cannot be called.
        """
        if not isinstance(name, str) or not name or not callable(function):
            raise ConfigError(f"no foreign function: {brief(name)}", remedy="Give a name and a function from bytes to bytes")
        self._foreign[name] = function

    def replay(
        self,
        capture: Capture | Connections,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: Event | None = None,
        seed: int = 0,
        callback_limit_s: float = 1.0,
        chunk_size: int = 0,
        buffer_limit: int = 1 << 20,
        log_level: int = 0,
        start_anyway: bool = False,
        workers: int = 1,
        main_thread: bool | None = None,
        clusters: GivenClusters = None,
        websocket: bool | None = None,
        fuel: bool = False,
        profile: bool | float = False,
        partial: Callable[[Replay], None] | None = None,
    ) -> Replay:
        """Replay every exchange of `capture` through the chain; of a chain of TCP filters, every connection.

        progress          called with exchanges done and their number, at most ten times a second
        cancel            set it from another thread to stop; an interrupt (SIGINT) does the same. What was done is kept
        seed              of the random bytes that filters get; same capture, chain and seed give the same trace
        callback_limit_s  seconds of processor time that one call into a filter may take, looked at each hundredth of a second
        chunk_size        bytes in which bodies arrive, 0 for a body in one piece
        buffer_limit      bytes that a filter may hold back of one body, as Envoy's per_connection_buffer_limit_bytes
        log_level         the lowest level that filters log at, 0 trace to 5 critical
        start_anyway      replay with a filter that refuses to start, as Envoy's failure policy has it, instead of raising
        workers           worker threads as Envoy's --concurrency, 64 at most: each has VMs of its own, all share data, queues and metrics.
                          A connection stays on one worker, which follows from its number alone. They take turns in virtual time, so
                          that a replay repeats: more of them make it no faster
        main_thread       start each filter on Envoy's main thread too: there it is tried, its root context ticks, and it may be told of
                          queues, but it gets no exchange. Without a word only with several workers
        websocket         as Envoy's upgrade_configs: True lets every request for a WebSocket become one, False refuses them; without a
                          word those pass that became one in the capture
        clusters          in place of the chain's: who answers the filters' calls to other services
        fuel              count the instructions that each callback executes in its filter, a unit that is the same on every machine and in
                          every run (`Replay.instructions`); each hostcall costs some microseconds more then
        profile           sample what filters execute, by function, each millisecond or so many seconds (`Replay.profile`)
        partial           called with a replay of what is done so far, before `progress`; it costs nothing until it is read

        Raises `ConfigError` for a setting that cannot be, `FilterLoadError` for a filter that cannot be loaded, does not start or refuses
        its configuration, and `InterceptError`, with the replay up to there, for a function of `intercept` that raises.
        """
        from .host.driver import Settings, replay
        from .host.profiler import Profiler
        from .replay import Replay

        if not hasattr(capture, "batches"):
            raise ConfigError(f"{brief(capture)} is no capture", remedy="Give one that is open: open_capture(PATH)")
        if profile and profile is not True and not (isinstance(profile, float | int) and _LEAST_SAMPLE_S <= profile <= 1):
            raise ConfigError(f"is {brief(profile)}", where="profile", remedy=f"Give seconds from {_LEAST_SAMPLE_S} to 1, or True")
        for name, flag in (("websocket", websocket), ("main_thread", main_thread), ("fuel", fuel), ("start_anyway", start_anyway)):
            if flag not in (None, True, False):
                raise ConfigError(f"is {brief(flag)}", where=name, remedy="Give True or False")
        for name, function in (("progress", progress), ("partial", partial)):
            if function is not None and not callable(function):
                raise ConfigError(f"{brief(function)} cannot be called", where=name, remedy="Give a function")
        if cancel is not None and not hasattr(cancel, "is_set"):
            raise ConfigError(f"is {brief(cancel)}", where="cancel", remedy="Give a threading.Event, and set it to stop")
        settings = Settings(
            seed,
            callback_limit_s,
            chunk_size,
            buffer_limit,
            log_level,
            start_anyway,
            workers=workers,
            main_thread=workers != 1 if main_thread is None else main_thread,
            websocket={None: 1, True: 2, False: 0}[websocket],
            fuel=fuel,
        )
        kind = self.kind_of()
        source = capture.connections if kind == "tcp" else capture
        if kind == "http" and getattr(capture, "connections", None) is capture:
            raise ConfigError("these are TCP connections, and the chain is for HTTP", where=str(capture.path), remedy='Give it kind="tcp"')
        swaps = self._swaps(source)
        called = self.clusters if clusters is None else Clusters.of(clusters)
        services = called.begin(capture)
        profiler = Profiler(_SAMPLE_S if profile is True else profile) if profile else None
        notes = tuple(f"a real server answers for cluster {name}: this replay cannot be had a second time" for name in called.measured)
        notes += ("instructions were counted: real times include what that took",) if fuel else ()
        earlier: Replay | None = None

        def grown(trace: Trace) -> None:
            nonlocal earlier
            assert partial is not None
            earlier = Replay(source, self, trace.snapshot(), settings, notes, called, growing=True, earlier=earlier)
            partial(earlier)

        try:
            trace = replay(
                self.stages,
                source.batches(),
                settings,
                hooks=tuple(self._hooks),
                foreign=dict(self._foreign),
                progress=progress,
                total=len(source),
                cancel=cancel,
                clusters=services,
                swaps=swaps,
                grown=None if partial is None else grown,
                profiler=profiler,
            )
        except InterceptError as error:
            error.replay = Replay(source, self, error.trace, settings, notes, called, earlier=earlier)
            raise
        sampled = None if profiler is None else (profiler.result, round(profiler.interval_s * 1e9))
        return Replay(source, self, trace, settings, notes, called, sampled, earlier=earlier)


class Interception:
    """A function that steps into a hostcall of a chain, see `Chain.intercept`: open within `with`, or from its decoration on."""

    def __init__(self, hooks: list[Hook], hostcall: str, place: int | None, function: HookFunction | None) -> None:
        self._hooks = hooks
        self._hostcall = hostcall
        self._place = place
        self._function = function
        self._hook: Hook | None = None

    def __call__(self, function: HookFunction) -> Interception:
        """As a decorator: open from now on."""
        if self._function is not None:
            raise TypeError("this has its function already: open it with `with`")
        self._function = function
        # a notebook's cell that is run again replaces what it had defined before
        name = getattr(function, "__qualname__", None)
        for each in [hook for hook in self._hooks if name is not None and getattr(hook.function, "__qualname__", None) == name]:
            if (each.name, each.filter, each.stays) == (self._hostcall, self._place, True):
                self._hooks.remove(each)
        self._open(stays=True)
        return self

    def __enter__(self) -> Interception:
        if self._hook is None:
            self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def _open(self, stays: bool = False) -> None:
        from .host.hook import Hook

        if self._function is None:
            raise ConfigError("has no function", where=self._hostcall, remedy="Give one to `intercept`, or use this as a decorator")
        self._hook = Hook(self._hostcall, self._function, self._place, stays)
        self._hooks.append(self._hook)

    def remove(self) -> None:
        """Step out again; nothing happens where it is not open."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
        self._hook = None


def _named_apart(filter_: Filter, others: Sequence[Filter]) -> Filter:
    """The filter under a name that none of the others has."""
    taken = {each.name for each in others}
    number, name = 1, filter_.name
    while name in taken:
        number += 1
        name = f"{filter_.name}-{number}"
    return filter_ if name == filter_.name else replace(filter_, name=name)


def _time_of(moment: Moment, capture: Any, where: str) -> int:
    """Nanoseconds since the Unix epoch."""
    if isinstance(moment, timedelta):
        return int(capture.start_ns) + moment // timedelta(microseconds=1) * 1000
    if isinstance(moment, datetime):
        return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(microseconds=1) * 1000
    try:
        found = capture[moment]
    except IndexError as error:
        raise ConfigError(str(error), where=where, remedy="Give the index of one that is there") from None
    return int(getattr(found, "request", found).start_ns)
