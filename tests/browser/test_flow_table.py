"""The flow table in a real JupyterLab: queries as they are typed, columns, keyboard, both themes, both widths."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab, Page

# JupyterLab has been seen to lose widget messages to a subshell it no longer knew: one more try tells that from a fault of ours
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]


@pytest.fixture
def table(lab: Lab, page: Page, repo: Path) -> Iterator[tuple[Page, Any]]:
    """The chain of the tour over the edge capture, in a cell of its own."""
    cell = f"""import workbench as wb
from pathlib import Path
from workbench.cli.tour import tour_chain
replay = tour_chain(Path({str(repo)!r})).replay(wb.open_capture({str(repo / "captures" / "edge.mitm")!r}))
replay.table()"""
    page.run(lab.notebook(f"table-{secrets.token_hex(3)}.ipynb", cell))  # Lab keeps what a name had before
    view = page.page.locator(".fw-flows")
    view.locator("[data-exchange]").first.wait_for()
    yield page, view
    assert page.errors == []
    assert page.strangers == []


def _rows(page: Page, says: str) -> None:
    page.page.wait_for_function(
        """says => {
          const rows = [...document.querySelectorAll('.fw-flows [data-exchange]')];
          return rows.length > 0 && rows.every(row => row.innerText.includes(says));
        }""",
        arg=says,
    )


def test_a_query_is_helped_as_it_is_typed(table: tuple[Page, Any], tmp_path: Path) -> None:
    page, view = table
    box = view.get_by_role("combobox", name="Query")
    box.press_sequentially("~m GET & ~outc")
    offer = view.get_by_role("option", name="~outcome")
    offer.wait_for()
    assert view.locator(".fw-wavy").inner_text() == "~outc"
    page.page.screenshot(path=tmp_path / "offers.png")
    box.press("ArrowDown")
    box.press("Enter")
    view.get_by_role("option", name="limited").wait_for()
    assert box.input_value() == "~m GET & ~outcome "
    view.get_by_text("wants one of").wait_for()
    box.press_sequentially("changed")
    _rows(page, "Changed")
    assert box.get_attribute("aria-invalid") == "false"
    good = view.locator(".fw-count").inner_text()
    box.press_sequentially(" | ~outcom limited")
    view.get_by_text("~outcom is no term").wait_for()
    page.page.screenshot(path=tmp_path / "wrong.png")
    assert box.get_attribute("aria-invalid") == "true"
    assert view.locator(".fw-count").inner_text() == good, "the last good result stays"
    view.get_by_role("button", name="~outcome", exact=True).click()
    view.locator(".fw-query-said").wait_for(state="hidden")
    page.page.wait_for_function("good => document.querySelector('.fw-flows .fw-count').innerText !== good", arg=good)
    box.press("Escape")
    box.press("Escape")
    view.locator(".fw-count", has_text="540 exchanges").wait_for()


def test_columns_are_sorted_resized_hidden_and_remembered(table: tuple[Page, Any], tmp_path: Path) -> None:
    page, view = table
    head = view.get_by_role("columnheader", name="Path")
    before = head.bounding_box()["width"]
    head.get_by_role("button").focus()
    page.page.keyboard.press("Shift+ArrowRight")
    page.page.keyboard.press("Shift+ArrowRight")
    assert abs(head.bounding_box()["width"] - before - 32) < 3
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    status = view.get_by_role("columnheader", name="Status")
    page.page.wait_for_function("() => document.querySelector('.fw-flows [data-key=status]').ariaSort === 'ascending'")
    grip = status.locator(".fw-grip").bounding_box()
    wide = status.bounding_box()["width"]
    page.page.mouse.move(grip["x"] + 4, grip["y"] + 10)
    page.page.mouse.down()
    page.page.mouse.move(grip["x"] + 64, grip["y"] + 10)
    page.page.mouse.up()
    assert abs(status.bounding_box()["width"] - wide - 60) < 4
    view.get_by_role("button", name="Columns").click()
    item = view.get_by_role("menuitemcheckbox", name="Filter time")
    item.wait_for()
    page.page.screenshot(path=tmp_path / "columns.png")
    assert item.get_attribute("aria-checked") == "false"
    item.click()
    view.get_by_role("columnheader", name="Filter time", exact=True).wait_for()
    page.page.keyboard.press("Escape")
    kept = page.page.evaluate("() => JSON.parse(localStorage.getItem('filter-workbench:columns'))")
    assert kept["shown"] == {"filter_ns": True}
    assert set(kept["widths"]) == {"path", "status"}
    view.get_by_role("button", name="Columns").click()
    view.get_by_role("menuitem", name="Usual columns and widths").click()
    view.get_by_role("columnheader", name="Filter time", exact=True).wait_for(state="detached")


def test_keys_move_through_the_rows(table: tuple[Page, Any]) -> None:
    page, view = table
    grid = view.get_by_role("grid", name="Exchanges")
    grid.focus()

    def chosen() -> int:
        return int(
            page.page.evaluate("() => document.querySelector('.fw-flows [aria-selected=true][data-exchange]')?.dataset.exchange ?? -1")
        )

    def reach(key: str, index: int | None = None) -> int:
        was = chosen()
        grid.press(key)
        page.page.wait_for_function(
            """([was, want]) => {
              const row = document.querySelector('.fw-flows [aria-selected=true][data-exchange]');
              return row && (want == null ? row.dataset.exchange != was : row.dataset.exchange == want);
            }""",
            arg=[was, index],
        )
        return chosen()

    reach("End", 539)
    reach("Home", 0)
    reach("ArrowDown", 1)
    down = reach("PageDown")
    assert reach("PageUp", 1) < down
    outcome = page.page.evaluate("() => document.querySelector('.fw-flows [aria-selected=true] .fw-chip').innerText")
    after = reach("]")
    assert after > 1
    assert page.page.evaluate("() => document.querySelector('.fw-flows [aria-selected=true] .fw-chip').innerText") == outcome
    reach("[", 1)
    grid.press("/")
    assert page.page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Query"


@pytest.mark.parametrize(("width", "theme"), [(1280, "JupyterLab Light"), (1280, "JupyterLab Dark"), (760, "JupyterLab Light")])
def test_nothing_overflows(table: tuple[Page, Any], width: int, theme: str, tmp_path: Path) -> None:
    page, view = table
    page.theme(theme)
    page.page.set_viewport_size({"width": width, "height": 900})
    page.page.wait_for_timeout(500)
    page.page.screenshot(path=tmp_path / f"table-{width}.png")
    sideways = "view => { const body = view.querySelector('.fw-body'); return body.scrollWidth - body.clientWidth; }"
    assert view.evaluate(sideways) <= 0, "the usual columns fit"
    widths = view.evaluate("view => [...view.querySelectorAll('.fw-heads > *')].map(head => head.getBoundingClientRect().width)")
    assert min(widths) > 20
