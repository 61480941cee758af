"""What differs from an earlier run, put into the table from the list of changes: in a real JupyterLab, by keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=1)]

CODE = """import sys
sys.path.insert(0, {repo!r})
import workbench as wb
capture = wb.open_capture({capture!r})
first = wb.Filter({token_bucket!r}, config={{"rate": 5, "per_s": 10}})
view = wb.Workbench(capture, wb.Chain(first, {add_header!r}))
view"""
SHOWN = """([view, words]) => {
  const rows = [...view.querySelectorAll('[data-exchange]')];
  return view.querySelector('.fw-count').innerText.startsWith(words) && rows.length > 0;
}"""


def test_the_changes_are_shown_in_the_table(lab: Lab, page: Page, repo: Path, sample_filter: Any, tmp_path: Path) -> None:
    given = {"token_bucket": str(sample_filter("token_bucket")), "add_header": str(sample_filter("add_header"))}
    code = CODE.format(repo=str(repo), capture=str(repo / "captures" / "toystore.mitm"), **given)
    page.run(lab.notebook("differs.ipynb", code))
    view = page.view()
    view.get_by_text("Run 1: 93 of 93 in").wait_for()
    keys = page.page.keyboard

    # asked too early, it says so as one types
    query = view.get_by_role("combobox", name="Query")
    query.press_sequentially("~dif")
    view.get_by_role("option", name="~differs").wait_for()
    query.press("ArrowDown")
    query.press("Enter")
    view.get_by_role("option", name="response_headers").wait_for()
    query.press_sequentially("any")
    view.get_by_text("There is no run to compare with").wait_for()
    view.screenshot(path=tmp_path / "no run.png")
    query.fill("")

    def edit(rate: int, run: int) -> None:
        view.locator("[role=tablist][aria-label=Views] [data-id=chain]").click()
        view.get_by_role("button", name="token_bucket", exact=True).click()
        editor = view.get_by_role("textbox", name="Configuration of token_bucket")
        editor.fill(f'{{"rate": {rate}, "per_s": 10}}')
        editor.press("Control+Enter")
        view.get_by_text(f"Run {run}: 93 of 93 in").wait_for()

    def found(words: str) -> None:
        page.page.wait_for_function(SHOWN, arg=[view.element_handle(), words])

    edit(2, 2)
    changes = view.get_by_role("region", name="Changes between runs")
    changes.get_by_role("button", expanded=False).focus()
    keys.press("Enter")
    parts = changes.get_by_role("group", name="Show in the table")
    parts.get_by_role("button").first.wait_for()
    numbers = {}
    for button in parts.get_by_role("button").all():
        word, number = button.inner_text().split("\n")
        numbers[word] = int(number)
    assert numbers["all"] >= numbers["status"] > 0 and "response headers" in numbers
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        view.screenshot(path=tmp_path / f"parts {theme.split()[1]}.png")
    keys.press("Tab")  # to the button in the head, and over it and the one that hides to the parts
    assert page.page.evaluate("document.activeElement.textContent") == "Show in the table"
    keys.press("Enter")
    found(f"{numbers['all']} of 93")
    assert query.input_value() == "~differs any"
    parts.get_by_role("button", name="status").press("Enter")
    found(f"{numbers['status']} of 93")
    assert query.input_value() == "~differs status"
    assert page.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Exchanges", "ready for the arrow keys"
    keys.press("ArrowDown")
    view.screenshot(path=tmp_path / "status.png")

    # the next run: the same question, of the run before it
    edit(5, 3)
    view.locator("[role=tablist][aria-label=Views] [data-id=exchanges]").click()
    found(f"{numbers['status']} of 93")
    edit(5, 4)
    changes.get_by_text("No exchange differs from run 3").wait_for()
    view.locator("[role=tablist][aria-label=Views] [data-id=exchanges]").click()
    view.get_by_text("No exchange matches").wait_for()

    # an earlier run, chosen in the list of runs
    view.locator("[role=tablist][aria-label=Views] [data-id=chain]").click()
    view.get_by_role("button", name="Compare run 4 with run 2").click()
    parts.get_by_role("button", name="all").click()
    found(f"{numbers['all']} of 93")
    page.page.set_viewport_size({"width": 760, "height": 1000})
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        view.screenshot(path=tmp_path / f"narrow {theme.split()[1]}.png")
    assert page.errors == [] and page.strangers == []
