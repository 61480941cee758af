from __future__ import annotations

import random
from typing import Any

import pytest

from workbench.analysis.facts import gather_facts
from workbench.analysis.paths import path_pattern, path_patterns, request_lines
from workbench.analysis.words import text

from .tracewriter import TraceWriter


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        (b"/", "/"),
        (b"/toys", "/toys"),
        (b"/toys/17", "/toys/{n}"),
        (b"/toys/17/parts/3?page=2&q=/x", "/toys/{n}/parts/{n}"),
        (b"/o/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/o/{uuid}"),
        (b"/blob/deadbeef01", "/blob/{hex}"),
        (b"/feedface", "/feedface"),
        (b"/s/eyJhbGciOiJIUzI1NiJ9_abc", "/s/{token}"),
        (b"/internationalisation-service", "/internationalisation-service"),
        (b"/package.Service/Method", "/package.Service/Method"),
        (b"/v1/caf\xc3\xa9", "/v1/caf\u00e9"),
        (b"", ""),
    ],
)
def test_patterns(path: bytes, pattern: str) -> None:
    assert path_pattern(path) == pattern


def test_a_pattern_is_bounded() -> None:
    assert len(path_pattern(b"/" + b"a" * 100_000)) == 256


def test_patterns_in_one_go_are_those_of_each() -> None:
    chance = random.Random(5)
    pieces = ["/", "toys", "17", "?a=/1", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "deadbeef01", "feedface", "x" * 30 + "1", ".", "{n}", "-"]
    for odd in ([], ["\u00e9"], ["\n"], ["y" * 300]):
        for _ in range(60):
            paths = ["".join(chance.choices([*pieces, *odd], k=chance.randrange(9))).encode() for _ in range(40)]
            assert path_patterns(paths) == list(map(path_pattern, paths))
    assert path_patterns([]) == []


def test_lines_are_those_of_the_table(replayed: Any) -> None:
    methods, paths = request_lines(replayed.trace, replayed.facts)
    table = replayed.exchanges
    assert list(map(text, methods)) == table["method"].astype(str).tolist()
    assert list(map(text, paths)) == table["path"].tolist()


def test_lines_of_many_segments_and_of_none() -> None:
    w = TraceWriter("f")
    for exchange in range(5):
        w.request(exchange)
        w.callback("proxy_on_request_headers", 0, exchange)
    trace = w.take(3)
    assert len(list(trace.segments())) > 2
    assert request_lines(trace, gather_facts(trace))[0] == [b"GET"] * 5
    empty = TraceWriter().take()
    assert request_lines(empty, gather_facts(empty)) == ([], [])
