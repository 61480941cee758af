"""State over time in a real JupyterLab: the tracks, from event to event, the way to an exchange and to its call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.widgets.hostile import write_hostile_capture

from .conftest import Lab, Page
from .test_microscope import kernel, spoken, story
from .test_workbench import CONTRAST, OVERFLOW

# JupyterLab has been seen to lose widget messages to a subshell it no longer knew: one more try tells that from a fault of ours
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]


@pytest.fixture(scope="module")
def opened(lab: Lab, chromium: Any) -> Iterator[tuple[Page, Any]]:
    with story(lab, chromium, "tracks.ipynb") as found:
        yield found


@pytest.fixture
def state(opened: tuple[Page, Any], tmp_path: Path) -> Iterator[tuple[Page, Any]]:
    """The tracks of the story, exchange 0 selected."""
    page, view = opened
    page.page.set_viewport_size({"width": 1440, "height": 1000})
    page.theme("JupyterLab Light")
    view.get_by_role("tab", name="Exchanges").click()
    view.locator("[data-exchange='0']").click()
    view.get_by_role("tab", name="State", exact=True).click()
    state = view.get_by_role("region", name="State over time")
    state.get_by_role("searchbox").fill("")
    state.get_by_text("5 tracks", exact=True).wait_for()
    state.get_by_text("#0", exact=True).wait_for()
    yield page, state
    page.page.screenshot(path=tmp_path / "last.png")
    assert page.errors == []
    assert page.strangers == []


def track(state: Any, name: str) -> Any:
    return state.get_by_role("listitem").filter(has_text=name).first


def test_every_track_says_what_holds_at_the_end(state: tuple[Page, Any]) -> None:
    _, tracks = state
    said = [row.get_attribute("aria-label") for row in tracks.get_by_role("listitem").all()]
    assert said[0] == 'cred, shared data, 6 writes, 3 refused by CAS, at the end "two"'
    assert said[1:3] == ["verified, metric, counter, at the end 3", "open, metric, gauge, at the end 7"]
    assert [one.split(",")[1] for one in said[3:]] == [" memory", " memory"]
    assert track(tracks, "cred").locator(".fw-tr-cross").count() == 3
    assert track(tracks, "cred").get_by_text("CasMismatch, #1").count() == 1
    assert track(tracks, "verified").locator(".fw-tr-line").count() == 1


def test_keys_go_from_event_to_event_and_choose(state: tuple[Page, Any]) -> None:
    page, tracks = state
    verified = track(tracks, "verified")
    verified.focus()
    for _ in range(3):
        verified.press("ArrowRight")
    assert verified.get_attribute("aria-label").endswith("Event 3 of 3: 10:00:00.042, 3, exchange 2")
    assert tracks.locator(".fw-tr-tip").inner_text().split("\n")[0].startswith("10:00:00.042")
    before = tracks.locator(".fw-tr-cursor").bounding_box()["x"]
    verified.press(" ")
    tracks.get_by_text("#2", exact=True).first.wait_for()
    assert kernel(page, "view.selected") == "2"
    page.page.wait_for_function(
        "([cursor, x]) => cursor.getBoundingClientRect().x > x + 100", arg=[tracks.locator(".fw-tr-cursor").element_handle(), before]
    )
    verified.press("ArrowUp")
    assert track(tracks, "cred").evaluate("row => row === document.activeElement")


def test_enter_opens_the_call(state: tuple[Page, Any]) -> None:
    page, tracks = state
    cred = track(tracks, "cred")
    cred.focus()
    cred.press("ArrowLeft")
    assert "CasMismatch" in cred.get_attribute("aria-label")
    cred.press("Enter")
    scope = page.page.get_by_role("region", name="Microscope").first
    scope.get_by_text("#2", exact=True).wait_for()
    spoken(page, scope, "set_shared_data")
    scope.locator("[aria-selected=true]").get_by_text("CasMismatch").wait_for()


def test_a_click_chooses_the_exchange(state: tuple[Page, Any]) -> None:
    page, tracks = state
    drawing = track(tracks, "verified").locator(".fw-tr-figure")
    box = drawing.bounding_box()
    page.page.mouse.click(box["x"] + box["width"] * 0.46, box["y"] + 20)
    tracks.get_by_text("#1", exact=True).first.wait_for()
    assert kernel(page, "view.selected") == "1"


def test_search(state: tuple[Page, Any]) -> None:
    _, tracks = state
    tracks.get_by_role("searchbox", name="Find a track").fill("gauge")
    tracks.get_by_text("1 of 5 tracks").wait_for()
    assert tracks.get_by_role("listitem").count() == 1
    tracks.get_by_role("searchbox").fill("no such")
    tracks.get_by_text("No track matches.").wait_for()
    tracks.get_by_role("searchbox").press("Escape")
    tracks.get_by_text("5 tracks", exact=True).wait_for()


@pytest.mark.parametrize(
    ("theme", "width"),
    [("JupyterLab Light", 1440), ("JupyterLab Dark", 1440), ("JupyterLab Dark High Contrast", 1000), ("JupyterLab Light", 760)],
)
def test_it_can_be_read_in_every_theme_at_every_width(state: tuple[Page, Any], theme: str, width: int, tmp_path: Path) -> None:
    page, tracks = state
    page.page.set_viewport_size({"width": width, "height": 1000})
    page.theme(theme)
    page.page.wait_for_timeout(400)
    assert tracks.evaluate(CONTRAST) == []
    assert tracks.evaluate(OVERFLOW) == []
    tracks.screenshot(path=tmp_path / f"{theme} {width}.png")


def test_hostile_text_stays_text(lab: Lab, page: Page) -> None:
    """Keys, values and names of metrics and queues that try to run."""
    write_hostile_capture(lab.root / "hostile.mitm")
    code = """import tempfile
