"""What each table, query and export of a large replay costs: processor time by the rows of the trace. `make bench` replays a million."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.benchmarks.many import ManyExchanges

pytestmark = pytest.mark.slow

TABLES = ("exchanges", "mutations", "decisions", "limits", "callbacks", "hostcalls", "logs", "failures", "callouts", "vms", "state_table")
QUERIES = (
    "~outcome limited", "~decision allowed", "~changed hello", "~filter add", "~log order", "~callout rate", "~limit bucket", "~key x",
    "~got 404", "~over 20us", "~u page=5", "~m POST", "~d nowhere", "~d elsewhere", "~c 404", "~s",
)  # fmt: skip
TABLE_US, QUERY_US, EXPORT_US = 8.0, 5.0, 25.0
"""What must hold on any machine; the table says what was reached."""


def _doors(replay: Any, other: Any, folder: Path) -> list[tuple[str, Callable[[], object], float]]:
    tables = [(name, lambda name=name: getattr(replay, name), TABLE_US) for name in TABLES]
    found: list[tuple[str, Callable[[], object], float]] = [
        *tables,
        ("findings", replay.findings, TABLE_US),
        ("summary", lambda: replay.summary, TABLE_US),
        ("times", lambda: [replay.times.groups(each) for each in ("callbacks", "hostcalls", "filters", "paths")], TABLE_US),
        ("compare", lambda: wb.compare(replay, other).differences, TABLE_US),
        *((query, lambda query=query: replay.where(query), QUERY_US) for query in QUERIES),
        ("~differs any", lambda: replay.where("~differs any", other), QUERY_US),
        ("to_perfetto", lambda: replay.to_perfetto(folder / "trace.json"), EXPORT_US),
        ("to_speedscope", lambda: replay.to_speedscope(folder / "profile.json"), EXPORT_US),
    ]
    return found


def test_what_each_door_costs(sample_filter: Any, tmp_path: Path, capsys: Any) -> None:
    size = 1_000_000 if os.environ.get("BENCH") else 10_000
    bucket = wb.Filter(sample_filter("token_bucket"), config={"rate": 400, "per_s": 1, "methods": [], "prefix": "/"})
    chain = wb.Chain(bucket, wb.Filter(sample_filter("add_header")))
    replay, other = (chain.replay(ManyExchanges(size)) for _ in range(2))
    rows = len(replay.trace)
    assert len(replay) == len(other) == size
    spent = []
    for name, door, most in _doors(replay, other, tmp_path):
        began = time.process_time()
        door()
        spent.append((name, time.process_time() - began, most))
    with capsys.disabled():
        print(f"\n{f'{size:,} exchanges, {rows:,} rows':32}{'seconds':>9}{'µs a row':>10}{'at most':>9}")
        for name, seconds, most in spent:
            print(f"{name:32}{seconds:9.2f}{seconds / rows * 1e6:10.2f}{most:9.0f}")
    assert [name for name, seconds, most in spent if seconds > 0.5 + most * rows / 1e6] == []
