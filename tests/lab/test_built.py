"""The extension in the tree is the one that its sources make, and as small as is promised."""

from __future__ import annotations

import json
import re

from workbench.lab.build import BUILT, HERE, STAMP, expected_stamp

NAME = "filter-workbench"


def test_the_built_extension_carries_the_hash_of_its_sources() -> None:
    assert STAMP.read_text(encoding="ascii").strip() == expected_stamp(), "the sources have changed: run `make labextension`, commit both"


def test_the_browser_loads_little() -> None:
    loaded = sum(path.stat().st_size for path in (BUILT / "static").glob("*.js"))
    assert 10_000 < loaded < 300_000


def test_it_says_who_owns_it_and_is_called_by_one_name() -> None:
    built = json.loads((BUILT / "package.json").read_text(encoding="utf-8"))
    source = json.loads((HERE / "package.json").read_text(encoding="utf-8"))
    assert built["name"] == source["name"] == NAME
    assert (BUILT / built["jupyterlab"]["_build"]["load"]).is_file()
    assert json.loads((BUILT / "install.json").read_text(encoding="utf-8"))["packageName"] == "wasm-filter-workbench"
    # A settings file belongs to the plugin of its name, and Lab looks for it under the extension's.
    plugins = set(re.findall(r"`\$\{NAME\}:([a-z]+)`", "".join(path.read_text(encoding="utf-8") for path in (HERE / "src").glob("*.ts"))))
    schemas = {path.stem for path in (BUILT / "schemas" / NAME).glob("*.json")}
    assert schemas
    assert schemas <= plugins


def test_nothing_becomes_markup() -> None:
    for path in (HERE / "src").glob("*.ts"):
        assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML)\b", path.read_text(encoding="utf-8")), path.name
