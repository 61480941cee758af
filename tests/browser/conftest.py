"""A real JupyterLab and a real Chromium. Everything Lab writes goes to a folder of its own; everything stays on the loopback."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest

_QUIET = {"@jupyterlab/apputils-extension": {"notification": {"fetchNews": "false", "checkForUpdates": False}}}


@dataclass
class Lab:
    """A running JupyterLab whose root is `root`."""

    url: str
    token: str
    root: Path

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; gives its name."""
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel})
        nbformat.write(book, self.root / name)
        return name

    def address(self) -> str:
        """A workspace of its own: Lab would else open again what earlier pages had open, and connect to all their kernels."""
        return f"{self.url}/lab/workspaces/{secrets.token_hex(4)}?token={self.token}"


_HANGS = "the notebook did not run in 75 s"
_PATIENCE_S = 60
"""Longer than anything takes on a busy machine; less than what ends a test that hangs."""


@dataclass
class Page:
    """A page in Lab, and what went wrong in it."""

    page: Any
    lab: Lab
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * _PATIENCE_S)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._note_stranger)

    def _dialog(self, dialog: Any) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note_stranger(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in ("127.0.0.1", "localhost"):
            self.strangers.append(request.url)

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait until it is so, where no locator can tell."""
        end = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "it did not come to that"
            self.page.wait_for_timeout(50)

    def stop_kernel(self) -> None:
        """End the kernel behind the notebook on the page."""
        self.page.evaluate(
            """() => Promise.race([
                window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown() ?? null,
                new Promise(done => setTimeout(done, 5000)),
            ]).then(() => null)"""
        )

    def bare(self) -> None:
        """Close Lab's side panel, so that the notebook has the whole width."""
        self.page.evaluate(
            """() => {
                const { commands } = window.jupyterapp;
                if (commands.isToggled('application:toggle-left-area')) commands.execute('application:toggle-left-area');
            }"""
        )

    def view(self) -> Any:
        """The first workbench on the page, with an exchange in it."""
        view = self.page.get_by_role("region", name="Filter Workbench").first
        view.wait_for()
        view.locator("[data-exchange]").first.wait_for()
        view.get_by_role("table").first.wait_for()
        return view

    def theme(self, name: str) -> None:
        """Change Lab's theme and wait until it is there."""
        light = str("Light" in name).lower()
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })", name)
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
        self.page.wait_for_timeout(300)

    def run(self, notebook: str) -> None:
        """Open a notebook and run all of it. Where Lab or its kernel hang, which is none of our doing, it is opened afresh."""
        for last in (False, False, True):
            try:
                self._run(notebook)
                break
            except Exception as error:
                if last or _HANGS not in str(error):
                    raise
                self.stop_kernel()
                self.errors.clear()
        self.bare()

    def _run(self, notebook: str) -> None:
        self.page.goto(self.lab.address())
        self.page.wait_for_function("() => window.jupyterapp !== undefined")
        self.page.evaluate(
            """([path, says]) => {
                const run = async () => {
                    const { commands, restored } = window.jupyterapp;
                    await restored;
                    const panel = await commands.execute('docmanager:open', { path, factory: 'Notebook' });
                    await panel.context.ready;
                    await panel.sessionContext.ready;
                    await commands.execute('notebook:run-all-cells');
                };
                const late = new Promise((_, fail) => setTimeout(fail, 75000, new Error(says)));
                return Promise.race([run(), late]);
            }""",
            [notebook, _HANGS],
        )


@pytest.fixture(scope="session")
def browser_path(need: Callable[..., str]) -> str:
    """The system's Chromium."""
    return need("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def lab(browser_path: str, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a free port, with this tree on its kernels' path."""
    folders = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("lab-root")
    with serving(("jupyterlab", "--LabApp.expose_app_in_browser=True"), repo, *folders) as found:
        yield found


@contextmanager
def serving(application: tuple[str, ...], repo: Path, home: Path, root: Path) -> Iterator[Lab]:
    """A Jupyter application, a module and its options, on a free port; what it writes goes to `home`, what it shows is `root`."""
    for plugin, schemas in _QUIET.items():
        for name, settings in schemas.items():
            file = home / "settings" / plugin / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
    token = secrets.token_hex(16)
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    # The extension as it is in this tree, before what may be installed.
    extensions = home / "tree" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "filter-workbench").symlink_to(repo / "workbench" / "labextension", target_is_directory=True)
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(home / "tree"),
        **{name: str(home / folder) for name, folder in folders.items()},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(repo), os.environ.get("PYTHONPATH", "")])),
    }
    log = home / "log"
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", *application, "--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={root}"]
        command += [f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0", "--allow-root"]
        with log.open("w") as out:
            server = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=root)
        try:
            if _answers(server, f"http://127.0.0.1:{port}/api?token={token}"):
                yield Lab(f"http://127.0.0.1:{port}", token, root)
                return
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
    pytest.fail(f"{application[0]} did not start: {log.read_text()[-2000:]}")


def _answers(server: subprocess.Popen[bytes], url: str) -> bool:
    """Whether the server is there in the end: another program may have taken its port, and then it is over."""
    end = time.monotonic() + _PATIENCE_S
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return server.poll() is None
        except OSError:
            time.sleep(0.2)
    return False


@pytest.fixture(scope="module")
def chromium(browser_path: str) -> Iterator[Any]:
    """Chromium, started. Not for the whole run: while Playwright is open its event loop counts as running, for every other test."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(lab: Lab, chromium: Any, tmp_path: Path) -> Iterator[Page]:
    """A fresh page, 1440 by 1000. What it shows at the end is kept in the test's folder."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    opened = Page(context.new_page(), lab)
    yield opened
    opened.page.screenshot(path=tmp_path / "last.png")
    opened.stop_kernel()
    context.close()
