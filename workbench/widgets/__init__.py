"""Views for notebooks. They are pure functions of a replay: no view asks the host anything.

Workbench        the dashboard
FlowTable        the table of exchanges alone
ExchangeDetails  one exchange alone
Microscope       one exchange call by call, with the state at each
DecisionTimeline which limit met which request when
LaboratoryView   what if the limit were another
TimingView       where the time goes
StateTracks      shared data, metrics, queues, ticks and memory over time
VerificationView a replay beside real Envoy
timing_figure    time per callback as a plotly figure
sweep_figure     a sweep of the laboratory as a plotly figure
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dashboard import Workbench
    from .decision_timeline import DecisionTimeline
    from .laboratory import LaboratoryView
    from .laboratory_plot import sweep_figure
    from .microscope import Microscope
    from .replay_view import ExchangeDetails, FlowTable
    from .state_tracks import StateTracks
    from .timing_view import TimingView, timing_figure
    from .verification import VerificationView

__all__ = [
    "DecisionTimeline",
    "ExchangeDetails",
    "FlowTable",
    "LaboratoryView",
    "Microscope",
    "StateTracks",
    "TimingView",
    "VerificationView",
    "Workbench",
    "sweep_figure",
    "timing_figure",
]

_HOMES = {
    "DecisionTimeline": ".decision_timeline",
    "LaboratoryView": ".laboratory",
    "sweep_figure": ".laboratory_plot",
    "ExchangeDetails": ".replay_view",
    "FlowTable": ".replay_view",
    "Microscope": ".microscope",
    "StateTracks": ".state_tracks",
    "VerificationView": ".verification",
    "Workbench": ".dashboard",
    "TimingView": ".timing_view",
    "timing_figure": ".timing_view",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
