"""The larger sample capture in a real JupyterLab: select, filter, scrub, edit a configuration, replay, cancel, change a module's file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.wat import call, wasm

from .conftest import Lab, Page

# JupyterLab has been seen to lose widget messages to a subshell it no longer knew: one more try tells that from a fault of ours
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=1)]

# As long as the chain is this very one each request takes a quarter of a second, on any machine.
CODE = """import time
import workbench as wb
chain = wb.Chain("mine.wasm", wb.Filter("sample_filters/token_bucket/token_bucket.wasm", config={"rate": 5, "per_s": 10}), "slow.wasm")
chain.intercept("proxy_add_header_map_value", filter="slow")(lambda call: time.sleep(0.25))
view = wb.Workbench(wb.open_capture("captures/edge.mitm"), chain)
view"""


@pytest.fixture
def run(lab: Lab, chromium: Any, repo: Path, tmp_path: Path) -> Iterator[tuple[Page, Any, Path]]:
    """The dashboard, and the folder of its notebook: `mine.wasm` is add_header, `slow.wasm` adds a header, which takes time."""
    here = lab.root / f"run-{tmp_path.name}"
    here.mkdir()
    for folder in ("captures", "sample_filters"):
        (here / folder).symlink_to(repo / folder)
    shutil.copy(repo / "sample_filters" / "add_header" / "add_header.wasm", here / "mine.wasm")
    (here / "slow.wasm").write_bytes(wasm(request_headers=(call("add", 0, "x-slow", "1"),)))
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = Page(context.new_page(), lab)
    page.run(lab.notebook(f"{here.name}/run.ipynb", CODE))
    yield page, page.view(), here
    page.page.screenshot(path=tmp_path / "last.png")
    page.stop_kernel()
    context.close()


def _replace(path: Path, data: bytes) -> None:
    """Change a file at one stroke, so that the watcher never meets half of it."""
    beside = path.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(path)


def open_pane(view: Any, pane: str) -> None:
    view.locator(f"[role=tablist][aria-label=Views] [data-id={pane}]").click()


def test_from_the_first_result_to_another_module(run: tuple[Page, Any, Path], repo: Path, tmp_path: Path) -> None:
    page, view, here = run
    shots = iter(range(1, 100))

    def shot(name: str) -> None:
        view.screenshot(path=tmp_path / f"{next(shots):02} {name}.png")

    # results appear as they come, and what is selected stays
    bar = view.get_by_role("progressbar", name="Replay")
    bar.wait_for()
    view.get_by_text("a second,").wait_for()
    view.locator("[data-exchange='3']").click()
    details = view.get_by_role("region", name="Exchange details")
    details.get_by_text("#3", exact=True).wait_for()
    early = int(view.get_by_role("grid", name="Exchanges").get_attribute("aria-rowcount"))
    assert 3 < early <= 540
    page.page.wait_for_function(
        "([view, early]) => Number(view.querySelector('[role=grid][aria-rowcount]').getAttribute('aria-rowcount')) > early",
        arg=[view.element_handle(), early],
    )
    details.get_by_text("#3", exact=True).wait_for()
    shot("running")

    # cancelled, with what was done
    view.get_by_role("button", name="Cancel").click()
    view.get_by_text("Run 1: Cancelled:").wait_for()
    rows = int(view.get_by_role("grid", name="Exchanges").get_attribute("aria-rowcount")) - 1
    assert 3 < rows < 540
    shot("cancelled")

    # without the slow filter, and with another limit
    open_pane(view, "chain")
    view.get_by_role("switch", name="slow on").click()
    view.get_by_text("1 change, not applied").wait_for()
    view.get_by_role("button", name="token_bucket", exact=True).click()
    editor = view.get_by_role("textbox", name="Configuration of token_bucket")
    editor.fill('{\n  "rate": 5,\n  "per_s": 10,,\n}')
    view.get_by_text("Line 3, column").first.wait_for()
    apply = view.get_by_role("button", name="Apply and replay")
    assert apply.get_attribute("aria-disabled") == "true"
    shot("wrong configuration")
    editor.fill('{\n  "rate": 5,\n  "per_s": 10\n}')
    view.get_by_text("Valid JSON").wait_for()
    apply.click()
    view.get_by_text("Run 2: 540 of 540 in").wait_for()
    view.get_by_role("region", name="Changes between runs").get_by_text("slow off").first.wait_for()
    chain = view.get_by_role("list", name="Chain, in the order of requests")
    page.page.wait_for_function("chain => /\\d+ limited, 429/.test(chain.innerText)", arg=chain.element_handle())
    editor.fill('{\n  "rate": 1,\n  "per_s": 10\n}')
    editor.press("Control+Enter")
    view.get_by_text("Run 3: 540 of 540 in").wait_for()
    changes = view.get_by_role("region", name="Changes between runs")
    changes.get_by_text("differ from run 2").wait_for()
    changes.get_by_role("button", expanded=False).click()
    first = changes.get_by_role("listitem").filter(has_text="Limited").first
    number = first.get_by_role("button").get_attribute("aria-label").split(":")[0].removeprefix("Exchange ")
    shot("changes")
    first.get_by_role("button").click()
    details.get_by_text(f"#{number}", exact=True).wait_for()

    # a filter moved with keys, and back
    open_pane(view, "chain")
    grip = view.get_by_role("button", name="Move token_bucket")
    grip.press("Alt+ArrowLeft")
    view.get_by_text("token_bucket is now 1 of 3").wait_for()
    view.get_by_role("button", name="Revert").click()
    view.get_by_text("As configured").wait_for()

    # narrowed by words, and the microscope on what is selected
    open_pane(view, "exchanges")
    view.get_by_role("combobox", name="Query").fill("~outcome limited")
    page.page.wait_for_function(
        """view => {
            const rows = [...view.querySelectorAll('[data-exchange]')];
            return rows.length > 3 && rows.every(row => row.innerText.includes('Limited'));
        }""",
        arg=view.element_handle(),
    )
    view.locator("[data-exchange]").first.click()
    open_pane(view, "microscope")
    slider = view.get_by_role("slider").first
    slider.wait_for()
    slider.focus()
    before = slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    page.page.wait_for_function("([slider, was]) => slider.getAttribute('aria-valuetext') !== was", arg=[slider.element_handle(), before])
    shot("microscope")

    # the module's file changes: broken, then another filter
    view.get_by_role("button", name="Watch").click()
    module = (repo / "sample_filters" / "body_rewrite" / "body_rewrite.wasm").read_bytes()
    _replace(here / "mine.wasm", module[: len(module) // 2])
    view.get_by_role("alert").get_by_text("What is shown is run 3, the last good one").wait_for()
    shot("broken module")
    _replace(here / "mine.wasm", module)
    view.get_by_text("Run 5: 540 of 540 in").wait_for()
    view.get_by_text("run 5: mine.wasm changed").wait_for()
    assert view.get_by_role("alert").locator("visible=true").count() == 0
    shot("other module")
    assert page.errors == [] and page.strangers == []


def test_a_filter_is_added_to_an_empty_chain(lab: Lab, page: Page, repo: Path) -> None:
    page.run(
        lab.notebook(
            "first_filter.ipynb", f"import workbench as wb\nwb.Workbench(wb.open_capture({str(repo / 'captures/toystore.mitm')!r}))"
        )
    )
    view = page.page.get_by_role("region", name="Filter Workbench").first
    view.get_by_role("button", name="Open the chain").click()
    view.get_by_role("button", name="Add filter").first.click()  # the empty chain offers it again
    path = view.get_by_label("Path of a module")
    path.fill("nowhere.wasm")
    path.press("Enter")
    view.get_by_role("alert").get_by_text("nowhere.wasm").wait_for()
    path.fill(str(repo / "sample_filters/add_header/add_header.wasm"))
    path.press("Enter")
    view.get_by_text("1 change, not applied").wait_for()
    view.get_by_role("button", name="Apply and replay").click()
    view.get_by_text("Run 1: 93 of 93 in").wait_for()
    view.get_by_role("img", name="93 requests forward, 93 responses back").first.wait_for()
    assert page.errors == []
