"""The extension in real JupyterLab: files opened by a double click, the kernels behind them, menus, panel and status bar."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import wasmtime

from tests.browser.conftest import Lab, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

CURRENT = "() => window.jupyterapp.shell.currentWidget.content.state"
ALIVE = """async id => {
    const { kernels } = window.jupyterapp.serviceManager;
    await kernels.refreshRunning();
    return [...kernels.running()].some(each => each.id === id);
}"""
NOTEBOOK = """async () => {
    const { commands } = window.jupyterapp;
    const panel = await commands.execute('notebook:create-new', { kernelName: 'python3', cwd: '' });
    await panel.context.ready;
    await panel.sessionContext.ready;
    window.fwNotebook = panel;
    // Its widget manager asks a kernel that knows no widgets yet. Lab logs the refusal for each connection that did not ask.
    for (let round = 0; round < 4; round += 1) {
        await panel.sessionContext.session.kernel.requestExecute({ code: '' }).done;
        await new Promise(done => setTimeout(done, 500));
    }
    return panel.sessionContext.session.kernel.id;
}"""


@pytest.fixture(scope="module")
def files(lab: Lab, repo: Path) -> Path:
    """A folder in Lab's root with the sample capture and two filters in it."""
    folder = lab.root / "toys"
    folder.mkdir()
    shutil.copy(repo / "captures" / "toystore.mitm", folder)
    for name in ("token_bucket", "add_header", "trace_every_call"):
        shutil.copy(repo / "sample_filters" / name / f"{name}.wasm", folder)
    return folder


@pytest.fixture
def opened(page: Page, files: Path) -> Iterator[Page]:
    """Lab, open at that folder; what it started is ended after the test."""
    page.workspace = page.lab.address()  # type: ignore[attr-defined]
    _load(page)
    page.page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:go-to-path', { path: 'toys' })")
    page.page.locator(".jp-DirListing-item", has_text="toystore.mitm").wait_for()
    yield page
    page.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll().then(() => null)")


def _load(page: Page) -> None:
    page.page.goto(page.workspace)  # type: ignore[attr-defined]
    page.page.wait_for_function("() => window.jupyterapp !== undefined")
    page.page.evaluate("() => window.jupyterapp.restored.then(() => null)")


def _file(page: Page, name: str) -> Any:
    return page.page.locator(".jp-DirListing-item", has_text=name)


def _view(page: Page) -> Any:
    view = page.page.get_by_role("region", name="Filter Workbench", exact=True).locator("visible=true").first
    view.wait_for()
    view.locator("[data-exchange]").first.wait_for()
    return view


def _open(page: Page, **state: Any) -> Any:
    asked = {"path": "toys/toystore.mitm", **state}
    page.page.evaluate("args => window.jupyterapp.commands.execute('filter-workbench:open', args).then(() => null)", asked)
    return _view(page)


def _clean(page: Page) -> None:
    assert page.errors == []
    assert page.strangers == []


def test_nothing_but_the_entry_is_fetched_before_use(page: Page, lab: Lab) -> None:
    fetched: list[str] = []
    page.page.on("request", lambda request: fetched.append(request.url) if "/extensions/filter-workbench/" in request.url else None)
    page.page.goto(lab.address())
    page.page.wait_for_function("() => window.jupyterapp !== undefined")
    page.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
    page.page.wait_for_timeout(1500)
    sizes = [len(page.page.request.get(url).body()) for url in fetched]
    assert len(fetched) == 2, fetched
    assert 5_000 < sum(sizes) < 60_000
    assert "kernels" not in " ".join(fetched)
    _clean(page)


def test_a_double_click_opens_a_capture_which_stays_where_it_is(opened: Page, files: Path) -> None:
    asked: list[str] = []
    opened.page.on("request", lambda request: asked.append(request.url) if "/api/contents/toys/toystore" in request.url else None)
    before = (files / "toystore.mitm").read_bytes()
    _file(opened, "toystore.mitm").dblclick()
    assert "93 exchanges" in _view(opened).inner_text()
    assert asked
    assert all("content=0" in url or "checkpoints" in url for url in asked), asked
    opened.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save').then(() => null)")
    opened.page.wait_for_timeout(500)
    assert (files / "toystore.mitm").read_bytes() == before
    assert list(files.rglob("*-checkpoint*")) == []
    _clean(opened)


