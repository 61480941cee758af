"""The extension in another language: a language pack made of its catalogue, in which every sentence is marked, in real JupyterLab."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab, Page, serving
from workbench.lab.catalogue import CATALOGUE, DOMAIN, HERE

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.flaky(reruns=2)]

LANGUAGE = "de_DE"
OPEN = "path => window.jupyterapp.commands.execute('filter-workbench:open', { path }).then(() => null)"


def _pack(folder: Path) -> None:
    """A language pack as pip would install it; each sentence stands in ‹ and ›."""
    pofile, mofile = pytest.importorskip("babel.messages.pofile"), pytest.importorskip("babel.messages.mofile")
    module = f"jupyterlab_language_pack_{LANGUAGE}"
    messages = folder / module / "locale" / LANGUAGE / "LC_MESSAGES"
    messages.mkdir(parents=True)
    (folder / module / "__init__.py").touch()
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[jupyterlab.languagepack]\n{LANGUAGE} = {module}\n")
    with CATALOGUE.open("rb") as file:
        read = pofile.read_po(file, domain=DOMAIN)
    table: dict[str, Any] = {"": {"domain": DOMAIN, "language": LANGUAGE.replace("_", "-"), "plural_forms": "nplurals=2; plural=(n != 1);"}}
    for message in read:
        if message.id:
            message.string = f"‹{message.id}›"
            table[f"{message.context}\x04{message.id}" if message.context else message.id] = [message.string]
    (messages / f"{DOMAIN}.json").write_text(json.dumps(table))
    with (messages / f"{DOMAIN}.mo").open("wb") as file:
        mofile.write_mo(file, read)


@pytest.fixture(scope="module")
def translated(browser_path: str, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    packs, home, root = (tmp_path_factory.mktemp(name) for name in ("packs", "jupyter", "root"))
    _pack(packs)
    language = home / "settings" / "@jupyterlab" / "translation-extension" / "plugin.jupyterlab-settings"
    language.parent.mkdir(parents=True)
    language.write_text(json.dumps({"locale": LANGUAGE}))
    shutil.copy(repo / "captures" / "toystore.mitm", root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(packs))
        with serving(("jupyterlab", "--LabApp.expose_app_in_browser=True"), repo, home, root) as found:
            yield found


def test_every_word_of_the_extension_is_translated(translated: Lab, chromium: Any, tmp_path: Path) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = Page(context.new_page(), translated).page
    try:
        page.goto(translated.address())
        page.wait_for_function("() => window.jupyterapp !== undefined")
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        page.get_by_text("‹Filter Workbench›").first.wait_for()
        page.evaluate(OPEN, "toystore.mitm")
        page.locator(".fw [data-exchange]").first.wait_for(timeout=60_000)
        page.evaluate("() => window.jupyterapp.shell.activateById('filter-workbench-panel')")
        panel = page.locator(".filter-workbench-panel")
        panel.get_by_text("‹Captures›").wait_for()
        panel.get_by_text("toystore.mitm").first.wait_for()
        said = panel.locator("h3, .filter-workbench-empty, .filter-workbench-drop").all_inner_texts()
        said += [button.get_attribute("title") for button in panel.locator("button.filter-workbench-icon").all()]
        said += page.locator(".filter-workbench-document .jp-Toolbar jp-button").all_inner_texts()
        said = [text for text in said if text]
        assert len(said) >= 8
        assert [text for text in said if not re.fullmatch("‹.*›", text, re.DOTALL)] == []
        page.get_by_role("button", name="‹Replay through filter…›").click()
        dialog = page.get_by_role("dialog")
        assert re.fullmatch("‹.*›", dialog.locator(".jp-Dialog-header").inner_text().strip())
        assert [text for text in dialog.get_by_role("button").all_inner_texts() if text and "‹" not in text] == []
    finally:
        page.screenshot(path=tmp_path / "last.png")
        page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll().then(() => null)")
        context.close()


def test_the_server_translates_the_settings(tmp_path: Path) -> None:
    """As JupyterLab's server does it, in a process that finds the pack."""
    _pack(tmp_path)
    code = (
        "import json, sys; from jupyterlab_server.translation_utils import translator; translator.set_locale(sys.argv[1]);"
        "print(json.dumps(translator.translate_schema(json.load(open(sys.argv[2])))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for schema in (HERE / "schema").glob("*.json"):
        command = [sys.executable, "-c", code, LANGUAGE, str(schema)]
        found = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        words = [found[name] for name in ("title", "description")]
        words += [each[name] for each in found["properties"].values() for name in ("title", "description")]
        words += [each["items"]["title"] for each in found["properties"].values() if "items" in each]
        assert [text for text in words if not re.fullmatch("‹.*›", text)] == []
