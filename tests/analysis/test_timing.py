from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from workbench.analysis.calltimes import call_times
from workbench.analysis.facts import gather_facts
from workbench.analysis.timetree import TimeNode, time_tree
from workbench.analysis.timing import DIMENSIONS, Axis, Timing
from workbench.trace.records import NONE
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter


@pytest.fixture
def timing(replayed: Any) -> Timing:
    return Timing(replayed.trace, replayed.facts)


def of(trace: Trace) -> Timing:
    return Timing(trace, gather_facts(trace))


@pytest.mark.parametrize("dimension", ["callbacks", "hostcalls"])
def test_groups_are_those_of_the_tables(replayed: Any, timing: Timing, dimension: Any) -> None:
    table = getattr(replayed, dimension)
    table = table[table["filter"].notna()]
    groups = timing.groups(dimension)
    assert sum(group.count for group in groups) == len(table) > 0
    name, host = ("callback", "host_ns") if dimension == "callbacks" else ("hostcall", "host_ns")
    for group in groups:
        mine = table[(table["filter"].astype(str) == timing.filters[group.filter]) & (table[name].astype(str) == group.name)]
        if dimension == "callbacks":
            starts = mine["exchange"].isna() & mine[name].astype(str).isin(["on_context_create", "on_vm_start", "on_configure"])
            mine = mine[starts == group.start]
            assert group.count == len(mine)
            assert group.own.sum == mine["filter_ns"].sum()
            assert group.host.sum == mine[host].sum()
            assert group.own.p50 == pytest.approx(np.quantile(mine["filter_ns"], 0.5))
            assert group.host.p99 == pytest.approx(np.quantile(mine["host_ns"], 0.99))
            assert group.total.max == (mine["filter_ns"] + mine["host_ns"]).max()


def test_filter_and_host_add_up_to_the_facts_in_every_dimension(replayed: Any, timing: Timing) -> None:
    own, host = replayed.facts.filter_ns.sum(), replayed.facts.host_ns.sum()
    assert timing.own.sum() == own and timing.host.sum() == host
    for dimension in ("filters", "paths"):
        groups = timing.groups(dimension)  # type: ignore[arg-type]
        assert sum(group.own.sum for group in groups) == own
        assert sum(group.host.sum for group in groups) == host


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_histograms_count_all_that_took_time(timing: Timing, dimension: Any) -> None:
    axis = timing.axis(dimension)
    assert axis.low < axis.high
    for group in timing.groups(dimension):
        for spread, times in ((group.own, timing.curves(dimension, group.key)["own"][0]), (group.host, None)):
            assert sum(spread.histogram) <= group.count
            assert spread.p50 <= spread.p90 <= spread.p99 <= spread.max
            if times is not None:
                assert max(times) == spread.max


def test_bins_hold_their_values() -> None:
    axis = Axis.over(np.array([0, 130, 90_000]))
    edges = axis.edges()
    values = np.array([130, 1_000, 5_555, 89_999])
    for value, place in zip(values, axis.bins(values), strict=True):
        assert edges[place] * 0.999 <= value <= edges[place + 1] * 1.001
    assert Axis.over(np.zeros(3)) == Axis(100.0, 1000.0)


def test_curves_rise_to_the_whole(timing: Timing) -> None:
    for group in timing.groups("callbacks"):
        for times, shares in timing.curves("callbacks", group.key).values():
            assert len(times) == len(shares) <= 240
            assert all(a <= b for a, b in pairwise(times)) and all(a < b for a, b in pairwise(shares))
            assert shares[-1] == 1
    with pytest.raises(KeyError):
        timing.curves("callbacks", 10_000)


def test_slowest_exchanges_come_once_and_slowest_first() -> None:
    w = TraceWriter("f")
    for exchange, ns in enumerate((500, 9000, 700, 8000, 600)):
        w.request(exchange)
        w.callback("proxy_on_request_headers", 0, exchange, ns=ns, other_ns=100)
        w.callback("proxy_on_request_headers", 0, exchange, ns=ns - 1, other_ns=100)
    w.callback("proxy_on_request_headers", 0, NONE, ns=99_999)
    found = of(w.take()).slowest("callbacks", 0, 3)
    assert [(each.exchange, each.own_ns, each.host_ns) for each in found] == [(1, 8900, 100), (3, 7900, 100), (2, 600, 100)]


def test_a_hostcall_belongs_to_a_callback_of_an_earlier_segment() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_get_header_map_value", 0, 0, (0,), b"n", b"v")
    trace = w.take(1)
    assert len(list(trace.segments())) > 1
    _, hostcalls = call_times(trace)
    names = [call.name for call in trace.schema.callbacks]
    assert [names[code] for code in hostcalls.within] == ["proxy_on_request_headers"]


def test_starts_are_kept_apart() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_context_create", 0, NONE, ns=50_000)
    w.callback("proxy_on_configure", 0, NONE, ns=90_000)
    w.hostcall("proxy_log", 0, NONE, (2,), b"hello", ns=400)
    w.request(0)
    w.callback("proxy_on_context_create", 0, 0, ns=300)
    w.callback("proxy_on_tick", 0, NONE, ns=200)
    timing = of(w.take())
    assert {(group.name, group.start, group.count) for group in timing.groups("callbacks")} == {
        ("on_context_create", True, 1),
        ("on_configure", True, 1),
        ("on_context_create", False, 1),
        ("on_tick", False, 1),
    }
    assert [group.start for group in timing.groups("hostcalls")] == [True]
    assert [(part.kind, part.ns) for part in timing.tree.children] == [("traffic", 500), ("start", 140_000)]


def walk(node: TimeNode) -> list[TimeNode]:
    return [node, *(each for child in node.children for each in walk(child))]


def test_the_tree_adds_up_at_every_level(replayed: Any, timing: Timing) -> None:
    tree = time_tree(replayed.trace)
    table = replayed.callbacks
    table = table[table["filter"].notna()]
    assert tree.ns == table["filter_ns"].sum() + table["host_ns"].sum()
    assert tree.host_ns == table["host_ns"].sum()
    for node in walk(tree):
        if node.children:
            assert sum(child.ns for child in node.children) == node.ns, node
            assert sum(child.host_ns for child in node.children) == node.host_ns, node
    filters = [node.filter for node in walk(tree) if node.kind == "filter"]
    assert filters == [0, 1, 2, 0, 1, 2]
    assert tree == timing.tree


def test_without_a_filter_there_is_nothing() -> None:
    w = TraceWriter()
    w.request(0)
    timing = of(w.take())
    assert [timing.groups(dimension) for dimension in ("callbacks", "hostcalls", "filters")] == [(), (), ()]
    assert timing.tree.ns == 0
