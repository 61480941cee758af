"""A view on one replay: what every view of the workbench stands on, alone in a cell or as a pane of the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import traitlets

from workbench.analysis.diff_text import diff_text
from workbench.analysis.query_help import suggestions, wrong
from workbench.analysis.words import count, visible
from workbench.errors import WorkbenchError

from .bodies import bodies, image
from .details import detail
from .rows import FlowRows
from .timing import timing_answer
from .view import Answer, Buffers, View, script, style

if TYPE_CHECKING:
    from workbench.analysis.compare import Comparison
    from workbench.replay import Replay

__all__ = ["DETAILS", "FLOWS", "ExchangeDetails", "FlowTable", "ReplayView"]

FLOWS = ("rows", "locate", "next", "query")
"""What the flow table asks."""
DETAILS = ("detail", "body", "image")
"""What the details of an exchange ask."""
QUERY_READ = 4000


class ReplayView(View):
    """A view on one replay. `selected` is an index in the capture and can be set from Python; so can `call`, a row of the trace."""

    call = traitlets.Int(-1, help="Row of the trace that is looked at, -1 for none").tag(sync=True)

    def __init__(self, replay: Replay | None = None, **traits: Any) -> None:
        self._replay: Replay | None = None
        self._rows: FlowRows | None = None
        super().__init__(**traits)
        if replay is not None:
            self._adopt(replay)

    _compared_with: Callable[[], Comparison] | None = None
    """What is shown against another run, for the table's queries."""

    @property
    def replay(self) -> Replay | None:
        """The replay that is shown."""
        return self._replay

    def _adopt(self, replay: Replay, grown: bool = False) -> None:
        """Show another replay; `grown` where it is only further on than the one that is shown."""
        rows = FlowRows(replay, self._compared_with)
        total = len(rows)
        self._replay, self._rows = replay, rows
        with self.hold_sync():
            self.total = total
            self.noun = "connection" if replay.of_connections else "exchange"
            if total and self.selected < 0:
                self.selected = rows.first()
            if grown:
                self.grown += 1
            else:
                self.revision += 1

    def _shown(self) -> tuple[Replay, FlowRows]:
        if self._replay is None or self._rows is None:
            raise WorkbenchError("nothing was replayed yet")
        return self._replay, self._rows

    def _answer_rows(self, question: Mapping[str, Any]) -> Answer:
        return self._shown()[1].page(question)

    def _answer_locate(self, question: Mapping[str, Any]) -> Answer:
        return {"at": self._shown()[1].locate(question)}, None

    def _answer_next(self, question: Mapping[str, Any]) -> Answer:
        at, index = self._shown()[1].neighbour(question)
        return {"at": at, "index": index}, None

    def _answer_query(self, question: Mapping[str, Any]) -> Answer:
        """What is wrong with a query as it is typed, and what could stand at the caret."""
        (replay, rows), query = self._shown(), str(question.get("text", ""))[:QUERY_READ]
        error = wrong(query, rows.searcher)
        said = None if error is None else {name: getattr(error, name) for name in ("what", "remedy", "at", "end", "fits")}
        found = suggestions(query, int(question.get("caret", len(query))), replay.trace, replay.facts)
        return {"wrong": said}, [{"text": each.text, "help": each.help, "at": each.at} for each in found]

    def _answer_detail(self, question: Mapping[str, Any]) -> Answer:
        replay, _ = self._shown()
        return {}, detail(replay[int(question["index"])], replay.trace.filters)

    def _answer_body(self, question: Mapping[str, Any]) -> Answer:
        replay, _ = self._shown()
        return {}, bodies(replay[int(question["index"])], str(question.get("form", "")), int(question.get("page", 0)))

    def _answer_image(self, question: Mapping[str, Any]) -> Answer:
        replay, _ = self._shown()
        kind, data = image(replay[int(question["index"])], int(question["part"]), int(question["pane"]))
        return {"type": kind}, Buffers((data,))

    def _answer_timing(self, question: Mapping[str, Any]) -> Answer:
        return {}, timing_answer(self._shown()[0], question)

    def _story(self) -> str:
        if self._replay is None:
            return type(self).__name__
        many = "" if self.total == 1 else "s"
        return f"{type(self).__name__}: {count(self.total)} {self.noun}{many} through {visible(self._replay.name)}"


class FlowTable(ReplayView):
    """The exchanges of a replay, one row each. The trait `selected` follows the selection."""

    _esm = script("flow_table", "flowTableView")
    _css = style("flow_table")
    _answers = FLOWS


class ExchangeDetails(ReplayView):
    """What the filters did to one exchange, `selected`: headers stage by stage, bodies, calls and logs."""

    _esm = script("exchange_details", "exchangeDetailsView")
    _css = style("exchange_details", "call_tree")
    _answers = DETAILS

    def __str__(self) -> str:
        replay = self._replay
        return diff_text(replay[self.selected]) if replay is not None and self.selected >= 0 else repr(self)
