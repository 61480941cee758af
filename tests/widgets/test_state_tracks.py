"""What the tracks' page is told: every track in pages, thinned to what a screen can tell apart, with all that matters kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.stories import make, verifies
from tests.core.traffic import Made, request
from tests.core.wat import OUT, TRAP, Loop, Ret, call, wasm
from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.widgets import StateTracks, Workbench
from workbench.widgets.state_tracks import MOST_POINTS, PAGE

Ask = Callable[[Any], Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return make(tmp_path_factory.mktemp("story"), verifies(), count=5)


def one(tracks: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [track for track in tracks if track["name"] == name]
    return found


def test_points_are_the_events(story: Replay, ask: Ask) -> None:
    head, tracks = ask(story.tracks())("tracks")
    assert head["total"] == head["all"] == len(tracks)
    assert head["length_ms"] > 80
    cred = one(tracks, "cred")
    assert (len(cred["points"]), len(cred["refused"]), cred["steps"], cred["end"]) == (10, 5, False, '"two"')
    assert [point[2] for point in cred["refused"]] == [0, 1, 2, 3, 4]
    assert cred["points"][0][4] == '"one"'
    assert [point[0] for point in cred["points"][:3]] == [0.0, 2.0, 20.0], "milliseconds since the start, in virtual time"
    verified = one(tracks, "verified")
    assert [point[1] for point in verified["points"]] == [1, 2, 3, 4, 5] and verified["end"] == "5"
    assert (verified["low"], verified["high"]) == (0, 5)
    assert one(tracks, "a")["kind"] == "memory" and one(tracks, "a")["end"].endswith("MiB")


def test_the_selected_exchange_has_its_place(story: Replay, ask: Ask) -> None:
    asked = ask(StateTracks(story))
    assert [asked("when", index=index)[0]["at"] for index in (0, 3)] == [0.0, 60.0]
    assert "error" in asked("when", index=77)[0]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Over a hundred thousand events on a few tracks, and over a hundred keys."""
    file = tmp_path_factory.mktemp("many") / "many.wasm"
    keys = [call("proxy_set_shared_data", f"key {number}", "x", 0) for number in range(120)]
    steps = (call("proxy_set_shared_data", "busy", "\1\0\0\0", 0), call("proxy_increment_metric", 4, 1), call("proxy_record_metric", 5, 3))
    script = {
        "configure": [call("proxy_define_metric", 0, "count", OUT), call("proxy_define_metric", 1, "level", OUT), *keys],
        "request_headers": [Loop(steps, 1700), call("proxy_record_metric", 5, 900), call("proxy_record_metric", 5, 3), Ret(0)],
    }
    file.write_bytes(wasm(**script))
    made = Made(request(at_ms=at * 10) for at in range(20))
    return Chain(Filter(file)).replay(made)  # type: ignore[arg-type]


def test_many_events_are_thinned_and_the_extremes_kept(many: Replay, ask: Ask) -> None:
    _, tracks = ask(StateTracks(many))("tracks")
    assert len(json.dumps(tracks)) < 900_000
    count, level, busy = (one(tracks, name) for name in ("count", "level", "busy"))
    for track in (count, level, busy):
        assert track["events"] >= 34_000 and len(track["points"]) <= MOST_POINTS
        times = [point[0] for point in track["points"]]
        assert times == sorted(times)
    assert count["points"][-1][1] == 34_000 and count["end"] == "34\u202f000"
    assert {point[1] for point in level["points"]} >= {3, 900}, "a peak of one event is not lost"
    assert sum(point[1] == 900 for point in level["points"]) == 20


def test_keys_come_in_pages_and_can_be_searched(many: Replay, ask: Ask) -> None:
    asked = ask(StateTracks(many))
    head, first = asked("tracks")
    assert len(first) == PAGE < head["total"]
    kinds = [track["kind"] for track in first]
    assert {"metric", "memory"} <= set(kinds), "keys do not crowd out the rest"
    _, second = asked("tracks", first=PAGE)
    assert not {track["name"] for track in first if track["kind"] == "shared data"} & {track["name"] for track in second}
    found, tracks = asked("tracks", text="KEY 7")
    assert found["total"] == len(tracks) == 21
    assert asked("tracks", text="no such")[1] == []


def test_hostile_keys_and_nothing_at_all(hostile_replay: Replay, tmp_path: Path, ask: Ask) -> None:
    head, tracks = ask(StateTracks(hostile_replay))("tracks")
    assert "error" not in head and tracks
    assert all(len(track["name"]) <= 200 for track in tracks)
    view = StateTracks(hostile_replay)
    state = json.dumps({key: value for key, value in view.get_state().items() if key not in ("_esm", "_css")}, default=str)
    assert len(state) < 2000
    assert "error" in ask(StateTracks())("tracks")[0]


def test_a_trap_is_on_the_memory_of_its_vm(tmp_path: Path, ask: Ask) -> None:
    replay = make(tmp_path, {"request_headers": [TRAP]})
    _, tracks = ask(StateTracks(replay))("tracks")
    ((*_, exchange, row, message, kind),) = one(tracks, "a")["failed"]
    assert (exchange, kind) == (0, "trap") and "unreachable" in message
    assert replay.trace.row(row).exchange == 0


def test_the_dashboard_answers_the_same(story: Replay, ask: Ask) -> None:
    assert ask(Workbench(story))("tracks") == ask(StateTracks(story))("tracks")
