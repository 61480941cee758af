"""What the documents say is so: commands, files, dependencies, and the code in the README runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from workbench.envoy import find_envoy
from workbench.errors import EnvoyError

DOCUMENTS = ("README.md", "CONTRIBUTING.md")
RESULTS = "workbench/analysis/RESULTS.md"


def _text(repo: Path, name: str) -> str:
    return (repo / name).read_text(encoding="utf-8")


def _blocks(text: str, language: str) -> list[str]:
    return [code for word, code in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if word == language]


def _commands(text: str) -> list[list[str]]:
    lines = "\n".join(_blocks(text, "sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def _targets(repo: Path) -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", _text(repo, "Makefile"), re.MULTILINE))


def test_make_targets_exist(repo: Path) -> None:
    named = {
        target
        for name in DOCUMENTS
        for target in re.findall(r"\bmake ([a-z][a-z-]*)", " ".join(re.findall(r"`[^`\n]+`", _text(repo, name))))
    }
    named |= {words[1] for words in _commands(_text(repo, "README.md")) if words[0] == "make"}
    assert named
    assert named <= _targets(repo)


def test_make_lists_every_chore(repo: Path, need: Callable[..., str]) -> None:
    listed = subprocess.run([need("make")], cwd=repo, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"^ +make ([a-z-]+)", listed, re.MULTILINE)) == _targets(repo)


def test_each_dependency_has_its_reason(repo: Path) -> None:
    project = tomllib.loads(_text(repo, "pyproject.toml"))["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    wanted = {Requirement(line).name for line in lines} - {project["name"]}
    section = _text(repo, "CONTRIBUTING.md").split("## Dependencies")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| ([a-z0-9-]+) \|", section, re.MULTILINE)) - {"package"} == wanted


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_named_exist(repo: Path, name: str) -> None:
    text = _text(repo, name)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    paths = re.findall(r"`((?:workbench|notebooks|captures|sample_filters|tests|\.ci)/[\w./-]*)`", text)
    assert [path for path in links + paths if not (repo / path).exists() and "test_words" not in path] == []


def _envoy() -> bool:
    """Whether the optional extra is here; with CI=true it has to be."""
    try:
        return bool(find_envoy())
    except EnvoyError:
        assert os.environ.get("CI") != "true"
        return False


def test_readme_commands_run(repo: Path, tmp_path: Path) -> None:
    """Each `workbench` line of the README, with what it writes put elsewhere."""
    commands = [words for words in _commands(_text(repo, "README.md")) if words[0] == "workbench"]
    assert commands
    for words in commands:
        if words[1] == "verify" and not _envoy():
            continue
        given = [str(tmp_path / word) if word.endswith(".jsonl") else word for word in words[1:]]
        done = subprocess.run([sys.executable, "-m", "workbench", *given], cwd=repo, capture_output=True, text=True)
        differs = 1 if words[1] == "compare" else 0
        assert done.returncode == differs, f"{' '.join(words)}: {done.stderr}"
    written = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    assert written
    assert [item["exchange"] for item in written] == list(range(len(written)))


@pytest.mark.envoy
def test_readme_shows_what_verify_says(repo: Path) -> None:
    """Each line of the answer that it prints, real time aside."""
    if not _envoy():
        pytest.skip("Envoy is not installed")
    text = _text(repo, "README.md")
    (command,) = (words for words in _commands(text) if words[:2] == ["workbench", "verify"])
    (shown,) = (block for block in _blocks(text, "") if "exchanges compared" in block)
    done = subprocess.run([sys.executable, "-m", "workbench", *command[1:]], cwd=repo, capture_output=True, text=True)
    took = re.compile(r"[\d.]+ m?s$")
    said = [took.sub("", line) for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if took.sub("", line) not in said] == []
    paced = subprocess.run([sys.executable, "-m", "workbench", *command[1:], "--paced"], cwd=repo, capture_output=True, text=True)
    assert "agree 15   explained 0   unexplained 0" in paced.stdout


def test_readme_counts_the_conformance_cases(repo: Path) -> None:
    (least,) = re.findall(r"over (\d+) cases", _text(repo, "README.md"))
    total, passed, agree, not_shown = map(
        int, re.search(r"\| \*\*all\*\* \| (\d+) \| (\d+) pass \| (\d+) agree, (\d+) cannot", _text(repo, "CONFORMANCE.md")).groups()
    )
    assert int(least) < total == passed == agree + not_shown


def _fields(text: str) -> set[str]:
    return {name for line in text.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def test_results_page_names_each_field(repo: Path) -> None:
    exchange, connection = _text(repo, RESULTS).split("## TCP connections")
    both = ["decision", "mutations", "logs", "callouts", "error", "timing_ns"]
    probe = ["--filter", "sample_filters/trace_every_call/trace_every_call.wasm", "--quiet", "--jsonl", "-"]
    for capture, kind, fields in (("toystore", "http", _fields(exchange)), ("tcp", "tcp", _fields(connection).union(both))):
        command = [sys.executable, "-m", "workbench", "replay", f"captures/{capture}.mitm", "--kind", kind, *probe]
        lines = subprocess.run(command, cwd=repo, check=True, capture_output=True, text=True).stdout.splitlines()
        assert lines
        assert all(set(json.loads(line)) == fields for line in lines)


def test_results_page_shows_what_its_example_prints(repo: Path, tmp_path: Path, need: Callable[..., str]) -> None:
    code, shown = (_blocks(_text(repo, RESULTS), language)[-1] for language in ("sh", ""))
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "workbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m workbench "$@"\n')
    (tmp_path / "workbench").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run([need("sh"), "-c", code], cwd=repo, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.stdout == shown, done.stderr


def test_commands_named_exist(repo: Path) -> None:
    named = {word for name in (*DOCUMENTS, "CHANGELOG.md") for word in re.findall(r"`workbench ([a-z-]+)", _text(repo, name))}
    assert named
    for word in sorted(named):
        done = subprocess.run([sys.executable, "-m", "workbench", word, "--help"], cwd=repo, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_readme_code_runs(repo: Path) -> None:
    code = "\n".join(_blocks(_text(repo, "README.md"), "python"))
    done = subprocess.run([sys.executable, "-W", "error:::workbench", "-c", code], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
