"""Many rows, hostile text, and the states in which there is nothing to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.widgets.hostile import HOSTILE, write_hostile_capture

from .conftest import Lab, Page

# JupyterLab has been seen to lose widget messages to a subshell it no longer knew: one more try tells that from a fault of ours
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

MANY = """
from workbench.widgets import FlowTable
from workbench.widgets.rows import LAYOUT, packed

class Many(FlowTable):
    n = 1_000_000
    def _answer_rows(self, question):
        first, count = question["first"], min(question["count"], 500)
        rows = range(first, min(first + count, self.n))
        columns = {name: ["" if kind == "text" else 0] * len(rows) for kind, names in LAYOUT for name in names}
        columns |= dict(index=list(rows), path=[f"/row/{at}" for at in rows], status=[200] * len(rows))
        head = dict(first=first, count=len(rows), matched=self.n, total=self.n, searched=self.n, outcomes={"passed": self.n}, scale_ns=1000)
        return head, packed(columns)
    def _answer_locate(self, question):
        return {"at": int(question["index"])}, None

Many(total=Many.n)
"""


def test_a_million_rows_scroll_from_end_to_end(lab: Lab, page: Page) -> None:
    """A browser gives up on elements that tall, so the position is scaled; and only what is in sight is in the document."""
    page.run(lab.notebook("many.ipynb", MANY))
    grid = page.page.get_by_role("grid", name="Exchanges")
    grid.get_by_text("/row/0", exact=True).wait_for()
    assert grid.get_attribute("aria-rowcount") == "1000001"
    for key, row in (("End", 999_999), ("ArrowUp", 999_998), ("Home", 0), ("ArrowDown", 1)):
        grid.focus()
        grid.press(key)
        page.page.wait_for_function("n => document.querySelector('[aria-selected=true][data-exchange]')?.dataset.exchange == n", arg=row)
        assert page.page.locator("[data-exchange]").count() < 60
    body = page.page.locator(".fw-body")
    body.evaluate("one => { one.scrollTop = one.scrollHeight / 2; }")
    page.page.wait_for_function(
        "() => [...document.querySelectorAll('[data-exchange]')].some(row => Math.abs(row.dataset.exchange - 5e5) < 100)"
    )
    boxes = page.page.locator("[data-exchange]").evaluate_all("rows => rows.map(row => Math.round(row.getBoundingClientRect().top))")
    assert all(b - a == 24 for a, b in zip(sorted(boxes), sorted(boxes)[1:], strict=False))
    assert page.errors == []


def test_hostile_text_stays_text(lab: Lab, page: Page, repo: Path) -> None:
    """Script, markup, bidi, control characters and very long values in paths, headers, bodies and logs: every tab of every exchange."""
    write_hostile_capture(lab.root / "hostile.mitm")
    name = lab.notebook(
        "hostile.ipynb",
        f"""import workbench as wb
samples = {str(repo / "sample_filters")!r}
bad = "<img src=x onerror=window.pwned=1>"
chain = wb.Chain(
    wb.Filter(f"{{samples}}/trace_every_call/trace_every_call.wasm", name=bad),
    wb.Filter(f"{{samples}}/add_header/add_header.wasm", config={{"header": "x-evil", "value": bad}}),
)
wb.Workbench(wb.open_capture("hostile.mitm"), chain)""",
    )
    page.run(name)
    view = page.view()
    grid = view.get_by_role("grid", name="Exchanges")
    details = view.get_by_role("region", name="Exchange details")
    hidden = "view => /[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\ufeff\\u00ad\\u0007\\u001b\\u{e0000}-\\u{e007f}]/u.test(view.textContent)"
    grid.focus()
    for number in range(len(HOSTILE)):
        grid.focus()
        grid.press("Home" if not number else "ArrowDown")
        details.get_by_text(f"#{number}", exact=True).wait_for()
        for tab in ("body", "calls", "logs", "headers"):
            view.locator(f"[role=tab][data-id={tab}]").click()
            page.page.wait_for_timeout(60)
            assert not view.evaluate(hidden), (number, tab)
    seen = view.evaluate("view => view.textContent")
    assert "<img src=x onerror=window.pwned=1>" in seen, "hostile text is shown, as text"
    view.get_by_role("tab", name="Timing").click()
    page.page.wait_for_timeout(300)
    assert page.page.evaluate("() => window.pwned") is None
    foreign = "img, script, iframe, a, object, embed, link, style, svg:not([aria-hidden])"
    assert view.locator(foreign).count() == 0
    assert page.errors == []
    assert page.strangers == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("wb.Workbench()", "Open a capture to see what a filter does to it"),
        ("wb.Workbench(wb.open_capture('some.mitm'))", "Add a chain to see what its filters do"),
        ("wb.Workbench(wb.open_capture('some.mitm'), wb.Chain('hostile.mitm'))", "not a wasm file"),
    ],
)
def test_nothing_to_show_says_what_to_do(lab: Lab, page: Page, code: str, words: str) -> None:
    write_hostile_capture(lab.root / "some.mitm")
    write_hostile_capture(lab.root / "hostile.mitm")
    page.run(lab.notebook("nothing.ipynb", f"import workbench as wb\n{code}"))
    view: Any = page.page.get_by_role("region", name="Filter Workbench")
    view.get_by_text(words).wait_for()
    button = view.get_by_role("button", name="Replay")
    assert (button.get_attribute("aria-disabled") == "true") == ("Chain" not in code)
    assert page.errors == []
