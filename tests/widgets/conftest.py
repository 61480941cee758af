"""Real replays for the views: the sample chain over the sample capture, and a filter over a capture full of hostile text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.widgets.hostile import write_hostile_capture
from workbench.analysis.query_terms import OUTCOMES
from workbench.capture import Capture, open_capture
from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.widgets.rows import LAYOUT

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


def unpacked(head: dict[str, Any], buffers: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows in the two buffers of a page, as a browser reads them."""
    numbers, pool = buffers
    count, at = head["count"], 0
    columns: dict[str, list[Any]] = {}
    for kind, names in LAYOUT[:2]:
        for name in names:
            columns[name] = np.frombuffer(numbers, f"<{kind}", count, at).tolist()
            at += count * np.dtype(kind).itemsize
    assert at == len(numbers)
    texts = LAYOUT[2][1]
    offsets = np.frombuffer(pool, "<u4", count * len(texts) + 1).tolist()
    begin = 4 * len(offsets)
    said = [pool[begin + a : begin + b].decode() for a, b in pairwise(offsets)]
    assert begin + offsets[-1] == len(pool)
    rows = [{name: values[row] for name, values in columns.items()} for row in range(count)]
    kinds = {"d": "del", "a": "add", "c": "chg"}
    for place, row in enumerate(rows):
        row |= dict(zip(texts, said[place * len(texts) :], strict=False))
        row["outcome"] = OUTCOMES[row["outcome"]]
        row["changes"] = [[kinds[name[0]], name[1:]] for name in (row["name0"], row["name1"], row["name2"]) if name]
    return rows


class Asked:
    """A view without a browser: what it is asked, and what it answers."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.sent: list[tuple[dict[str, Any], Any]] = []
        view.send = lambda content, buffers=None: self.sent.append((content, buffers))

    def __call__(self, kind: str, **question: Any) -> tuple[dict[str, Any], Any]:
        """The head of the answer, and the data in its buffer, rows of the flow table as dictionaries."""
        self.sent.clear()
        self.view._handle_custom_msg({"kind": kind, "ask": "7", **question}, [])
        ((head, buffers),) = self.sent
        assert head["ask"] == "7"
        assert head["kind"] == kind
        if head.get("binary"):
            return head, unpacked(head, buffers)
        return head, json.loads(buffers[0]) if buffers else None


@pytest.fixture
def ask() -> Callable[[Any], Asked]:
    """`ask(view)(kind, …)` sends a question as a page does, and gives the answer."""
    return Asked
