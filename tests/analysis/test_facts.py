from __future__ import annotations

import sys
import tempfile
from typing import Any

import numpy as np
import pytest

from workbench.analysis.calls import ExchangeRows
from workbench.analysis.changes import mutations
from workbench.analysis.decision import Judges, decide
from workbench.analysis.facts import Facts, Outcome, gather_facts, outcome_of_local
from workbench.errors import ReplayError
from workbench.trace.records import NONE, ResponseSource
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter, every_ending, fields


def columns(facts: Facts) -> dict[str, list[int]]:
    return {name: getattr(facts, name).tolist() for name in Facts.__dataclass_fields__}


def test_each_ending_has_its_outcome(endings: Trace) -> None:
    facts = gather_facts(endings)
    assert [Outcome(n).name for n in facts.outcome.tolist()] == ["CHANGED", "LIMITED", "DENIED", "ERROR", "LOCAL", "LOCAL", "PASSED"]
    assert facts.status.tolist() == [200, 429, 401, 503, 204, 503, 200]
    assert facts.upstream_status.tolist() == [200, 0, 0, 0, 0, 0, 200]


@pytest.mark.parametrize("segment", [1, 2, 3, 7])
def test_segments_make_no_difference(segment: int) -> None:
    assert columns(gather_facts(every_ending().take(segment))) == columns(gather_facts(every_ending().take()))


def test_an_empty_trace() -> None:
    facts = gather_facts(TraceWriter().take())
    assert len(facts) == 0
    with pytest.raises(KeyError):
        facts.position(0)


def test_exchanges_may_have_gaps_and_any_order() -> None:
    w = TraceWriter("f")
    for index in (9, 2, 5):
        w.request(index)
    facts = gather_facts(w.take())
    assert facts.exchange.tolist() == [2, 5, 9]
    assert facts.position(5) == 1


def test_a_trap_counts_the_time_until_it(endings: Trace) -> None:
    facts = gather_facts(endings)
    assert (int(facts.filter_ns[3]), int(facts.host_ns[3])) == (600, 400)


def test_what_was_set_to_what_it_was_is_no_change() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    replace = "proxy_replace_header_map_value"
    w.hostcall(replace, 0, 0, (0,), b"n", b"a", fields(b"a"), fields(b"a"))
    w.hostcall(replace, 0, 0, (0,), b"n", b"b", fields(b"a"), fields(b"b"))
    w.hostcall(replace, 0, 0, (0,), b"n", b"b", fields(b"b", b"b"), fields(b"b"))
    w.hostcall(replace, 0, 0, (0,), b"n", b"c", result=2)
    w.hostcall("proxy_remove_header_map_value", 0, 0, (0,), b"n", fields(b"b"), b"")
    w.hostcall("proxy_remove_header_map_value", 0, 0, (0,), b"n", b"", b"")
    w.hostcall("proxy_set_buffer_bytes", 0, 0, (0, 0, 10, 4), b"")
    w.hostcall("proxy_set_buffer_bytes", 0, 0, (0, 0, 0, 4), b"")
    w.hostcall("proxy_set_buffer_bytes", 0, 0, (0, 4, 0, 4), b"x")
    trace = w.take()
    facts = gather_facts(trace)
    assert facts.changed.tolist() == [3, 4, 6, 8, 10]
    assert facts.changes.tolist() == [5]
    assert [change.seq for change in mutations(ExchangeRows.of(trace, 0))] == facts.changed.tolist()


def test_columns_and_rows_agree(replayed: Any) -> None:
    """What is told at once for all exchanges is what each one's rows tell."""
    trace, facts = replayed.trace, replayed.facts
    judges = Judges.of(facts)
    for at, index in enumerate(facts.exchange.tolist()):
        rows = ExchangeRows.of(trace, index)
        assert facts.changes[at] == len(list(mutations(rows)))
        assert facts.callbacks[at] == len(rows.callbacks)
        assert facts.hostcalls[at] == len(rows.hostcalls)
        kind = decide(rows, judges).kind
        outcome = Outcome(int(facts.outcome[at])).name.lower()
        assert kind == outcome if outcome in ("limited", "denied", "error") else kind in ("allowed", "none")
    assert set(np.unique(facts.outcome).tolist()) >= {Outcome.CHANGED, Outcome.DENIED, Outcome.LIMITED}


@pytest.mark.parametrize(
    ("status", "grpc", "source", "outcome"),
    [
        (429, NONE, ResponseSource.FILTER, Outcome.LIMITED),
        (200, 8, ResponseSource.FILTER, Outcome.LIMITED),
        (403, NONE, ResponseSource.FILTER, Outcome.DENIED),
        (500, NONE, ResponseSource.FILTER, Outcome.DENIED),
        (200, 7, ResponseSource.FILTER, Outcome.DENIED),
        (200, 0, ResponseSource.FILTER, Outcome.LOCAL),
        (302, NONE, ResponseSource.FILTER, Outcome.LOCAL),
        (503, 14, ResponseSource.FAILURE, Outcome.ERROR),
        (413, NONE, ResponseSource.PROXY, Outcome.LOCAL),
    ],
)
def test_local_responses(status: int, grpc: int, source: int, outcome: Outcome) -> None:
    assert outcome_of_local(status, grpc, source) == outcome


def test_a_trace_in_a_file_reads_like_one_in_memory(replayed: Any) -> None:
    whole = replayed.trace
    filed = Trace(whole.schema, whole.filters, in_memory=0)
    for _, records, blob in whole.blocks():
        half = len(records) // 2
        for part in (records[:half], records[half:]):
            filed.append(part.tobytes(), bytes(blob))
    assert columns(gather_facts(filed)) == columns(gather_facts(whole))
    assert [filed.rows(index) for index in whole.exchanges.tolist()] == [whole.rows(index) for index in whole.exchanges.tolist()]
    assert filed.rows() == whole.rows()
    assert filed.rows(10**6) == []
    assert filed.span(10**6) == (0, 0)


def test_rows_are_found_in_their_segments(replayed: Any) -> None:
    wanted = np.array([5, -1, len(replayed.trace) - 1, 5, 0])
    seen = {}
    for first, records, _, which in replayed.trace.select(wanted):
        for at in which.tolist():
            seen[at] = int(records["time"][wanted[at] - first])
    assert seen == {at: replayed.trace.row(row).time for at, row in enumerate(wanted.tolist()) if row >= 0}
    assert list(replayed.trace.select(np.empty(0, np.int64))) == []
    assert list(replayed.trace.select(np.array([-1, -1]))) == []


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_no_room_for_a_trace_is_told_with_the_folder(replayed: Any) -> None:
    import resource

    filed = Trace(replayed.trace.schema, replayed.trace.filters, in_memory=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(ReplayError, match=r"cannot be kept there: .+\. Make room, or set TMPDIR") as refused:
            filed.append(bytes(64 * 1024), b"")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.where == tempfile.gettempdir()
