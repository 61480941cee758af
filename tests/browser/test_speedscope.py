"""The exported profile in speedscope itself, as its npm package brings it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

VERSION = "1.25.0"


@pytest.fixture
def speedscope(need: Callable[..., str], tmp_path: Path) -> Path:
    npm = need("npm")
    done = subprocess.run([npm, "install", f"speedscope@{VERSION}"], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    page = tmp_path / "node_modules" / "speedscope" / "dist" / "release" / "index.html"
    if not page.exists():
        reason = f"npm does not bring speedscope: {done.stderr[-200:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return page


def test_speedscope_opens_the_profile(speedscope: Path, chromium: Any, repo: Path, tmp_path: Path) -> None:
    import workbench as wb
    from workbench.cli.tour import tour_chain

    profile = tmp_path / "profile.json"
    tour_chain(repo).replay(wb.open_capture(repo / "captures" / "toystore.mitm")).to_speedscope(profile)
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(speedscope.as_uri())
    page.locator("input[type=file]").first.set_input_files(profile)
    page.get_by_text("Sum of traffic").first.wait_for()
    page.keyboard.press("3")  # the table of frames
    page.get_by_text("get_header_map_value").first.wait_for()
    page.get_by_text("on_request_headers").first.wait_for()
    page.screenshot(path=tmp_path / "sandwich.png")
    page.keyboard.press("2")
    page.wait_for_timeout(500)
    page.screenshot(path=tmp_path / "left_heavy.png")
    assert errors == []
    page.close()