def test_a_double_click_opens_a_filter(opened: Page) -> None:
    _file(opened, "token_bucket.wasm").dblclick()
    opened.page.get_by_text("Would it run there?").wait_for()
    opened.page.get_by_role("button", name="Try on a capture…").click()
    opened.page.get_by_role("radio", name="toystore.mitm toys/").check()
    opened.page.get_by_role("button", name="Choose", exact=True).click()
    assert "token_bucket" in _view(opened).inner_text()
    _clean(opened)


def test_replay_from_the_context_menu(opened: Page) -> None:
    _file(opened, "toystore.mitm").click(button="right")
    opened.page.get_by_role("menuitem", name="Replay through filter…").click()
    dialog = opened.page.get_by_role("dialog")
    for name in ("token_bucket.wasm toys/", "add_header.wasm toys/"):
        dialog.get_by_role("checkbox", name=name).check()
    dialog.get_by_role("button", name="Choose").click()
    view = _view(opened)
    view.get_by_text("Limited").first.wait_for()
    assert opened.page.evaluate(CURRENT)["filters"] == ["toys/token_bucket.wasm", "toys/add_header.wasm"]
    _clean(opened)


def test_a_page_loaded_anew_brings_the_view_and_its_kernel_back(opened: Page) -> None:
    _open(opened, filters=["toys/token_bucket.wasm"])
    opened.page.wait_for_timeout(1500)  # Lab keeps its layout with a delay
    before = opened.page.evaluate(CURRENT)
    _load(opened)
    view = _view(opened)
    assert "token_bucket" in view.inner_text()
    assert opened.page.evaluate(CURRENT)["kernel"]["id"] == before["kernel"]["id"]
    _clean(opened)


def test_a_shared_kernel_outlives_the_view(opened: Page) -> None:
    kernel = opened.page.evaluate(NOTEBOOK)
    _open(opened, kernel={"own": False, "id": kernel})
    opened.page.get_by_role("button", name="shared").wait_for()
    opened.page.evaluate("() => window.jupyterapp.commands.execute('application:close').then(() => null)")
    opened.page.wait_for_timeout(1000)
    assert opened.page.evaluate(ALIVE, kernel)
    _clean(opened)


def test_a_kernel_of_its_own_ends_with_the_view(opened: Page) -> None:
    _open(opened)
    kernel = opened.page.evaluate(CURRENT)["kernel"]["id"]
    opened.page.evaluate("() => window.jupyterapp.commands.execute('application:close').then(() => null)")
    opened.page.wait_for_function(f"id => ({ALIVE})(id).then(alive => !alive)", arg=kernel)
    _clean(opened)


def test_a_restarted_kernel_is_told_and_the_view_opened_again(opened: Page) -> None:
    kernel = opened.page.evaluate(NOTEBOOK)
    _open(opened, kernel={"own": False, "id": kernel})
    opened.page.evaluate("() => window.fwNotebook.sessionContext.session.kernel.restart().then(() => null)")
    opened.page.get_by_role("alert").get_by_text("The kernel died or was restarted").wait_for()
    opened.page.get_by_role("button", name="Open again").click()
    _view(opened)
    assert opened.page.get_by_role("alert").count() == 0


def test_a_dead_kernel_is_told_and_another_takes_over(opened: Page) -> None:
    _open(opened)
    kernel = opened.page.evaluate(CURRENT)["kernel"]["id"]
    (process,) = [each for each in psutil.process_iter(["cmdline"]) if any(kernel in word for word in each.info["cmdline"] or [])]
    os.kill(process.pid, signal.SIGKILL)
    opened.page.get_by_role("alert").get_by_text("The kernel died").wait_for()
    opened.page.get_by_role("button", name="Start a new kernel").click()
    _view(opened)
    assert opened.page.evaluate(CURRENT)["kernel"]["id"] != kernel


