"""Two traces for the analysis: one written by hand that has every kind of ending, one of the real host over a real capture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.capture.exchange import Exchange
from workbench.trace.trace import Trace

from .tracewriter import every_ending, exchange

REPO = Path(__file__).parents[2]


@pytest.fixture
def endings() -> Trace:
    """Exchanges 0 to 6: changed, limited, denied, failed, answered by a filter, answered by the proxy, passed."""
    return every_ending().take()


@pytest.fixture
def captured() -> list[Exchange]:
    return [exchange(index, b"", b"ok") for index in range(7)]


@pytest.fixture(scope="session")
def replayed() -> Any:
    """The toystore capture through the chain of the tour."""
    import workbench as wb
    from workbench.cli.tour import tour_chain

    return tour_chain(REPO).replay(wb.open_capture(REPO / "captures" / "toystore.mitm"))
