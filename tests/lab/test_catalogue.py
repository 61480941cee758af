"""Everything that the extension says can be translated, and the catalogue for that is the one of today's sources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from workbench.lab.catalogue import CATALOGUE, DOMAIN, HERE, catalogue, spoken

SOURCES = sorted((HERE / "src").glob("*.ts"))
_WORDS = re.compile(r"[A-Za-z]{2,}[,.:;]? +(?:%\d )?[A-Za-z%]")
_SINKS = re.compile(
    r"(?:\b(?:label|title|caption|tooltip|what|remedy|body|okLabel|cancelLabel|displayName|placeholder)\s*:"
    r"|\.(?:textContent|title|caption|placeholder|label)\s*="
    r"|setAttribute\(\"(?:aria-label|title|placeholder)\",)\s*([\"`])((?:(?!\1)[^\\]|\\.)*)\1"
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_UNSEEN = {
    "This file is only read here; nothing was written",  # thrown where nobody catches it: saving does nothing
    "mitmdump --listen-host 127.0.0.1 -w recorded.mitm",  # a command
    "status bar",  # the number of a question
    "Filter Workbench",  # the name by which JupyterLab knows the factory; its label is translated
}
_UNSEEN_LINES = re.compile(r"^\s*(?://|/?\*|import\b|\} from\b|description: |.*\bdescription: \"|.*\bconsole\.)")


def _raw(source: str) -> list[str]:
    """Words that a reader would see and no translator: sentences, and whatever becomes a label."""
    said = set(spoken(source))
    lines = "\n".join(line for line in source.split("\n") if not _UNSEEN_LINES.match(line))
    found = [text for _, text in _SINKS.findall(lines) if re.search("[A-Za-z]{2}", re.sub(r"\$\{[^}]*\}", "", text))]
    found += [text for text in _STRING.findall(lines) if _WORDS.search(text)]
    return sorted({text for text in found if text not in said | _UNSEEN and not re.fullmatch(r"[\w./+-]+(?: [\w-]+-[\w-]+)*", text)})


def _without_templates(path: Path) -> str:
    """The files that are made from templates stay English: they are code."""
    source = path.read_text(encoding="utf-8")
    return re.sub(r"`(?:[^`\\]|\\.)*`", "``", source) if path.name == "templates.ts" else source


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_words_but_those_of_the_catalogue(path: Path) -> None:
    source = _without_templates(path)
    # what a token and its provider are for is told to developers
    source = re.sub(r"new Token<\w+>\([^)]*\)", "", source)
    assert _raw(source) == []


@pytest.mark.parametrize(
    "line",
    [
        'button.textContent = "Stop it now";',
        'const said = { what: "The kernel died." };',
        'node.setAttribute("aria-label", "Look again");',
        'okButton({ label: "Close it" })',
        "node.title = `Replaying ${name} now`;",
        'throw new Error("no kernel is there");',
    ],
)
def test_a_raw_string_is_found(line: str) -> None:
    assert _raw(line)


def test_the_catalogue_is_that_of_the_sources() -> None:
    assert CATALOGUE.read_text(encoding="utf-8") == catalogue(), "what the extension says has changed: run `make labextension`, commit both"
    count = len(re.findall('^msgid "(?!")', CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE))
    assert count > 80


def test_the_catalogue_is_one_that_gettext_reads() -> None:
    blocks = CATALOGUE.read_text(encoding="utf-8").split("\n\n")
    keys = []
    for block in blocks[1:]:
        (msgid,) = re.findall(r'^msgid (".*")$', block, re.MULTILINE)
        context = re.findall(r'^msgctxt (".*")$', block, re.MULTILINE)
        assert json.loads(msgid)
        assert 'msgstr ""' in block
        keys.append((*context, msgid))
    assert len(keys) == len(set(keys))


def test_the_sources_ask_for_this_domain() -> None:
    asked = {name for path in SOURCES for name in re.findall(r'\.load\("(\w+)"\)', path.read_text(encoding="utf-8"))}
    assert asked == {DOMAIN}
    for path in (HERE / "schema").glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["jupyter.lab.internationalization"] == {"domain": DOMAIN}
