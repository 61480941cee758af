"""The threads of a replay and of real Envoy: what each filter is called for on the main thread and on the workers."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.core.traffic import Made
from tests.core.wat import OUT, If, Ret, call, show, wasm
from tests.envoy.calllog import LOG_FORMAT, read_calls
from workbench.capture import Batch, Exchange
from workbench.capture.packing import pack
from workbench.chain import Chain, Filter
from workbench.envoy import EnvoyProcess, FilterSpec
from workbench.envoy.config import bootstrap
from workbench.envoy.judge import observe
from workbench.envoy.upstream import Upstream
from workbench.host.driver import Settings, replay
from workbench.trace.records import MAIN, TRIAL, Event, Kind

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

Make: TypeAlias = Callable[..., Exchange]
Calls: TypeAlias = dict[int, list[tuple[str, int, str]]]
"""Of each thread, MAIN or a worker from 0: the callbacks with their contexts, and the hostcalls, empty the context, with their results."""


@pytest.fixture
def chain(tmp_path: Path) -> Callable[..., list[Filter]]:
    """Filters `a`, `b`, … of scripts; options of `Filter` beside a script."""

    def make(*given: tuple[dict[str, Any], dict[str, Any]]) -> list[Filter]:
        filters = []
        for name, (script, options) in zip("abc", given, strict=False):
            path = tmp_path / f"{name}.wasm"
            path.write_bytes(wasm(**script))
            filters.append(Filter(path, name=name, **{"vm_id": tmp_path.name} | options))
        return filters

    return make


def on_envoy(filters: Sequence[Filter], exchanges: Sequence[Exchange], workers: int, ticks: bool = False) -> Calls:
    """What real Envoy calls, by thread; the main thread is the one that starts first, the workers are in the order of their starts.
    It is ended when all exchanges are, and where `ticks` when each thread has had one too."""

    def over(log: bytes) -> bool:
        if log.count(b"on_delete return") < len(filters) * len(exchanges):
            return False
        ticked = {section.thread for section in read_calls(log) if any(each.function == "proxy_on_tick" for each in section.calls)}
        return not ticks or len(ticked) == workers + 1

    async def run() -> bytes:
        async with Upstream() as upstream:
            config = bootstrap([FilterSpec.of(each) for each in filters], upstream.port)
            with EnvoyProcess(config, concurrency=workers, wasm_log_level="trace", log_format=LOG_FORMAT) as envoy:
                for exchange in exchanges:
                    await observe(exchange, envoy, upstream, None, 5.0)
                # the client has its answer before the filters have their log, done and delete
                deadline = time.monotonic() + 60
                while not over(envoy.log_path.read_bytes()) and time.monotonic() < deadline:
                    await asyncio.sleep(0.02)
                return envoy.log_path.read_bytes()

    threads: dict[int, list[tuple[str, int, str]]] = {}
    for section in read_calls(asyncio.run(run())):
        seen = threads.setdefault(section.thread, [])
        for each in section.calls:
            if each.function not in ("malloc", "proxy_on_memory_allocate"):
                context = "" if each.module else each.args[0]
                seen.append((each.function, context or 0, "" if each.result is None else str(each.result)))
    return dict(zip((MAIN, *range(workers)), threads.values(), strict=True))


def here(filters: Sequence[Filter], exchanges: Sequence[Exchange], workers: int) -> Calls:
    """The same of a replay with its main thread, up to the end of the exchanges."""
    batches = [Batch(pack(exchanges), len(exchanges), exchanges[0].request.start_ns)]
    trace = replay(filters, batches, Settings(workers=workers, main_thread=True))
    rows = [trace.row(seq) for seq in range(len(trace))]
    threads = {row.vm: MAIN if row.c == TRIAL else row.c for row in rows if (row.kind, row.code) == (Kind.EVENT, Event.VM)}
    ended = max(row.seq for row in rows if (row.kind, row.code) == (Kind.EVENT, Event.END))
    calls: Calls = {thread: [] for thread in (MAIN, *range(workers))}
    for row in rows[:ended]:
        if row.kind == Kind.CALLBACK:
            has_result = trace.name(row) not in ("proxy_on_context_create", "proxy_on_log", "proxy_on_delete", "proxy_on_queue_ready")
            calls[threads[row.vm]].append((trace.name(row), row.context, str(row.result) if has_result else ""))
        elif row.kind == Kind.HOSTCALL:
            calls[threads[row.vm]].append((trace.name(row), 0, str(row.result)))
    return calls


KEPT = show("proxy_get_shared_data", "k", OUT, OUT, OUT)
KEEP = call("proxy_set_shared_data", "k", "1", 0)


def test_one_worker_and_the_main_thread(exchange: Make, chain: Callable[..., list[Filter]]) -> None:
    """Every call on both threads, of filters that share a VM and of one that does not; shared data passes from thread to thread."""
    script = {"configure": [KEPT, KEEP, call("proxy_register_shared_queue", "q", OUT)], "request_headers": [KEPT]}
    filters = chain((script, {}), (script, {"config": "b"}), ({"configure": [KEPT]}, {"vm_id": "of its own"}))
    traffic = [exchange(index) for index in range(2)]
    assert here(filters, traffic, 1) == on_envoy(filters, traffic, 1)


def test_a_filter_refused_after_its_trial(exchange: Make, chain: Callable[..., list[Filter]]) -> None:
    """Main thread and worker refuse what the trial took: told of their end, and no part of the exchange."""
    refusing = {"configure": [If(call("proxy_get_shared_data", "k", OUT, OUT, OUT), 0, (Ret(0),)), KEEP]}
    filters = chain((refusing, {}))
    traffic = [exchange(0)]
    ours = here(filters, traffic, 1)
    assert [each[0] for each in ours[0]][-2:] == ["proxy_on_done", "proxy_on_delete"]
    assert ours == on_envoy(filters, traffic, 1)


def test_several_workers_start_alike(exchange: Make, chain: Callable[..., list[Filter]]) -> None:
    """Which worker serves a connection is the kernel's choice in Envoy: the starts are the same, and so is all that was served."""
    filters = chain(({"configure": [KEEP]}, {}), ({"configure": [KEEP]}, {"config": "b"}))
    traffic = [exchange(index) for index in range(4)]
    ours, theirs = here(filters, traffic, 2), on_envoy(filters, traffic, 2)
    starts = 2 * len(("context_create", "vm_start", "configure", "set_shared_data"))
    assert ours[MAIN] == theirs[MAIN]
    assert [ours[worker][:starts] for worker in (0, 1)] == [theirs[worker][:starts] for worker in (0, 1)]
    served = [sorted(name for worker in (0, 1) for name, _, _ in calls[worker][starts:]) for calls in (ours, theirs)]
    assert served[0] == served[1] and len(served[0]) == 4 * 2 * len(
        ("create", "request_headers", "response_headers", "response_body", "response_body", "log", "done", "delete")
    )


