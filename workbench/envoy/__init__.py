"""The same exchanges through real Envoy, and the differences to a replay."""

from __future__ import annotations

from .config import Cluster, FilterSpec
from .differences import Difference, compare
from .judge import Observed, Seen, run_envoy
from .process import EnvoyProcess, find_envoy

__all__ = ["Cluster", "Difference", "EnvoyProcess", "FilterSpec", "Observed", "Seen", "compare", "find_envoy", "run_envoy"]
