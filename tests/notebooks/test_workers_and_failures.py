"""The lesson on workers and failures shows what its prose says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.executed import MOST_SECONDS, Executed, execute

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def lesson(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute("02_workers_and_failures.ipynb", repo, tmp_path_factory.mktemp("workers"))


def test_it_runs_quickly_and_without_complaints(lesson: Executed) -> None:
    assert lesson.seconds < MOST_SECONDS
    assert lesson.complaints() == []


def test_a_variable_counts_for_one_worker_and_shared_data_for_all(lesson: Executed) -> None:
    alone, together = eval(lesson.shown("len(shops) - chain")), eval(lesson.shown("len(shops) - bucket"))
    assert alone[1] == 100
    assert alone[2] == 200
    assert 300 < alone[4] < 400
    assert together == {1: 100, 2: 100, 4: 100}
    threads = lesson.shown("replay.vms[")
    assert "main thread" in threads
    assert "trial" in threads


def test_the_policy_decides_who_meets_the_failure(lesson: Executed) -> None:
    lines = {line.split()[0]: line for line in lesson.shown("for policy in").splitlines()}
    met = {policy: int(line.split()[1]) for policy, line in lines.items()}
    assert met["reload"] == met["restart"] == 1 < met["closed"] == met["open"]
    assert lines["closed"].endswith("got [503]")
    assert "200" in lines["open"]
    assert "trapped in on_request_headers" in lesson.shown("replay.findings()  #")
    assert "ran too long in on_request_headers" in lesson.shown("callback_limit_s=0.1")
