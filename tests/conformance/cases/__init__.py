"""The cases, a file for each group; each has a list CASES."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from tests.conformance.case import Case

__all__ = ["all_cases"]

_ORDER = (
    "start", "headers", "bodies", "trailers", "local", "pauses", "properties", "shared_data", "queues", "metrics", "timers",
    "callouts", "grpc", "tcp", "foreign", "capabilities", "vm", "failures", "wasi", "memory",
)  # fmt: skip
"""The groups in the order of the ABI; a file that is not named here comes last."""


def all_cases() -> Sequence[Case]:
    """Every case, by group."""
    files = [each.name for each in pkgutil.iter_modules(__path__)]
    files.sort(key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    return [case for name in files for case in importlib.import_module(f"{__name__}.{name}").CASES]
