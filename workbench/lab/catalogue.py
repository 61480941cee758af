"""The catalogue of what the extension says, for translators: `locale/filter_workbench.pot`, written with each build.

A language pack, or a package with an entry point `jupyterlab.locale`, brings its translation; JupyterLab then finds it by this domain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CATALOGUE", "DOMAIN", "catalogue", "spoken"]

HERE = Path(__file__).resolve().parent
DOMAIN = "filter_workbench"
CATALOGUE = HERE / "locale" / f"{DOMAIN}.pot"
_TEXT = r'"((?:[^"\\]|\\.)*)"'
# `lab.__` asks for JupyterLab's own words
_SAID = re.compile(rf"(?<!lab\.)(?<!\w)__\(\s*{_TEXT}")
_HEAD = """\
# What the Filter Workbench's extension of JupyterLab says.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""

Entry = tuple[str, str]


def spoken(source: str) -> list[str]:
    """What a TypeScript file says, as written between the quotes: the first argument of each `__(…)`."""
    return _SAID.findall(source)


def catalogue() -> str:
    """The text of the catalogue: every sentence once with the places that say it, in the order of the files."""
    places: dict[Entry, list[str]] = {}
    for path in sorted((HERE / "src").glob("*.ts")):
        for text in spoken(path.read_text(encoding="utf-8")):
            places.setdefault(("", text), []).append(f"src/{path.name}")
    for path in sorted((HERE / "schema").glob("*.json")):
        for context, text in _settings(json.loads(path.read_text(encoding="utf-8"))):
            places.setdefault((context, json.dumps(text, ensure_ascii=False)[1:-1]), []).append(f"schema/{path.name}")
    entries = (_entry(context, text, where) for (context, text), where in places.items())
    return "\n".join((_HEAD, *entries))


def _settings(schema: Mapping[str, Any]) -> Iterator[Entry]:
    """What JupyterLab's server translates of a schema, with the contexts that it looks them up in (`jupyterlab_server`)."""
    yield from (("schema", schema[name]) for name in ("title", "description"))
    if label := schema.get("jupyter.lab.setting-icon-label"):
        yield "settings", label
    for each in schema["properties"].values():
        yield from (("settings", each[name]) for name in ("title", "description"))
        if item := each.get("items", {}).get("title"):
            yield "settings", item


def _entry(context: str, text: str, where: list[str]) -> str:
    lines = [f"#: {place}" for place in dict.fromkeys(where)]
    if context:
        lines.append(f'msgctxt "{context}"')
    return "\n".join((*lines, f'msgid "{text}"', 'msgstr ""', ""))
