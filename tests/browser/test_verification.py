"""Differences from real Envoy in a real JupyterLab: both values, the cause, the exchange at a click, nothing of it as markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Lab, Page
from .test_workbench import CONTRAST, OVERFLOW

pytestmark = [pytest.mark.browser, pytest.mark.envoy, pytest.mark.flaky(reruns=2)]

# The clock decides otherwise in Envoy, which is explained; beside that a fault is planted, which must stay unexplained.
CODE = """import workbench as wb
from workbench.analysis.exchange import ExchangeView
from workbench.widgets import VerificationView
honest = ExchangeView.result.func
def faulty(view):
    result = honest(view)
    if view.index == 2:
        result["downstream_response"]["headers"].append(["x-fault", "<img src=x onerror=alert(1)>\\u202e\\x1b[31m"])
    return result
ExchangeView.result = property(faulty)
limiter = wb.Filter("{filters}/token_bucket/token_bucket.wasm")
replay = wb.Chain(limiter).replay(wb.open_capture("{captures}/burst.mitm"))
view = VerificationView(replay.verify_with_envoy())
view"""


@pytest.mark.usefixtures("envoy_binary")
def test_differences_their_causes_and_the_exchange(lab: Lab, page: Page, repo: Path, tmp_path: Path) -> None:
    code = CODE.replace("{filters}", str(repo / "sample_filters")).replace("{captures}", str(repo / "captures"))
    page.run(lab.notebook("verification.ipynb", code))
    view = page.page.get_by_role("region", name="Beside Envoy").first
    view.wait_for()
    rows = view.get_by_role("table", name="Differences from Envoy").get_by_role("row")
    rows.nth(1).wait_for()
    first = rows.nth(1).inner_text()
    assert "x-fault" in first and "<img src=x" in first and "\\u202e" in first and "no filter changed it" in first
    assert "1\nDiffer, unexplained" in view.inner_text()
    assert "the clock" in rows.nth(2).inner_text()
    assert view.locator("img").count() == 0
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        view.screenshot(path=tmp_path / f"{theme[-5:].strip().lower()}.png")
        assert view.evaluate(CONTRAST) == []
        assert view.evaluate(OVERFLOW) == []
    other = rows.nth(2).get_by_role("button").first
    other.click()
    index = other.get_attribute("data-exchange")
    details = view.get_by_role("region", name="Exchange details")
    details.get_by_text(f"#{index}", exact=True).wait_for()
    assert other.get_attribute("aria-pressed") == "true"
    for width in (1440, 700):
        page.page.set_viewport_size({"width": width, "height": 1000})
        page.page.wait_for_timeout(200)
        assert view.evaluate(OVERFLOW) == []
        view.screenshot(path=tmp_path / f"{width}.png")
    assert page.errors == []
    assert page.strangers == []
