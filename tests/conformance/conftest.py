"""What the tests of the cases share."""

from __future__ import annotations

from tests.core.conftest import own_cache

__all__ = ["own_cache"]
