"""The decision timeline: which limit met which request when, alone in a cell or as a pane of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.analysis.calls import ExchangeRows
from workbench.analysis.decision import all_verdicts, decide
from workbench.analysis.decision_lanes import MARKS, Lanes, lanes_of
from workbench.analysis.words import shorten

from .replay_view import ReplayView
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.replay import Replay

__all__ = ["DECISION_ANSWERS", "DecisionAnswers", "DecisionTimeline"]

DECISION_ANSWERS = ("decisions", "decision_lanes", "decision_rows", "decision_step", "decision_marks")

_OVERVIEW_BINS = 240
_MOST_LANES = 40
_MOST_ROWS = 200
_WIDEST = 4000
_LONGEST_TEXT = 300


class DecisionAnswers(ReplayView):
    """Answers about decisions. The lanes are laid out when they are first asked for."""

    _lanes: tuple[Replay, Lanes] | None = None

    def _decision_lanes(self) -> Lanes:
        replay, _ = self._shown()
        if self._lanes is None or self._lanes[0] is not replay:
            found = lanes_of(replay.facts, replay.limit_columns, all_verdicts(replay.trace, replay.facts), replay.trace.filters)
            self._lanes = (replay, found)
        return self._lanes[1]

    def _answer_decisions(self, _question: Mapping[str, Any]) -> Answer:
        """What stands above the lanes: the finding, counts, the capture's span and how its requests were decided along it."""
        lanes = self._decision_lanes()
        since, until = lanes.span
        return {}, {
            "sentence": lanes.sentence(),
            "decided": {name: lanes.decided[name] for name in (*MARKS, "none") if lanes.decided[name]},
            "lanes": len(lanes),
            "zero_ms": since / 1e6,
            "span_ms": (until - since) / 1e6,
            "overview": lanes.overview(_OVERVIEW_BINS) if len(lanes) else None,
        }

    def _answer_decision_lanes(self, question: Mapping[str, Any]) -> Answer:
        """A page of lanes between two moments."""
        lanes = self._decision_lanes()
        found = lanes.found(str(question.get("query", ""))[:_LONGEST_TEXT], str(question.get("sort", "")))
        first, count = max(int(question.get("first", 0)), 0), min(max(int(question.get("count", 1)), 1), _MOST_LANES)
        width = min(max(int(question.get("width", 800)), 50), _WIDEST)
        since, until = self._between(lanes, question)
        drawn = []
        for place in found[first : first + count]:
            lane = lanes.lanes[place]
            facts = {"lane": place, "title": shorten(lane.title, _LONGEST_TEXT), "subject": shorten(lane.subject, _LONGEST_TEXT)}
            sizes = {"key": shorten(lane.limit.key, _LONGEST_TEXT), "max": lane.maximum, "total": lane.last - lane.first}
            drawn.append({**facts, **sizes, "counts": lane.counts, **lanes.drawn(place, since, until, width)})
        return {"matched": len(found), "first": first}, drawn

    def _answer_decision_rows(self, question: Mapping[str, Any]) -> Answer:
        """A page of the table: the marks of one lane or of all, between two moments, in order of time."""
        lanes = self._decision_lanes()
        replay, _ = self._shown()
        lane = question.get("lane")
        place = int(lane) if lane is not None else None
        if place is not None and not 0 <= place < len(lanes):
            raise ValueError("there is no such lane")
        marks = lanes.rows(place, *self._between(lanes, question))
        first, count = max(int(question.get("first", 0)), 0), min(max(int(question.get("count", 1)), 1), _MOST_ROWS)
        page = []
        for at in marks[first : first + count].tolist():
            exchange, counter, end, time = (int(column[at]) for column in (lanes.exchange, lanes.counter, lanes.end, lanes.time))
            reason = decide(ExchangeRows.of(replay.trace, exchange), replay.judges).reason
            lane_ = lanes.lanes[int(lanes.lane_of[at])]
            page.append(
                {
                    "exchange": exchange,
                    "clock": datetime.fromtimestamp(time / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3],
                    "key": shorten(lane_.title, _LONGEST_TEXT),
                    "mark": int(lanes.mark[at]),
                    "counter": counter,
                    "max": int(lanes.maximum[at]),
                    "resets_ms": max(end - time, 0) / 1e6 if end >= 0 else None,
                    "reason": shorten(reason, _LONGEST_TEXT),
                }
            )
        return {"matched": len(marks), "first": first}, page

    def _answer_decision_step(self, question: Mapping[str, Any]) -> Answer:
        lanes = self._decision_lanes()
        place = int(question["lane"])
        if not 0 <= place < len(lanes):
            raise ValueError("there is no such lane")
        return {"exchange": lanes.step(place, int(question["exchange"]), int(question["by"]))}, None

    def _answer_decision_marks(self, question: Mapping[str, Any]) -> Answer:
        return {}, self._decision_lanes().marks_of(int(question["exchange"]))

    @staticmethod
    def _between(lanes: Lanes, question: Mapping[str, Any]) -> tuple[int, int]:
        """The moments of a question, given in milliseconds from the first."""
        since, until = lanes.span
        low = since + int(float(question.get("from_ms") or 0) * 1e6)
        # a page's milliseconds may be rounded down
        high = since + int(float(question["to_ms"]) * 1e6) + 1000 if question.get("to_ms") is not None else until
        return max(low, since), min(max(high, low + 1), until)


class DecisionTimeline(DecisionAnswers):
    """Every decision of a replay along the capture's clock, by limit and key. The trait `selected` follows the selection."""

    _esm = script("decision_timeline", "decisionTimelineView")
    _css = style("decision_timeline")
    _answers = DECISION_ANSWERS
