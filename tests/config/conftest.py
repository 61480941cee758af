from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.objects import Load, loader


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """`read(text, …)`: what Kuadrant's operator would see in these files."""
    return loader(tmp_path)
