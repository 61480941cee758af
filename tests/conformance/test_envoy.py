"""Each case that real Envoy can show goes there as it is expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.case import Case
from tests.conformance.cases import all_cases
from tests.conformance.run_envoy import CaseRunner

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.fixture(scope="module")
def runner(envoy_binary: Path) -> Iterator[CaseRunner]:
    with CaseRunner() as started:
        yield started


@pytest.mark.parametrize("case", [case for case in all_cases() if not case.here_only], ids=lambda case: case.name)
def test_envoy(runner: CaseRunner, case: Case) -> None:
    assert runner.run(case) == case.expected
