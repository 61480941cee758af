"""The lesson on one request shows what its prose says, and what it asks the reader to try does what it hints at."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from tests.notebooks.executed import MOST_SECONDS, Executed, execute
from workbench.host.assemble import assemble
from workbench.services import HttpResponse

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def lesson(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute("01_one_request.ipynb", repo, tmp_path_factory.mktemp("request"))


def _changed(lesson: Executed, name: str, old: str, new: str, folder: Path) -> wb.Filter:
    """The filter of a cell with one thing changed in it."""
    text = lesson.cell(f"%%filter {name}").source.split("\n", 1)[1]
    assert text.count(old) == 1
    (folder / f"{name}.wasm").write_bytes(assemble(text.replace(old, new), name))
    return wb.Filter(folder / f"{name}.wasm")


def test_it_runs_quickly_and_without_complaints(lesson: Executed) -> None:
    assert lesson.seconds < MOST_SECONDS
    assert lesson.complaints() == []


def test_headers_and_bodies(lesson: Executed) -> None:
    before, after, upstream = lesson.shown("for stage in replay[0].request").splitlines()
    assert before.endswith("10 headers, x-lesson: -")
    assert after.endswith("11 headers, x-lesson: hello")
    assert upstream.endswith("11 headers, x-lesson: hello")
    callbacks = lesson.shown("chunk_size=16").splitlines()
    assert sum("StopIterationAndBuffer" in line for line in callbacks) == 4
    assert callbacks[-1].endswith("(51, true) = Continue")


def test_who_sees_a_local_response(lesson: Executed) -> None:
    hello = [line.split()[-1] for line in lesson.shown("wb.Chain(hello, auth)").splitlines() if "hello:" in line]
    assert hello == ["world", "-"]


def test_a_request_waits_and_goes_on(lesson: Executed) -> None:
    lines = lesson.shown("latency_ms=20").splitlines()
    (paused,) = (line for line in lines if "pause()" in line)
    (resumed,) = (line for line in lines if "resume()" in line)
    assert paused.split()[0] == "0.000"
    assert resumed.split()[0] == "20.000"
    told = [line.split(" told ")[1] for line in lesson.shown("Unreachable()").splitlines()]
    assert told == [f"{status} after {ms} ms; client got 403" for status, ms in ((403, 1.0), (504, 100.0), (503, 0.0))]


def test_a_filter_that_stops_holds_the_request(lesson: Executed, sample_capture: Path, tmp_path: Path) -> None:
    stopped = _changed(lesson, "stamp", "(i32.const 0)))", "(i32.const 1)))", tmp_path)
    replay = wb.Chain(stopped).replay(wb.open_capture(sample_capture))
    assert replay[0].result["downstream_response"]["status"] == 504
    assert "never let it go on" in str(replay.findings())


def test_a_filter_that_forgets_the_stream_hangs(lesson: Executed, sample_capture: Path, tmp_path: Path) -> None:
    line = "    (drop (call $act_for (i32.load offset=4096 (local.get $call))))\n"
    chain = wb.Chain(_changed(lesson, "gate", line, "", tmp_path), clusters={"auth": lambda request: HttpResponse(200)})
    assert "never let it go on" in str(chain.replay(wb.open_capture(sample_capture)).findings())
