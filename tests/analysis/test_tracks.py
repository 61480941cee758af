"""What outlives an exchange, over time: every write is on a track, and what holds at the end is what filters would read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.stories import make, verifies
from tests.core.traffic import MS, START_NS, Made, request
from tests.core.wat import OUT, TRAP, Loop, Nth, Ret, call, wasm
from workbench.analysis.tracks import Track, TrackKind
from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.trace.records import Event


def replay_of(tmp_path: Path, count: int = 3, every_ms: int = 10, policy: str = "closed", **script: list[object]) -> Replay:
    """Requests through one filter that does what the script says."""
    file = tmp_path / "kept.wasm"
    file.write_bytes(wasm(**script))
    made = Made(request(at_ms=at * every_ms) for at in range(count))
    return Chain(Filter(file, failure_policy=policy)).replay(made)  # type: ignore[arg-type]


def track(replay: Replay, kind: TrackKind, name: str = "") -> Track:
    (found,) = [one for one in replay.state_tracks.tracks if one.kind == kind and name in one.name]
    return found


def test_every_write_of_a_real_filter_is_on_its_track(sample_filter: Callable[[str], Path], sample_capture: Path) -> None:
    replay = Chain(Filter(sample_filter("token_bucket"))).replay(open_capture(sample_capture))
    written = [row for view in replay for name, row in view.rows.hostcalls if name == "proxy_set_shared_data" and not row.result]
    bucket = track(replay, TrackKind.DATA)
    assert bucket.rows.tolist() == [row.seq for row in written]
    values = replay.state_tracks.values(bucket)
    assert values is not None and bucket.form == "first 8 of 24 bytes"
    assert values.max() == 4e10 and values.min() >= 0, "a full bucket of five, less the first request, ten billionths of a token each"
    allowed = track(replay, TrackKind.METRIC, "allowed")
    assert allowed.values is not None
    assert allowed.values.tolist() == list(range(1, len(allowed.rows) + 1))
    assert int(allowed.values[-1]) + int(track(replay, TrackKind.METRIC, "limited").events) > 20


def test_the_metrics_are_what_get_metric_gives(tmp_path: Path) -> None:
    """Two definitions, in the order of which ids are given; an increment, a gauge set, and what the filter then reads."""
    defined = [call("proxy_define_metric", kind, name, OUT) for kind, name in ((0, "count"), (1, "level"), (0, "other"))]
    steps = [call("proxy_increment_metric", 4, 3), call("proxy_record_metric", 5, 9), call("proxy_increment_metric", 5, 2)]
    reads = [call("proxy_get_metric", metric, OUT) for metric in (4, 5, 8)]
    replay = replay_of(tmp_path, configure=defined, request_headers=[*steps, *reads, call("proxy_increment_metric", 8, 1), Ret(0)])
    names = {4: b"count", 5: b"level", 8: b"other"}
    read: dict[bytes, list[int | None]] = {name: [] for name in names.values()}
    for view in replay:
        for name, row in view.rows.hostcalls:
            if name == "proxy_get_metric":
                (metric,) = [one for one in replay.state().metrics.values() if one.name == names[row.a]]
                read[metric.name].append(metric.at(row.seq))
                assert metric.at(row.seq) == row.b | row.c << 32
    assert read == {b"count": [3, 6, 9], b"level": [11, 11, 11], b"other": [0, 1, 2]}


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (("1", "2", "30"), [1, 2, 30]),
        (("-1.5", "0"), [-1.5, 0]),
        (("1", "two"), None),
        (("\x05\0\0\0", "\0\1\0\0"), [5, 256]),
        (("\1\0\0\0\0\0\0\0", "\2\0\0\0\0\0\0\0"), [1, 2]),
        (("\x05", "\x06"), [5, 6]),
        (("abcd", "efgh"), None),
        (("\1\0\0\0", "\1\0"), None),
        (("\1\0\0\0\0\0\0\0" * 3,), [1]),
        (("",), None),
    ],
)
def test_which_values_are_numbers(tmp_path: Path, values: tuple[str, ...], numbers: list[float] | None) -> None:
    steps = [call("proxy_set_shared_data", "k", value, 0) for value in values]
    replay = replay_of(tmp_path, count=1, request_headers=[*steps, Ret(0)])
    found = replay.state_tracks.values(track(replay, TrackKind.DATA))
    assert (None if found is None else found.tolist()) == numbers


def test_refused_writes_stand_apart(tmp_path: Path) -> None:
    replay = make(tmp_path, verifies(), count=4)
    cred = track(replay, TrackKind.DATA, "cred")
    assert (len(cred.rows), len(cred.refused)) == (8, 4)
    assert cred.note == "8 writes, 4 refused by CAS"
    assert {replay.trace.row(row).result for row in cred.refused.tolist()} == {8}
    table = replay.state_table
    assert table["refused"].sum() == 4
    assert table[table["kind"] == "shared data"]["value"].iloc[0] == '"one"'


def test_queues_and_ticks(tmp_path: Path) -> None:
    replay = replay_of(
        tmp_path,
        count=5,
        configure=[call("tick", 10), call("proxy_register_shared_queue", "jobs", OUT)],
        request_headers=[call("proxy_enqueue_shared_queue", 1, "job"), Ret(0)],
        tick=[Nth(3, (call("proxy_dequeue_shared_queue", 1, OUT, OUT),))],
    )
    jobs = track(replay, TrackKind.QUEUE, "jobs")
    assert jobs.values is not None
    assert sorted(jobs.values.tolist())[-1] >= 3 and len(jobs.rows) == 6
    assert (np.diff(jobs.values) == -1).sum() == 1
    ticks = track(replay, TrackKind.TICK)
    times = [replay.trace.row(row).time for row in ticks.rows.tolist()]
    assert len(times) >= 3 and set(np.diff(times).tolist()) == {10 * MS}


def test_memory_goes_on_after_a_trap(tmp_path: Path) -> None:
    """A reloaded VM is another one; its track is the same, with the failure on it."""
    replay = replay_of(tmp_path, count=3, every_ms=5000, policy="reload", request_headers=[Nth(2, (TRAP,)), Ret(0)])
    memory = track(replay, TrackKind.MEMORY)
    assert memory.values is not None
    assert len(memory.rows) == 2 and len(memory.failed) == 1
    assert {replay.trace.row(row).code for row in memory.failed.tolist()} == {Event.FAILURE}
    assert replay.trace.row(int(memory.failed[0])).exchange == 1
    assert memory.values[0] == int(replay.vms["memory"].iloc[0])


def test_the_table_has_every_event_in_order(tmp_path: Path) -> None:
    replay = make(tmp_path, verifies(), count=3)
    table = replay.state_table
    assert len(table) == sum(len(one.rows) + len(one.refused) for one in replay.state_tracks.tracks)
    assert table.index.is_monotonic_increasing
    assert table["time"].iloc[-1].value > START_NS
    assert set(table[table["kind"] == "shared data"]["exchange"]) == {0, 1, 2}
    counter = table[table["name"] == "verified"]
    assert counter["number"].tolist() == [1, 2, 3]


def test_search_in_tracks(tmp_path: Path) -> None:
    replay = make(tmp_path, verifies(), count=2)
    assert [one.name for one in replay.state_tracks.find("CRED writes")] == ["cred"]
    assert [one.name for one in replay.state_tracks.find("counter")] == ["verified"]
    assert replay.state_tracks.find("no such") == []


def test_a_hundred_thousand_events_are_quick(tmp_path: Path) -> None:
    """Found, read and ordered in well under a second of processor time; a search in a search would take minutes."""
    steps = (
        *(call("proxy_set_shared_data", key, value, 0) for key, value in (("a", "\1\0\0\0"), ("b", "x"))),
        call("proxy_increment_metric", 4, 1),
    )
    script: dict[str, list[object]] = {
        "configure": [call("proxy_define_metric", 0, "m", OUT)],
        "request_headers": [Loop(steps, 1700), Ret(0)],
    }
    replay = replay_of(tmp_path, count=20, **script)
    began = time.process_time()
    tracks = replay.state_tracks
    for one in tracks.tracks:
        tracks.values(one)
    spent = time.process_time() - began
    assert sum(one.events for one in tracks.tracks) > 100_000
    assert spent < 10
    assert track(replay, TrackKind.METRIC).values[-1] == 34_000  # type: ignore[index]
