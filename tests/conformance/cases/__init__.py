"""The cases, a file or some for each group; each has a list CASES."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from tests.conformance.case import Case

__all__ = ["all_cases"]

_ORDER = (
    "start", "headers", "bodies", "trailers", "local", "pauses", "properties", "shared_data", "queues", "metrics", "timers", "contexts",
    "callouts", "grpc", "websocket", "tcp", "foreign", "expressions", "capabilities", "vm", "failures", "wasi", "memory",
)  # fmt: skip
"""The groups in the order of the ABI; one that is not named here comes last."""


def all_cases() -> Sequence[Case]:
    """Every case, by group."""
    files = sorted(each.name for each in pkgutil.iter_modules(__path__))
    cases = [case for name in files for case in importlib.import_module(f"{__name__}.{name}").CASES]
    return sorted(cases, key=lambda case: _ORDER.index(case.group) if case.group in _ORDER else len(_ORDER))
