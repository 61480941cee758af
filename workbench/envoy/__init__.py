"""The same exchanges through real Envoy, and the differences to a replay."""

from __future__ import annotations

from .config import Cluster, FilterSpec
from .differences import Difference, compare
from .http2 import run_envoy_http2
from .judge import Observed, Seen, run_envoy
from .process import EnvoyProcess, find_envoy
from .tcp_judge import ObservedConnection, run_envoy_connections, run_envoy_websockets

__all__ = [
    "Cluster", "Difference", "EnvoyProcess", "FilterSpec", "Observed", "ObservedConnection", "Seen", "compare", "find_envoy", "run_envoy",
    "run_envoy_connections", "run_envoy_http2", "run_envoy_websockets",
]  # fmt: skip
