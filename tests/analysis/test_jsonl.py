from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from workbench.analysis import writing
from workbench.analysis.jsonl import write_jsonl
from workbench.analysis.outcome import Result, outcomes

from .tracewriter import TraceWriter, exchange


def test_one_line_an_exchange(replayed: Any) -> None:
    out = io.StringIO()
    assert write_jsonl(replayed.outcomes(), out) == len(replayed)
    lines = out.getvalue().splitlines()
    assert [json.loads(line)["exchange"] for line in lines] == list(range(len(replayed)))
    assert json.loads(lines[3]) == next(result for result in replayed.outcomes() if result["exchange"] == 3)


def test_captured_text_splits_no_line_and_reaches_no_terminal() -> None:
    path = "/\n\r\u2028\u0085\x1b[2J\u202e\x00é".encode()
    w = TraceWriter()
    w.request(0, path=path)
    out = io.StringIO()
    write_jsonl(outcomes(w.take(), [exchange(0, path=path)]), out)
    assert len(out.getvalue().splitlines()) == 1
    assert out.getvalue().isascii() and out.getvalue()[:-1].isprintable()
    assert json.loads(out.getvalue())["url"] == "https://api.toystore.com" + path.decode()


def test_results_are_written_as_they_come() -> None:
    """A line is out before the next result is made: nothing is collected."""
    out = io.StringIO()
    w = TraceWriter()
    for index in range(3):
        w.request(index)
    seen: list[int] = []

    def watched() -> Iterator[Result]:
        for result in outcomes(w.take(), [exchange(index) for index in range(3)]):
            seen.append(out.getvalue().count("\n"))
            yield result

    write_jsonl(watched(), out)
    assert seen == [0, 1, 2]


def test_a_long_one_shows_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    w = TraceWriter()
    for index in range(5):
        w.request(index)
    clock = iter((0.0, 0.05, 0.2, 0.25, 0.29, 0.4))
    monkeypatch.setattr(writing, "monotonic", lambda: next(clock))
    told: list[tuple[int, int]] = []
    write_jsonl(outcomes(w.take(), [exchange(index) for index in range(5)]), io.StringIO(), lambda *how_far: told.append(how_far), 5)
    assert told == [(2, 5), (5, 5)]
