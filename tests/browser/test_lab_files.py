"""Files that the extension makes and opens in real JupyterLab: a recording, a filter from a template, a HAR file."""

from __future__ import annotations

import http.client
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.browser.conftest import Lab, Page
from tests.capture.har_entries import exported
from workbench.capture import open_capture

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]


@pytest.fixture
def folder(lab: Lab, repo: Path) -> Iterator[Path]:
    """A folder in Lab's root with a capture in it."""
    folder = lab.root / "made"
    folder.mkdir()
    shutil.copy(repo / "captures" / "burst.mitm", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def opened(page: Page, folder: Path) -> Iterator[Page]:
    """Lab, open where that folder is; what it started is ended after the test."""
    page.page.goto(page.lab.address())
    page.page.wait_for_function("() => window.jupyterapp !== undefined")
    page.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
    _go(page, "")
    yield page
    for what in ("sessions", "terminals"):
        page.page.evaluate("what => window.jupyterapp.serviceManager[what].shutdownAll().then(() => null)", what)


def _go(page: Page, folder: str) -> None:
    page.page.evaluate("path => window.jupyterapp.commands.execute('filebrowser:go-to-path', { path }).then(() => null)", folder)


def _refresh(page: Page) -> None:
    page.page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:refresh').then(() => null)")


def _file(page: Page, name: str) -> Any:
    return page.page.locator(".jp-DirListing-item").filter(has=page.page.get_by_text(name, exact=True))


def _menu(page: Page, name: str, entry: str) -> Any:
    """Choose this of the menu of a file or folder; gives the dialog that it opens."""
    _file(page, name).click(button="right")
    page.page.get_by_role("menuitem", name=entry).click()
    return page.page.get_by_role("dialog")


def _view(page: Page) -> Any:
    view = page.page.get_by_role("region", name="Filter Workbench", exact=True).locator("visible=true").first
    view.wait_for(timeout=60_000)
    view.locator("[data-exchange]").first.wait_for(timeout=30_000)
    return view


def _clean(page: Page) -> None:
    assert page.errors == []
    assert page.strangers == []


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


class _Toys(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Toys)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("reverse", [True, False])
def test_record_to_a_folder(opened: Page, folder: Path, upstream: str, reverse: bool, need: Callable[..., str]) -> None:
    need("mitmdump")
    port = _free_port()
    dialog = _menu(opened, "made", "Record to this folder…")
    assert dialog.get_by_role("textbox", name="File").input_value() == "recorded.mitm"
    dialog.get_by_role("textbox", name="Port").fill(str(port))
    dialog.get_by_role("textbox", name="Upstream").fill(upstream if reverse else "")
    dialog.get_by_role("button", name="Record").click()
    _until(lambda: _listens(port))
    if reverse:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/toys/1")
        assert client.getresponse().read() == b"you asked for /toys/1"
        client.close()
    else:
        proxy = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{port}"}))
        assert proxy.open(f"{upstream}/toys/1", timeout=10).read() == b"you asked for /toys/1"
    opened.page.locator(".jp-Terminal").click()
    opened.page.keyboard.press("Control+c")
    _until(lambda: not _listens(port))
    recorded = folder / "recorded.mitm"
    _until(lambda: recorded.stat().st_size > 0)
    (exchange,) = open_capture(recorded)
    assert (exchange.request.path, exchange.response and exchange.response.status) == (b"/toys/1", 200)
    _go(opened, "made")
    _refresh(opened)
    _file(opened, "recorded.mitm").dblclick()
    assert "1 exchange" in _view(opened).inner_text()
    _clean(opened)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("File", "a b; ls", "make a name"),
        ("File", "burst.mitm", "is there already"),
        ("Port", "none", "1 to 65535"),
        ("Upstream", "x", "http://127"),
    ],
)
def test_what_cannot_be_recorded_is_said(opened: Page, field: str, value: str, says: str) -> None:
    dialog = _menu(opened, "made", "Record to this folder…")
    dialog.get_by_role("textbox", name=field).fill(value)
    dialog.get_by_role("button", name="Record").click()
    opened.page.get_by_role("dialog").get_by_text(says).wait_for()
    assert opened.page.locator(".jp-Terminal").count() == 0
    _clean(opened)


def test_a_filter_from_the_template_is_built_and_tried(opened: Page, folder: Path) -> None:
    dialog = _menu(opened, "made", "New filter from template…")
    dialog.locator("select").select_option(label="WebAssembly text, built without a toolchain")
    dialog.get_by_role("button", name="Next").click()
    opened.page.get_by_role("textbox", name="Name").fill("toy_filter")
    opened.page.get_by_role("button", name="Create").click()
    opened.page.get_by_role("heading", name="toy_filter").wait_for()
    _file(opened, "build.ipynb").dblclick()
    opened.page.evaluate(
        """async () => {
            const panel = window.jupyterapp.shell.currentWidget;
            await panel.context.ready;
            await panel.sessionContext.ready;
            await window.jupyterapp.commands.execute('notebook:run-all-cells');
        }"""
    )
    opened.page.get_by_text("Would it run there?").wait_for(timeout=60_000)
    assert (folder / "toy_filter" / "toy_filter.wasm").read_bytes().startswith(b"\0asm")
    _refresh(opened)
    _file(opened, "toy_filter.wasm").dblclick()
    opened.page.get_by_role("button", name="Try on a capture…").click()
    opened.page.get_by_role("radio", name="burst.mitm made/").check()
    opened.page.get_by_role("button", name="Choose", exact=True).click()
    view = _view(opened)
    view.locator("[data-exchange]").first.click()
    view.get_by_text("x-filter").first.wait_for()
    _clean(opened)


def test_a_double_click_opens_a_har_file(opened: Page, folder: Path, need: Callable[..., str]) -> None:
    exported(need("mitmdump"), folder / "burst.mitm", folder / "burst.har")
    _go(opened, "made")
    _refresh(opened)
    _file(opened, "burst.har").dblclick()
    assert "15 exchanges" in _view(opened).inner_text()
    _clean(opened)
