"""Who answers when a filter calls another service: requests, answers, and the sources of answers."""

from __future__ import annotations

from .calls import NEVER, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Never, Reset, Service, Unreachable
from .function import FunctionService

__all__ = [
    "NEVER",
    "FunctionService",
    "GrpcRequest",
    "GrpcResponse",
    "HttpRequest",
    "HttpResponse",
    "Never",
    "Reset",
    "Service",
    "Unreachable",
]
