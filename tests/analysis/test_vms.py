"""The table of VMs, from traces made by hand and from a replay on several workers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tests.analysis.tracewriter import TraceWriter
from tests.core.traffic import exchanges, request
from tests.core.wat import TRAP, If, Nth, Raw, call, wasm
from workbench.analysis.facts import gather_facts
from workbench.analysis.summary import summarise
from workbench.analysis.vms import all_vms, thread_name, vms_table
from workbench.capture import Batch
from workbench.capture.packing import pack
from workbench.chain import Filter
from workbench.host.driver import Settings, replay
from workbench.trace.records import MAIN, TRIAL
from workbench.trace.trace import Trace


def played(tmp_path: Path, policy: str = "closed", **settings: object) -> Trace:
    """Two filters in one VM and one beside them; those of a VM trap when it has seen four requests."""
    paths = []
    for name, script in (("pair", {"request_headers": [Nth(4, (TRAP,))]}), ("single", {})):
        paths.append(tmp_path / f"{name}.wasm")
        paths[-1].write_bytes(wasm(**script))  # type: ignore[arg-type]
    chain = [Filter(paths[0], name="one", failure_policy=policy), Filter(paths[0], name="two", failure_policy=policy), Filter(paths[1])]
    made = [
        dataclasses.replace(each, connection=number % 7)
        for number, each in enumerate(exchanges(*(request(at_ms=600 * at) for at in range(9))))
    ]
    return replay(chain, [Batch(pack(made), len(made), made[0].request.start_ns)], Settings(**settings))  # type: ignore[arg-type]


def test_filters_of_one_vm_and_what_it_came_to(tmp_path: Path) -> None:
    shared, single = all_vms(played(tmp_path))
    assert (shared.filters, single.filters) == ([0, 1], [2])
    assert (shared.thread, shared.reason, shared.exchanges, single.exchanges) == (0, "start", 2, 9)
    assert [kind for kind, _ in shared.failures] == ["trap"] and "unreachable" in shared.failures[0][1] and single.failures == []
    # 32 pages each, as the module says
    assert (shared.memory, single.memory) == (32 << 16, 32 << 16)


def test_reloads_and_threads_in_the_table(tmp_path: Path) -> None:
    table = vms_table(played(tmp_path, "reload", workers=2, main_thread=True))
    assert table["thread"].value_counts().to_dict() == {"trial": 3, "main thread": 2} | {
        f"worker {worker}": 2 + int((table.thread == f"worker {worker}")[table.reason == "reload"].sum()) for worker in (0, 1)
    }
    reloaded = table[table.reason == "reload"]
    assert len(reloaded) > 0 and set(reloaded.filters) == {"one, two"} and (reloaded.started > table.started.min()).all()
    assert int(table[table.filters == "single"].exchanges.sum()) + int(table[table.filters == "one, two"].exchanges.sum()) >= 9
    assert (table[table.thread.isin(["trial", "main thread"])].exchanges == 0).all()
    failed = table[table.failures > 0]
    assert len(failed) > 0 and failed.failure.str.startswith("trap: ").all() and (table[table.failures == 0].failure == "").all()


def test_callbacks_are_counted_once(tmp_path: Path) -> None:
    trace = played(tmp_path, workers=3)
    kinds = np.concatenate([records["kind"] for _, records in trace.segments()])
    assert sum(vm.callbacks for vm in all_vms(trace)) == int((kinds == 1).sum())


def test_memory_that_a_vm_had_before_any_filter_started_in_it(tmp_path: Path) -> None:
    path = tmp_path / "early.wasm"
    path.write_bytes(wasm(_initialize=[], request_headers=[Raw("(drop (memory.grow (i32.const 3)))")]))
    made = exchanges(request(), request(at_ms=10))
    trace = replay([Filter(path)], [])
    assert [vm.memory for vm in all_vms(trace)] == [32 << 16]
    trace = replay([Filter(path)], [Batch(pack(made), 2, made[0].request.start_ns)])
    assert [vm.memory for vm in all_vms(trace)] == [38 << 16]


def test_a_trace_without_vms() -> None:
    trace = TraceWriter("a").take()
    assert all_vms(trace) == [] and len(vms_table(trace)) == 0


def test_names_of_threads() -> None:
    assert [thread_name(number) for number in (0, 7, MAIN, TRIAL)] == ["worker 0", "worker 7", "main thread", "trial"]


def test_the_summary_tells_of_vms_where_there_is_something_to_tell(tmp_path: Path) -> None:
    def sections(trace: Trace) -> dict[str, tuple[tuple[str, ...], ...]]:
        return {section.title: section.rows for section in summarise(trace, gather_facts(trace)).sections}

    shown = sections(played(tmp_path, workers=2, main_thread=True))["VMs"]
    assert [row[0] for row in shown] == [
        "trial",
        "main thread",
        "trial",
        "trial",
        "main thread",
        "worker 0",
        "worker 0",
        "worker 1",
        "worker 1",
    ]
    assert shown[1][1] == "1 one, 2 two" and {row[6] for row in shown} == {"", "trap"}
    path = tmp_path / "plain.wasm"
    path.write_bytes(wasm(request_headers=[If(call("log", 2, "x"), 0, ())]))
    made = exchanges(request())
    assert "VMs" not in sections(replay([Filter(path)], [Batch(pack(made), 1, made[0].request.start_ns)]))
