"""Each algorithm against the plainest implementation of its rule, with fractions where the rule has fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from workbench.analysis.limiters import ALGORITHMS, limited_by

SECOND = 10**9


def fixed(times: list[int], limit: int, window: int, aligned: bool) -> list[bool]:
    found, start, count = [], None, 0
    for time in times:
        begin = time - time % window if aligned else time
        if start is None or (begin != start if aligned else time >= start + window):
            start, count = begin, 0
        found.append(count + 1 > limit)
        count += not found[-1]
        if not aligned and not count:
            start = None  # nothing was counted, so no window began
    return found


def log(times: list[int], limit: int, window: int) -> list[bool]:
    allowed: list[int] = []
    found = []
    for time in times:
        found.append(sum(time - window < one <= time for one in allowed) >= limit)
        if not found[-1]:
            allowed.append(time)
    return found


def counter(times: list[int], limit: int, window: int) -> list[bool]:
    counts: dict[int, int] = {}
    found = []
    for time in times:
        number, into = divmod(time, window)
        weight = 1 - Fraction(into, window)
        found.append(counts.get(number - 1, 0) * weight + counts.get(number, 0) + 1 > limit)
        if not found[-1]:
            counts[number] = counts.get(number, 0) + 1
    return found


def bucket(times: list[int], limit: int, window: int, burst: int) -> list[bool]:
    level, last = Fraction(burst), times[0]
    found = []
    for time in times:
        level = min(Fraction(burst), level + Fraction((time - last) * limit, window))
        last = time
        found.append(level < 1)
        if not found[-1]:
            level -= 1
    return found


PLAIN: dict[tuple[str, bool], Callable[[list[int], int, int, int | None], list[bool]]] = {
    ("fixed window", True): lambda times, limit, window, burst: fixed(times, limit, window, True),
    ("fixed window", False): lambda times, limit, window, burst: fixed(times, limit, window, False),
    ("sliding window log", True): lambda times, limit, window, burst: log(times, limit, window),
    ("sliding window counter", True): lambda times, limit, window, burst: counter(times, limit, window),
    ("token bucket", True): lambda times, limit, window, burst: bucket(times, limit, window, limit if burst is None else burst),
    ("gcra", True): lambda times, limit, window, burst: bucket(times, limit, window, 1 if burst is None else burst),
}


@pytest.mark.parametrize(("algorithm", "aligned"), PLAIN)
@pytest.mark.parametrize("seed", range(12))
def test_as_the_plainest_implementation(algorithm: str, aligned: bool, seed: int) -> None:
    """Many small traffics: bursts, ties, requests exactly at a window's end, idle keys, limits of one and more than all requests."""
    random = np.random.default_rng(seed)
    for _ in range(40):
        groups = int(random.integers(1, 6))
        window = int(random.choice([1, 7, 10, SECOND, 10 * SECOND]))
        # steps are parts of a window, often none and often just one, so that edges are met exactly
        steps = [
            random.choice([0, 1, window // 2, window - 1, window, window + 1, 3 * window], int(random.integers(1, 40)))
            for _ in range(groups)
        ]
        begin = int(random.choice([0, 1_768_471_200 * SECOND + 5]))
        each = [begin + np.cumsum(one) for one in steps]
        limits = random.choice([0, 1, 2, 5, 100], groups)
        burst = None if random.random() < 0.5 else int(random.integers(1, 6))
        starts = np.cumsum([0] + [len(one) for one in each[:-1]])
        found = limited_by(algorithm, np.concatenate(each), starts, limits, window, burst=burst, aligned=aligned)
        plain = [
            [True] * len(one) if limit == 0 else PLAIN[algorithm, aligned](one.tolist(), int(limit), window, burst)
            for one, limit in zip(each, limits, strict=True)
        ]
        assert found.tolist() == [verdict for one in plain for verdict in one]


def run(algorithm: str, seconds: list[float], limit: int, window_s: float, **more: int | bool) -> list[bool]:
    times = np.array([int(second * SECOND) for second in seconds], np.int64)
    return limited_by(algorithm, times, np.array([0]), np.array([limit]), int(window_s * SECOND), **more).tolist()  # type: ignore[arg-type]


def test_the_toystore_example() -> None:
    """Ten requests one second apart, 5 in 10 s: as Limitador, and in a window of the clock that ends after the fourth."""
    seconds = [100.0 + n for n in range(10)]
    assert run("fixed window", seconds, 5, 10, aligned=False) == [False] * 5 + [True] * 5
    late = [106.0 + n for n in range(10)]
    assert run("fixed window", late, 5, 10, aligned=False) == [False] * 5 + [True] * 5
    assert run("fixed window", late, 5, 10) == [False] * 9 + [True]


def test_a_request_exactly_one_window_later_opens_another() -> None:
    assert run("fixed window", [3, 12.999999999, 13], 1, 10, aligned=False) == [False, True, False]
    assert run("sliding window log", [3, 12.999999999, 13], 1, 10) == [False, True, False]


def test_token_bucket_and_gcra_of_one_burst_are_one_rule() -> None:
    random = np.random.default_rng(5)
    times = np.cumsum(random.integers(0, 3 * SECOND, 500))
    both = [limited_by(name, times, np.array([0]), np.array([7]), 10 * SECOND, burst=3).tolist() for name in ("token bucket", "gcra")]
    assert both[0] == both[1] and 0 < sum(both[0]) < 500
    assert run("gcra", [0, 1, 2, 2.5], 5, 10) == [False, True, False, True]
    assert run("token bucket", [0] * 6, 5, 10) == [False] * 5 + [True]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_request_and_no_limit(algorithm: str) -> None:
    assert limited_by(algorithm, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), 10).tolist() == []
    assert run(algorithm, [0, 0, 1], 0, 10) == [True] * 3


def test_groups_far_apart_do_not_overflow() -> None:
    """So many keys over so many years that one number cannot hold both."""
    groups, year = 400, 365 * 86_400 * SECOND
    times = np.tile(np.array([0, 1, 50 * year, 50 * year + 1]), groups)
    found = limited_by("fixed window", times, np.arange(groups) * 4, np.ones(groups, np.int64), SECOND, aligned=False)
    assert found.reshape(groups, 4).all(axis=0).tolist() == [False, True, False, True]
