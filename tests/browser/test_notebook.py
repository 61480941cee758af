"""The same extension and views in real Notebook 7, where a document has a browser tab of its own and there is no side panel of ours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab, Page, serving

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

CELLS = (
    "import workbench as wb",
    "replay = wb.Chain('token_bucket.wasm').replay(wb.open_capture('toystore.mitm'))\nreplay.table()",
    "wb.Workbench(replay)",
)


@pytest.fixture(scope="module")
def notebook(browser_path: str, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Notebook 7 over a folder with the sample capture and a filter."""
    pytest.importorskip("notebook", minversion="7")
    home, root = tmp_path_factory.mktemp("notebook"), tmp_path_factory.mktemp("notebook-root")
    shutil.copy(repo / "captures" / "toystore.mitm", root)
    shutil.copy(repo / "sample_filters" / "token_bucket" / "token_bucket.wasm", root)
    with serving(("notebook", "--JupyterNotebookApp.expose_app_in_browser=True"), repo, home, root) as found:
        yield found


@pytest.fixture
def page(notebook: Lab, chromium: Any, tmp_path: Path) -> Iterator[Page]:
    """A fresh page; what it started is ended after the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    opened = Page(context.new_page(), notebook)
    yield opened
    opened.page.screenshot(path=tmp_path / "last.png")
    opened.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll().then(() => null)")
    context.close()


def _load(page: Page, path: str) -> None:
    page.page.goto(f"{page.lab.url}/{path}?token={page.lab.token}")
    page.page.wait_for_function("() => window.jupyterapp !== undefined")
    page.page.evaluate("() => window.jupyterapp.restored.then(() => null)")


def _opened(page: Page, name: str) -> Page:
    """What a double click on a file of the tree opens, in its tab."""
    with page.page.context.expect_page() as waiting:
        page.page.locator(".jp-DirListing-item", has_text=name).dblclick()
    tab = Page(waiting.value, page.lab)
    tab.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
    return tab


def _errors(page: Page) -> list[str]:
    """What went wrong, but for the tree's own fault: it reads the schema of settings that it has not, with and without extensions."""
    return [error for error in page.errors if "reading 'schema'" not in error]


def test_a_double_click_in_the_tree_opens_a_capture(page: Page, tmp_path: Path) -> None:
    _load(page, "tree")
    tab = _opened(page, "toystore.mitm")
    view = tab.view()
    assert "93 exchanges" in view.inner_text()
    tab.page.screenshot(path=tmp_path / "capture.png")
    tab.page.get_by_role("button", name="Replay through filter…").click()
    tab.page.get_by_role("checkbox", name="token_bucket.wasm").check()
    tab.page.get_by_role("button", name="Choose", exact=True).click()
    tab.view().get_by_text("Limited").first.wait_for(timeout=30_000)
    for each in (page, tab):
        assert _errors(each) == []
        assert each.strangers == []


def test_a_double_click_in_the_tree_opens_a_filter(page: Page, tmp_path: Path) -> None:
    _load(page, "tree")
    tab = _opened(page, "token_bucket.wasm")
    tab.page.get_by_text("Would it run there?").wait_for(timeout=60_000)
    tab.page.screenshot(path=tmp_path / "filter.png")
    assert _errors(page) + _errors(tab) == []


def test_the_views_in_a_notebook(page: Page, notebook: Lab) -> None:
    name = notebook.notebook("views.ipynb", *CELLS)
    _load(page, f"notebooks/{name}")
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready.then(() => null)")
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => null)")
    page.page.locator(".fw").first.get_by_role("grid").first.wait_for(timeout=60_000)
    view = page.view()
    view.get_by_text("Limited").first.wait_for()
    assert "93 exchanges" in view.inner_text()
    assert _errors(page) == []
    assert page.strangers == []
