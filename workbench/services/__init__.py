"""Who answers when a filter calls another service: requests, answers, and the sources of answers."""

from __future__ import annotations

from .calls import NEVER, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, LimitState, Never, Reset, Service, Unreachable
from .clusters import Clusters, GivenClusters
from .function import FunctionService
from .live import Live
from .recorded import Recorded
from .scripted import Entry, Match, Script

__all__ = [
    "NEVER",
    "Clusters",
    "Entry",
    "FunctionService",
    "GivenClusters",
    "GrpcRequest",
    "GrpcResponse",
    "HttpRequest",
    "HttpResponse",
    "LimitState",
    "Live",
    "Match",
    "Never",
    "Recorded",
    "Reset",
    "Script",
    "Service",
    "Unreachable",
]
