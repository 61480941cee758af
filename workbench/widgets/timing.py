"""What the Timing view is told: one question, `{"kind": "timing", "part": …}`, and for each part the numbers that it draws.

table    the distributions of a `dimension` (callbacks, hostcalls, filters, paths)
group    one of them, by its `dimension` and `key`: distribution functions, and the exchanges that are slowest
tree     the time by filter, callback and hostcall
capture  each exchange's time over the capture; counted in cells where there are many
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from workbench.analysis.facts import Outcome
from workbench.analysis.timing import Axis, Dimension, Slow, Spread, TimeGroup, Timing
from workbench.analysis.words import count, duration, shorten, text, visible
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.replay import Replay

__all__ = ["timing_answer", "timing_sentence"]

MOST_POINTS = 4000
"""Exchanges that are drawn one by one."""
_COLUMNS, _ROWS = 180, 36
_LONGEST_PATH = 120


def timing_answer(replay: Replay, question: Mapping[str, Any]) -> Any:
    """The answer to one question, ready for JSON; WorkbenchError for one that cannot be meant."""
    timing, part = replay.instructions if question.get("unit") == "fuel" else replay.times, question.get("part", "table")
    if part == "tree":
        return {"filters": list(timing.filters), **timing.tree.as_dict()}
    if part == "capture":
        return _over_capture(timing)
    dimension = question.get("dimension", "callbacks")
    if dimension not in get_args(Dimension):
        raise WorkbenchError(f"timing has no dimension {str(dimension)[:40]!r}")
    if part == "group":
        return _group(timing, cast(Dimension, dimension), int(question["key"]))
    if part == "table":
        return _table(replay, timing, cast(Dimension, dimension))
    raise WorkbenchError(f"timing has no part {str(part)[:40]!r}")


def timing_sentence(timing: Timing) -> str:
    """The view in words: the whole, filter and host apart, and what costs most."""
    groups = [group for group in timing.groups("callbacks") if not group.start]
    own, host = sum(group.own.sum for group in groups), sum(group.host.sum for group in groups)
    if not own + host:
        return "No filter was called, so there is no time to show."
    calls = sum(group.count for group in groups)
    most = max(groups, key=lambda group: group.total.sum)
    made = f"{count(calls)} callbacks in {count(len(timing.exchange))} exchanges"
    where = f"{100 * most.total.sum / (own + host):.1f}\u202f%, went to {visible(most.name)} of {visible(timing.filters[most.filter])}"
    if timing.unit == "fuel":
        return (
            f"{made} executed {count(own)} instructions of the filters, as many on every machine. "
            f"Most of them, {where}, half of its calls within {count(round(most.total.p50))}."
        )
    return (
        f"{made} took {duration(own + host)} of real time on this machine: "
        f"{duration(own)} in the filters, {duration(host)} in the host. "
        f"Most of it, {where}, half of its calls within {duration(most.total.p50)}."
    )


def _table(replay: Replay, timing: Timing, dimension: Dimension) -> dict[str, Any]:
    axis, baseline = timing.axis(dimension), replay.baseline if timing.unit == "time" else None
    low = min(axis.low, baseline.ns / 1.5) if baseline is not None else axis.low
    return {
        "dimension": dimension,
        "facts": _facts(timing),
        "rows": [_row(group) for group in timing.groups(dimension)],
        # the bins lie between low and high; the axis shown begins earlier where the empty hostcall does
        "axis": {"from_ns": low, "to_ns": axis.high, "low": axis.low, "ticks": Axis(low, axis.high).ticks},
        "filters": list(timing.filters),
        "exchanges": len(timing.exchange),
        "baseline": None if baseline is None else asdict(baseline),
        "unit": timing.unit,
        "counted": replay.times.counted,
        "paths": bool((replay.facts.request >= 0).any()),
        "sentence": timing_sentence(timing),
    }


def _facts(timing: Timing) -> list[dict[str, Any]]:
    own, host = timing.own, timing.host
    spent = own + host
    if not len(spent) or not spent.sum():
        return []
    share = 100 * own.sum() / spent.sum()
    if timing.unit == "fuel":
        numbers = (("p50", 0.5), ("p99", 0.99), ("Max", 1.0))
        found = [{"label": f"Per exchange, {name}" if name == "p50" else name, "ns": float(np.quantile(own, q))} for name, q in numbers]
        return [*found, {"label": "Mean", "ns": float(own.mean()), "note": "instructions, the host's not counted"}]
    return [
        {"label": "Per exchange, p50", "ns": float(np.quantile(spent, 0.5))},
        {"label": "p99", "ns": float(np.quantile(spent, 0.99))},
        {"label": "Filter", "ns": float(own.mean()), "note": f"mean, {share:.1f}\u202f%"},
        {"label": "Host", "ns": float(host.mean()), "note": f"mean, {100 - share:.1f}\u202f%"},
    ]


def _row(group: TimeGroup) -> dict[str, Any]:
    named = {"key": group.key, "filter": group.filter, "name": group.name, "start": group.start, "count": group.count}
    return {**named, "own": asdict(group.own), "host": asdict(group.host), "total": _numbers(group.total)}


def _numbers(spread: Spread) -> dict[str, float]:
    return {name: getattr(spread, name) for name in ("p50", "p90", "p99", "max", "sum")}


def _group(timing: Timing, dimension: Dimension, key: int) -> dict[str, Any]:
    slowest = timing.slowest(dimension, key)
    return {
        "curves": timing.curves(dimension, key),
        "slowest": [_slow(timing, each) for each in slowest],
    }


def _slow(timing: Timing, slow: Slow) -> dict[str, Any]:
    return {**asdict(slow), **_request(timing, int(np.searchsorted(timing.exchange, slow.exchange)))}


def _request(timing: Timing, place: int) -> dict[str, str]:
    methods, paths = timing.request_lines
    return {"method": shorten(text(methods[place]), 32), "path": shorten(text(paths[place]), _LONGEST_PATH)}


def _over_capture(timing: Timing) -> dict[str, Any]:
    own, host, n = timing.own, timing.host, len(timing.exchange)
    axis = Axis.over(own, host)
    begin, end = (int(timing.time.min()), int(timing.time.max())) if n else (0, 0)
    about: dict[str, Any] = {
        "exchanges": n,
        "axis": {"from_ns": axis.low, "to_ns": axis.high, "ticks": axis.ticks},
        # milliseconds, as the page's clock has them
        "begin_ms": begin / 1e6,
        "end_ms": max(end, begin + 1_000_000) / 1e6,
    }
    if n <= MOST_POINTS:
        return {**about, "points": _points(timing, np.arange(n))}
    column = ((timing.time - begin) * (_COLUMNS / max(1, end - begin + 1))).astype(np.int64)
    cells = {
        name: np.bincount(column[values > 0] * _ROWS + axis.bins(values[values > 0], _ROWS), None, _COLUMNS * _ROWS).tolist()
        for name, values in (("own", own), ("host", host))
    }
    # the slowest exchange of each column, and every failure as far as they are few, stand out as points
    order = np.lexsort((own + host, column))
    slowest = order[np.append(column[order][1:] != column[order][:-1], True)]
    failed = np.flatnonzero(timing.outcome == Outcome.ERROR)[:_COLUMNS]
    return {**about, "cells": {"columns": _COLUMNS, "rows": _ROWS, **cells}, "points": _points(timing, np.union1d(slowest, failed))}


def _points(timing: Timing, places: Any) -> dict[str, Any]:
    order = places[np.argsort(timing.time[places], kind="stable")]
    requests = [_request(timing, place) for place in order.tolist()]
    return {
        "exchange": timing.exchange[order].tolist(),
        "ms": (timing.time[order] / 1e6).tolist(),
        "own": timing.own[order].tolist(),
        "host": timing.host[order].tolist(),
        "outcome": [Outcome(number).name.lower() for number in timing.outcome[order].tolist()],
        "request": [f"{each['method']} {each['path']}".strip() for each in requests],
    }
