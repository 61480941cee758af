"""What a filter's module is, and where it would run."""

from __future__ import annotations

from .inspection import Inspection, inspect_module

__all__ = ["Inspection", "inspect_module"]