def test_a_kernel_without_the_package_is_told(opened: Page) -> None:
    kernel = opened.page.evaluate(NOTEBOOK)
    hide = "import sys; sys.modules['workbench'] = None; sys.modules['workbench.documents'] = None"
    opened.page.evaluate(
        """([id, code]) => window.fwNotebook.sessionContext.session.kernel.requestExecute({ code }).done.then(() => null)""", [kernel, hide]
    )
    asked = {"path": "toys/toystore.mitm", "kernel": {"own": False, "id": kernel}}
    opened.page.evaluate("args => window.jupyterapp.commands.execute('filter-workbench:open', args).then(() => null)", asked)
    opened.page.get_by_role("alert").get_by_text("does not have the Filter Workbench").wait_for()
    _clean(opened)


def test_the_panel_lists_files_and_chains_are_made_by_dragging(opened: Page) -> None:
    opened.page.evaluate("() => window.jupyterapp.shell.activateById('filter-workbench-panel')")
    panel = opened.page.get_by_role("region", name="Filter Workbench: captures")
    panel.get_by_role("list", name="Captures").get_by_role("button", name="toystore.mitm toys").wait_for()
    filters, chains = panel.get_by_role("list", name="Filters"), panel.get_by_role("list", name="Chains")
    filters.get_by_role("button", name="token_bucket.wasm toys").drag_to(chains.get_by_text("Drop a filter here"))
    chains.get_by_text("token_bucket").wait_for()
    filters.get_by_role("button", name="add_header.wasm toys").drag_to(chains.get_by_role("listitem").first)
    chains.get_by_text("token_bucket → add_header").wait_for()
    chains.get_by_role("button", name="Replay a capture through this chain").click()
    opened.page.get_by_role("radio", name="toystore.mitm toys/").check()
    opened.page.get_by_role("button", name="Choose", exact=True).click()
    _view(opened)
    panel.get_by_role("list", name="Runs").get_by_text("93 of 93").wait_for()
    _clean(opened)


def test_the_status_bar_shows_a_replay_and_cancels_it(opened: Page) -> None:
    """The replay is a real one, in a notebook, of a chain that takes its time."""
    opened.page.evaluate(NOTEBOOK)
    code = "\n".join(
        [
            "import time, workbench as wb",
            f"capture = wb.open_capture({str(opened.lab.root / 'toys/toystore.mitm')!r})",
            f"chain = wb.Chain({str(opened.lab.root / 'toys/add_header.wasm')!r})",
            "@chain.intercept('proxy_replace_header_map_value')",
            "def slow(call): time.sleep(1)",
            "shown = wb.Workbench(capture, chain)",
            "shown",
        ]
    )
    opened.page.evaluate(
        """code => {
            const { commands } = window.jupyterapp;
            window.fwNotebook.model.sharedModel.insertCells(0, [{ cell_type: 'code', source: code }]);
            return commands.execute('notebook:run-all-cells').then(() => null);
        }""",
        code,
    )
    bar = opened.page.locator(".filter-workbench-status")
    bar.get_by_text("Replaying toystore.mitm").wait_for()
    bar.get_by_role("button", name="Cancel").click()
    bar.get_by_text("Cancelled").wait_for()
    _clean(opened)


def test_a_kernel_restarted_in_the_midst_of_a_replay_is_told(opened: Page) -> None:
    """Nothing more comes of that replay, and the view asks why."""
    opened.page.evaluate(NOTEBOOK)
    code = "\n".join(
        [
            "import time, workbench as wb",
            f"capture = wb.open_capture({str(opened.lab.root / 'toys/toystore.mitm')!r})",
            f"chain = wb.Chain({str(opened.lab.root / 'toys/add_header.wasm')!r})",
            "@chain.intercept('proxy_replace_header_map_value')",
            "def slow(call): time.sleep(1)",
            "wb.Workbench(capture, chain)",
        ]
    )
    opened.page.evaluate(
        """code => {
            window.fwNotebook.model.sharedModel.insertCells(0, [{ cell_type: 'code', source: code }]);
            return window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => null);
        }""",
        code,
    )
    view = opened.page.get_by_role("region", name="Filter Workbench", exact=True)
    view.get_by_role("progressbar").wait_for()
    opened.page.evaluate("() => window.fwNotebook.sessionContext.session.kernel.restart().then(() => null)")
    view.get_by_text("The kernel does not answer").first.wait_for()
    assert view.get_by_role("progressbar").count() == 0
    assert opened.page.locator(".filter-workbench-status:visible").count() == 0


