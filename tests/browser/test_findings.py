"""What looks wrong in a replay, in a real JupyterLab: one line that opens, and a click that leads to the exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_workbench import CONTRAST, OVERFLOW
from tests.core.wat import Nth, Ret, call, wasm

from .conftest import Lab, Page

pytestmark = [pytest.mark.browser, pytest.mark.flaky(reruns=2)]

CODE = """import workbench as wb
names = ("late.wasm", "sample_filters/body_rewrite/body_rewrite.wasm", "sample_filters/add_header/add_header.wasm")
view = wb.Workbench(wb.open_capture("captures/toystore.mitm"), wb.Chain(*names))
view"""
SCRIPT: dict[str, Any] = {
    "request_headers": (Nth(9, (call("log", 4, "no rule for <b>tenant</b>"),)), Nth(21, (Ret(1),))),
    "response_body": (call("add", 2, "x-late", "1"),),
}


def test_findings_lead_to_their_exchange(lab: Lab, chromium: Any, repo: Path, tmp_path: Path) -> None:
    here = lab.root / f"findings-{tmp_path.name}"
    here.mkdir()
    for folder in ("captures", "sample_filters"):
        (here / folder).symlink_to(repo / folder)
    (here / "late.wasm").write_bytes(wasm(**SCRIPT))
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = Page(context.new_page(), lab)
    page.run(lab.notebook(f"{here.name}/findings.ipynb", CODE))
    view = page.view()
    findings = view.get_by_role("region", name="Findings")
    head = findings.get_by_role("button", expanded=False)
    head.wait_for()
    # the first ones are of a part of the replay
    page.until(lambda: "1 error, 3 warnings" in head.inner_text())
    assert not findings.get_by_role("list").is_visible()
    head.click()
    assert findings.get_by_role("listitem").count() == 4
    assert "<b>tenant</b>" in findings.inner_text()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        assert view.evaluate(CONTRAST) == [] and view.evaluate(OVERFLOW) == [], theme
        view.screenshot(path=tmp_path / f"{theme}.png")
    view.get_by_role("tab", name="Timing").first.click()
    findings.get_by_role("button", name="Exchange 20: paused the request").click()
    view.get_by_role("region", name="Exchange details").get_by_text("#20", exact=True).wait_for()
    page.until(lambda: view.locator("[role=row][aria-selected=true]").get_attribute("data-exchange") == "20")
    page.page.set_viewport_size({"width": 640, "height": 1000})
    page.page.wait_for_timeout(500)
    assert view.evaluate(OVERFLOW) == []
    findings.get_by_role("button", expanded=True).click()
    assert not findings.get_by_role("list").is_visible()
    assert page.errors == [] and page.strangers == []
    page.stop_kernel()
    context.close()
