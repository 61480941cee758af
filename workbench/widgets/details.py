"""What the details of one exchange show, as plain data for the view. A pure function of `replay[i]`; every list and text is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workbench.analysis.headers import HeaderTrack, track_headers
from workbench.analysis.stages import Stage
from workbench.analysis.words import duration, short_name, shorten, text, visible

if TYPE_CHECKING:
    from workbench.analysis.exchange import ExchangeView
    from workbench.analysis.timeline import Call

__all__ = ["detail", "named"]

MOST_HEADERS = 300
MOST_CALLS = 400
MOST_CHILDREN = 400
MOST_LOGS = 500
LONG_VALUE, SHOWN_OF_LONG = 4096, 512
_MARKS = {"unchanged": "same", "added": "add", "removed": "del", "changed": "chg", "moved": "move"}
# What a call left behind stands in the Headers and Body tabs; here the arguments that the filter gave are shown.
_NOT_ARGUMENTS = frozenset({"before", "after", "size_before"})


def detail(view: ExchangeView, filters: Sequence[str]) -> dict[str, Any]:
    """Everything but the bodies, which may be large and are asked for when their tab is opened."""
    result = view.result
    what, _, why = view.finding.partition(": ")
    parts = [
        part
        for part in (
            _part("request", "Request headers", view.request),
            _part("request_trailers", "Request trailers", view.request_trailers),
            _part("response", "Response headers", _with_captured(view)),
            _part("response_trailers", "Response trailers", view.response_trailers),
        )
        if part is not None
    ]
    _lead_to_calls(parts, view, filters)
    calls = list(_calls(view.calls))
    logs = [_log(log, view, filters) for log in view.logs[:MOST_LOGS]]
    return {
        "index": view.index,
        "method": shorten(result["method"], 64),
        "url": shorten(result["url"], LONG_VALUE),
        "target": shorten(result["url"].partition("://")[2] or result["url"], SHOWN_OF_LONG),
        "outcome": view.outcome,
        "finding": {"what": shorten(what, 200), "why": shorten(why, 400)},
        "filters": list(filters),
        "parts": parts,
        "changes": sum(1 for part in parts for row in part["rows"] if row["changed"]),
        "bodies": [{"size": _size(view.request)}, {"size": _size(view.response)}],
        "calls": calls[:MOST_CALLS],
        "calls_left": max(0, len(calls) - MOST_CALLS),
        "calls_total": sum(_counted(one) + sum(map(_counted, one.children)) for one in view.calls),
        "logs": logs,
        "logs_left": max(0, len(view.logs) - MOST_LOGS),
    }


def _lead_to_calls(parts: list[dict[str, Any]], view: ExchangeView, filters: Sequence[str]) -> None:
    """Give each changed cell the row of the hostcall that did it, the last one where there were several."""
    made = {(change.part.removesuffix("_headers"), change.name, change.filter): change.seq for change in view.mutations}
    local = view.rows.local_response()
    for part in parts:
        for row in part["rows"]:
            for cell, stage in zip(row["cells"], part["stages"], strict=False):
                if cell["kind"] not in ("add", "del", "chg", "move") or stage["filter"] is None:
                    continue
                key = part["key"], row["name"].lower(), filters[stage["filter"]]
                call = made.get(key, made.get((key[0], "", key[2]), -1))
                if call < 0 and stage["tone"] and local is not None:
                    call = local.parent
                if 0 <= call < len(view.trace):
                    cell["call"] = call


def _with_captured(view: ExchangeView) -> Sequence[Stage]:
    """The response's stages; where a filter answered in the upstream's stead, first what the upstream had answered in the capture."""
    stages = view.response
    if not stages or stages[0].place != "local":
        return stages
    response = view.capture[view.index].response
    if response is None:
        return stages
    fields = tuple((text(name).lower(), text(value)) for name, value in response.headers)
    status = (":status", str(response.status))
    return (Stage("upstream", "upstream, as captured", None, True, (status, *fields), status=response.status), *stages)


def _size(stages: Sequence[Stage]) -> int | None:
    """Size of the body at the end of its way, else where it was last known."""
    return next((stage.body_size for stage in reversed(stages) if stage.body_size is not None), None)


def _part(key: str, title: str, stages: Sequence[Stage]) -> dict[str, Any] | None:
    """A table of header entries over the stages that were reached."""
    reached = [stage for stage in stages if stage.reached]
    reached = [stage for at, stage in enumerate(reached) if not _echo(reached, at)]
    if not any(stage.headers for stage in reached):
        return None
    tail = _same_end(reached)
    shown = reached[:-1] if tail else reached
    tracks = track_headers([stage.headers for stage in shown])
    # Filters that never saw the message need no column; that it did not arrive does.
    missed = [] if stages[-1].reached else [stages[-1]]
    columns = [_column(stage, at, tracks, shown) for at, stage in enumerate(shown)]
    if tail:
        columns[-1]["note"] = f"= {tail.label}"
    if missed:
        columns.append({"name": named(missed[-1]), "note": "", "filter": None, "tone": "muted", "counts": {}, "spent": True})
    repeats = _repeats(tracks)
    rows = [_row(track, shown, repeats[at], bool(missed)) for at, track in enumerate(tracks[:MOST_HEADERS])]
    local = next((stage for stage in shown if stage.place == "local"), None)
    way = ("client to upstream", "upstream to client")[key.startswith("response")]
    if local is not None:
        first = shown[0]
        instead = f" in place of upstream's {first.status}" if first is not local and first.place == "upstream" else ""
        way = f"local response {local.status}{instead}"
    elif missed:
        way = missed[-1].label
    counts = Counter(row["net"]["kind"] for row in rows if row["net"]["kind"] in ("add", "del", "chg", "move"))
    return {
        "key": key,
        "title": title,
        "summary": way,
        "counts": {mark: counts[mark] for mark in ("del", "add", "chg", "move")},
        "stages": columns,
        "rows": rows,
        "left": max(0, len(tracks) - MOST_HEADERS),
    }


def _echo(stages: Sequence[Stage], at: int) -> bool:
    """True for the stage behind a filter's own answer that left it as it was."""
    stage, before = stages[at], stages[at - 1]
    return at > 0 and before.place == "local" and stage.filter == before.filter and stage.headers == before.headers


