"""What holds for every pane of the dashboard, those to come too: hostile text stays text, axe finds nothing, keys reach everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_workbench import CONTRAST, OVERFLOW
from tests.widgets.hostile import HOSTILE, write_hostile_capture

from .conftest import Lab, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

BAD = "<img src=x onerror=window.pwned=1>\u202e"
CODE = """import json
import workbench as wb
samples, bad = {samples!r}, {bad!r}
chain = wb.Chain(
    wb.Filter(f"{{samples}}/trace_every_call/trace_every_call.wasm", config=bad, name=bad, root_id=bad, vm_id=bad),
    wb.Filter(f"{{samples}}/add_header/add_header.wasm", config={{"header": "x-evil", "value": bad}}),
    wb.Filter(f"{{samples}}/token_bucket/token_bucket.wasm", config={{"rate": 2, "methods": [], "prefix": "", "key": "header:x-text"}}),
)
view = wb.Workbench(wb.open_capture("hostile.mitm"), chain)
view"""

# Text and attributes that a reader sees; what an editor holds is its writer's own and is no markup anyhow.
CHECK = """view => {
  const hidden = /[\\u061c\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\u00ad\\u0000-\\u0008\\u001b\\u007f\\u{e0000}-\\u{e007f}]/u;
  const found = [];
  if (hidden.test(view.textContent)) found.push('hidden characters in the text');
  for (const one of view.querySelectorAll('*')) {
    if (/^(img|script|iframe|a|object|embed|link|style|base|meta|form|video|audio|marquee|math|foreignObject|use)$/i.test(one.localName)
        && !one.matches('form.fw-adder')) found.push(`element ${one.localName}`);
    for (const { name, value } of one.attributes) {
      if (name.startsWith('on')) found.push(`attribute ${name}`);
      if (name !== 'value' && hidden.test(value)) found.push(`hidden characters in ${one.localName} ${name}`);
      if (/javascript:/i.test(value) && /^(href|src|action|formaction|xlink:href)$/i.test(name)) found.push(`${name} ${value}`);
    }
  }
  return [...new Set(found)];
}"""

# Walks the exchanges within the page, one after the other, and gives what CHECK found, by place.
WALK = """async ([view, count, panes, parts]) => {
  const check = %s;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const until = async (what, test) => {
    for (let turn = 0; turn < 600; turn += 1) { if (test()) return; await pause(10); }
    throw new Error(`waited in vain for ${what}`);
  };
  const grid = view.querySelector('[role=grid][aria-label=Exchanges]');
  const open = (id) => view.querySelector(`[role=tablist][aria-label=Views] [data-id=${id}]`).click();
  const found = {};
  const look = (place, pane) => { const seen = check(view.querySelector(`.fw-${pane}-pane`)); if (seen.length) found[place] = seen; };
  for (let n = 0; n < count; n += 1) {
    open('exchanges');
    grid.dispatchEvent(new KeyboardEvent('keydown', { key: n ? 'ArrowDown' : 'Home', bubbles: true, cancelable: true }));
    const details = view.querySelector('[aria-label="Exchange details"]');
    await until(`exchange ${n}`, () => details.textContent.includes(`#${n}`));
    for (const part of parts) {
      details.querySelector(`[role=tab][data-id=${part}]`)?.click();
      await pause(25);
      look(`exchange ${n}, ${part}`, "exchanges");
    }
    for (const pane of panes) {
      open(pane);
      await pause(40);
      look(`exchange ${n}, pane ${pane}`, pane);
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def hostile(lab: Lab, chromium: Any, repo: Path) -> Iterator[tuple[Page, Any]]:
    """The dashboard on a capture, filters, configurations and logs that are all hostile."""
    write_hostile_capture(lab.root / "hostile.mitm")
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = Page(context.new_page(), lab)
    page.run(lab.notebook("every_pane.ipynb", CODE.format(samples=str(repo / "sample_filters"), bad=BAD)))
    yield page, page.view()
    page.stop_kernel()
    context.close()


def panes(view: Any) -> list[str]:
    """The ids of the panes that there are."""
    found: list[str] = view.get_by_role("tablist", name="Views").get_by_role("tab").evaluate_all("tabs => tabs.map(tab => tab.dataset.id)")
    assert len(found) >= 3
    return found


def open_pane(page: Page, view: Any, pane: str) -> None:
    view.locator(f"[role=tablist][aria-label=Views] [data-id={pane}]").click()
    page.page.wait_for_timeout(700)


def in_grid(page: Page, node: dict[str, Any]) -> bool:
    """Whether what axe found lies in a grid that can have the focus."""
    grid = "place => document.querySelector(place)?.closest('[role$=grid][tabindex=\"0\"]') != null"
    found: bool = page.page.evaluate(grid, node["target"][0])
    return found


def test_hostile_text_stays_text_in_every_pane(hostile: tuple[Page, Any]) -> None:
    page, view = hostile
    assert len(set(HOSTILE)) >= 100
    others = [pane for pane in panes(view) if pane != "exchanges"]
    page.page.set_default_timeout(300_000)
    parts = ["headers", "body", "calls", "logs"]
    # test_scale_and_states.py walks the details through all of them; panes but the microscope show the same whatever is selected
    found = page.page.evaluate(WALK % CHECK, [view.element_handle(), 12, ["microscope"], parts])
    assert found == {}
    for pane in others:
        open_pane(page, view, pane)
        assert view.evaluate(CHECK) == [], pane
    open_pane(page, view, "chain")
    assert "<img src=x onerror=window.pwned=1>" in view.inner_text(), "it is shown, as text"
    view.get_by_role("button", name="Replay").first.click()
    view.get_by_text("No exchange differs from run 1").wait_for()
    assert view.evaluate(CHECK) == []
    assert page.page.evaluate("() => window.pwned") is None
    assert page.errors == [] and page.strangers == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1440, 760])
def test_every_pane_can_be_read_by_everybody(hostile: tuple[Page, Any], theme: str, width: int, tmp_path: Path) -> None:
    """axe finds nothing serious, every text has its contrast, and nothing runs out of its box."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, view = hostile
    page.page.set_viewport_size({"width": width, "height": 1000})
    page.theme(theme)
    found: dict[str, Any] = {}
    for pane in panes(view):
        open_pane(page, view, pane)
        view.screenshot(path=tmp_path / f"{pane}.png")
        violations = axe.run(page.page, context=".fw", options={"resultTypes": ["violations"]}).response["violations"]
        grave = [(one["id"], node) for one in violations if one["impact"] in ("serious", "critical") for node in one["nodes"]]
        # a grid has the focus itself, and its keys scroll what is in it
        told = [(rule, node["html"][:160]) for rule, node in grave if not (rule == "scrollable-region-focusable" and in_grid(page, node))]
        for name, wrong in (("axe", told), ("contrast", view.evaluate(CONTRAST)), ("overflow", view.evaluate(OVERFLOW))):
            if wrong:
                found[f"{pane} {name}"] = wrong
    assert found == {}


# What is to be reached is kept in the page, and what has the focus crossed off.
REACH = """view => {
    const all = [...view.querySelectorAll('button, input, select, textarea, [tabindex="0"]')];
    window.missed = new Set(all.filter(one => one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0 && !one.disabled));
    return window.missed.size;
}"""
CROSS = """view => {
    const one = document.activeElement;
    window.missed.delete(one);
    // on itself, on its drawing, or on the box that it fills
    const drawing = one.querySelector(':scope > svg');
    const around = [one, drawing, one.parentElement, one.parentElement?.parentElement, one.closest('.fw-editor')].filter(Boolean);
    const shows = around.map(each => getComputedStyle(each)).some(each => each.outlineStyle !== 'none' || each.boxShadow !== 'none');
    return [view.contains(one), shows, one.localName, one.outerHTML.slice(0, 120)];
}"""


def test_every_pane_is_reached_by_keys(hostile: tuple[Page, Any]) -> None:
    """Tab goes forward through whatever can be used, shows where it is, and comes out at the end."""
    page, view = hostile
    page.page.set_viewport_size({"width": 1440, "height": 1000})
    for pane in panes(view):
        open_pane(page, view, pane)
        wanted = view.evaluate(REACH)
        view.evaluate("view => view.querySelector('button').focus()")
        for turn in range(2 * wanted):
            inside, shows, name, element = view.evaluate(CROSS)
            if not inside:
                break
            assert shows or not turn, f"{pane}: the focus does not show on {element}"
            if name == "textarea":
                page.page.keyboard.press("Escape")
            page.page.keyboard.press("Tab")
        else:
            pytest.fail(f"{pane}: the focus does not come out")
        assert page.page.evaluate("() => [...window.missed].map(one => one.outerHTML.slice(0, 120))") == [], pane


def test_nothing_moves_where_no_motion_is_wanted(hostile: tuple[Page, Any]) -> None:
    page, view = hostile
    page.page.emulate_media(reduced_motion="reduce")
    moving = """view => [...view.querySelectorAll('*')].filter(one => {
        const style = getComputedStyle(one);
        return style.animationName !== 'none' || style.transitionDuration.split(',').some(each => parseFloat(each) > 0);
    }).map(one => one.className)"""
    for pane in panes(view):
        open_pane(page, view, pane)
        assert view.evaluate(moving) == [], pane
    page.page.emulate_media(reduced_motion="no-preference")
