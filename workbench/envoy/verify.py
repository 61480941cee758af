"""A user's own capture and chain through real Envoy, exchange by exchange beside the replay of the same.

Two Envoys run side by side, one with the chain and one without (what Envoy does by itself); each exchange is compared as soon as both
are through with it, so memory stays flat.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile, tee
from typing import Any

from workbench.capture.exchange import Exchange
from workbench.errors import EnvoyError, WorkbenchError
from workbench.services.calls import Service

from .causes import Again, Altered, Differing, InTime, Moment, explain
from .config import FilterSpec
from .differences import Difference, compare, is_idle_timeout
from .judge import Judge, Observed, in_thread

__all__ = ["INTERRUPTED", "Checked", "verify"]

INTERRUPTED = "interrupted"

_LIMITS = {"timeout": "time", "memory": "memory"}
_SHORTEST, _SHORTEST_EXPECTED = 0.25, 0.05
_EXAMINED, _EXAMINED_BYTES = 1000, 64 << 20
"""Exchanges that differ, and bytes of their bodies, kept to look for causes; those behind them are told without."""
_NOT_EXAMINED = "not looked into, too much differs before it"


@dataclass(slots=True)
class Checked:
    """What came of it: how many exchanges were compared, the differences in capture order, Envoy's version, seconds; `stopped`
    says in words why it ended early, if it did. `wanted` is the number of exchanges that were to be compared."""

    wanted: int
    exchanges: int = 0
    differences: list[Difference] = field(default_factory=list)
    version: str = ""
    seconds: float = 0.0
    stopped: str = ""


def verify(
    capture: InTime,
    filters: Sequence[FilterSpec],
    result_of: Callable[[int], Mapping[str, Any] | None],
    again: Again,
    *,
    limit: int | None = 1000,
    paced: bool = False,
    timeout: float = 5.0,
    services: Mapping[str, Service] | None = None,
    grpc: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Checked:
    """Send the first `limit` exchanges (None: all) through real Envoy and compare.

    `result_of` gives what the replay says of an exchange in the form of its JSON, None for one that was not replayed; `again` runs it
    again with something altered, to find causes. `services` answer callouts, by cluster, those in `grpc` over gRPC. Envoy has one worker.
    `timeout` bounds, in seconds, each wait for the client's next byte, and less where nothing was answered before. Setting `cancel`, or an
    interrupt, ends it early with what was compared until then.
    Raises EnvoyError, FilterLoadError or ConfigError.
    """
    run = _Run(capture, result_of, paced, timeout, progress, cancel or threading.Event())
    total = len(capture) if limit is None else min(limit, len(capture))
    started = time.monotonic()
    checked = run.checked = Checked(total)
    if total:
        try:
            in_thread(lambda: run.work(filters, islice(capture.in_time(), total), services or {}, grpc))
        except KeyboardInterrupt:
            run.cancel.set()
        except BaseExceptionGroup as group:
            error = _first(group)
            if not isinstance(error, EnvoyError) or not checked.exchanges:
                raise error from None
            checked.stopped = str(error)
        if not run.cancel.is_set():
            try:
                explain(capture, run.moments(), run.differing, run.unless_stopped(again), paced=paced)
            except KeyboardInterrupt:
                run.cancel.set()
        if run.cancel.is_set():
            checked.stopped = INTERRUPTED
    found = [*run.rest, *(each for one in run.differing for each in one.differences)]
    checked.differences = sorted(found, key=lambda each: each.exchange)
    checked.seconds = time.monotonic() - started
    return checked


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of what went wrong at once, what the user can mend."""
    ours, _ = group.split(WorkbenchError)
    error: BaseException = ours or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    def __init__(
        self,
        capture: InTime,
        result_of: Callable[[int], Mapping[str, Any] | None],
        paced: bool,
        timeout: float,
        progress: Callable[[int, int], None] | None,
        cancel: threading.Event,
    ) -> None:
        self.capture = capture
        self.result_of = result_of
        self.paced = paced
        self.timeout = timeout
        self.progress = progress
        self.cancel = cancel
        self.checked = Checked(0)
        self._passed: list[tuple[int, Moment]] = []
        self.starts: dict[int, list[int]] = {}
        self.differing: list[Differing] = []
        self.rest: list[Difference] = []
        self._kept = 0
        self._unanswered = 0
        self._limited: set[str | None] = set()
        self._not_grpc: frozenset[str] = frozenset()

    async def work(
        self, filters: Sequence[FilterSpec], exchanges: Iterator[Exchange], services: Mapping[str, Service], grpc: Collection[str]
    ) -> None:
        self._not_grpc = frozenset(services) - frozenset(grpc)
        going = takewhile(lambda _: not self.cancel.is_set(), exchanges)
        ours, theirs = tee(exchange for exchange in going if self.result_of(exchange.index) is not None)
        async with Judge(filters, services=services, grpc=grpc) as chain, Judge([]) as bare:
            self.checked.version, self.starts = chain.version, chain.starts
            async with (
                aclosing(chain.observe(ours, patience=self._patience, paced=self.paced)) as with_chain,
                aclosing(bare.observe(theirs, patience=self._patience, paced=self.paced)) as without,
            ):
                while True:
                    async with asyncio.TaskGroup() as both:
                        first, second = both.create_task(_next(with_chain)), both.create_task(_next(without))
                    seen, plain = first.result(), second.result()
                    if seen is None or plain is None:
                        break
                    self._take(seen, plain)

    def _patience(self, exchange: Exchange) -> float:
        """Less and less with each exchange that was left without an answer: a thousand of them must not take hours."""
        result = self.result_of(exchange.index)
        expected = result is not None and (result["downstream_response"] is None or is_idle_timeout(result))
        return max(self.timeout / (1 + self._unanswered) ** 2, min(_SHORTEST_EXPECTED if expected else _SHORTEST, self.timeout))

    def _take(self, seen: Observed, plain: Observed) -> None:
        index = seen.exchange
        result = self.result_of(index)
        assert result is not None
        self._passed.append((seen.port, Moment(index, seen.sent_ns, seen.reached_ns, seen.answered_ns, seen.status)))
        self._unanswered += seen.failure == "timeout"
        differences = [self._bounded(each, result) for each in compare([seen], [plain], [result])]
        self.checked.exchanges += 1
        self._note_limit(result)
        if differences:
            self._kept += sum(len(side.body) for one in (seen, plain) for side in (one.upstream_request, one.downstream_response) if side)
            if len(self.differing) < _EXAMINED and self._kept < _EXAMINED_BYTES:
                self.differing.append(Differing(seen, plain, differences))
            else:
                self.rest += [each if each.cause else replace(each, cause=_NOT_EXAMINED) for each in differences]
        if self.progress is not None:
            self.progress(self.checked.exchanges, self.checked.wanted)

    def unless_stopped(self, again: Again) -> Again:
        """Between two experiments is time to stop."""

        def run(exchanges: Altered, /, **settings: int) -> tuple[Mapping[int, int], Callable[[int], Mapping[str, Any]]]:
            if self.cancel.is_set():
                raise KeyboardInterrupt
            return again(exchanges, **settings)

        return run

    def moments(self) -> list[Moment]:
        """What went through Envoy, in order; a request began when Envoy says so, or else when it was sent."""
        begun = {port: iter(starts) for port, starts in self.starts.items()}
        found = []
        for port, moment in self._passed:
            start = next(begun.get(port, iter(())), moment.sent_ns)
            found.append(moment._replace(sent_ns=min(max(start, moment.sent_ns), moment.reached_ns)))
        return found

    def _note_limit(self, result: Mapping[str, Any]) -> None:
        error = result["error"]
        if error is not None and error["kind"] in _LIMITS:
            self._limited.add(error["filter"])

    def _bounded(self, found: Difference, result: Mapping[str, Any]) -> Difference:
        """A filter that the replay stopped for its time or memory goes on in Envoy, which bounds neither; its gRPC calls fail there."""
        if found.explained:
            return found
        grpc = [
            each["target"] for each in result["callouts"] if each["kind"] == "grpc" and each["target"].partition("/")[0] in self._not_grpc
        ]
        if grpc:
            return replace(found, cause=f"Envoy here has nobody to answer the gRPC call to {grpc[0]}, only the replay has", explained=True)
        error = result["error"]
        if error is None:
            return found
        if error["kind"] in _LIMITS or (error["kind"] == "earlier" and error["filter"] in self._limited):
            what = _LIMITS.get(error["kind"], "time or memory")
            return replace(found, cause=f"the replay bounds a filter's {what} and ended it, Envoy does not", explained=True)
        return found


async def _next(items: AsyncGenerator[Observed, None]) -> Observed | None:
    return await anext(items, None)
