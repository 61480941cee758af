"""What lies in the tree: only what belongs there, and nothing of the machine it was made on."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = {
    *("notebooks", "workbench", "sample_filters", "captures", "tests", "environment.yml"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONFORMANCE.md", "CONTRIBUTING.md", "pyproject.toml", "Makefile"),
    *(".ci", ".gitattributes", ".gitignore", ".pre-commit-config.yaml"),
}
MAX_LINES = 500
LONG: dict[str, str] = {}
"""Files that may be longer, each with its reason."""
MAX_BYTES = 5 << 20

# Absolute paths as they come from somebody's machine: a home, a checkout, a virtual environment, a scratch folder.
MACHINE = re.compile(rb"(?<![\w.:/])/(?:home|Users|root|work|opt/fw|farm|tmp)/[\w.]|[A-Z]:\\Users\\")
# In a built module strings lie back to back, so only the folders a compiler leaves in panic messages count.
BUILT = re.compile(rb"/(?:home|Users|root|work)/[\w.]+/|[A-Z]:\\Users\\")
HOSTS = re.compile(
    rb"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg|static\.crates\.io|index\.crates\.io|proxy\.golang\.org|repo\.anaconda|conda\.anaconda"
)
TEXT = {
    ".py",
    ".rs",
    ".js",
    ".ts",
    ".tsx",
    ".css",
    ".go",
    ".wat",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".ipynb",
    ".lock",
    ".mod",
    ".sum",
    ".txt",
    "",
}


@pytest.fixture(scope="module")
def tracked(repo: Path) -> list[Path]:
    """Every file git knows of that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repo, capture_output=True, text=True)
    if listed.returncode:
        assert os.environ.get("CI") != "true", listed.stderr
        pytest.skip("not a git checkout")
    return [repo / name for name in listed.stdout.split("\0") if name and (repo / name).is_file()]


def _found(tracked: list[Path], repo: Path, pattern: re.Pattern[bytes], wanted: set[str]) -> list[str]:
    found = []
    for path in tracked:
        if path.suffix in wanted and path != Path(__file__):
            found += [f"{path.relative_to(repo)}: {match[0].decode('latin-1')}" for match in pattern.finditer(path.read_bytes())]
    return found


def test_top_level(tracked: list[Path], repo: Path) -> None:
    assert {path.relative_to(repo).parts[0] for path in tracked} <= TOP


def test_no_machine_paths(tracked: list[Path], repo: Path) -> None:
    assert _found(tracked, repo, MACHINE, TEXT) == []


def test_no_machine_paths_in_built_modules(tracked: list[Path], repo: Path) -> None:
    """A panic message names its source file: builds must map such paths away (remap-path-prefix, -trimpath)."""
    assert _found(tracked, repo, BUILT, {".wasm"}) == []


def test_no_registry_hosts(tracked: list[Path], repo: Path) -> None:
    assert _found(tracked, repo, HOSTS, TEXT | {".wasm"}) == []


@pytest.mark.parametrize(
    "text", [b"see /home/" + b"someone/x.py", b'"/tmp' + b'/x"', b"(/root" + b"/.cargo/registry)", b"C:\\Users" + b"\\x"]
)
def test_machine_paths_are_seen(text: bytes) -> None:
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", [b"https://api.toystore.com/work/1", b"/usr/bin/chromium", b"a/tmp/b", b"../home/x"])
def test_other_paths_are_not(text: bytes) -> None:
    assert not MACHINE.search(text)


def test_notebooks_hold_no_outputs(tracked: list[Path], repo: Path) -> None:
    for path in (path for path in tracked if path.suffix == ".ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        where = f"{path.relative_to(repo)}: clear it with `jupyter nbconvert --clear-output --inplace`"
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells), where
        assert "widgets" not in notebook["metadata"], where


def test_files_stay_readable(tracked: list[Path], repo: Path) -> None:
    sources = [path for path in tracked if path.suffix in {".py", ".rs", ".js", ".ts", ".tsx"} and "labextension" not in path.parts]
    lines = {path.relative_to(repo).as_posix(): path.read_bytes().count(b"\n") for path in sources}
    assert {name: count for name, count in lines.items() if count > MAX_LINES and name not in LONG} == {}
    assert {name for name in LONG if lines.get(name, 0) <= MAX_LINES} == set(), "take these off the list"


def test_nothing_is_large(tracked: list[Path], repo: Path) -> None:
    assert {path.relative_to(repo).as_posix(): path.stat().st_size for path in tracked if path.stat().st_size > MAX_BYTES} == {}


def test_lock_files_name_no_address(tracked: list[Path], repo: Path) -> None:
    locks = [path for path in tracked if path.name in {"package-lock.json", "yarn.lock", "pnpm-lock.yaml"}]
    assert [str(path.relative_to(repo)) for path in locks if b'"resolved"' in path.read_bytes()] == []
