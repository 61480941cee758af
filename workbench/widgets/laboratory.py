"""The laboratory: what if the limit were another, beside the decisions or alone in a cell. Numbers come from `analysis.laboratory`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.analysis.decision_lanes import short_keys
from workbench.analysis.laboratory import BUDGETS, SPREADS, Laboratory, Setting
from workbench.analysis.laboratory_requests import default_key
from workbench.analysis.words import count, visible
from workbench.errors import WorkbenchError

from .replay_view import ReplayView
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.replay import Replay

__all__ = ["LABORATORY_ANSWERS", "LaboratoryAnswers", "LaboratoryView"]

LABORATORY_ANSWERS = ("laboratory", "laboratory_try", "laboratory_curve", "laboratory_proposal")

_ALGORITHMS = {
    "fixed": ("fixed window", True),
    "first": ("fixed window", False),
    "log": ("sliding window log", True),
    "counter": ("sliding window counter", True),
    "bucket": ("token bucket", True),
    "gcra": ("gcra", True),
}
"""What the page calls an algorithm, and what that is."""
_KEYS_SHOWN = 60
_POINTS, _LEAST_POINTS = 24, 6
_PATIENCE = 1_200_000
"""Requests that are counted for a curve: of a long capture it has fewer points, so that the hand need not wait."""
_KEPT = 4
_LONGEST_KEY = 200


class LaboratoryAnswers(ReplayView):
    """Answers of the laboratory. The requests of each key are gathered when they are first asked for, and those of the last few kept."""

    _laboratories: tuple[Replay | None, dict[str, Laboratory]] = (None, {})

    def _laboratory(self, question: Mapping[str, Any]) -> Laboratory:
        replay, _ = self._shown()
        if self._laboratories[0] is not replay:
            self._laboratories = (replay, {})
        kept = self._laboratories[1]
        key = str(question.get("key") or default_key(replay.limit_columns))[:_LONGEST_KEY]
        if key not in kept:
            if len(kept) >= _KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = replay.laboratory(key=key)
        return kept[key]

    def _answer_laboratory(self, _question: Mapping[str, Any]) -> Answer:
        """What the laboratory begins with: the setting that the replay tells of, and what was recorded."""
        replay, _ = self._shown()
        if replay.of_connections:
            return {}, {"requests": 0}
        lab = self._laboratory({})
        asked = len(replay.limit_columns) > 0
        return {}, {
            "requests": len(lab),
            "recorded": int(lab.requests.recorded.sum()),
            "key": lab.requests.key_name,
            "told": any(limit.key for limit in replay.limit_columns.limits),
            "asked": asked,
            "configured": lab.configured is not None,
            "setting": _said(lab.setting()),
            "agree": int((lab.run().limited == lab.requests.recorded).sum()) if lab.configured else 0,
        }

    def _answer_laboratory_try(self, question: Mapping[str, Any]) -> Answer:
        """One setting: how many are limited, of which keys, and the two ends of what workers could make of it."""
        lab = self._laboratory(question)
        setting = _asked(lab, question)
        mine, band = lab.run(setting), lab.band(setting)
        total, limited = mine.by_key
        order = np.lexsort((-total, -limited))[:_KEYS_SHOWN]
        keys = short_keys([lab.requests.keys[at] for at in order.tolist()])
        ends = (mine.count, band.strictest.count, band.laxest.count)
        return {}, {
            "total": len(lab),
            "limited": mine.count,
            "recorded": int(lab.requests.recorded.sum()),
            "strictest": max(ends),
            "laxest": min(ends),
            "keys": [
                {"key": key, "total": int(total[at]), "limited": int(limited[at])} for key, at in zip(keys, order.tolist(), strict=True)
            ],
            "all_keys": len(lab.requests.keys),
            "words": setting.words(),
        }

    def _answer_laboratory_curve(self, question: Mapping[str, Any]) -> Answer:
        """Limited shares against the limit: with one shared budget, and between the two ends of budgets of their own."""
        lab = self._laboratory(question)
        setting = _asked(lab, question)
        top = max(10, 2 * setting.limit)
        n = max(len(lab), 1)
        points = max(_LEAST_POINTS, min(_POINTS, _PATIENCE // n))
        spaced = np.linspace(1, top, points).round().astype(np.int64)
        limits = np.unique(np.append(spaced, max(setting.limit, 1))).tolist()
        shared = lab.sweep(setting=setting, limits=limits, budgets="shared")
        answer: dict[str, Any] = {"limits": limits, "shared": [int(one.sum()) / n for one in shared.limited]}
        if setting.workers > 1 and setting.budgets != "shared":
            own = lab.sweep(setting=setting, limits=limits)
            answer |= {"strictest": [one / n for one in own.strictest], "laxest": [one / n for one in own.laxest]}
        return {}, answer

    def _answer_laboratory_proposal(self, question: Mapping[str, Any]) -> Answer:
        """The limiting filter's configuration with the setting in it: its own numbers for limit, window and burst replaced, where each of
        them stands there once. What cannot be said in the filter's configuration is an error."""
        replay, _ = self._shown()
        lab = self._laboratory(question)
        return {}, proposal(replay, lab, _asked(lab, question))