def _same_end(reached: Sequence[Stage]) -> Stage | None:
    """The last stage, where it is what the last filter left: then one column serves both."""
    if len(reached) > 1 and reached[-1].filter is None and reached[-2].filter is not None and reached[-1].headers == reached[-2].headers:
        return reached[-1]
    return None


def _column(stage: Stage, at: int, tracks: Sequence[HeaderTrack], shown: Sequence[Stage]) -> dict[str, Any]:
    counts = Counter(_MARKS[step] for track in tracks if at and (step := track.steps[at - 1]) is not None)
    # What the upstream answered is no longer on its way once a local response took its place.
    spent = at == 0 and len(shown) > 1 and shown[1].place == "local"
    return {
        "name": named(stage),
        "note": "not used" if spent else "as captured" if at == 0 and stage.place in ("client", "upstream") else "",
        "filter": stage.filter,
        "tone": "chg" if stage.place == "local" else "",
        "counts": {mark: counts[mark] for mark in ("del", "add", "chg", "move") if counts[mark]},
        "spent": spent,
    }


def named(stage: Stage) -> str:
    """A stage's label as the head of a column; a filter's name stays as it is."""
    return stage.label if stage.filter is not None else stage.label[:1].upper() + stage.label[1:]


def _repeats(tracks: Sequence[HeaderTrack]) -> list[str | None]:
    total = Counter(track.name for track in tracks)
    seen: Counter[str] = Counter()
    found: list[str | None] = []
    for track in tracks:
        seen[track.name] += 1
        found.append(f"{seen[track.name]} of {total[track.name]}" if total[track.name] > 1 else None)
    return found


