"""What is replayed: filters with their configuration, and chains of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from .errors import ConfigError, InterceptError
from .host.module import DEFAULT_MEMORY_LIMIT, read_file
from .services.clusters import Clusters, GivenClusters
from .trace.records import NO_FILTER, Policy

if TYPE_CHECKING:
    from .audit import Inspection
    from .capture import Capture, Connections
    from .host.foreign import ForeignFunction
    from .host.hook import Hook, HookFunction
    from .replay import Replay

__all__ = ["Chain", "Configuration", "Filter", "Interception", "Kind"]

Configuration: TypeAlias = "Mapping[str, Any] | Sequence[Any] | str | bytes | None"
"""A mapping or list becomes compact JSON, text UTF-8, bytes stay as they are, None is empty."""

_MOST_WORKERS = 64

Kind: TypeAlias = Literal["http", "tcp"]
"""What a chain's filters are for: HTTP exchanges, or TCP connections."""

_POLICIES = {policy.name.lower(): policy for policy in Policy}


@dataclass(frozen=True, init=False)
class Filter:
    """A Proxy-Wasm filter as a host is told to load it; the fields are those of Envoy's plugin and VM configuration.

    path            the `.wasm`; it is read at each replay, so a new build is taken without more
    config          plugin configuration
    name            its name in every view; the file's stem without one
    root_id         which root context of the module, where it has several
    vm_config       VM configuration
    vm_id           filters with the same code, vm_id, vm_config, env and allowed_capabilities share one VM
    env             environment variables, names to values
    failure_policy  what a failed filter means: closed (503), open (passed), reload (a fresh VM for a later exchange, one a
                    second at most, as Envoy), or restart (a fresh VM for the next exchange, ours)
    fail_open       Envoy's older form of `open`, which lets the failing exchange pass too
    allow_on_headers_stop_iteration  StopIteration in a headers callback lets body callbacks go on, Envoy's setting of that name
    memory_limit    bytes of memory it may have, a multiple of 64 KiB
    allowed_capabilities  names of hostcalls and callbacks it is restricted to, Envoy's `capability_restriction_config`; none: all are
                    allowed. Another hostcall links and answers InternalFailure, another callback counts as not there
    """

    path: Path
    config: bytes
    name: str
    root_id: str
    vm_config: bytes
    vm_id: str
    env: tuple[tuple[str, str], ...]
    failure_policy: str
    fail_open: bool
    allow_on_headers_stop_iteration: bool
    memory_limit: int
    allowed_capabilities: tuple[str, ...]

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Configuration = None,
        *,
        name: str | None = None,
        root_id: str = "",
        vm_config: Configuration = None,
        vm_id: str = "",
        env: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        failure_policy: str = "closed",
        fail_open: bool = False,
        allow_on_headers_stop_iteration: bool = False,
        memory_limit: int = DEFAULT_MEMORY_LIMIT,
        allowed_capabilities: Iterable[str] = (),
    ) -> None:
        """Raises `ConfigError` for values that cannot be meant; the file itself is looked at when it is replayed."""
        where = os.fspath(path)
        if failure_policy not in _POLICIES:
            raise ConfigError(f"unknown failure_policy {failure_policy!r}", where=where, remedy=f"Give one of {', '.join(_POLICIES)}")
        if fail_open and failure_policy != "closed":
            raise ConfigError("fail_open and failure_policy are given both", where=where, remedy="Give one of them")
        if isinstance(allowed_capabilities, str):
            raise ConfigError("allowed_capabilities is a text", where=where, remedy="Give a list of names")
        values = {
            "path": Path(path),
            "config": _bytes_of(config, "config", where),
            "name": Path(path).stem if name is None else name,
            "root_id": root_id,
            "vm_config": _bytes_of(vm_config, "vm_config", where),
            "vm_id": vm_id,
            "env": tuple(dict(env).items()),
            "failure_policy": failure_policy,
            "fail_open": fail_open,
            "allow_on_headers_stop_iteration": allow_on_headers_stop_iteration,
            "memory_limit": memory_limit,
            "allowed_capabilities": tuple(allowed_capabilities),
        }
        for name_, value in values.items():
            object.__setattr__(self, name_, value)
        if not self.name:
            raise ConfigError("the name is empty", where=where, remedy="Leave it out to take the file's")

    @property
    def policy(self) -> Policy:
        """The failure policy by its number."""
        return _POLICIES[self.failure_policy]

    @property
    def sha256(self) -> str:
        """Of the file as it is now, in hexadecimal."""
        return hashlib.sha256(read_file(self.path)).hexdigest()

    def inspect(self) -> Inspection:
        """What the module is and where it would run; also for modules that no host loads. FilterLoadError for what is no wasm file."""
        from .audit import inspect_module

        return inspect_module(self.path, self.memory_limit)