def proposal(replay: Replay, lab: Laboratory, setting: Setting) -> dict[str, Any]:
    """Name of the filter and its changed configuration as text. Raises `WorkbenchError` with the reason where there is none."""
    columns = replay.limit_columns
    known = columns.filter[columns.maximum >= 0]
    if lab.configured is None or not len(known):
        raise WorkbenchError("The replay does not tell by which limit it was limited")
    name = replay.trace.filters[int(np.bincount(known).argmax())]
    filters = {each.name: each for each in getattr(replay.chain, "filters", ())}
    if name not in filters:
        raise WorkbenchError(f"{visible(name)} is not a filter of the chain any more")
    if (setting.algorithm, setting.aligned) != (lab.configured.algorithm, lab.configured.aligned):
        raise WorkbenchError(f"{visible(name)} is a {lab.configured.algorithm}: its module has no other algorithm")
    try:
        config = json.loads(filters[name].config or b"null")
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise WorkbenchError(f"{visible(name)} has no JSON object as its configuration: write its numbers out first")
    for what, old, new in (("limit", lab.configured.limit, setting.limit), ("window", lab.configured.window_s, setting.window_s)):
        if old == new:
            continue
        fields = [key for key, value in config.items() if type(value) in (int, float) and value == old]
        if len(fields) != 1:
            raise WorkbenchError(f"the configuration of {visible(name)} has {len(fields) or 'no'} numbers {old:g}: which is the {what}?")
        config[fields[0]] = int(new) if float(new).is_integer() else new
    return {"filter": name, "config": json.dumps(config, ensure_ascii=False, indent=2)}


def _said(setting: Setting) -> dict[str, Any]:
    names = {known: name for name, known in _ALGORITHMS.items()}
    name = names.get((setting.algorithm, setting.aligned)) or names[setting.algorithm, True]
    said = {field: getattr(setting, field) for field in ("limit", "window_s", "burst", "workers", "spread", "budgets")}
    return {**said, "algorithm": name, "spreads": list(SPREADS), "all_budgets": list(BUDGETS)}


def _asked(lab: Laboratory, question: Mapping[str, Any]) -> Setting:
    """The setting of a question; raises `ConfigError` for what is none."""
    algorithm, aligned = _ALGORITHMS.get(str(question.get("algorithm")), ("", True))
    burst = question.get("burst")
    return lab.setting(
        limit=_whole(question.get("limit")),
        window_s=float(question.get("window_s") or 0),
        algorithm=algorithm,
        aligned=aligned,
        burst=_whole(burst) if burst is not None and algorithm in ("token bucket", "gcra") else None,
        workers=_whole(question.get("workers", 1)),
        spread=str(question.get("spread", SPREADS[0])),
        budgets=str(question.get("budgets", BUDGETS[0])),
    )


def _whole(value: object) -> Any:
    """A page's number; what is none is left for the setting to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class LaboratoryView(LaboratoryAnswers):
    """What if the limit were another: limit, window, algorithm, key and workers to move, and what would have been limited."""

    _esm = script("laboratory", "laboratoryView")
    _css = style("laboratory")
    _answers = LABORATORY_ANSWERS

    def _story(self) -> str:
        return f"Laboratory: {count(self.total)} {self.noun}s" if self._replay is not None else "Laboratory"
