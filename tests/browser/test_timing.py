"""The Timing view in a real browser: alone in a cell, by pointer and by keyboard, in both themes and at half a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab, Page
from .test_workbench import CONTRAST, OVERFLOW

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

CODE = """import workbench as wb
RULES = {"basic_auth_rules": [{"prefix": "/productpage", "request_methods": ["GET", "POST"], "credentials": ["ok:test"]}]}
def one(stem, **given):
    return wb.Filter(f"sample_filters/{stem}/{stem}.wasm", **given)
replay = wb.Chain(one("basic_auth", config=RULES), one("token_bucket"), one("add_header", name="<b>add</b>")).replay(
    wb.open_capture("captures/toystore.mitm"))
view = replay.timing()
view"""


@pytest.fixture
def timing(lab: Lab, page: Page, repo: Path) -> Any:
    here = lab.root / "timing"
    if not here.exists():
        here.mkdir()
        for folder in ("captures", "sample_filters"):
            (here / folder).symlink_to(repo / folder)
    page.run(lab.notebook("timing/timing.ipynb", CODE))
    view = page.page.get_by_role("region", name="Timing of a replay")
    view.get_by_role("treegrid", name="Time per callback").get_by_text("on_request_headers").first.wait_for()
    view.get_by_role("slider", name="Exchanges over the capture").wait_for()
    # all of it on one picture
    view.evaluate("view => { view.style.maxHeight = 'none'; view.style.height = view.firstChild.scrollHeight + 800 + 'px'; }")
    return view


def test_rows_open_zoom_and_select(timing: Any, page: Page, tmp_path: Path) -> None:
    slider = timing.get_by_role("slider", name="Exchanges over the capture")
    table = timing.get_by_role("treegrid", name="Time per callback")
    first = table.locator(".fw-callback").first
    first.focus()
    first.press("ArrowDown")
    page.page.keyboard.press("Enter")
    slowest = table.get_by_role("listbox", name="Slowest exchanges")
    slowest.get_by_role("option").nth(9).wait_for()
    assert table.locator("[aria-expanded=true]").count() == 1
    chosen = slowest.get_by_role("option").nth(3)
    chosen.click()
    assert chosen.get_attribute("aria-selected") == "true"
    number = chosen.get_attribute("data-slow")
    assert slider.get_attribute("aria-valuetext").startswith(f"#{number} ")
    slider.focus()
    slider.press("End")
    assert not slider.get_attribute("aria-valuetext").startswith(f"#{number} ")
    table.locator("[aria-expanded=true]").press("Escape")
    assert table.locator("[aria-expanded=true]").count() == 0

    tree = timing.get_by_role("tree", name="Where the time goes")
    tree.get_by_role("treeitem").first.wait_for()
    # the second filter takes all of the width when it is clicked, and gives it back
    second = tree.locator(".fw-filter").nth(1)
    assert second.bounding_box()["width"] < 0.8 * tree.bounding_box()["width"]
    second.click()
    assert tree.locator(".fw-filter").first.bounding_box()["width"] > 0.95 * tree.bounding_box()["width"]
    assert tree.locator(".fw-filter").first.inner_text().startswith("2 token_bucket")
    page.page.keyboard.press("ArrowDown")
    assert "fw-callback" in page.page.evaluate("() => document.activeElement.className")
    page.page.keyboard.press("Escape")
    timing.get_by_role("button", name="Zoom out").click()
    assert "<b>add</b>" in tree.inner_text()

    for dimension, column in (("Hostcalls", "hostcall"), ("Filters", "filter"), ("Paths", "path")):
        timing.get_by_role("radio", name=dimension).click()
        other = timing.get_by_role("treegrid", name=f"Time per {column}")
        other.locator(".fw-callback").first.click()
        other.get_by_role("option").first.wait_for()
        timing.screenshot(path=tmp_path / f"{dimension}.png")
    assert timing.get_by_text("/toys/{n}").count() >= 1
    assert page.errors == [] and page.strangers == []


def test_themes_and_widths(timing: Any, page: Page, tmp_path: Path) -> None:
    timing.get_by_role("treegrid").locator(".fw-callback").nth(1).click()
    timing.get_by_role("option").first.wait_for()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        for width in (1280, 760, 520):
            page.page.set_viewport_size({"width": width, "height": 1600})
            page.page.wait_for_timeout(400)
            assert timing.evaluate(CONTRAST) == [], (theme, width)
            assert timing.evaluate(OVERFLOW) == [], (theme, width)
            timing.screenshot(path=tmp_path / f"{theme} {width}.png")
    # the canvas shows something in the theme that is now on
    drawn = """view => {
        const canvas = view.querySelector('canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    }"""
    assert timing.evaluate(drawn) > 500
    assert page.errors == []