SAVE = "settings => window.jupyterapp.serviceManager.settings.save('filter-workbench:documents', JSON.stringify(settings)).then(() => null)"
LIGHTNESS = """node => {
    const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
    context.fillStyle = getComputedStyle(node).backgroundColor;
    context.fillRect(0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data[0];
}"""


@pytest.fixture
def settings(opened: Page) -> Iterator[Callable[..., None]]:
    """Save settings of the extension and load the page anew; they are the defaults again after the test."""

    def save(**values: Any) -> None:
        opened.page.evaluate(SAVE, values)
        _load(opened)

    yield save
    opened.page.evaluate(SAVE, {})


def test_settings_redact_limit_and_theme(opened: Page, settings: Callable[..., None]) -> None:
    """Exchange 28 has credentials, which the filter reads with every other header."""
    secret = "YWRtaW4zOmFkbWluMw"
    settings(redact=True, charts="dark", time_limit_s=2)
    view = _open(opened, filters=["toys/trace_every_call.wasm"])
    assert view.locator("xpath=ancestor-or-self::*[@data-charts]").first.get_attribute("data-charts") == "dark"
    query = view.get_by_role("combobox", name="Query")
    query.fill("~hq authorization")
    query.press("Enter")
    view.locator("[data-exchange='28']").click()
    view.get_by_role("tab", name="Microscope").click()
    view.locator(".fw-strip").wait_for()
    view.get_by_text("[redacted ").first.wait_for()
    assert secret not in view.inner_text()
    assert view.evaluate(LIGHTNESS) > 200
    assert view.locator(".fw-strip").evaluate(LIGHTNESS) < 80
    _clean(opened)


def test_the_running_panel_shows_the_view_and_shuts_it_down(opened: Page) -> None:
    _open(opened, filters=["toys/token_bucket.wasm"])
    kernel = opened.page.evaluate(CURRENT)["kernel"]["id"]
    opened.page.evaluate("() => window.jupyterapp.shell.activateById('jp-running-sessions')")
    row = opened.page.locator(".jp-mod-kernel-widget").filter(has_text="toystore.mitm → token_bucket")
    row.locator("[data-icon='filter-workbench:capture']").wait_for()
    row.hover()
    row.get_by_role("button").click()
    opened.page.wait_for_function(f"id => ({ALIVE})(id).then(alive => !alive)", arg=kernel)
    opened.page.get_by_role("alert").get_by_text("The kernel was shut down").wait_for()
    opened.page.get_by_role("button", name="Start a new kernel").click()
    _view(opened)
    _clean(opened)


def test_what_cannot_be_replayed_is_replayed_anyway_at_a_button(opened: Page, files: Path) -> None:
    configure = '(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))'
    start = '(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))'
    (files / "refuses.wasm").write_bytes(
        wasmtime.wat2wasm(f'(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")) {start} {configure})')
    )
    asked = {"path": "toys/toystore.mitm", "filters": ["toys/refuses.wasm"]}
    opened.page.evaluate("args => window.jupyterapp.commands.execute('filter-workbench:open', args).then(() => null)", asked)
    view = opened.page.get_by_role("region", name="Filter Workbench", exact=True)
    said = view.get_by_role("alert")
    said.get_by_text("refused its configuration").wait_for()
    assert "start_anyway" not in said.inner_text()
    said.get_by_role("button", name="Replay anyway").click()
    _view(opened).get_by_text("503").first.wait_for()
    view.get_by_role("tab", name="Chain").click()
    switch = view.get_by_role("checkbox", name="Replay even if a filter does not start")
    assert switch.is_checked()
    switch.uncheck()
    view.get_by_role("button", name="Replay").first.click()
    said.get_by_text("refused its configuration").wait_for()
    _clean(opened)
