"""The workbench without a browser: it replays, tells how that went, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.widgets.held import HeldCapture, until
from workbench.capture import Capture, open_capture
from workbench.chain import Chain, Filter
from workbench.errors import ConfigError, FilterLoadError
from workbench.replay import Replay
from workbench.widgets import ExchangeDetails, FlowTable, Workbench


def test_a_capture_and_a_chain_are_replayed(capture: Capture, chain: Chain, replay: Replay) -> None:
    workbench = Workbench(capture, chain)
    done = workbench.wait(60)
    assert done.digest() == replay.digest()
    assert workbench.run["state"] == "done"
    assert workbench.run["words"].startswith("93 of 93 in ")
    assert workbench.total == len(capture)
    assert workbench.filters == ["basic_auth", "token_bucket", "add_header"]
    assert workbench.capture_name == "toystore.mitm"


def test_a_replay_is_shown_as_it_is(replay: Replay, ask: Callable[[Any], Any]) -> None:
    workbench = Workbench(replay)
    assert workbench.replay is replay
    assert workbench.wait() is replay
    head, rows = ask(workbench)("rows", first=0, count=5)
    assert head["total"] == len(replay)
    assert len(rows) == 5


def test_the_first_selection_is_what_matters(replay: Replay) -> None:
    index = Workbench(replay).selected
    assert replay[index].outcome == "limited"
    assert Workbench(replay, selected=7).selected == 7


def test_a_replay_and_a_chain_are_one_too_many(replay: Replay, chain: Chain) -> None:
    with pytest.raises(ConfigError, match="a replay and a chain are given both"):
        Workbench(replay, chain)


def test_names_of_files_are_opened_first(capture: Capture, chain: Chain) -> None:
    for source in ("captures/toystore.mitm", chain):
        with pytest.raises(ConfigError, match="is no capture"):
            Workbench(source)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no chain"):
        Workbench(capture, "add_header.wasm")  # type: ignore[arg-type]


def test_without_a_chain_there_is_nothing_to_run(capture: Capture, ask: Callable[[Any], Any]) -> None:
    for workbench in (Workbench(), Workbench(capture)):
        assert not workbench.replayable
        assert workbench.run == {"state": "idle"}
        head, _ = ask(workbench)("rows", first=0, count=5)
        assert "nothing was replayed" in head["error"]
        assert workbench.replay is None


def test_a_filter_that_cannot_be_loaded_is_told_in_the_view_and_by_wait(capture: Capture, tmp_path: Path) -> None:
    file = tmp_path / "no\u202efilter.wasm"
    file.write_bytes(b"not a module")
    workbench = Workbench(capture, Chain(Filter(file)))
    with pytest.raises(FilterLoadError):
        workbench.wait(60)
    run = workbench.run
    assert run["state"] == "failed"
    assert run["what"]
    assert run["remedy"]
    assert "\\u202e" in run["where"]
    assert "\u202e" not in run["where"]


def test_replay_reads_the_module_again(capture: Capture, sample_filter: Callable[[str], Path], tmp_path: Path) -> None:
    file = tmp_path / "filter.wasm"
    file.write_bytes(b"")
    workbench = Workbench(capture, Chain(Filter(file)))
    with pytest.raises(FilterLoadError):
        workbench.wait(60)
    file.write_bytes(sample_filter("add_header").read_bytes())
    before = workbench.revision
    workbench.start()
    assert workbench.wait(60).count("changed") > 0
    assert workbench.revision > before


def test_cancel_keeps_what_was_done(sample_capture: Path, sample_filter: Callable[[str], Path], ask: Callable[[Any], Any]) -> None:
    """Asked from the page while the replay runs, as the Cancel button does."""
    capture = HeldCapture(open_capture(sample_capture.with_name("edge.mitm")), 50)
    workbench = Workbench(capture, Chain(Filter(sample_filter("trace_every_call"))))  # type: ignore[arg-type]
    capture.feed(3)
    until(lambda: capture.taken == 4)
    assert workbench.run["state"] == "running"
    ask(workbench)("cancel")
    capture.release()
    done = workbench.wait(60)
    assert 0 < len(done) < len(capture)
    assert workbench.run["words"].startswith("Cancelled: ")
    assert workbench.total == len(done)


def test_start_while_running_does_nothing(capture: Capture) -> None:
    held = HeldCapture(capture, 50)
    workbench = Workbench(held, Chain())  # type: ignore[arg-type]
    workbench.start()
    held.release()
    workbench.wait(60)
    assert [run.number for run in workbench.runs] == [1]


def test_wait_gives_up_in_time(capture: Capture) -> None:
    held = HeldCapture(capture, 50)
    workbench = Workbench(held, Chain())  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        workbench.wait(0.05)
    held.release()
    assert len(workbench.wait(60)) == 93


def test_problems_of_the_capture_are_shown_bounded(sample_capture: Path, chain: Chain, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mitm"
    cut.write_bytes(sample_capture.read_bytes()[:-100])
    workbench = Workbench(open_capture(cut), chain)
    workbench.wait(60)
    assert workbench.problems
    assert len(workbench.problems) <= 5


def test_views_alone_follow_one_replay(replay: Replay) -> None:
    table, details = FlowTable(replay), ExchangeDetails(replay, selected=3)
    assert table.total == details.total == len(replay)
    assert details.selected == 3


def test_findings_are_an_answer(capture: Capture, sample_filter: Callable[[str], Path], ask: Callable[[Any], Any]) -> None:
    """body_rewrite without a configuration does nothing at all."""
    workbench = Workbench(capture, Chain(Filter(sample_filter("body_rewrite"), name="no\u202ename")))
    workbench.wait(60)
    _, (silent,) = ask(workbench)("findings")
    assert (silent["code"], silent["severity"], silent["count"]) == ("silent-filter", "warning", 92)
    assert silent["exchanges"] == [0, 1, 2, 3, 4]
    assert all(silent[part] for part in ("title", "reason", "remedy"))


def test_no_findings_are_an_empty_answer(replay: Replay, ask: Callable[[Any], Any]) -> None:
    _, found = ask(Workbench(replay))("findings")
    assert found == []


def test_tcp_connections_are_shown_and_replayed_again(repo: Path, tmp_path: Path, ask: Callable[[Any], Any]) -> None:
    from wasmtime import wat2wasm

    path = tmp_path / "tcp_tag.wasm"
    path.write_bytes(bytes(wat2wasm((repo / "tests/filters/tcp_tag.wat").read_text(encoding="utf-8"))))
    workbench = Workbench(open_capture(repo / "captures/tcp.mitm"), Chain(Filter(path)))
    replay = workbench.wait(60)
    assert workbench.run["words"].startswith("6 of 6 in ") and workbench.problems[0].startswith("3 HTTP exchanges")
    head, rows = ask(workbench)("rows", first=0, count=6)
    assert head["total"] == 6 and {row["method"] for row in rows} == {"TCP"}
    again = Workbench(replay)
    again.start()
    assert again.wait(60).digest() == replay.digest()
