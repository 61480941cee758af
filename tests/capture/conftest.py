"""Flows for the capture tests: the samples as they are in the tree, and states to bend before they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mitmproxy.io import tnetstring

CAPTURES = Path(__file__).parents[2] / "captures"


@pytest.fixture(params=["toystore", "edge", "burst"])
def sample(request: pytest.FixtureRequest) -> Path:
    return CAPTURES / f"{request.param}.mitm"


@pytest.fixture
def burst() -> Path:
    return CAPTURES / "burst.mitm"


def states(path: Path) -> list[dict[str, Any]]:
    """Every flow of a file as mitmproxy's own state, to change and `write` again."""
    found = []
    with path.open("rb") as file:
        while file.peek(1):
            state = tnetstring.load(file)
            assert isinstance(state, dict)
            found.append(state)
    return found


def write(path: Path, flows: list[dict[str, Any]]) -> Path:
    """A flow file of these states; mitmproxy writes dictionaries last key first, so they are turned round to keep their order."""
    path.write_bytes(b"".join(tnetstring.dumps(turned(flow)) for flow in flows))
    return path


def turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: turned(item) for key, item in reversed(value.items())}
    return value
