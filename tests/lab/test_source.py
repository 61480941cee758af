"""The extension's own linters and tests, with the packages of its lock file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from workbench.lab.build import HERE


@pytest.mark.toolchain
def test_the_source_is_in_order(need: Callable[..., str]) -> None:
    npm = need("npm")
    for words in (["ci", "--ignore-scripts"], ["run", "lint"], ["test"]):
        done = subprocess.run([npm, *words], cwd=HERE, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
