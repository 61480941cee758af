from __future__ import annotations

import random

import pytest

from workbench.analysis.headers import HeaderLine, diff_headers, track_headers

A, B, C = ("a", "1"), ("b", "2"), ("c", "3")


def kinds(lines: list[HeaderLine]) -> list[str]:
    return [f"{line.kind} {line.name}" for line in lines]


def test_unchanged_added_removed_changed() -> None:
    lines = diff_headers([A, B, C], [A, ("b", "9"), ("d", "4")])
    assert kinds(lines) == ["unchanged a", "changed b", "removed c", "added d"]
    assert (lines[1].before, lines[1].after) == ("2", "9")
    assert (lines[3].before_at, lines[3].after_at) == (None, 2)


def test_a_removed_entry_stands_where_it_was() -> None:
    assert kinds(diff_headers([A, B, C], [A, C])) == ["unchanged a", "removed b", "unchanged c"]
    assert kinds(diff_headers([A, B], [B])) == ["removed a", "unchanged b"]


def test_one_entry_moves_the_others_stay() -> None:
    lines = diff_headers([A, B, C], [B, C, A])
    assert kinds(lines) == ["unchanged b", "unchanged c", "moved a"]
    assert (lines[2].before_at, lines[2].after_at) == (0, 2)


def test_changed_and_moved_says_both() -> None:
    (line,) = [line for line in diff_headers([A, B, C], [B, C, ("a", "7")]) if line.name == "a"]
    assert (line.kind, line.moved) == ("changed", True)


def test_repeats_are_told_apart() -> None:
    lines = diff_headers([("v", "x"), ("v", "y")], [("v", "x"), ("v", "z"), ("v", "y")])
    assert [(line.kind, line.after, line.repeat) for line in lines] == [
        ("unchanged", "x", (1, 3)),
        ("added", "z", (2, 3)),
        ("unchanged", "y", (3, 3)),
    ]


@pytest.mark.parametrize("seed", range(40))
def test_a_difference_holds_both_lists(seed: int) -> None:
    """Whatever the lists: the lines' afters are the second list in order, their befores the first, each entry once."""
    rng = random.Random(seed)
    before, after = ([(rng.choice("abcd"), rng.choice("xyz")) for _ in range(rng.randrange(9))] for _ in range(2))
    lines = diff_headers(before, after)
    assert [(line.name, line.after) for line in lines if line.after is not None] == after
    placed = sorted((line.before_at, line.name, line.before) for line in lines if line.before_at is not None)
    assert [(name, value) for _, name, value in placed] == before
    assert all(line.before == line.after for line in lines if line.kind in ("unchanged", "moved"))
    assert all(line.before != line.after for line in lines if line.kind == "changed")
    stay = [line.before_at for line in lines if line.before_at is not None and line.after_at is not None and not line.moved]
    assert stay == sorted(stay)  # type: ignore[type-var]


def test_tracks_follow_an_entry_through_stages() -> None:
    tracks = {track.name: track for track in track_headers([[A, B], [A, B, C], [("a", "5"), C], [("a", "5"), C, B]])}
    assert tracks["a"].values == ("1", "1", "5", "5")
    assert tracks["a"].steps == ("unchanged", "changed", "unchanged")
    assert tracks["c"].values == (None, "3", "3", "3")
    assert tracks["c"].steps == ("added", "unchanged", "unchanged")


def test_an_entry_that_comes_back_is_a_row_of_its_own() -> None:
    rows = [track for track in track_headers([[A, B], [A], [A, B]]) if track.name == "b"]
    assert {track.values for track in rows} == {("2", None, None), (None, None, "2")}


@pytest.mark.parametrize("seed", range(20))
def test_tracks_hold_every_stage(seed: int) -> None:
    rng = random.Random(seed)
    stages = [[(rng.choice("abc"), rng.choice("xy")) for _ in range(rng.randrange(6))] for _ in range(4)]
    tracks = track_headers(stages)
    for at, stage in enumerate(stages):
        assert sorted((t.name, t.values[at]) for t in tracks if t.values[at] is not None) == sorted(stage)
