"""The source that reaches the browser, answers to questions, and what a saved notebook keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.capture import Capture
from workbench.chain import Chain
from workbench.replay import Replay
from workbench.widgets import ExchangeDetails, FlowTable, VerificationView, Workbench
from workbench.widgets.view import script

FOLDER = Path(script.__wrapped__.__code__.co_filename).parent


@pytest.mark.parametrize("view", [FlowTable, ExchangeDetails, VerificationView, Workbench])
def test_the_script_is_one_module_without_imports(view: Any) -> None:
    source = str(view._esm)
    assert not re.search(r"^\s*import\s", source, re.MULTILINE), "a view cannot load a second file"
    assert source.count("export default") == 1


def test_no_view_ever_parses_markup() -> None:
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment", "eval(")
    for file in FOLDER.glob("*.js"):
        source = file.read_text(encoding="utf-8")
        assert not [word for word in forbidden if word in source], file.name
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", source), f"{file.name} names another host"


def test_every_colour_follows_the_theme() -> None:
    """Outside the tokens' own fallbacks there is no colour that a theme could not change."""
    for file in FOLDER.glob("*.css"):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"#[0-9a-fA-F]{3,8}\b|\brgb\(", line):
                assert line.lstrip().startswith("--fw-"), f"{file.name}:{number} has a fixed colour"


def test_rules_stay_inside_the_view() -> None:
    for file in FOLDER.glob("*.css"):
        source = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for selectors in re.findall(r"([^{}]+)\{[^{}]*\}", source):
            if selectors.strip().startswith("@keyframes") or re.fullmatch(r"\s*(\d+%|from|to)\s*", selectors):
                continue
            for selector in re.split(r",(?![^()]*\))", selectors):
                assert ".fw" in selector, f"{file.name}: {selector.strip()} reaches out of the view"


def test_an_unknown_question_is_answered_with_an_error(replay: Replay, ask: Callable[[Any], Any]) -> None:
    head, data = ask(FlowTable(replay))("detail", index=0)
    assert "no answer" in head["error"]
    assert data is None


@pytest.mark.parametrize("question", [None, 7, "rows", [], {}, {"kind": 7}, {"ask": "1"}])
def test_what_is_no_question_is_ignored(replay: Replay, question: Any) -> None:
    view, sent = FlowTable(replay), []
    view.send = lambda *message: sent.append(message)
    view._handle_custom_msg(question, [])
    assert not sent


@pytest.mark.parametrize("body", [{}, {"index": "x"}, {"index": None}, {"index": 10**9}, {"index": [1]}, {"index": float("nan")}])
def test_a_wrong_question_is_an_answer_not_an_exception(replay: Replay, ask: Callable[[Any], Any], body: dict[str, Any]) -> None:
    head, _ = ask(ExchangeDetails(replay))("detail", **body)
    assert head["error"]


def test_nothing_captured_is_state(hostile_replay: Replay, replay: Replay) -> None:
    """Traits are copied to every page and may land in a saved notebook: only counts, names of files and filters."""
    for view in (Workbench(replay), FlowTable(replay), ExchangeDetails(hostile_replay)):
        state = {name: value for name, value in view.get_state().items() if name not in ("_esm", "_css")}
        text = json.dumps(state, default=str)
        assert len(text) < 2000
        for captured in ("toys", "api.toystore.com", "POST", "x-user", "pwned"):
            assert captured not in text.replace("toystore.mitm", ""), captured


def test_a_saved_notebook_says_how_to_get_the_view_back(replay: Replay) -> None:
    bundle = Workbench(replay)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    words = "Workbench: 93 exchanges through basic_auth → token_bucket → add_header"
    assert data["text/plain"] == f"{words}. Run the cell to get the view back."
    assert words in data["text/html"]


def test_the_fallback_escapes_names(capture: Capture, chain: Chain) -> None:
    from dataclasses import replace

    named = Chain(*(replace(one, name=f"<b>{one.name}</b>") for one in chain))
    workbench = Workbench(capture, named)
    workbench.wait(30)
    bundle = workbench._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "<b>" not in data["text/html"]
    assert "&lt;b&gt;basic_auth" in data["text/html"]
