"""What decisions cost on 100,000 requests: limits, lanes, and a sweep of 50 settings by each algorithm. `make bench` prints it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.load import packed
from workbench.analysis.decision import all_verdicts
from workbench.analysis.decision_lanes import lanes_of
from workbench.analysis.facts import gather_facts
from workbench.analysis.laboratory import Laboratory
from workbench.analysis.laboratory_requests import Requests
from workbench.analysis.limiters import ALGORITHMS
from workbench.analysis.limits_gather import gather_limits
from workbench.chain import Filter
from workbench.host.driver import replay

pytestmark = pytest.mark.slow

REQUESTS = 100_000
SETTINGS = 50
MOST_S = 60.0
"""What must hold on any machine however busy; the aim is a few seconds, the table says what was reached."""


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def test_a_hundred_thousand_requests(repo, sample_filter, capsys):
    config = {"key": "header:x-user", "methods": [], "prefix": "/", "rate": 20, "per_s": 10}
    trace = replay([Filter(sample_filter("token_bucket"), config=config)], packed(repo / "captures/edge.mitm", REQUESTS))
    facts = gather_facts(trace)
    spent, limits = _timed(lambda: gather_limits(trace, facts))
    rows = [("limits of each exchange", spent)]
    spent, lanes = _timed(lambda: lanes_of(facts, limits, all_verdicts(trace, facts), trace.filters))
    rows.append(("verdicts, laid out in lanes", spent))
    assert len(limits) >= REQUESTS and len(lanes) == 5
    rows.append(("one page of lanes", _timed(lambda: [lanes.drawn(at, *lanes.span, 600) for at in range(5)])[0]))
    random = np.random.default_rng(0)
    times = np.cumsum(random.integers(0, 2 * 10**7, REQUESTS))
    for keys in (1, 200):
        columns = (np.arange(REQUESTS), times, random.integers(0, 50, REQUESTS), random.integers(0, keys, REQUESTS))
        lab = Laboratory(Requests(*columns, tuple(map(str, range(keys))), np.zeros(REQUESTS, bool)))
        for algorithm in ALGORITHMS:
            spent, sweep = _timed(lambda: lab.sweep(limits=range(1, SETTINGS + 1), window_s=10, algorithm=algorithm))  # noqa: B023
            assert sweep.complete
            rows.append((f"{SETTINGS} settings, {keys} keys, {algorithm}", spent))
    with capsys.disabled():
        print(f"\n{f'{REQUESTS:,} requests':52}{'seconds':>10}")
        for name, spent in rows:
            print(f"{name:52}{spent:10.2f}")
    assert all(spent < MOST_S for _, spent in rows)
