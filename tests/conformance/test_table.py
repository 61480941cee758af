"""CONFORMANCE.md lists exactly the cases that there are, and nothing in it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.__main__ import main
from tests.conformance.cases import all_cases
from tests.conformance.export import export
from tests.conformance.table import Outcome, markdown, row_of

CASES = all_cases()


def test_the_page_lists_exactly_the_cases(repo: Path) -> None:
    page = (repo / "CONFORMANCE.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.count(" | ") == 4 and not line.startswith("| case |")]
    listed = [row.removeprefix("| ").rsplit(" | ", 2)[0] for row in rows]
    assert listed == [row_of(case) for case in CASES], "write it anew: make conformance"
    assert all(row.rsplit(" | ", 2)[1] == "pass" for row in rows)
    assert all(row.rsplit(" | ", 1)[1].startswith(("agrees", "cannot show: ")) for row in rows)
    assert f": {len(CASES)} cases," in page


def test_failures_stand_out() -> None:
    page = markdown([Outcome(CASES[0], False, True), Outcome(CASES[1], True, False), Outcome(CASES[2], True, None)], "1.40.0")
    assert "| **fail** | agrees |" in page
    assert "| pass | **differs** |" in page
    assert "2 pass, 1 fail | 1 agree, 2 do not" in page


def test_export(tmp_path: Path) -> None:
    export(CASES, tmp_path)
    told = json.loads((tmp_path / "headers/get-gives-the-first-value.json").read_text(encoding="utf-8"))
    assert told["filters"][0]["wat"] == "get-gives-the-first-value.a.wat"
    assert told["exchanges"][0]["request"]["headers"] == [["Host", "h"], ["x-a", "1"], ["x-a", "2"]]
    services = json.loads((tmp_path / "services.json").read_text(encoding="utf-8"))
    assert services["http"]["/trailers"]["trailers"] == [["t", "v"], ["u", "w"]]
    (tmp_path / "services.json").unlink()
    assert len(list(tmp_path.rglob("*.json"))) == len(list(tmp_path.rglob("*.expected.txt"))) == len(CASES)
    assert all(
        (path.parent / each["wat"]).is_file() for path in tmp_path.rglob("*.json") for each in json.loads(path.read_text())["filters"]
    )


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--here", "--show", CASES[0].name]) == 0
    assert capsys.readouterr().out == f"=== {CASES[0].name}\n{CASES[0].expected}\nhere: as expected\n"
