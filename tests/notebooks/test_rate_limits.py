"""The notebook on rate limits shows what its prose says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.executed import MOST_SECONDS, Executed, execute

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def limits(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute("03_rate_limits.ipynb", repo, tmp_path_factory.mktemp("limits"))


def test_it_runs_quickly_and_without_complaints(limits: Executed) -> None:
    assert limits.seconds < MOST_SECONDS
    assert limits.complaints() == []


def test_it_shows_what_its_prose_says(limits: Executed) -> None:
    verdicts = [line.split()[2] for line in limits.shown('"counter", "remaining"').splitlines()[2:10]]
    assert verdicts == ["allowed"] * 5 + ["limited"] * 3
    assert 'domain: "default/toystore"' in limits.shown("print(asked[0])")
    limited = eval(limits.shown("for most in"))
    assert limited[3] > limited[5] == 15 > limited[12] > limited[15]
    gone = limits.shown("Unreachable()")
    assert "deny {'error refused': 25}" in gone
    assert "allow {'error let through': 25}" in gone
    assert limits.shown(".swap(").startswith("the same verdicts: True")
