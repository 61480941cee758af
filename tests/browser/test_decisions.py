"""Decisions and the laboratory in a real JupyterLab: look, pick, try another limit, and let the real module confirm it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

CODE = """import workbench as wb
config = {"rate": 8, "per_s": 10, "key": "header:x-user", "methods": [], "prefix": "/"}
chain = wb.Chain(wb.Filter("sample_filters/token_bucket/token_bucket.wasm", config=config))
view = wb.Workbench(wb.open_capture("captures/edge.mitm"), chain)
view"""


@pytest.fixture(scope="module")
def opened(lab: Lab, chromium: Any, repo: Path) -> Iterator[tuple[Page, Any]]:
    for folder in ("captures", "sample_filters"):
        if not (lab.root / folder).exists():
            (lab.root / folder).symlink_to(repo / folder)
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = Page(context.new_page(), lab)
    page.run(lab.notebook("decisions.ipynb", CODE))
    view = page.view()
    view.get_by_role("tab", name="Decisions").click()
    view.locator("[data-lane]").first.wait_for()
    yield page, view
    page.stop_kernel()
    context.close()


@pytest.fixture
def decisions(opened: tuple[Page, Any], tmp_path: Path) -> Iterator[tuple[Page, Any]]:
    page, view = opened
    yield page, view
    page.page.screenshot(path=tmp_path / "last.png")
    assert page.errors == []
    assert page.strangers == []


def test_lanes_and_table_say_the_same(decisions: tuple[Page, Any]) -> None:
    _, view = decisions
    assert "decided requests limited by token_bucket, worst store-17" in view.locator(".fw-dl-sentence").inner_text()
    assert view.locator("[data-lane]").count() == 5
    rows = view.get_by_role("grid", name="Decisions")
    rows.locator("[data-exchange]").first.wait_for()
    assert rows.get_attribute("aria-rowcount") == "541"
    rows.locator("[data-exchange]").nth(3).click()
    chosen = rows.locator("[aria-selected=true]").get_attribute("data-exchange")
    assert view.locator(".fw-dl-has").count() == 1
    assert view.locator(".fw-dl-chosen text").inner_html().startswith(f"#{chosen} ")


def test_keys_step_through_a_lane(decisions: tuple[Page, Any]) -> None:
    page, view = decisions
    lane = view.locator("[data-lane]").first
    lane.focus()
    lane.press("ArrowRight")
    label = view.locator(".fw-dl-chosen text")
    label.wait_for()
    before = label.inner_html()
    lane.press("ArrowRight")
    page.until(lambda: view.locator(".fw-dl-chosen text").inner_html() != before)
    lane.press("ArrowDown")
    assert view.page.evaluate("document.activeElement.dataset.lane") == view.locator("[data-lane]").nth(1).get_attribute("data-lane")


def test_a_part_of_the_capture_can_be_looked_at(decisions: tuple[Page, Any]) -> None:
    page, view = decisions
    strip = view.locator(".fw-dl-strip")
    strip.press("+")
    view.locator(".fw-dl-brush").wait_for()
    page.until(lambda: int(view.get_by_role("grid", name="Decisions").get_attribute("aria-rowcount")) < 541)
    strip.press("0")
    page.until(lambda: view.get_by_role("grid", name="Decisions").get_attribute("aria-rowcount") == "541")


def test_another_limit_is_read_and_the_real_module_confirms_it(decisions: tuple[Page, Any]) -> None:
    page, view = decisions
    lab = view.get_by_role("region", name="Laboratory")
    big = lab.locator(".fw-lab-big")
    lab.get_by_text("agrees on 540 of 540").wait_for()
    configured = big.inner_text()
    limit = lab.get_by_role("spinbutton", name="Limit, as a number")
    limit.fill("20")
    limit.press("Enter")
    lab.get_by_text("changed, not applied").wait_for()
    page.until(lambda: big.inner_text() != configured)
    tried = big.inner_text()
    assert tried.endswith(" of 540 limited")
    lab.get_by_role("button", name="Replay real module").click()
    lab.get_by_text("as configured").wait_for()
    lab.get_by_text("agrees on 540 of 540").wait_for()
    assert big.inner_text() == tried
    number = tried.split(" of ")[0]
    assert view.locator(".fw-dl-sentence").inner_text().startswith(f"{number} of 540 decided requests limited")


def test_workers_make_a_band_and_the_half_screen_a_bar(decisions: tuple[Page, Any]) -> None:
    page, view = decisions
    lab = view.get_by_role("region", name="Laboratory")
    lab.get_by_role("slider", name="Workers").fill("4")
    lab.get_by_text("4 workers with a budget each").wait_for()
    lab.locator(".fw-lab-band").wait_for()
    page.page.set_viewport_size({"width": 760, "height": 1000})
    toggle = lab.get_by_role("button", name="Laboratory controls")
    toggle.wait_for()
    assert lab.locator(".fw-lab-brief").inner_text() == lab.locator(".fw-lab-big").text_content()
    assert not lab.get_by_role("slider", name="Workers").is_visible()
    toggle.click()
    assert lab.get_by_role("slider", name="Workers").is_visible()
    page.page.set_viewport_size({"width": 1440, "height": 1000})
