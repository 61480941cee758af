"""Real replays for the views: the sample chain over the sample capture, and a filter over a capture full of hostile text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.widgets.hostile import write_hostile_capture
from workbench.capture import Capture, open_capture
from workbench.chain import Chain, Filter
from workbench.replay import Replay

RULES = {"basic_auth_rules": [{"prefix": "/productpage", "request_methods": ["GET", "POST"], "credentials": ["ok:test"]}]}


@pytest.fixture(scope="session")
def chain(sample_filter: Callable[[str], Path]) -> Chain:
    """basic_auth, token_bucket, add_header."""
    return Chain(
        Filter(sample_filter("basic_auth"), config=RULES),
        Filter(sample_filter("token_bucket")),
        Filter(sample_filter("add_header")),
    )


@pytest.fixture(scope="session")
def capture(sample_capture: Path) -> Capture:
    return open_capture(sample_capture)


@pytest.fixture(scope="session")
def replay(chain: Chain, capture: Capture) -> Replay:
    """The sample chain over the sample capture."""
    return chain.replay(capture)


@pytest.fixture(scope="session")
def hostile_replay(tmp_path_factory: pytest.TempPathFactory, sample_filter: Callable[[str], Path]) -> Replay:
    """trace_every_call logs what it reads, so that hostile text comes back as log lines too."""
    config = json.dumps({"header": "x-evil", "value": "<img src=x onerror=window.pwned=1>"})
    chain = Chain(Filter(sample_filter("trace_every_call")), Filter(sample_filter("add_header"), config=config))
    return chain.replay(open_capture(write_hostile_capture(tmp_path_factory.mktemp("hostile") / "hostile.mitm")))


class Asked:
    """A view without a browser: what it is asked, and what it answers."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.sent: list[tuple[dict[str, Any], Any]] = []
        view.send = lambda content, buffers=None: self.sent.append((content, buffers))

    def __call__(self, kind: str, **question: Any) -> tuple[dict[str, Any], Any]:
        """The head of the answer, and the data in its buffer, or its buffers as they are."""
        self.sent.clear()
        self.view._handle_custom_msg({"kind": kind, "ask": "7", **question}, [])
        ((head, buffers),) = self.sent
        assert head["ask"] == "7"
        assert head["kind"] == kind
        if head.get("binary"):
            return head, buffers
        return head, json.loads(buffers[0]) if buffers else None


@pytest.fixture
def ask() -> Callable[[Any], Asked]:
    """`ask(view)(kind, …)` sends a question as a page does, and gives the answer."""
    return Asked
