"""Each case that real Envoy can show goes there as it is expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.case import Case, case, plugin
from tests.conformance.cases import all_cases
from tests.conformance.run_envoy import CaseRunner
from tests.core.wat import call
from workbench.errors import EnvoyError

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.fixture(scope="module")
def runner(envoy_binary: Path) -> Iterator[CaseRunner]:
    with CaseRunner() as started:
        yield started


@pytest.mark.parametrize("case", [case for case in all_cases() if not case.here_only], ids=lambda case: case.name)
def test_envoy(runner: CaseRunner, case: Case) -> None:
    assert runner.run(case) == case.expected


def test_a_case_that_ends_envoy_is_told_and_the_next_one_runs(runner: CaseRunner) -> None:
    fatal = case("none/fatal", "an answer in the log is the end of Envoy", plugin(log=[call("local", 403, "", "no", "", -1)]), "")
    try:
        told = runner.run(fatal)
    except EnvoyError as error:
        told = str(error)
    assert "Envoy stopped with signal" in told
    first = all_cases()[0]
    assert runner.run(first) == first.expected
