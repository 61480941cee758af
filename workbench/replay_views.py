"""What of a replay is drawn in a notebook. The views are imported when they are asked for, and no earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .widgets import ExchangeDetails, FlowTable, Microscope, StateTracks
    from .widgets.decision_timeline import DecisionTimeline
    from .widgets.laboratory import LaboratoryView
    from .widgets.timing_view import TimingView

__all__ = ["ReplayViews"]


class ReplayViews:
    """The part of a `Replay` that opens views on it."""

    def table(self) -> FlowTable:
        """The exchanges in a table to scroll, sort and query in a notebook."""
        from .widgets import FlowTable

        return FlowTable(cast(Any, self))

    def diff(self, index: int) -> ExchangeDetails:
        """What the filters did to headers and bodies of one exchange, as a view in a notebook; IndexError as for `replay[index]`."""
        from .widgets import ExchangeDetails

        replay = cast(Any, self)
        return ExchangeDetails(replay, selected=replay[index].index)

    def microscope(self, index: int) -> Microscope:
        """One exchange call by call, with the state at each, as a view in a notebook; IndexError as for `replay[index]`."""
        from .widgets import Microscope

        replay = cast(Any, self)
        return Microscope(replay, selected=replay[index].index)

    def tracks(self) -> StateTracks:
        """Shared data, metrics, queues, ticks and memory over time, as a view in a notebook."""
        from .widgets import StateTracks

        return StateTracks(cast(Any, self))

    def timing(self) -> TimingView:
        """The Timing view alone: distributions, where the time goes, and over the capture; `figure()` draws each with plotly."""
        from .widgets.timing_view import TimingView

        return TimingView(cast(Any, self))

    def decision_timeline(self) -> DecisionTimeline:
        """The decisions along the capture's clock, a lane for each limit and key, as a view for a notebook."""
        from .widgets.decision_timeline import DecisionTimeline

        return DecisionTimeline(cast(Any, self))

    def laboratory_view(self) -> LaboratoryView:
        """The laboratory as a view for a notebook: limit, window, algorithm, key and workers to move, and what would have been limited."""
        from .widgets.laboratory import LaboratoryView

        return LaboratoryView(cast(Any, self))
