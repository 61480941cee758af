"""Time as a profile for speedscope (https://www.speedscope.app): what each stack took in all, and the first calls in their order.

The format is speedscope's own JSON (its file-format-schema.json): frames once, and profiles of stacks by weight or of frames that open
and close. Units are real nanoseconds; host time stands in the frames of hostcalls, the filter's own in those of its callbacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from ..trace.trace import Trace
from .callorder import calls_in_order, spread
from .profile import GuestProfile
from .timetree import TimeNode
from .words import count, short_name, visible

__all__ = ["write_speedscope"]

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_MOST_IN_ORDER = 20_000
"""Callbacks of the profile in order: the viewer draws every one of them."""


def write_speedscope(
    trace: Trace, tree: TimeNode, to: IO[str], name: str, sampled: GuestProfile | None = None, in_order: int = _MOST_IN_ORDER
) -> int:
    """Write the profiles as they come; gives the number of profiles.

    `tree` is `timetree.time_tree` of the trace, `name` what the file calls itself, `sampled` what was sampled of the
    filters' functions, a profile of its own, `in_order` the most callbacks of the last profile.
    """
    frames: dict[tuple[str, str], int] = {}
    to.write(f'{{"$schema":{json.dumps(_SCHEMA)},"exporter":"Filter Workbench","name":{json.dumps(visible(name))},"profiles":[')
    profiles = 0
    for part in tree.children:
        about = {"type": "sampled", "name": f"Sum of {part.name}", "unit": "nanoseconds", "startValue": 0}
        samples, weights = zip(*_stacks(part, frames), strict=True)
        profile = {**about, "endValue": sum(weights), "samples": samples, "weights": weights}
        to.write(("," if profiles else "") + json.dumps(profile, separators=(",", ":")))
        profiles += 1
    if sampled is not None and len(sampled):
        to.write("," + json.dumps(_sampled(sampled, frames), separators=(",", ":")))
        profiles += 1
    if tree.children:
        _write_in_order(trace, to, frames, in_order)
        profiles += 1
    listed = [{"name": frame, "file": file} for frame, file in frames]
    to.write(f'],"activeProfileIndex":0,"shared":{json.dumps({"frames": listed}, separators=(",", ":"))}}}\n')
    return profiles


def _frame(frames: dict[tuple[str, str], int], name: str, file: str) -> int:
    return frames.setdefault((visible(name), visible(file)), len(frames))


def _stacks(part: TimeNode, frames: dict[tuple[str, str], int]) -> Iterator[tuple[list[int], int]]:
    """Every stack with its weight: filter, callback, and the hostcall it was in."""
    for filter_ in part.children:
        top = _frame(frames, f"{filter_.filter + 1} {filter_.name}", filter_.name)
        for callback in filter_.children:
            below = _frame(frames, callback.name, filter_.name)
            for leaf in callback.children:
                stack = [top, below] if leaf.kind == "own" else [top, below, _frame(frames, leaf.name, "host")]
                yield stack, leaf.ns


def _sampled(profile: GuestProfile, frames: dict[tuple[str, str], int]) -> dict[str, Any]:
    samples = [([_frame(frames, function, of) for of, function in stack], times) for stack, times in profile.stacks()]
    weights = [times * profile.interval_ns for _, times in samples]
    about = {"type": "sampled", "name": "Functions, sampled", "unit": "nanoseconds", "startValue": 0, "endValue": sum(weights)}
    return {**about, "samples": [stack for stack, _ in samples], "weights": weights}


def _write_in_order(trace: Trace, to: IO[str], frames: dict[tuple[str, str], int], most: int) -> None:
    to.write(',{"type":"evented","unit":"nanoseconds","startValue":0,"events":[')
    at, written = 0, 0

    def event(kind: str, frame: int, when: int) -> None:
        nonlocal written
        to.write(f'{"," if written else ""}{{"type":"{kind}","frame":{frame},"at":{when}}}')
        written += 1

    callbacks = 0
    for callback, hostcalls in calls_in_order(trace):
        if callbacks == most:
            break
        callbacks += 1
        filter_ = trace.filters[callback.filter]
        top, below = _frame(frames, f"{callback.filter + 1} {filter_}", filter_), _frame(frames, short_name(trace.name(callback)), filter_)
        event("O", top, at)
        event("O", below, at)
        places = spread(callback.ns, [hostcall.ns for hostcall in hostcalls])
        for hostcall, (start, length) in zip(hostcalls, places, strict=True):
            inside = _frame(frames, short_name(trace.name(hostcall)), "host")
            event("O", inside, at + start)
            event("C", inside, at + start + length)
        at += callback.ns
        event("C", below, at)
        event("C", top, at)
    name = f"The first {count(callbacks)} callbacks in order" if callbacks == most else "Callbacks in order"
    to.write(f'],"endValue":{at},"name":{json.dumps(name)}}}')
