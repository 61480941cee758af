from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import wasmtime

from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.widgets.dashboard import Workbench
from workbench.widgets.laboratory import LaboratoryView

CONFIG = {"rate": 5, "per_s": 10, "key": "header:x-user", "methods": [], "prefix": "/"}


@pytest.fixture(scope="module")
def limited(sample_filter: Callable[[str], Any], capture: Any) -> Replay:
    return Chain(Filter(sample_filter("token_bucket"), config=CONFIG)).replay(capture)


def test_it_begins_with_what_the_replay_tells(limited: Replay, ask: Callable[[Any], Any]) -> None:
    _, start = ask(LaboratoryView(limited))("laboratory")
    assert start["setting"] | {"spreads": 0, "all_budgets": 0} == {
        "limit": 5, "window_s": 10.0, "burst": None, "workers": 1, "spread": "round robin", "budgets": "shared", "algorithm": "bucket",
        "spreads": 0, "all_budgets": 0,
    }  # fmt: skip
    assert start["agree"] == start["requests"] == len(limited)
    assert (start["key"], start["recorded"]) == ("limit", limited.count("limited"))


def test_a_try_is_what_the_laboratory_says(limited: Replay, ask: Callable[[Any], Any]) -> None:
    asked = ask(LaboratoryView(limited))
    _, start = asked("laboratory")
    setting = {**start["setting"], "limit": 3, "algorithm": "first", "key": "path", "workers": 4, "budgets": "per worker"}
    _, found = asked("laboratory_try", **setting)
    lab = limited.laboratory(key="path")
    same: dict[str, Any] = {"limit": 3, "algorithm": "fixed window", "aligned": False, "workers": 4, "budgets": "per worker"}
    outcome, band = lab.run(**same), lab.band(**same)
    assert (found["limited"], found["total"]) == (outcome.count, len(lab))
    assert found["laxest"] <= found["limited"] <= found["strictest"] == band.strictest.count
    assert sum(one["limited"] for one in found["keys"]) == outcome.count
    _, curve = asked("laboratory_curve", **setting)
    assert len(curve["limits"]) == len(curve["shared"]) == len(curve["strictest"])
    assert curve["shared"][curve["limits"].index(3)] == lab.run(limit=3, algorithm="fixed window", aligned=False).share


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": -1},
        {"limit": "x"},
        {"limit": None},
        {"window_s": 0},
        {"algorithm": "x"},
        {"key": "x"},
        {"key": "header:"},
        {"workers": 1e9},
    ],
)
def test_what_is_no_setting_is_an_answer(limited: Replay, ask: Callable[[Any], Any], wrong: dict[str, Any]) -> None:
    asked = ask(LaboratoryView(limited))
    head, data = asked("laboratory_try", **{**asked("laboratory")[1]["setting"], **wrong})
    assert head["error"] and data is None


def test_a_setting_becomes_the_filters_configuration(limited: Replay, ask: Callable[[Any], Any]) -> None:
    """And the real module, replayed with it, does what the laboratory said."""
    asked = ask(Workbench(limited))
    setting = {**asked("laboratory")[1]["setting"], "limit": 2, "window_s": 4}
    _, tried = asked("laboratory_try", **setting)
    _, found = asked("laboratory_proposal", **setting)
    assert found["filter"] == "token_bucket"
    chain = limited.chain.with_filter(Filter(limited.chain[0].path, config=found["config"]), "token_bucket")
    assert chain.replay(limited.capture).count("limited") == tried["limited"] != limited.count("limited")


def test_a_setting_that_the_configuration_cannot_say_is_told_why(limited: Replay, replay: Replay, ask: Callable[[Any], Any]) -> None:
    asked = ask(LaboratoryView(limited))
    setting = asked("laboratory")[1]["setting"]
    assert "no other algorithm" in asked("laboratory_proposal", **{**setting, "algorithm": "fixed"})[0]["error"]
    # the sample chain's token bucket has no configuration
    assert "no JSON object" in ask(LaboratoryView(replay))("laboratory_proposal", **setting)[0]["error"]


def test_a_replay_without_limits_still_has_a_laboratory(
    capture: Any, sample_filter: Callable[[str], Any], ask: Callable[[Any], Any]
) -> None:
    asked = ask(Chain(Filter(sample_filter("add_header"))).replay(capture).laboratory_view())
    _, start = asked("laboratory")
    assert (start["requests"], start["configured"], start["asked"], start["key"]) == (len(capture), False, False, "all")
    assert asked("laboratory_try", **start["setting"])[1]["limited"] > 0
    assert "does not tell" in asked("laboratory_proposal", **start["setting"])[0]["error"]


def test_tcp_connections_have_no_laboratory(repo: Any, tmp_path: Any, ask: Callable[[Any], Any]) -> None:
    file = tmp_path / "tcp_tag.wasm"
    file.write_bytes(bytes(wasmtime.wat2wasm((repo / "tests" / "filters" / "tcp_tag.wat").read_text())))
    replay = Chain(Filter(file), kind="tcp").replay(open_capture(repo / "captures" / "tcp.mitm"))
    asked = ask(Workbench(replay))
    assert asked("laboratory")[1] == {"requests": 0}
    assert "error" not in asked("decisions")[0]
    assert "HTTP requests" in asked("laboratory_try", limit=5, window_s=1, algorithm="fixed")[0]["error"]
