"""What is read of a trace before anything is shown: facts while a replay goes on and after it, and queries through all exchanges.

A hundred thousand exchanges in the slow tests, a million in `make bench`. Times are the processor's, so that others on the machine do not
count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.many import ManyExchanges
from workbench.analysis.facts import Facts, gather_facts
from workbench.chain import Chain
from workbench.replay import Replay

pytestmark = pytest.mark.slow

FACTS_S, QUERY_S = 1.5, 1.0
QUERIES = ("~outcome changed", "~got 404", "~changed hello", "~over 1us", "~m POST", "~c 404", "~got 404 & ~changed hello")
PARTS = 20
"""How often the facts are read while the replay goes on, about."""


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    began = time.thread_time()
    return act(), time.thread_time() - began


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_facts_and_queries(size: int, sample_filter: Any, capsys: Any) -> None:
    if size == 1_000_000 and not os.environ.get("BENCH"):
        pytest.skip("takes minutes: make bench")
    spent: list[float] = []
    due = 0

    def partial(replay: Replay) -> None:
        nonlocal due
        rows = len(replay.trace)
        if rows >= due:
            due = rows + 11 * size // PARTS
            spent.append(timed(lambda: replay.facts)[1])

    replay = Chain(sample_filter("add_header")).replay(ManyExchanges(size), partial=partial)
    facts, last = timed(lambda: replay.facts)
    whole, anew = timed(lambda: gather_facts(replay.trace))
    asked = {query: timed(lambda query=query: replay.where(query)) for query in (*QUERIES, "~u /orders/12")}
    held = sum(len(column) * column.itemsize for column in columns(facts) if column.strides != (0,))
    with capsys.disabled():
        print(f"\n  {size:,} exchanges                          measured")
        print(f"  facts of {len(spent):2} partial results, the longest {1000 * max(spent):6.0f} ms")
        print(f"  facts when it is over, of what is left    {1000 * last:6.0f} ms")
        print(f"  facts, all read                           {1000 * anew:6.0f} ms, {held / 2**20:.0f} MB")
        for query, (found, seconds) in asked.items():
            print(f"  {query:41} {1000 * seconds:6.0f} ms, {len(found):,}")
    assert all(np.array_equal(a, b) for a, b in zip(columns(facts), columns(whole), strict=True))
    assert len(asked["~got 404 & ~changed hello"][0]) == sum(1 for at in range(size) if at % 7 == 5)
    assert len(spent) >= PARTS // 2
    assert max(spent[1:]) < anew, "only what is new is read"
    if os.environ.get("BENCH"):
        assert anew < FACTS_S
        assert max(asked[query][1] for query in QUERIES) < QUERY_S


def columns(facts: Facts) -> list[Any]:
    return [getattr(facts, name) for name in Facts.__dataclass_fields__]
