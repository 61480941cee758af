"""Replays in the background without a browser: results as they come, the last runs kept, modules watched."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.wat import Loop, call, wasm
from workbench.capture import Capture, open_capture
from workbench.chain import Chain, Filter
from workbench.errors import FilterLoadError, WorkbenchError
from workbench.widgets import Workbench
from workbench.widgets.runs import MOST_RUNS

Sample = Callable[[str], Path]


@pytest.fixture
def opened() -> Iterator[Callable[..., Workbench]]:
    """`opened(capture, chain)`: a workbench that is closed at the end."""
    made: list[Workbench] = []

    def make(*source: Any, **traits: Any) -> Workbench:
        made.append(Workbench(*source, **traits))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def slow(path: Path, times: int = 30_000_000) -> Path:
    """A filter that counts for a while on each request."""
    path.write_bytes(wasm(request_headers=(Loop((), times=times), call("add", 0, "x-slow", "1"))))
    return path


def test_results_appear_as_they_come(opened: Any, sample_capture: Path, tmp_path: Path, ask: Callable[[Any], Any]) -> None:
    workbench = opened(open_capture(sample_capture), Chain(slow(tmp_path / "slow.wasm")))
    until(lambda: workbench.grown >= 1)
    assert workbench.run["state"] == "running" and workbench.run["number"] == 1
    first, total = workbench.revision, workbench.total
    assert first == 1 and 0 < total < 93
    workbench.selected = 3
    head, rows = ask(workbench)("rows", first=0, count=5)
    assert head["total"] >= total and [row["outcome"] for row in rows][:3] == ["changed"] * 3
    until(lambda: workbench.run.get("rate"))
    assert workbench.run["left_s"] > 0 and 0 < workbench.run["done"] <= 93
    done = workbench.wait(120)
    assert workbench.total == len(done) == 93
    assert (workbench.revision, workbench.selected) == (first + 1, 3)


def test_cancel_keeps_the_part_and_the_run(opened: Any, sample_capture: Path, tmp_path: Path, ask: Callable[[Any], Any]) -> None:
    workbench = opened(open_capture(sample_capture), Chain(slow(tmp_path / "slow.wasm")))
    until(lambda: workbench.revision >= 1)
    ask(workbench)("cancel")
    part = workbench.wait(60)
    assert 0 < len(part) < 93 and not part.complete
    assert workbench.run["words"].startswith("Cancelled: ")
    _, (run,) = ask(workbench)("runs")
    assert run["words"] == workbench.run["words"]


def test_the_last_runs_are_kept_and_compared(opened: Any, capture: Capture, sample_filter: Sample, ask: Callable[[Any], Any]) -> None:
    workbench = opened(capture, Chain(sample_filter("token_bucket")))
    workbench.wait(60)
    with pytest.raises(WorkbenchError, match="no run to compare with"):
        workbench.compare()
    for _ in range(MOST_RUNS + 1):
        workbench.start()
        workbench.wait(60)
    assert [one.number for one in workbench.runs] == [3, 4, 5, 6, 7]
    assert workbench.run["changes"] == {"with": 6, "count": 0, "both": 93}
    assert workbench.compare().differences == ()
    with pytest.raises(WorkbenchError, match="run 1 is not kept"):
        workbench.compare(1)
    _, runs = ask(workbench)("runs")
    assert [one["number"] for one in runs] == [7, 6, 5, 4, 3]
    assert sum(runs[0]["outcomes"].values()) == 93


def test_large_traces_are_not_all_kept(opened: Any, capture: Capture, sample_filter: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    workbench = opened(capture, Chain(sample_filter("token_bucket")))
    size = workbench.wait(60).trace.nbytes
    monkeypatch.setattr("workbench.widgets.runs._MOST_BYTES", 2 * size + size // 2)
    for _ in range(3):
        workbench.start()
        workbench.wait(60)
    assert [one.number for one in workbench.runs] == [3, 4]
    monkeypatch.setattr("workbench.widgets.runs._MOST_BYTES", 1)
    workbench.start()
    workbench.wait(60)
    assert [one.number for one in workbench.runs] == [5], "the last one is always kept"


def test_changes_are_told_bounded(opened: Any, capture: Capture, sample_filter: Sample, ask: Callable[[Any], Any]) -> None:
    workbench = opened(capture, Chain(Filter(sample_filter("token_bucket"), config={"rate": 5, "per_s": 10})))
    limited = workbench.wait(60).count("limited")
    slot = workbench.draft.slots[0]
    ask(workbench)("edit", op="config", id=slot.id, text='{"rate": 1, "per_s": 3600, "methods": []}', form="json")
    ask(workbench)("apply")
    now = workbench.wait(60).count("limited")
    assert now > limited
    _, found = ask(workbench)("changes")
    assert workbench.run["changes"]["count"] == found["count"] >= now - limited
    assert found["why"] == ["token_bucket: configuration"] and found["both"] == 93
    assert ["outcome", now - limited] in found["parts"]
    assert {row["outcome"][1] for row in found["rows"] if "outcome" in row["parts"]} == {"limited"}
    head, _ = ask(workbench)("changes", **{"with": 9})
    assert "run 9 is not kept" in head["error"]


def test_a_module_that_changes_is_replayed_again(
    opened: Any, capture: Capture, sample_filter: Sample, tmp_path: Path, ask: Callable[[Any], Any]
) -> None:
    module = Path(shutil.copy(sample_filter("add_header"), tmp_path / "filter.wasm"))
    workbench = opened(capture, Chain(module), watch=True)
    workbench.wait(60)
    module.write_bytes(wasm(response_headers=(call("add", 2, "x-new", "1"),)))
    until(lambda: len(workbench.runs) == 2)
    workbench.wait(60)
    assert set(workbench.replay.mutations["name"]) == {"x-new"}
    assert workbench.runs[-1].why == ("filter.wasm changed",)
    assert workbench.run["changes"]["count"] > 80
    good = workbench.replay

    module.write_bytes(sample_filter("token_bucket").read_bytes()[:2000])
    until(lambda: workbench.run["state"] == "failed")
    assert workbench.replay is good and workbench.run["kept"] == 2, "the last good result stays"
    with pytest.raises(FilterLoadError):
        workbench.wait(60)

    shutil.copy(sample_filter("token_bucket"), module)
    until(lambda: len(workbench.runs) == 3)
    assert workbench.wait(60).count("limited") > 0
    workbench.watch = False
    module.write_bytes(sample_filter("trace_every_call").read_bytes())
    time.sleep(1.2)
    assert workbench.wait(60) is workbench.runs[2].replay


def test_a_change_ends_the_replay_that_goes_on(opened: Any, sample_capture: Path, tmp_path: Path) -> None:
    module = slow(tmp_path / "filter.wasm", 100_000_000)
    workbench = opened(open_capture(sample_capture), Chain(module), watch=True)
    until(lambda: workbench.revision >= 1)
    module.write_bytes(wasm(request_headers=(call("add", 0, "x-quick", "1"),)))
    until(lambda: workbench.run.get("number") == 2 and workbench.run["state"] == "done")
    assert len(workbench.wait(60)) == 93
    assert workbench.runs[0].words.startswith("Cancelled: ")
