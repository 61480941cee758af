"""The wheel holds what the package needs at run time, and not the sources of what is kept built."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=repo, check=True, capture_output=True
    )
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_the_package(repo: Path, wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", "workbench"], cwd=repo, check=True, capture_output=True, text=True).stdout
    wanted = {name for name in listed.split("\0") if name and (repo / name).is_file()}
    wanted = {
        name for name in wanted if not name.startswith(("workbench/core/", "workbench/scan/", "workbench/lab/", "workbench/labextension/"))
    }
    held = set(ZipFile(wheel).namelist())
    assert "workbench/py.typed" in wanted
    assert wanted - held == set()
    assert [name for name in held if name.startswith(("workbench/core/", "workbench/scan/", "workbench/lab", "tests/"))] == []
    extension = {path.relative_to(repo / "workbench" / "labextension").as_posix() for path in _files(repo / "workbench" / "labextension")}
    place = "share/jupyter/labextensions/filter-workbench/"
    assert {name.partition(place)[2] for name in held if place in name} == extension


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_jupyter_finds_the_extension(wheel: Path, tmp_path: Path) -> None:
    """Installed into an environment of its own, beside the JupyterLab that runs the tests, it is enabled and OK; no Node is asked for."""
    venv.create(tmp_path / "env", symlinks=os.name == "posix")
    python = next(path for path in (tmp_path / "env").glob("[bS]*/python*") if path.stem == "python")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = {path.parent for path in (tmp_path / "env").rglob("workbench") if path.parent.name == "site-packages"}
    (site / "beside.pth").write_text(sysconfig.get_paths()["purelib"])
    homes = {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [str(python), "-m", "jupyterlab.labextensions", "list", "--verbose"],
        cwd=tmp_path,
        env={**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **homes},
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    (line,) = [line for line in said.splitlines() if "filter-workbench" in line]
    assert "enabled" in line, said
    assert "OK" in line, said
    assert "wasm-filter-workbench" in line, "Lab knows which package to remove"


@pytest.mark.slow
def test_wheel_works_alone(repo: Path, wheel: Path, tmp_path: Path) -> None:
    """Unpacked far from the sources it replays a capture: the core and all it reads come from the wheel."""
    place = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place), str(wheel)],
        check=True,
        capture_output=True,
    )
    code = f"import sys; sys.path.insert(0, {str(place)!r}); import workbench.cli as c; print(c.__file__); sys.exit(c.main(sys.argv[1:]))"
    words = [
        "replay",
        str(repo / "captures" / "toystore.mitm"),
        "--filter",
        str(repo / "sample_filters" / "add_header" / "add_header.wasm"),
    ]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(place))