from pathlib import Path
import workbench as wb
from tests.core.wat import OUT, Ret, call, wasm
from tests.widgets.hostile import HOSTILE
texts = HOSTILE[:-1]
file = Path(tempfile.mkdtemp()) / "hostile.wasm"
metrics = [call("proxy_define_metric", 0, text, OUT) for text in texts]
queues = [call("proxy_register_shared_queue", text, OUT) for text in texts]
writes = [call("proxy_set_shared_data", text, text, cas) for text in texts for cas in (0, 1)]
file.write_bytes(wasm(configure=[*metrics, *queues], request_headers=[*writes, Ret(0)]))
wb.Chain(wb.Filter(file, name=str(texts[1], "ascii"))).replay(wb.open_capture("hostile.mitm")).tracks()"""
    page.run(lab.notebook("hostile_tracks.ipynb", code))
    tracks = page.page.get_by_role("region", name="State over time").first
    tracks.get_by_role("listitem").first.wait_for()
    hidden = "view => /[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\ufeff\\u00ad\\u0007\\u001b\\u{e0000}-\\u{e007f}]/u.test(view.textContent)"
    assert not tracks.evaluate(hidden)
    row = tracks.get_by_role("listitem").first
    row.focus()
    row.press("ArrowRight")
    body = tracks.locator(".fw-tr-body")
    for _ in range(3):
        body.evaluate("one => { one.scrollTop = one.scrollHeight; }")
        page.page.wait_for_timeout(400)
    assert tracks.get_by_role("listitem").count() > 45
    assert not tracks.evaluate(hidden)
    assert "<img src=x onerror=window.pwned=1>" in tracks.evaluate("view => view.textContent"), "hostile text is shown, as text"
    assert page.page.evaluate("() => window.pwned") is None
    assert tracks.locator("img, script, iframe, a, object, embed, link, style, svg:not([aria-hidden])").count() == 0
    assert page.errors == []
    assert page.strangers == []
