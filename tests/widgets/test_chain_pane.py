"""What the pane "chain" is told, and what becomes of what it asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.widgets.held import until
from workbench.capture import Capture
from workbench.chain import Chain, Filter
from workbench.errors import FilterLoadError
from workbench.replay import Replay
from workbench.widgets import Workbench

Ask = Callable[[Any], Any]
Sample = Callable[[str], Path]


def test_the_chain_is_told_with_its_counts(replay: Replay, ask: Ask) -> None:
    workbench = Workbench(replay)
    _, told = ask(workbench)("chain")
    assert [slot["name"] for slot in told["slots"]] == ["basic_auth", "token_bucket", "add_header"]
    assert told["requests"][0] == told["responses"][0] == 93
    assert told["requests"] == sorted(told["requests"], reverse=True)
    assert told["slots"][0]["stops"] == [{"outcome": "denied", "status": 401, "count": replay.count("denied")}]
    assert told["slots"][2]["changed"] == replay.mutations.query("filter == 'add_header'")["exchange"].nunique()
    assert told["changes"] == [] and told["fault"] == ""


def test_modules_are_learnt_of_in_the_background(replay: Replay, ask: Ask) -> None:
    workbench = Workbench(replay)
    asked = ask(workbench)
    asked("chain")
    until(lambda: all(slot["module"] for slot in asked("chain")[1]["slots"]))
    _, told = asked("chain")
    assert [(slot["module"]["abi"], slot["module"]["language"]) for slot in told["slots"]] == [
        ("0.2.1", "Rust"),
        ("0.2.1", "Rust"),
        ("0.2.0", "Go"),
    ]
    until(lambda: workbench.edited >= 1)


def test_other_filters_have_no_counts_yet(replay: Replay, ask: Ask) -> None:
    asked = ask(Workbench(replay))
    _, told = asked("chain")
    _, moved = asked("edit", op="move", id=told["slots"][2]["id"], to=0)
    assert moved["requests"] is None and moved["changes"] == ["order"]
    assert [slot["place"] for slot in moved["slots"]] == [0, 1, 2]
    _, back = asked("edit", op="revert")
    assert back["requests"] == told["requests"] and back["changes"] == []


def test_an_edited_chain_is_replayed(capture: Capture, chain: Chain, ask: Ask) -> None:
    workbench = Workbench(capture, chain)
    workbench.wait(60)
    asked = ask(workbench)
    _, told = asked("chain")
    asked("edit", op="switch", id=told["slots"][1]["id"], on=False)
    _, applied = asked("apply")
    replay = workbench.wait(60)
    assert replay.count("limited") == 0 and workbench.filters == ["basic_auth", "add_header"]
    assert workbench.runs[-1].why == ("token_bucket off",)
    assert [slot["place"] for slot in applied["slots"]] == [0, None, 1] and applied["changes"] == []
    assert workbench.chain is not chain and len(chain) == 3, "the chain that was given stays as it was"


def test_a_configuration_that_the_filter_refuses_is_told_at_the_filter(capture: Capture, sample_filter: Sample, ask: Ask) -> None:
    workbench = Workbench(capture, Chain(Filter(sample_filter("token_bucket"), config={"rate": 5})))
    good = workbench.wait(60)
    asked = ask(workbench)
    _, told = asked("chain")
    number = told["slots"][0]["id"]
    asked("edit", op="config", id=number, text='{"rate": "many"}', form="json")
    asked("apply")
    with pytest.raises(Exception, match="token_bucket"):
        workbench.wait(60)
    _, told = asked("chain")
    assert "token_bucket" in told["slots"][0]["refused"]
    assert workbench.replay is good and workbench.run["kept"] == 1
    asked("edit", op="config", id=number, text='{"rate":5}', form="json")
    asked("apply")
    assert workbench.wait(60).digest() == good.digest()
    _, told = asked("chain")
    assert told["slots"][0]["refused"] == ""


def test_a_filter_that_does_not_start_is_replayed_anyway(capture: Capture, sample_filter: Sample, ask: Ask) -> None:
    chain = Chain(Filter(sample_filter("token_bucket"), config={"rate": "many"}, failure_policy="open"))
    workbench = Workbench(capture, chain)
    with pytest.raises(FilterLoadError):
        workbench.wait(60)
    assert workbench.run["refused"] and "start_anyway" not in workbench.run["remedy"]
    workbench.start_anyway = True
    ask(workbench)("run")
    replay = workbench.wait(60)
    assert len(replay) == 93 and replay.settings.start_anyway
    assert replay.count("limited") == 0, "the filter counts as failed, and lets pass"


def test_what_is_set_for_each_replay_is_the_first_state_of_the_switch(capture: Capture, sample_filter: Sample) -> None:
    chain = Chain(Filter(sample_filter("token_bucket"), config={"rate": "many"}))
    workbench = Workbench(capture, chain, settings={"start_anyway": True})
    assert workbench.start_anyway and workbench.wait(60).count("error") > 0


def test_what_no_host_loads_is_not_offered_anyway(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "no.wasm").write_bytes(b"no module")
    workbench = Workbench(capture, Chain(tmp_path / "no.wasm"))
    with pytest.raises(FilterLoadError):
        workbench.wait(60)
    assert not workbench.run["refused"]


def test_what_cannot_be_added_is_an_answer(replay: Replay, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "no.wasm").write_bytes(b"no module")
    asked = ask(Workbench(replay))
    head, _ = asked("edit", op="add", path=str(tmp_path / "no.wasm"))
    assert "no.wasm" in head["error"]
    _, told = asked("chain")
    assert len(told["slots"]) == 3


def test_modules_beside_are_offered(replay: Replay, ask: Ask, sample_filter: Sample) -> None:
    _, found = ask(Workbench(replay))("modules")
    assert str(sample_filter("body_rewrite")) in found["paths"]
    assert len(found["paths"]) == len(set(found["paths"])) <= 200


def test_a_capture_alone_gets_its_first_filter(capture: Capture, sample_filter: Sample, ask: Ask) -> None:
    workbench = Workbench(capture)
    asked = ask(workbench)
    _, told = asked("chain")
    assert told["slots"] == [] and told["requests"] is None
    asked("edit", op="add", path=str(sample_filter("add_header")))
    asked("apply")
    assert workbench.wait(60).count("changed") > 0
    assert workbench.replayable and workbench.filters == ["add_header"]
