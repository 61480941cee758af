"""Rate-limit algorithms over captured times: which requests each would limit. Everything is whole nanoseconds, so nothing is rounded.

All take requests sorted by group (a key, on one worker) and, within it, by time; a request that is limited counts for nothing later.

fixed window            at most `limit` in each window. Aligned to the clock, window n is [n·w, (n+1)·w) since the Unix epoch, as
                        envoyproxy/ratelimit has it; from the first hit, a window begins with the first request counted after the last
                        one ended, and a request exactly one window later begins another, as Limitador has it.
sliding window log      at most `limit` let through in any (t − w, t].
sliding window counter  the same from two counters: those of the clock's window so far and, weighted by how much of it lies within the
                        last w, those of the one before.
token bucket            a bucket of `burst` tokens, full at first; `limit` tokens come evenly in each window, a request takes one.
gcra                    the generic cell rate algorithm (ITU-T I.371): one request each w / limit, `burst` of them at once.

A token bucket and GCRA of the same burst decide alike: they are one rule, kept as a level and as a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .rowfields import Bools, Ints

__all__ = ["ALGORITHMS", "limited_by"]

ALGORITHMS = ("fixed window", "sliding window log", "sliding window counter", "token bucket", "gcra")
_WIDEST = 1 << 62


def limited_by(
    algorithm: str, times: Ints, starts: Ints, limits: Ints, window: int, *, burst: int | None = None, aligned: bool = True
) -> Bools:
    """Whether each request is limited.

    `starts` are the places at which groups begin and `limits` each group's limit; `window` is in nanoseconds. `burst` is taken of a token
    bucket and of GCRA alone: without a number as large as the limit, and 1. A limit of 0 limits everything.
    """
    if not len(times):
        return np.zeros(0, bool)
    if algorithm == "fixed window":
        first = _clock_windows(times, starts, window) if aligned else _first_hit_windows(times, starts, window)
        sizes = np.diff(np.append(starts, len(times)))
        return np.asarray(np.arange(len(times)) - first >= np.repeat(limits, sizes), bool)
    found = np.empty(len(times), bool)
    for begin, end, limit in _groups(times, starts, limits):
        mine = times[begin:end]
        if limit <= 0:
            verdicts = [True] * (end - begin)
        elif algorithm == "sliding window log":
            verdicts = _log(mine.tolist(), limit, window)
        elif algorithm == "sliding window counter":
            verdicts = _counter(mine, limit, window)
        else:
            given = (limit if algorithm == "token bucket" else 1) if burst is None else burst
            verdicts = _gcra((mine - mine[0]).tolist(), limit, window, given)
        found[begin:end] = verdicts
    return found


def _groups(times: Ints, starts: Ints, limits: Ints) -> Iterator[tuple[int, int, int]]:
    return zip(starts.tolist(), [*starts[1:].tolist(), len(times)], limits.tolist(), strict=True)


def _clock_windows(times: Ints, starts: Ints, window: int) -> Ints:
    """For each request the place of the first one in its window."""
    number = times // window
    begins = np.empty(len(times), bool)
    begins[0] = True
    begins[1:] = number[1:] != number[:-1]
    begins[starts] = True
    return np.maximum.accumulate(np.where(begins, np.arange(len(times)), 0))


def _first_hit_windows(times: Ints, starts: Ints, window: int) -> Ints:
    """The same for windows that begin with a request: from each, the next one is the first that comes a window later.

    Which requests begin one is found for all groups at once, by going 1, 2, 4, … windows ahead.
    """
    n = len(times)
    ahead = np.append(_after(times, starts, window), n)
    begins = np.zeros(n + 1, bool)
    begins[starts] = True
    reached = 0
    while (count := int(begins.sum())) != reached:
        reached = count
        begins[ahead[begins]] = True
        ahead = ahead[ahead]
    begins = begins[:n]
    return np.maximum.accumulate(np.where(begins, np.arange(n), 0))


def _after(times: Ints, starts: Ints, window: int) -> Ints:
    """For each request the place of the first of its group that comes a window later or more; the number of all where none does."""
    n = len(times)
    ends = np.append(starts[1:], n)
    sizes = ends - starts
    since = int(times.min())
    room = int(times.max()) - since + window + 1
    if room * len(starts) < _WIDEST:
        line = np.repeat(np.arange(len(starts)) * room, sizes) + (times - since)
        found = np.searchsorted(line, line + window)
    else:
        parts = [np.searchsorted(times[a:b], times[a:b] + window) + a for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        found = np.concatenate(parts)
    last = np.repeat(ends, sizes)
    return np.where(found >= last, n, found)


def _log(times: list[int], limit: int, window: int) -> list[bool]:
    kept: list[int] = []
    verdicts: list[bool] = []
    keep, say, count = kept.append, verdicts.append, -limit
    for time in times:
        if count >= 0 and time - kept[count] < window:
            say(True)
        else:
            say(False)
            keep(time)
            count += 1
    return verdicts


def _counter(times: Ints, limit: int, window: int) -> list[bool]:
    number, before, now = -1, 0, 0
    verdicts: list[bool] = []
    say, room = verdicts.append, (limit - 1) * window
    windows, into = np.divmod(times, window)
    for current, left in zip(windows.tolist(), (window - into).tolist(), strict=True):
        if current != number:
            before, now, number = (now if current == number + 1 else 0), 0, current
        if before * left + now * window > room:
            say(True)
        else:
            say(False)
            now += 1
    return verdicts


def _gcra(times: list[int], limit: int, window: int, burst: int) -> list[bool]:
    """Times are multiplied by the limit, so that the distance of two requests, window / limit, is a whole number."""
    early, due = -(burst - 1) * window, 0
    verdicts: list[bool] = []
    say = verdicts.append
    for time in times:
        now = time * limit
        if now < due + early:
            say(True)
        else:
            say(False)
            due = (now if now > due else due) + window
    return verdicts
