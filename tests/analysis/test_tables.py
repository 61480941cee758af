from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.analysis import tables
from workbench.analysis.facts import gather_facts
from workbench.trace.records import NONE
from workbench.trace.trace import Trace

from .tracewriter import START, TraceWriter, every_ending


def test_exchanges(endings: Trace) -> None:
    table = tables.exchanges_table(endings, gather_facts(endings))
    assert list(table.columns) == [
        "index", "time", "method", "host", "path", "status_upstream", "status", "outcome", "changes", "filter_ns", "host_ns",
        "hostcalls", "callbacks", "logs",
    ]  # fmt: skip
    assert table["outcome"].tolist() == ["changed", "limited", "denied", "error", "local", "local", "passed"]
    assert table["path"].tolist()[2] == "/productpage"
    assert table["time"][0] == pd.Timestamp(START, unit="ns", tz="UTC")
    assert table["status_upstream"].isna().tolist() == [False, True, True, True, True, True, False]
    assert table["logs"].tolist() == [0, 1, 0, 0, 0, 0, 0]


def test_callbacks(endings: Trace) -> None:
    table = tables.callbacks_table(endings)
    assert table["callback"].tolist().count("on_request_headers") == 6
    assert table["result"].tolist()[2:4] == ["StopIteration", "StopIteration"]
    assert table["hostcalls"].tolist() == [1, 1, 2, 1, 0, 1, 2]
    assert table["finished"].tolist() == [True, True, True, True, False, True, True]
    assert (table["filter_ns"] + table["host_ns"]).unique().tolist() == [1000]
    assert all(endings.row(int(row)).kind == 1 for row in table.index)


def test_hostcalls(endings: Trace) -> None:
    table = tables.hostcalls_table(endings)
    assert len(table) == 8
    first = table.iloc[0]
    assert (first["filter"], first["callback"], first["hostcall"], first["status"]) == (
        "auth", "on_request_headers", "get_header_map_value", "Ok",
    )  # fmt: skip
    assert first["arguments"] == 'map_type=HttpRequestHeaders, name="authorization", value="Basic eA=="'


def test_mutations_and_decisions_and_failures(endings: Trace) -> None:
    changes = tables.mutations_table(endings)
    assert changes[["exchange", "filter", "op", "name"]].to_numpy().tolist() == [[0, "hello", "add", "hello"]]
    assert changes["after"].tolist() == [["world"]]
    decisions = tables.decisions_table(endings, gather_facts(endings))
    assert decisions["kind"].tolist() == ["allowed", "limited", "denied", "error", "allowed"]
    assert decisions["remaining"].tolist()[1] == 0
    failures = tables.failures_table(endings)
    assert failures[["filter", "callback", "kind", "policy"]].to_numpy().tolist() == [["auth", "on_request_headers", "trap", "fail_closed"]]


def test_logs(endings: Trace) -> None:
    table = tables.logs_table(endings)
    assert table[["exchange", "filter", "callback", "level", "message", "source"]].to_numpy().tolist() == [
        [1, "limit", "on_request_headers", "info", "limited", "proxy_log"]
    ]


def test_log_lines_of_every_level_and_source() -> None:
    w = TraceWriter("b", "a")
    w.callback("proxy_on_request_headers", 0, 0)
    for level in (0, 5, 77):
        w.hostcall("proxy_log", 1, 0, (level,), b"caf\xc3\xa9" if level else b"\xff")
    w.hostcall("fd_write", 0, NONE, (1, 3), b"out")
    w.hostcall("fd_write", 0, 0, (2, 3), b"err")
    table = tables.logs_table(w.take(2))
    assert table["level"].tolist() == ["trace", "critical", "77", "info", "error"]
    assert table["message"].tolist() == ["\u00ff", "caf\u00e9", "caf\u00e9", "out", "err"]
    assert table["source"].tolist() == ["proxy_log"] * 3 + ["fd_write"] * 2
    assert list(table["filter"].cat.categories) == ["a", "b"]
    assert table["exchange"].isna().tolist() == [False, False, False, True, False]


def test_equal_changes_have_lists_of_their_own(replayed: Any) -> None:
    table = replayed.mutations
    assert table.duplicated(subset=["filter", "part", "op", "name"]).any()
    assert len({id(each) for name in ("before", "after") for each in table[name]}) == 2 * len(table)


@pytest.mark.parametrize("filters", [(), ("f",)])
def test_empty_traces_have_empty_tables_of_the_same_columns(endings: Trace, filters: tuple[str, ...]) -> None:
    empty = TraceWriter(*filters).take()
    for name in tables.__all__:
        make = getattr(tables, name)
        with_facts = name in ("exchanges_table", "decisions_table")
        full, none = (make(trace, gather_facts(trace)) if with_facts else make(trace) for trace in (endings, empty))
        assert len(none) == 0
        assert list(none.columns) == list(full.columns)


def test_segments_make_no_difference() -> None:
    whole, parts = every_ending().take(), every_ending().take(2)
    for name in tables.__all__:
        make = getattr(tables, name)
        args = [(trace, gather_facts(trace)) if name in ("exchanges_table", "decisions_table") else (trace,) for trace in (whole, parts)]
        pd.testing.assert_frame_equal(make(*args[0]), make(*args[1]))


def test_rows_of_no_exchange_and_no_filter() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_configure", 255, NONE, 3)
    w.hostcall("proxy_log", 255, NONE, (2,), b"hi")
    trace = w.take()
    for make in (tables.callbacks_table, tables.hostcalls_table, tables.logs_table):
        table = make(trace)
        assert table["exchange"].isna().all()
        assert table["filter"].isna().all()


def test_tables_of_a_real_replay_agree(replayed: Any) -> None:
    exchanges, callbacks, hostcalls = replayed.exchanges, replayed.callbacks, replayed.hostcalls
    per = callbacks.dropna(subset=["exchange"]).groupby("exchange", observed=True)[["filter_ns", "host_ns"]].sum()
    assert np.array_equal(per["filter_ns"].to_numpy(), exchanges["filter_ns"].to_numpy())
    assert np.array_equal(per["host_ns"].to_numpy(), exchanges["host_ns"].to_numpy())
    assert len(hostcalls.dropna(subset=["exchange"])) == exchanges["hostcalls"].sum()
    assert len(replayed.mutations) == exchanges["changes"].sum()
    assert callbacks["hostcalls"].sum() == len(hostcalls)
    assert not hostcalls["callback"].isna().any()
    assert (exchanges["status"] == 429).sum() == (exchanges["outcome"] == "limited").sum() > 0


def large(n: int) -> Trace:
    """`n` exchanges of the same seven endings, by shifting the rows' numbers."""
    small = every_ending()
    trace = Trace(small.take().schema, small.filters)
    ((_, rows, blob),) = small.take().blocks()
    for turn in range(n // 7):
        part = rows.copy()
        part["exchange"] += turn * 7
        parents = part["parent"] != NONE
        part["parent"][parents] += turn * len(rows)
        trace.append(part.tobytes(), bytes(blob))
    return trace


def test_a_large_trace_is_the_small_one_many_times() -> None:
    trace = large(700)
    facts = gather_facts(trace)
    assert np.bincount(facts.outcome).tolist() == [100, 100, 200, 100, 100, 100]
    assert len(tables.callbacks_table(trace)) == 7 * 100
    assert len(tables.decisions_table(trace, facts)) == 5 * 100