def test_root_contexts_tick_on_every_thread(exchange: Make, chain: Callable[..., list[Filter]]) -> None:
    filters = chain(({"configure": [call("tick", 100)]}, {}))
    theirs = on_envoy(filters, [exchange(0)], 2, ticks=True)
    assert all(("proxy_on_tick", 1, "") in theirs[thread] for thread in (MAIN, 0, 1))
    # a replay's exchange must last as long
    (long,) = [exchange(0)]
    assert long.response is not None
    answered = dataclasses.replace(long.response, start_ns=long.request.start_ns + 500_000_000, end_ns=long.request.start_ns + 500_000_001)
    ours = here(filters, [dataclasses.replace(long, response=answered)], 2)
    assert {thread for thread in ours if any(name == "proxy_on_tick" for name, _, _ in ours[thread])} == {MAIN, 0, 1}


def test_verification_names_the_threads_as_a_cause(exchange: Make, chain: Callable[..., list[Filter]]) -> None:
    """A filter that finds in shared data what its start on the main thread left: a replay without that thread differs."""
    first, second = (call("proxy_get_shared_data", key, OUT, OUT, OUT) for key in ("first", "second"))
    script = {
        "configure": [If(first, 0, (call("proxy_set_shared_data", "second", "1", 0),)), call("proxy_set_shared_data", "first", "1", 0)],
        "request_headers": [If(second, 0, (call("add", 0, "x-started", "before"),))],
    }
    capture: Any = Made([exchange(0)])
    (found,) = Chain(*chain((script, {}))).replay(capture).verify_with_envoy().differences
    assert (found.what, found.explained) == ("header x-started", True)
    assert found.cause.startswith("Envoy's threads")
    assert Chain(*chain((script, {}))).replay(capture, main_thread=True).verify_with_envoy().differences == ()