def _row(track: HeaderTrack, shown: Sequence[Stage], repeat: str | None, missed: bool) -> dict[str, Any]:
    cells = [_cell("base" if track.values[0] is not None else "void", track.values[0])]
    by = []
    for at, step in enumerate(track.steps, 1):
        mark = "void" if step is None else _MARKS[step]
        cell = _cell(mark, track.values[at], track.values[at - 1])
        if mark == "del" and shown[at].place == "local":
            cell["why"] = "not in the local response"
        cells.append(cell)
        if mark in ("add", "del", "chg", "move") and shown[at].filter is not None and shown[at].filter not in by:
            by.append(shown[at].filter)
    if missed:
        cells.append(_cell("void", None))
    first, last = track.values[0], track.values[-1]
    mark = "same" if first == last else "add" if first is None else "del" if last is None else "chg"
    if mark == "same" and any(step == "moved" for step in track.steps):
        mark = "move"
    return {
        "name": shorten(track.name, SHOWN_OF_LONG),
        "repeat": repeat,
        "cells": cells,
        "net": _cell(mark, last if last is not None else first, first),
        "by": by,
        "changed": any(cell["kind"] not in ("base", "same", "void") for cell in cells),
    }


def _cell(kind: str, value: str | None, was: str | None = None) -> dict[str, Any]:
    shown, more = _cut(value or "")
    cell: dict[str, Any] = {"kind": kind, "value": shown}
    if more:
        cell["more"] = more
    if kind in ("chg", "del"):
        cell["was"] = _cut(was or "")[0]
    return cell


def _cut(value: str) -> tuple[str, int]:
    """What is shown of a value, and how many characters are not."""
    return (value, 0) if len(value) <= LONG_VALUE else (value[:SHOWN_OF_LONG], len(value) - SHOWN_OF_LONG)


def _counted(one: Call) -> bool:
    return one.kind != "event"


def _calls(calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
    number = 0
    clock = ""
    for one in calls:
        if one.name == "map":
            continue  # the Headers tab shows what a callback left
        if one.kind == "callback":
            number += 1
        node = _call(one, number)
        # Virtual time stands still within a callback, so it is written where it moves.
        now = f"+{duration(one.clock_ns)}" if one.clock_ns else "0"
        node["clock"], clock = ("" if now == clock else now), now
        children: list[dict[str, Any]] = []
        for child in one.children:
            if child.name == "map":
                continue
            if child.kind in ("hostcall", "log"):
                number += 1
            if len(children) < MOST_CHILDREN:
                children.append(_call(child, number))
        left = sum(child.name != "map" for child in one.children) - len(children)
        yield {**node, "children": children, "children_left": left}


def _call(one: Call, number: int) -> dict[str, Any]:
    name = short_name(one.name)
    node: dict[str, Any] = {"kind": one.kind, "name": name, "full": one.name, "filter": one.filter}
    if one.kind == "event":
        tone = {"failure": "failure", "local_response": "local", "pause": "pause"}.get(one.name, "")
        return {**node, "message": shorten(one.message, LONG_VALUE), "tone": tone}
    node |= {"number": number, "filter_ns": one.filter_ns, "host_ns": one.host_ns}
    if one.kind == "log":
        return {**node, "level": one.level, "message": shorten(one.message, SHOWN_OF_LONG)}
    args = [(key, shorten(value, SHOWN_OF_LONG)) for key, value in one.args if key not in _NOT_ARGUMENTS]
    return {
        **node,
        "args": args[:12],
        "args_left": max(0, len(args) - 12),
        "result": one.result,
        "refused": not one.ok,
        "finished": one.finished,
        "tone": "control" if one.tone == "ends" else one.tone,
    }


def _log(log: Any, view: ExchangeView, filters: Sequence[str]) -> dict[str, Any]:
    request = view.rows.rows[0].time if view.rows.rows else log.time
    return {
        "clock": f"+{duration(max(0, log.time - request))}" if log.time > request else "0",
        "level": log.level,
        "filter": filters.index(log.filter) if log.filter in filters else None,
        "callback": visible(log.callback),
        "message": shorten(log.message, LONG_VALUE),
    }
