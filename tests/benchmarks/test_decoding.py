"""From a flow file's bytes to what the host takes, beside mitmproxy's own reader; and the whole command that a user waits for.

Thirty thousand exchanges in the slow tests, a hundred thousand in `make bench`. Times are the processor's, so that others on the machine do
not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.io import FlowReader

from tests.benchmarks.repeated import repeated
from workbench.capture import Capture, open_capture

pytestmark = pytest.mark.slow

READ_BY_MITMPROXY = 3000
"""Flows after which its pace is known."""
LEAST_RATIO = 8.0
"""What must hold on any machine however busy; the aim is 20, the table says what was reached."""


def seconds(act: Callable[[], Any]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def by_mitmproxy(path: Path) -> None:
    with path.open("rb") as file:
        flows = FlowReader(file).stream()
        assert sum(1 for _, _ in zip(range(READ_BY_MITMPROXY), flows, strict=False)) == READ_BY_MITMPROXY


def command(repo: Path, path: Path, wasm: Path) -> float:
    """Seconds that `workbench replay` takes, once the filter is compiled."""
    for each in (repo / "captures" / "burst.mitm", path):
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "workbench", "replay", str(each), "--filter", str(wasm)], cwd=repo, check=True, capture_output=True
        )
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def packed(capture: Capture) -> int:
    return sum(batch.count for batch in capture.batches())


def test_decoding_beside_mitmproxy(repo: Path, sample_filter: Any, tmp_path: Path, capsys: Any) -> None:
    times = 158 if os.environ.get("BENCH") else 48
    path = repeated(tmp_path / "many.mitm", [repo / "captures" / f"{name}.mitm" for name in ("edge", "toystore")], times)
    reader = min(seconds(lambda: by_mitmproxy(path)) for _ in range(2)) / READ_BY_MITMPROXY
    # the first to use it loads what reads: that is part of it
    fresh = seconds(lambda: packed(open_capture(path)))
    opened = seconds(lambda: open_capture(path))
    with open_capture(path) as capture:
        count = len(capture)
        assert packed(capture) == count == times * 633
        again = seconds(lambda: packed(capture))
        each = seconds(lambda: sum(1 for _ in capture))
    spent = command(repo, path, sample_filter("add_header"))
    with capsys.disabled():
        print(f"\n  {count:,} exchanges, {path.stat().st_size / 1e6:.0f} MB      exchanges/s   beside FlowReader")
        print(f"  mitmproxy's FlowReader         {1 / reader:12,.0f}")
        rows = {"opened": opened, "packed, of a fresh file": fresh, "packed, the second time": again, "each as an Exchange": each}
        for name, took in rows.items():
            print(f"  {name:30} {count / took:12,.0f}   {reader * count / took:9.1f} x")
        print(f"  workbench replay, all of it    {count / spent:12,.0f}")
    assert reader * count / fresh > LEAST_RATIO
