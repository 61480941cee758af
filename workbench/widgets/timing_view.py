"""The Timing view alone in a cell, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from workbench.errors import WorkbenchError

from .replay_view import ReplayView
from .timing import timing_sentence
from .view import script, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from workbench.analysis.timing import Dimension
    from workbench.replay import Replay

    from .templates import Theme
    from .timing_plot import FigureKind

__all__ = ["TimingView", "timing_figure"]


class TimingView(ReplayView):
    """Where the time goes in one replay: per callback, hostcall, filter and path, and over the capture.

    Filter time and host time are always apart. `selected` follows the exchange chosen from a list of slowest ones or in the plot.
    """

    _esm = script("timing_pane", "timingView")
    _css = style("timing", "timing_details", "timing_alone")
    _answers = ("timing",)

    def figure(self, kind: FigureKind = "sum", by: Dimension = "callbacks", *, theme: Theme = "any") -> go.Figure:
        """One of the view's parts as a plotly figure, with the sentence or table that says the same.

        kind   sum (a bar each), ecdf, histogram, capture (over the capture's time), icicle (by filter, callback and hostcall)
        by     callbacks, hostcalls, filters or paths; of no meaning to capture and icicle
        theme  light, dark, or any: greys that can be read on both

        Aggregated numbers and the names of filters and calls; `by="paths"` shows patterns of captured paths, as text.
        Raises `WorkbenchError` for another kind or dimension.
        """
        from workbench.analysis.timing import DIMENSIONS

        from .timing_plot import FigureKind, draw

        replay, _ = self._shown()
        if kind not in get_args(FigureKind) or by not in DIMENSIONS:
            raise WorkbenchError(
                f"no timing figure {str(kind)!r} by {str(by)!r}",
                remedy=f"Kinds are {', '.join(get_args(FigureKind))}; by is one of {', '.join(DIMENSIONS)}",
            )
        return draw(replay.times, kind, by, theme, replay.baseline)

    def _story(self) -> str:
        if self._replay is None:
            return super()._story()
        return f"Timing. {timing_sentence(self._replay.times)}".removesuffix(".")


def timing_figure(replay: Replay, *, theme: Theme = "any") -> go.Figure:
    """Time per callback, a bar each: short for `replay.timing().figure()`, without a view."""
    from .timing_plot import draw

    return draw(replay.times, "sum", "callbacks", theme, replay.baseline)
