"""Each case passes on this host; and what a case says of itself is complete."""

from __future__ import annotations

import pytest

from tests.conformance.case import Case
from tests.conformance.cases import all_cases
from tests.conformance.run_here import run_here

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_here(case: Case) -> None:
    assert run_here(case) == case.expected


def test_names_and_reasons() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    for case in CASES:
        group, _, name = case.name.partition("/")
        assert group and name and case.why and case.expected, case.name
        assert "\n" not in case.why
