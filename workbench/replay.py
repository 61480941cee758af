"""A finished replay: the capture, the chain, the trace, and everything that can be read from them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cached_property, lru_cache
from inspect import signature
from pathlib import Path
from reprlib import repr as brief
from threading import Event
from typing import TYPE_CHECKING, Any, cast, get_args

from .analysis.compare import Comparison, comparison
from .analysis.connection import ConnectionResult, Connections, connection_outcomes
from .analysis.connection_view import ConnectionView
from .analysis.decision import Judges
from .analysis.exchange import ExchangeView
from .analysis.facts import Facts, FactsGatherer, Outcome
from .analysis.findings import Findings, find
from .analysis.jsonl import write_jsonl
from .analysis.limits import Limits
from .analysis.limits_gather import gather_limits
from .analysis.outcome import Exchanges, Result, outcomes
from .analysis.profile import GuestProfile
from .analysis.query import Searcher
from .analysis.redaction import SECRET_HEADERS, RedactedCapture, Redaction
from .analysis.state import State, gather_state
from .analysis.summary import Summary, summarise
from .analysis.timing import Timing
from .analysis.tracks import Tracks, gather_tracks
from .analysis.verification import Verification
from .analysis.writing import write_file
from .capture.connections import Connections as CapturedConnections
from .errors import ConfigError, MissingError, WorkbenchError
from .replay_views import ReplayViews
from .trace.trace import Trace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from .analysis.export_perfetto import Clock
    from .analysis.laboratory import Laboratory
    from .analysis.laboratory_requests import Key
    from .host.baseline import Baseline

__all__ = ["Replay", "compare"]

_LONGEST_WAIT_S = 3600


class Replay(ReplayViews):
    """What `Chain.replay` gives. Every view is made when it is first asked for, and kept.

    `capture`, `chain`, `settings` and `trace` are what went in and came out. Exchanges are named by their place in the capture, from 0;
    `complete` is False where the replay was stopped and the trace holds the exchanges up to then. `notes` are what one should know
    of how it was made, `clusters` who answered callouts, `profile` what was sampled of the filters, if that was asked for. `growing`:
    the trace goes on; `earlier` is a replay of its beginning.
    """

    def __init__(
        self,
        capture: Exchanges | Connections,
        chain: Any,
        trace: Trace,
        settings: Any = None,
        notes: tuple[str, ...] = (),
        clusters: Any = None,
        sampled: tuple[bytes, int] | None = None,
        *,
        growing: bool = False,
        earlier: Replay | None = None,
    ) -> None:
        self.capture = capture
        self.chain = chain
        self.trace = trace
        self.settings = settings
        self.notes = notes
        self.clusters = clusters
        self.profile = None if sampled is None else GuestProfile(*sampled)
        self._growing = growing
        self._gatherer: FactsGatherer = FactsGatherer(trace.schema) if earlier is None else earlier._gatherer

    @property
    def complete(self) -> bool:
        """True unless the replay was stopped before its end."""
        return bool(getattr(self.trace, "complete", True))

    @cached_property
    def facts(self) -> Facts:
        """What the trace says of each exchange, as numpy columns: what everything quick is made from."""
        return self._gatherer.facts(self.trace, last=not self._growing)

    @cached_property
    def searcher(self) -> Searcher:
        """Answers queries about this replay, bit by bit where that takes long (`analysis.query`)."""
        return self.searching()

    def searching(self, compared: Callable[[], Comparison] | None = None) -> Searcher:
        """A searcher of its own, with what this replay is compared with for `~differs`."""
        return Searcher(self.trace, self.capture, self.facts, compared)

    def where(self, query: str, against: Replay | None = None) -> npt.NDArray[np.int64]:
        """Indexes of the exchanges that a query asks for, in capture order: `replay.where("~m POST & ~outcome limited")`.

        Queries are mitmproxy's filter expressions on what was captured (`~u /toys`, `~hq authorization`, `~c 404`, `!`, `&`, `|`, a word
        alone is a URL), and in the same form terms on what filters did: `~outcome`, `~decision`, `~changed HEADER`, `~filter NAME`,
        `~log TEXT`, `~callout NAME`, `~got STATUS`, `~over 20us`; and held `against` another replay what
        differs from it, `~differs status`. QueryError says where a query is wrong.
        """
        searcher = self.searcher if against is None else self.searching(lambda: compare(against, self))
        search = searcher.search(query)
        search.advance()
        return self.facts.exchange[search.hit]

    @cached_property
    def judges(self) -> Judges:
        """The filters that limit or deny somewhere in this replay."""
        return Judges.of(self.facts)

    def __len__(self) -> int:
        """How many exchanges were replayed."""
        return len(self.facts)

    def __iter__(self) -> Iterator[ExchangeView]:
        return (self._view(index) for index in self.facts.exchange.tolist())

    def __getitem__(self, index: int) -> ExchangeView:
        """The exchange at place `index` of the capture, negative counts from its end. MissingError, an IndexError, for none."""
        try:
            size, index = len(self.capture), operator.index(index)
        except TypeError:
            raise ConfigError(
                f"{brief(index)} is no number of an exchange", remedy="`where(QUERY)` gives those that a query finds"
            ) from None
        place = index + size if index < 0 else index
        try:
            self.facts.position(place)
        except KeyError:
            why = "was not replayed" if 0 <= place < size else f"is not in a capture of {size}"
            raise MissingError(f"exchange {index} {why}", remedy="The first is 0, -1 is the last") from None
        return self._view(place)

    def _view(self, index: int) -> ExchangeView:
        if self.of_connections:
            return ConnectionView(self.trace, self._exchanges, index, self.facts, self.judges, self, self._connections)
        return ExchangeView(self.trace, self._exchanges, index, self.facts, self.judges, self)

    @property
    def of_connections(self) -> bool:
        """True where TCP connections were replayed, not exchanges: `capture` holds these."""
        return bool((self.facts.connection >= 0).any())

    # the capture is of one kind, which the trace tells: not both of these are used
    @property
    def _exchanges(self) -> Exchanges:
        return cast(Exchanges, self.capture)

    @property
    def _connections(self) -> Connections:
        return cast(Connections, self.capture)

    @cached_property
    def exchanges(self) -> pd.DataFrame:
        """One row an exchange (`analysis.tables.exchanges_table`)."""
        from .analysis.tables import exchanges_table

        return exchanges_table(self.trace, self.facts)

    @cached_property
    def mutations(self) -> pd.DataFrame:
        """One row a change that a filter made to a message."""
        from .analysis.tables import mutations_table

        return mutations_table(self.trace)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """One row an exchange on which a filter decided, with the reason in words, the limit and its counter."""
        from .analysis.tables import decisions_table

        return decisions_table(self.trace, self.facts, self.limit_columns)

    @cached_property
    def limit_columns(self) -> Limits:
        """The same as `limits`, as numpy columns."""
        return gather_limits(self.trace, self.facts)

    @cached_property
    def limits(self) -> pd.DataFrame:
        """One row a counter that was asked for an exchange: its limit, key, verdict and what was left (`analysis.limits`)."""
        from .analysis.limits import limits_table

        return limits_table(self.trace, self.limit_columns)

    @cached_property
    def callbacks(self) -> pd.DataFrame:
        """One row a call into a filter, with real time in the filter and in the host."""
        from .analysis.tables import callbacks_table

        return callbacks_table(self.trace)

    @cached_property
    def hostcalls(self) -> pd.DataFrame:
        """One row a call of a filter into the host, its arguments in words."""
        from .analysis.tables import hostcalls_table

        return hostcalls_table(self.trace)

    @cached_property
    def logs(self) -> pd.DataFrame:
        """One row a line that a filter wrote."""
        from .analysis.tables import logs_table

        return logs_table(self.trace)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """One row a failure of a filter, or an exchange that suffered from an earlier one."""
        from .analysis.tables import failures_table

        return failures_table(self.trace)

    @cached_property
    def callouts(self) -> pd.DataFrame:
        """One row a call of a filter to another service, with what it came to."""
        from .analysis.tables import callouts_table

        return callouts_table(self.trace)

    @cached_property
    def vms(self) -> pd.DataFrame:
        """One row a VM: on which thread, which filters lived in it, its memory, starts and failures."""
        from .analysis.vms import vms_table

        return vms_table(self.trace)

    @cached_property
    def times(self) -> Timing:
        """Where the time went, as columns and distributions (`analysis.timing`)."""
        return Timing(self.trace, self.facts)

    @cached_property
    def instructions(self) -> Timing:
        """The same by instructions executed, of a replay made with `fuel=True`: a unit that is the same on every machine."""
        return Timing(self.trace, self.facts, "fuel")

    @property
    def baseline(self) -> Baseline:
        """What an empty hostcall costs on this machine: measured when first asked for, once a process."""
        from .host.baseline import empty_hostcall

        return empty_hostcall()

    @cached_property
    def _found(self) -> Findings:
        filters = tuple(getattr(self.chain, "stages", ()))

        def language(place: int) -> str:
            try:
                return str(filters[place].inspect().guess.language)
            except (WorkbenchError, AttributeError, IndexError):  # the file may be gone since
                return ""

        return find(self.trace, self.facts, filters, language)

    @cached_property
    def _state(self) -> State:
        return gather_state(self.trace, [str(getattr(each, "vm_id", "")) for each in getattr(self.chain, "stages", ())])

    def state(self) -> State:
        """Shared data, metrics and queues: every write, and what held at any row of the trace (`analysis.state`)."""
        return self._state

    @cached_property
    def state_tracks(self) -> Tracks:
        """Shared data, metrics, queues, ticks and memory over time, as the view of `tracks()` draws them."""
        return gather_tracks(self.trace, self.state())

    @cached_property
    def state_table(self) -> pd.DataFrame:
        """One row a write to shared data, a change of a metric or queue, a tick, a growth of a VM's memory."""
        from .analysis.tracks import state_table

        return state_table(self.state_tracks)

    def findings(self) -> Findings:
        """What looks wrong, the weightiest first, each with the reason and the remedy (`analysis.findings`)."""
        return self._found

    def outcomes(self) -> Iterator[Result] | Iterator[ConnectionResult]:
        """The result of each exchange or connection as other programs read it, in capture order, one at a time."""
        if self.of_connections:
            return connection_outcomes(self.trace, self._connections, self.facts)
        return outcomes(self.trace, self._exchanges, self.facts)

    def to_jsonl(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Write the results as JSON lines to a file; gives their number. ReplayError if the file cannot be written.

        `progress` is called with results written and their number, at most ten times a second.
        """
        return write_file(path, lambda file: write_jsonl(self.outcomes(), file, progress, len(self)))

    def to_perfetto(self, path: str | Path, clock: Clock = "virtual", *, progress: Callable[[int, int], None] | None = None) -> int:
        """Write the trace for ui.perfetto.dev and chrome://tracing, as JSON (`analysis.export_perfetto`); gives the number of events.

        `clock` is virtual, when things happened in the capture, or real, what they cost. `progress` is called with rows of the trace that
        are written and their number, at most ten times a second. ReplayError if the file cannot be written.
        """
        from .analysis.export_perfetto import Clock, write_perfetto

        if clock not in get_args(Clock):
            raise ConfigError(f"no clock {brief(clock)}", remedy=f"Give one of {', '.join(get_args(Clock))}")

        return write_file(path, lambda file: write_perfetto(self.trace, self._state, file, clock, progress))

    def to_speedscope(self, path: str | Path) -> int:
        """Write where the time went for speedscope.app, as JSON (`analysis.export_speedscope`); gives the number of profiles."""
        from .analysis.export_speedscope import write_speedscope

        return write_file(path, lambda file: write_speedscope(self.trace, self.times.tree, file, self.name, self.profile))

    @cached_property
    def summary(self) -> Summary:
        """What happened, on one page: print it with `analysis.summary.summary_text`, or show the replay in a notebook."""
        return summarise(
            self.trace,
            self.facts,
            source=self.source,
            chain=self.name,
            problems=self.problems,
            notes=self.notes,
            complete=self.complete,
            findings=self.findings(),
        )

    @property
    def source(self) -> str:
        """The capture file's name."""
        return Path(str(getattr(self.capture, "path", ""))).name

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read of the capture, in sentences."""
        return tuple(getattr(self.capture, "problems", ()))

    def laboratory(self, which: str | npt.ArrayLike | None = None, *, key: Key | None = None) -> Laboratory:
        """What if the limit were another: tries limits, windows and algorithms on these requests (`analysis.laboratory`).

        `which` of them count: a query as `where` takes it, indexes in the capture, or a mask with an entry for each exchange; without it
        those that some limit was asked for, or all where none was. `key` is what shares a limit: a name of `laboratory_requests.KEYS`
        such as `header:x-user`, a function of the captured exchange, or a column; without it the key that the replay tells of.
        Raises `ConfigError` for what is none of these, and `QueryError`.
        """
        from .analysis.laboratory import laboratory_of

        if self.of_connections:
            raise ConfigError("the laboratory tries limits on HTTP requests, and these are TCP connections", where=self.name)
        chosen = self.where(which) if isinstance(which, str) else which
        return laboratory_of(self.trace, self.facts, self._exchanges, self.limit_columns, chosen, key)

    def redacted(self, names: Iterable[str] | Redaction = SECRET_HEADERS) -> Replay:
        """The same replay without the values of headers that hold secrets, to be shown or exported (`analysis.redaction` says what that
        covers). The filters saw the values: results are what they were. `names` are the headers; ConfigError for what is none.
        """
        redaction = names if isinstance(names, Redaction) else Redaction(names)
        capture, trace = redaction.capture(self.capture), redaction.trace(self.trace)
        shown = Replay(capture, self.chain, trace, self.settings, self.notes, self.clusters, growing=self._growing)
        shown._gatherer = redaction.gatherer = redaction.gatherer or shown._gatherer
        shown.profile = self.profile
        return shown

    def digest(self) -> str:
        """SHA-256 of the trace without real times: the same for the same capture, chain and seed."""
        return self.trace.digest()

    def verify_with_envoy(
        self,
        *,
        limit: int | None = 1000,
        paced: bool = False,
        timeout: float = 5.0,
        progress: Callable[[int, int], None] | None = None,
        cancel: Event | None = None,
    ) -> Verification:
        """Send the same exchanges through the same chain in real Envoy, on loopback, and compare what came of each.

        limit     the first exchanges in time that are taken; None: all
        paced     keep the captured distances between requests, for filters that look at the clock; else one follows the other at once
        timeout   seconds that the client waits for Envoy's next byte
        progress  called with exchanges compared and their number
        cancel    set it from another thread to stop; an interrupt does the same. What was compared until then is kept

        Each exchange is on its own, one after the other, whatever overlapped in the capture. Raises `EnvoyError` with the remedy where
        Envoy is not installed, `FilterLoadError` where it refuses a filter, `ConfigError` for what it does not know (`restart`) and for
        TCP filters. Callouts are answered in Envoy as in the replay: over gRPC in clusters that filters called so, if grpcio is installed.
        """
        from .envoy import FilterSpec, find_envoy
        from .envoy.verify import verify

        if limit is not None and not (isinstance(limit, int) and limit > 0):
            raise ConfigError(f"is {brief(limit)}", where="limit", remedy="Give a number of exchanges above 0, or None for all")
        if not (isinstance(timeout, float | int) and 0 < timeout <= _LONGEST_WAIT_S):
            raise ConfigError(f"is {brief(timeout)}", where="timeout", remedy=f"Give seconds above 0, {_LONGEST_WAIT_S} at most")
        if self.chain.kind_of() == "tcp":
            raise ConfigError("only HTTP filters are compared with Envoy", where=self.name, remedy="Leave TCP filters out")
        if isinstance(self.capture, RedactedCapture):
            raise ConfigError("a redacted replay is not compared with Envoy", where=self.name, remedy="Compare the one it was made from")
        if self.chain.successors:
            raise ConfigError("a chain with swaps is not compared with Envoy", where=self.name, remedy="Compare it without them")
        find_envoy()
        replayed = frozenset(self.facts.exchange.tolist())

        @lru_cache(maxsize=8)
        def result_of(index: int) -> Mapping[str, Any] | None:
            return self[index].result if index in replayed else None

        checked = verify(
            self.capture,  # type: ignore[arg-type]  # a capture can be read in time, which the analysis has no need of
            [FilterSpec.of(each) for each in self.chain],
            result_of,
            self._again,
            limit=limit,
            paced=paced,
            timeout=timeout,
            services=self.clusters.begin(self.capture) if self.clusters is not None else None,
            grpc=self._called_over_grpc(),
            progress=progress,
            cancel=cancel,
        )
        return Verification(
            source=self.source,
            filters=self.trace.filters,
            exchanges=checked.exchanges,
            wanted=len(self.capture),
            differences=tuple(checked.differences),
            version=checked.version,
            seconds=checked.seconds,
            paced=paced,
            stopped=checked.stopped,
            notes=(*self.notes, *self.problems),
            replay=self,
        )

    def _called_over_grpc(self) -> frozenset[str]:
        """Clusters that can be served to Envoy over gRPC."""
        from importlib.util import find_spec

        if not self.clusters or find_spec("grpc") is None:
            return frozenset()
        targets = self.callouts.loc[self.callouts["kind"] == "grpc", "target"]
        return frozenset(target.partition("/")[0] for target in targets.unique())

    def _again(self, exchanges: Any, /, **changes: int) -> tuple[Mapping[int, int], Callable[[int], Mapping[str, Any]]]:
        """The same chain over other exchanges, with the settings of this replay but for `changes`."""
        known = signature(self.chain.replay).parameters
        given = {each.name: getattr(self.settings, each.name) for each in fields(self.settings) if each.name in known}
        replay: Replay = self.chain.replay(exchanges, clusters=self.clusters, **{**given, **changes})
        if not replay.complete:
            raise KeyboardInterrupt  # a replay takes the interrupt for itself and ends
        statuses = dict(zip(replay.facts.exchange.tolist(), replay.facts.status.tolist(), strict=True))
        return statuses, lambda index: replay[index].result

    @property
    def name(self) -> str:
        """The chain's filters in order, one that was swapped with those that followed in its place: `a then a-2 → b`."""
        later = {each.filter.name for each in getattr(self.chain, "successors", ())}
        told = [(" then " if name in later else " → ") + name for name in self.trace.filters]
        return "".join(told).removeprefix(" → ") or "no filter"

    def __repr__(self) -> str:
        # cheap on purpose: it counts nothing and shows nothing that was captured
        state = "" if self.complete else ", stopped before its end"
        what = "connections" if isinstance(self.capture, CapturedConnections) else "exchanges"
        return f"<Replay of {len(self.capture)} {what} through {len(self.trace.filters)} filters, {len(self.trace)} rows{state}>"

    def _repr_html_(self) -> str:
        from .analysis.page import summary_html

        return summary_html(self.summary)

    def count(self, outcome: str) -> int:
        """How many exchanges had an outcome: passed, changed, local, denied, limited or error."""
        known = {each.name.lower(): each for each in Outcome}
        wanted = known.get(str(outcome).lower())
        if wanted is None:
            raise ConfigError(f"no outcome {brief(outcome)}", remedy=f"Give one of {', '.join(known)}")
        return int((self.facts.outcome == wanted).sum())


def compare(a: Replay, b: Replay) -> Comparison:
    """Where two replays of one capture part, exchange by exchange, and what each costs.

    Raises `ConfigError` for replays of two captures, or of which one is of exchanges and one of connections.
    """
    return comparison(a, b)
