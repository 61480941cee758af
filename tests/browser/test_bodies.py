"""Headers and bodies of one exchange in a real JupyterLab: JSON changes, a picture from memory, a form, pages, both themes."""

from __future__ import annotations

import gzip
import secrets
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab, Page

# JupyterLab has been seen to lose widget messages to a subshell it no longer knew: one more try tells that from a fault of ours
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]


EDITS = {"set": {"meta.version": 2, "items.0.price": "1.50"}, "remove": ["debug"]}


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, y * 255 // height, 160)) for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _capture(path: Path) -> None:
    from mitmproxy import http
    from mitmproxy.io import FlowWriter
    from mitmproxy.test import tflow, tutils

    toys = b'{"meta": {"version": 1}, "items": [{"name": "bear", "price": 9}], "debug": true}'
    many = b"".join(b"line %d of many, with words to fill it\n" % at for at in range(2000))
    script = b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.pwned=1'/>"
    said: list[tuple[str, bytes, str, bytes, str]] = [
        ("application/json", b"{}", "application/json", toys, ""),
        ("application/x-www-form-urlencoded", b"name=kite&note=two%20words&empty=", "image/png", _png(160, 96), ""),
        ("text/plain", many, "text/html", b"<h1>toys</h1>", "gzip"),
        ("image/svg+xml", script, "image/png", b"\x89PNG\r\n\x1a\nbroken", ""),
    ]
    with path.open("wb") as file:
        writer = FlowWriter(file)
        for kind, body, answered, answer, coding in said:
            request = tutils.treq(method=b"POST", path=b"/toys", content=body, host="api.toystore.com", port=80)
            request.headers = http.Headers(
                [(b"host", b"api.toystore.com"), (b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
            )
            response = tutils.tresp(content=gzip.compress(answer) if coding else answer)
            response.headers = http.Headers(
                [(b"content-type", answered.encode()), *([(b"content-encoding", coding.encode())] if coding else [])]
            )
            writer.add(tflow.tflow(req=request, resp=response))


def _open(lab: Lab, page: Page, repo: Path, index: int) -> Any:
    _capture(lab.root / "bodies.mitm")
    samples = repo / "sample_filters"
    cell = f"""import workbench as wb
chain = wb.Chain(
    wb.Filter({str(samples / "body_rewrite/body_rewrite.wasm")!r}, config={EDITS!r}),
    wb.Filter({str(samples / "add_header/add_header.wasm")!r}),
)
chain.replay(wb.open_capture("bodies.mitm"))[{index}].diff()"""
    page.run(lab.notebook(f"bodies-{secrets.token_hex(3)}.ipynb", cell))
    view = page.page.get_by_role("region", name="Exchange details")
    view.get_by_text(f"#{index}", exact=True).wait_for()
    return view


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_json_changes_are_told_by_path(lab: Lab, page: Page, repo: Path, theme: str, tmp_path: Path) -> None:
    view = _open(lab, page, repo, 0)
    page.theme(theme)
    page.page.screenshot(path=tmp_path / "headers.png")
    view.get_by_role("tab", name="Body").click()
    view.get_by_text('"version": 2').first.wait_for()
    page.page.screenshot(path=tmp_path / "json.png")
    view.get_by_role("radio", name="JSON changes").click()
    changes = view.get_by_role("table").filter(has_text="$.meta.version")
    changes.wait_for()
    assert "$.items[0].price" in changes.inner_text()
    assert "$.debug" in changes.inner_text()
    page.page.screenshot(path=tmp_path / "changes.png")
    assert page.errors == []


def test_a_picture_is_shown_from_memory_and_a_form_is_read(lab: Lab, page: Page, repo: Path, tmp_path: Path) -> None:
    view = _open(lab, page, repo, 1)
    view.get_by_role("tab", name="Body").click()
    view.get_by_text("note = two words").wait_for()
    view.get_by_role("radio", name="Image").click()
    view.get_by_text("160 × 96, image/png").wait_for()
    picture = view.locator("img")
    assert picture.get_attribute("src").startswith("blob:")
    assert picture.evaluate("one => one.naturalWidth") == 160
    page.page.screenshot(path=tmp_path / "picture.png")
    assert page.strangers == []
    assert page.errors == []


def test_long_bodies_come_in_parts(lab: Lab, page: Page, repo: Path, tmp_path: Path) -> None:
    view = _open(lab, page, repo, 2)
    view.get_by_role("tab", name="Body").click()
    view.get_by_text("line 0 of many", exact=False).first.wait_for()
    view.get_by_text("<h1>toys</h1>").wait_for()
    view.get_by_role("button", name="Later part").click()
    view.get_by_text("Part 2").wait_for()
    page.page.screenshot(path=tmp_path / "part.png")
    view.get_by_role("button", name="Earlier part").click()
    view.get_by_text("line 0 of many", exact=False).first.wait_for()
    assert page.errors == []


def test_what_could_hold_script_is_never_a_picture(lab: Lab, page: Page, repo: Path, tmp_path: Path) -> None:
    view = _open(lab, page, repo, 3)
    view.get_by_role("tab", name="Body").click()
    view.get_by_text("The picture is damaged.").wait_for()
    assert view.locator("svg:not([aria-hidden])").count() == 0
    page.page.screenshot(path=tmp_path / "damaged.png")
    view.get_by_role("radio", name="Text").click()
    view.get_by_text("onload=").wait_for()
    assert page.page.evaluate("() => window.pwned") is None