@dataclass(frozen=True, init=False)
class Chain:
    """Filters in the order in which requests pass them; responses pass them the other way round.

    `kind` says what Envoy would hear from its configuration: `http` for HTTP filters, `tcp` for network filters in front of tcp_proxy,
    None to take it from what the filters export when they are replayed (see `kind_of`).
    """

    filters: tuple[Filter, ...]
    kind: Kind | None
    clusters: Clusters = field(hash=False)
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

        `clusters` are the services that the filters can call, and who answers for each (`services.clusters.GivenClusters`); `foreign`
        are foreign functions of your own, see the method of that name.

        Raises `ConfigError` for too many filters, or a kind that is none.
        """
        if kind not in (None, *get_args(Kind)):
            raise ConfigError(f"a chain of kind {kind!r}", remedy=f"Give one of {', '.join(get_args(Kind))}, or leave it out")
        if len(filters) >= NO_FILTER:
            raise ConfigError(f"{len(filters)} filters in one chain, {NO_FILTER - 1} are the most")
        taken: set[str] = set()
        named = []
        for each in filters:
            filter_ = each if isinstance(each, Filter) else Filter(each)
            number, name = 1, filter_.name
            while name in taken:
                number += 1
                name = f"{filter_.name}-{number}"
            taken.add(name)
            named.append(filter_ if name == filter_.name else replace(filter_, name=name))
        object.__setattr__(self, "filters", tuple(named))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "clusters", Clusters.of(clusters))
        object.__setattr__(self, "_hooks", [])
        object.__setattr__(self, "_foreign", {})
        for name, function in (foreign or {}).items():
            self.foreign(name, function)

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
        own = filter.name if isinstance(filter, Filter) else Path(filter).stem
        at = self._place(name if name is not None else 0 if len(self) == 1 else own)
        old = self.filters[at]
        new = replace(filter, name=old.name) if isinstance(filter, Filter) else replace(old, path=Path(filter))
        return self.with_filters(*self.filters[:at], new, *self.filters[at + 1 :])

    def with_filters(self, *filters: Filter | str | os.PathLike[str]) -> Chain:
        """A new chain of these filters, with what belongs to this one: its kind, its clusters and its foreign functions."""
        return Chain(*filters, kind=self.kind, clusters=self.clusters, foreign=self._foreign)

    def kind_of(self) -> Kind:
        """`kind`, or where that is None what the filters are for: `tcp` if they export callbacks of connections and one of them none of
        HTTP. SDKs export both, so that such a filter needs `kind="tcp"`. Raises `FilterLoadError` for a filter that cannot be loaded.
        """
        if self.kind is not None or not self.filters:
            return self.kind or "http"
        from .host.compose import core_interface
        from .host.module import serves_connections

        files = ((each.path, each.memory_limit) for each in self.filters)
        return "tcp" if serves_connections(files, core_interface()) else "http"

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
        place = None if filter is None else self._place(filter)
        return Interception(self._hooks, hostcall, place, function)

    def foreign(self, name: str, function: ForeignFunction) -> None:
        """Answer `proxy_call_foreign_function` of that name: `function(argument)` gets bytes and gives bytes.

        It may give a status too, alone or before the bytes, or None for Ok and no result. It goes before Envoy's function of the same
        name, and chains made from this one have it too. Where it raises, the replay stops with `InterceptError`. Envoy's own functions
        are there without this. Raises `ConfigError` for an empty name or what cannot be called.
        """
        if not name or not callable(function):
            raise ConfigError(f"no foreign function: {name!r}", remedy="Give a name and a function from bytes to bytes")
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
        partial: Callable[[Replay], None] | None = None,
    ) -> Replay:
        """Replay every exchange of `capture` through the chain; of a chain of TCP filters, every connection.

        progress          called with exchanges done and their number, at most ten times a second
        cancel            set it from another thread to stop; an interrupt (SIGINT) does the same. What was done is kept
        seed              of the random bytes that filters get; same capture, chain and seed give the same trace
        callback_limit_s  seconds that one call into a filter may take
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
        partial           called with a replay of what is done so far, before `progress`; it costs nothing until it is read

        Raises `FilterLoadError` for a filter that cannot be loaded, does not start or refuses its configuration, and
        `InterceptError`, with the replay up to there, for a function of `intercept` that raises.
        """
        from .host.driver import Settings, replay
        from .replay import Replay

        if not 1 <= workers <= _MOST_WORKERS:
            raise ConfigError(f"{workers} workers", where="workers", remedy=f"Give a number from 1 to {_MOST_WORKERS}")
        settings = Settings(
            seed,
            callback_limit_s,
            chunk_size,
            buffer_limit,
            log_level,
            start_anyway,
            workers=workers,
            main_thread=workers > 1 if main_thread is None else main_thread,
            websocket={None: 1, True: 2, False: 0}[websocket],
        )
        kind = self.kind_of()
        source = capture.connections if kind == "tcp" else capture
        if kind == "http" and getattr(capture, "connections", None) is capture:
            raise ConfigError("these are TCP connections, and the chain is for HTTP", where=str(capture.path), remedy='Give it kind="tcp"')
        called = self.clusters if clusters is None else Clusters.of(clusters)
        services = called.begin(capture)
        notes = tuple(f"a real server answers for cluster {name}: this replay cannot be had a second time" for name in called.measured)
        try:
            trace = replay(
                self.filters,
                source.batches(),
                settings,
                hooks=tuple(self._hooks),
                foreign=dict(self._foreign),
                progress=progress,
                total=len(source),
                cancel=cancel,
                clusters=services,
                grown=None if partial is None else lambda trace: partial(Replay(source, self, trace.snapshot(), settings, notes, called)),
            )
        except InterceptError as error:
            error.replay = Replay(source, self, error.trace, settings, notes, called)
            raise
        return Replay(source, self, trace, settings, notes, called)


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
            raise TypeError("give a function, or use this as a decorator")
        self._hook = Hook(self._hostcall, self._function, self._place, stays)
        self._hooks.append(self._hook)

    def remove(self) -> None:
        """Step out again; nothing happens where it is not open."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
        self._hook = None


def _bytes_of(value: Configuration, what: str, where: str) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{what} cannot be written as JSON: {error}", where=where, remedy="Give text or bytes for other formats"
        ) from error
