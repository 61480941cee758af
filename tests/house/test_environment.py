"""environment.yml and pyproject.toml ask for the same packages within the same bounds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

FIXED = {"jupyterlab", "ipywidgets", "wasmtime", "mitmproxy", "plotly"}
"""What a user of the environment counts on finding in it by name."""


@pytest.fixture(scope="module")
def project(repo: Path) -> dict[str, Any]:
    read: dict[str, Any] = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return read


@pytest.fixture(scope="module")
def environment(repo: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((repo / "environment.yml").read_text(encoding="utf-8"))
    return read


def _bounds(lines: list[str]) -> dict[str, SpecifierSet]:
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in requirements}


def _split(environment: dict[str, Any]) -> tuple[list[str], list[str]]:
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return conda, pip


def test_same_packages_same_bounds(project: dict[str, Any], environment: dict[str, Any]) -> None:
    conda, pip = _split(environment)
    asked = _bounds([line for line in conda if line != "pip"] + [line for line in pip if not line.startswith("-")])
    assert asked.pop("python") == SpecifierSet(project["requires-python"])
    assert asked == _bounds(project["dependencies"])
    assert set(asked) >= FIXED


def test_environment_is_complete(environment: dict[str, Any]) -> None:
    conda, pip = _split(environment)
    assert environment["name"] == "filter-workbench"
    assert environment["channels"] == ["conda-forge"]
    assert "pip" in conda, "conda wants pip named where there is a section for it"
    assert pip[-1] == "-e .", "the project itself comes last, when what it needs is there"


def test_every_package_has_a_lower_bound(project: dict[str, Any]) -> None:
    """pip walks back to versions that cannot work where nothing stops it (mitmproxy beside jupyterlab does)."""
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    bounds = _bounds([*project["dependencies"], *(line for line in extras if not line.startswith(project["name"]))])
    assert [name for name, bound in bounds.items() if not any(part.operator in (">=", "~=", "==") for part in bound)] == []
