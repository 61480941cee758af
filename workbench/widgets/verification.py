"""A replay beside real Envoy, in a notebook: each difference with both values and its cause, and the exchange it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import traitlets

from workbench.analysis.words import count, shorten, visible
from workbench.errors import WorkbenchError

from .replay_view import ReplayView
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.analysis.verification import Group, Verification

__all__ = ["VerificationView"]

MOST_GROUPS, MOST_EXCHANGES, LONG_VALUE = 300, 200, 2000


class VerificationView(ReplayView):
    """`VerificationView(replay.verify_with_envoy())`: the differences, unexplained ones first; `selected` is the exchange shown below."""

    _esm = script("verification", "verificationView")
    _css = style("exchange_details", "call_tree", "verification")
    _answers = ("findings", "detail", "body")

    story = traitlets.Unicode("").tag(sync=True)

    def __init__(self, found: Verification, **traits: Any) -> None:
        if found.replay is None:
            raise WorkbenchError("this verification has no replay with it", remedy="Take the one that verify_with_envoy gave")
        self._found = found
        groups = found.groups
        traits.setdefault("selected", groups[0].exchanges[0] if groups else 0 if len(found.replay) else -1)
        super().__init__(found.replay, story=self._head(), **traits)

    def _head(self) -> str:
        found = self._found
        stopped = f"; stopped: {visible(found.stopped)}" if found.stopped else ""
        return f"{count(found.exchanges)} exchanges beside Envoy {visible(found.version)}{stopped}"

    def _answer_findings(self, _question: Mapping[str, Any]) -> Answer:
        found = self._found
        groups = found.groups
        return {}, {
            "head": self._head(),
            "counts": {"agree": found.agreed, "explained": found.explained, "unexplained": found.unexplained},
            "notes": [shorten(note, LONG_VALUE) for note in found.notes],
            "groups": [_group(each) for each in groups[:MOST_GROUPS]],
            "left": max(0, len(groups) - MOST_GROUPS),
        }

    def _story(self) -> str:
        found = self._found
        return f"{self._head()}: {found.agreed} agree, {found.explained} explained, {found.unexplained} unexplained"


def _group(group: Group) -> dict[str, Any]:
    return {
        "exchanges": list(group.exchanges[:MOST_EXCHANGES]),
        "left": max(0, len(group.exchanges) - MOST_EXCHANGES),
        "message": group.message,
        "what": shorten(group.what, LONG_VALUE),
        "replay": [shorten(each, LONG_VALUE) for each in group.replay[:MOST_EXCHANGES]],
        "envoy": [shorten(each, LONG_VALUE) for each in group.envoy[:MOST_EXCHANGES]],
        "cause": shorten(group.cause, LONG_VALUE),
        "explained": group.explained,
    }
