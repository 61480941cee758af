"""The trace of a replay: the only product of a run. Knows no host and no view."""

from .records import NONE, Callback, Event, Hostcall, Kind, Schema
from .trace import Row, Trace

__all__ = ["NONE", "Callback", "Event", "Hostcall", "Kind", "Row", "Schema", "Trace"]
