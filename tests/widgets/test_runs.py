"""Replays in the background without a browser: results as they come, the last runs kept, modules watched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from tests.core.wat import call, wasm
from tests.widgets.held import HeldCapture, until
from workbench.analysis.query_terms import PARTS
from workbench.capture import Capture, open_capture
from workbench.chain import Chain, Filter
from workbench.errors import FilterLoadError, WorkbenchError
from workbench.widgets import Workbench
from workbench.widgets.runs import MOST_RUNS
from workbench.widgets.watcher import Watcher

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


@pytest.fixture
def held(sample_capture: Path) -> Iterator[HeldCapture]:
    """The sample capture, ten exchanges at a time, each as the test says."""
    capture = HeldCapture(open_capture(sample_capture), 10)
    yield capture
    capture.release()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the runs, in seconds, moved by setting `at[0]`; and the host tells of each batch, however soon after the last."""
    now = [0.0]
    monkeypatch.setattr("workbench.widgets.runs.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("workbench.host.driver._PROGRESS_S", 0)
    return now


def replace(path: Path, data: bytes) -> None:
    """Change a file at one stroke, so that a watcher never meets half of it."""
    beside = path.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(path)


@pytest.fixture
def tags(tmp_path: Path) -> Path:
    """A module that adds a header to each request."""
    path = tmp_path / "tags.wasm"
    path.write_bytes(wasm(request_headers=(call("add", 0, "x-tag", "1"),)))
    return path


def test_results_appear_as_they_come(opened: Any, held: HeldCapture, at: list[float], tags: Path, ask: Callable[[Any], Any]) -> None:
    workbench = opened(held, Chain(tags))
    until(lambda: held.taken == 1)

    def replayed(batches: int, seconds: float) -> dict[str, Any]:
        at[0] = seconds
        before = workbench.run["done"]
        held.feed(batches)
        until(lambda: workbench.run["done"] >= before + 10 * batches)
        return workbench.run

    run = replayed(1, 0.4)
    assert (run["state"], run["number"], run["partial"], run["rate"]) == ("running", 1, False, 0)
    assert (workbench.revision, workbench.total) == (0, 0), "most replays are done before a page could draw"
    run = replayed(1, 0.6)
    assert (run["partial"], run["rate"]) == (True, 0), "a rate over the first moments would mean little"
    assert (workbench.revision, workbench.grown, workbench.total) == (1, 0, 20)
    workbench.selected = 3
    head, rows = ask(workbench)("rows", first=0, count=5)
    assert head["total"] == 20 and [row["outcome"] for row in rows][:3] == ["changed"] * 3
    replayed(1, 0.9)
    assert workbench.grown == 0, "what was shown just now is not drawn again"
    run = replayed(1, 2)
    assert (run["done"], run["total"], run["rate"], run["left_s"]) == (40, 93, 20, 3)
    assert (workbench.revision, workbench.grown, workbench.total) == (1, 1, 40)
    held.release()
    done = workbench.wait(120)
    assert workbench.total == len(done) == 93
    assert (workbench.revision, workbench.selected) == (2, 3)
    assert workbench.run["words"] == "93 of 93 in 2 s"


def test_cancel_keeps_the_part_and_the_run(opened: Any, held: HeldCapture, at: list[float], tags: Path, ask: Callable[[Any], Any]) -> None:
    workbench = opened(held, Chain(tags))
    until(lambda: held.taken == 1)
    at[0] = 1
    held.feed(3)
    until(lambda: workbench.run["done"] == 30)
    ask(workbench)("cancel")
    held.release()
    part = workbench.wait(60)
    assert 30 <= len(part) < 93 and not part.complete
    assert workbench.run["words"] == f"Cancelled: {len(part)} of 93 in 1 s"
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
    replace(module, wasm(response_headers=(call("add", 2, "x-new", "1"),)))
    until(lambda: len(workbench.runs) == 2)
    workbench.wait(60)
    assert set(workbench.replay.mutations["name"]) == {"x-new"}
    assert workbench.runs[-1].why == ("filter.wasm changed",)
    assert workbench.run["changes"]["count"] > 80
    good = workbench.replay

    replace(module, sample_filter("token_bucket").read_bytes()[:2000])
    until(lambda: workbench.run["state"] == "failed")
    assert workbench.replay is good and workbench.run["kept"] == 2, "the last good result stays"
    with pytest.raises(FilterLoadError):
        workbench.wait(60)

    replace(module, sample_filter("token_bucket").read_bytes())
    until(lambda: len(workbench.runs) == 3)
    assert workbench.wait(60).count("limited") > 0
    watching = workbench._watcher._thread
    workbench.watch = False
    watching.join(60)
    assert not watching.is_alive(), "nobody is left to replay"
    assert workbench.wait(60) is workbench.runs[2].replay


def test_what_is_about_to_be_replayed_is_no_news(opened: Any, capture: Capture, tags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may come late on a busy machine, and the watcher look before it."""
    begins = Event()

    class Late(Thread):
        def run(self) -> None:
            begins.wait(60)
            super().run()

    monkeypatch.setattr("workbench.widgets.runs.Thread", Late)
    workbench = opened(capture, Chain(tags))
    watcher = Watcher(workbench._modules, lambda path: workbench._used.get(path, ""), lambda _: True, lambda _: None)
    assert [watcher.look(seconds) for seconds in (0, 1, 5)] == [[], [], []]
    begins.set()
    assert len(workbench.wait(60)) == 93


def test_a_change_ends_the_replay_that_goes_on(opened: Any, held: HeldCapture, at: list[float], tags: Path) -> None:
    workbench = opened(held, Chain(tags), watch=True)
    held.feed(3)
    until(lambda: workbench.run["done"] == 30)
    replace(tags, wasm(request_headers=(call("add", 0, "x-quick", "1"),)))
    until(workbench._cancel.is_set)
    held.release()
    until(lambda: workbench.run["number"] == 2 and workbench.run["state"] == "done")
    assert len(workbench.wait(60)) == 93
    assert workbench.runs[0].words.startswith("Cancelled: ") and 30 <= len(workbench.runs[0].replay) < 93
    assert [run.why for run in workbench.runs] == [(), ("tags.wasm changed",)]


def test_what_differs_is_asked_in_the_table(opened: Any, capture: Capture, sample_filter: Sample, ask: Callable[[Any], Any]) -> None:
    workbench = opened(capture, Chain(Filter(sample_filter("token_bucket"), config={"rate": 5, "per_s": 10}), sample_filter("add_header")))
    workbench.wait(60)

    def shown(query: str) -> list[int] | str:
        head, rows = ask(workbench)("rows", query=query, first=0, count=200)
        return str(head["error"]) if "error" in head else [row["index"] for row in rows]

    def wrong(query: str) -> dict[str, Any] | None:
        head, _ = ask(workbench)("query", text=query)
        return head["wrong"]

    assert "there is no run to compare with. Replay once more" in shown("~differs any")
    said = wrong("~m POST & ~differs any")
    assert (said["what"], said["at"], said["end"]) == ("there is no run to compare with", 10, 22)
    assert wrong("~b '~differs any'") is None, "a pattern is no term"
    assert wrong("~differs colour")["fits"] == tuple(PARTS)

    limit, hello = (slot.id for slot in workbench.draft.slots)
    ask(workbench)("edit", op="config", id=limit, text='{"rate": 2, "per_s": 10}', form="json")
    ask(workbench)("apply")
    workbench.wait(60)
    first = workbench.compare().differences
    assert shown("~differs any") == [one.exchange for one in first]
    assert shown("~differs status & ~got 429") == [one.exchange for one in first if one.status[0] != one.status[1] == 429]

    ask(workbench)("edit", op="switch", id=hello, on=False)
    ask(workbench)("apply")
    workbench.wait(60)
    second = workbench.compare().differences
    assert len(second) > len(first) > 0
    assert shown("~differs any") == [one.exchange for one in second], "the run before is another one now"
    assert shown("~differs outcome") == [one.exchange for one in second if "outcome" in one.parts] != shown("~differs any")
    assert shown("~differs response_headers") == [one.exchange for one in second if "downstream response headers" in one.parts]
    assert shown("~differs request") == [one.exchange for one in second if any(part.startswith("upstream") for part in one.parts)]
    _, found = ask(workbench)("changes", **{"with": 1})
    both = workbench.compare(1).differences
    assert shown("~differs status") == [one.exchange for one in both if "status" in one.parts] != [], "what was compared last"
    for word, number, _ in found["words"]:
        assert len(shown(f"~differs {word}")) == number
    assert found["words"][0][:2] == ["any", len(both)]


def test_what_differs_is_not_known_while_a_replay_goes_on(
    opened: Any, held: HeldCapture, at: list[float], tags: Path, ask: Callable[[Any], Any]
) -> None:
    workbench = opened(held, Chain(tags))
    held.release()
    workbench.wait(120)
    again = HeldCapture(held._capture, 10)
    workbench._capture = again
    at[0] = 0
    workbench.start()
    until(lambda: again.taken == 1)
    at[0] = 1
    again.feed(2)
    until(lambda: workbench.run["done"] == 20 and workbench.run["partial"])
    head, _ = ask(workbench)("rows", query="~differs any", first=0, count=5)
    assert "known when the replay is over" in head["error"]
    again.release()
    workbench.wait(120)
    head, rows = ask(workbench)("rows", query="~differs any", first=0, count=5)
    assert head["matched"] == 0 and rows == []
