"""Patterns mean what they mean to `re`, and come to an end on texts that are made to be slow."""

from __future__ import annotations

import contextlib
import re
import time

import pytest

from workbench.analysis import query_pattern
from workbench.analysis.query_pattern import Pattern
from workbench.errors import QueryError

TEXTS = (
    "",
    "/toys?id=12",
    "/TOYS",
    "Content-Type: text/html\r\nHost: a\r\n",
    "ß İ ſ K",
    "\udcff\udc80 x",
    "a" * 50,
    "[a-z]+\\d",
    "x\ny\n",
    "(?:toyz){e}",
    "::",
    "x{{",
    "a{}",
)


@pytest.mark.parametrize(
    "text",
    ["", "/toys", r"/toys\?id=\d+$", "^host: .$", "[[:alpha:]]+", "[:a]+", r"\[[:]*", r"\p", "(?P<a>.)(?P=a){3}", "(?i)SS?", r"\bk+\b",
     "a{2,3}?a", "(a|ab)*b?$", "(?:toyz){e}", "a{,3}b*", "a{e<=1}?", r"x\{2}", "[{]*}", "a{}+", r"[\]^-]+", "(?<=/).*", r"\Z*x", "K*k",
     "[a-z]+\\\\", "(?x) a +  # that", "x.*y", r"\w+\s\w+", "[^\\x00-\\x7f]+"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.MULTILINE, re.DOTALL])
def test_the_same_as_re(text: str, flags: int) -> None:
    for pattern, texts in ((text, TEXTS), (text.encode(), [each.encode("utf-8", "surrogateescape") for each in TEXTS])):
        try:
            plain = re.compile(pattern, flags)
        except re.error:
            with pytest.raises(re.error):
                Pattern(pattern, flags, text, 0, 1)
            continue
        found = Pattern(pattern, flags, text, 0, 1)
        assert [bool(found.search(each)) for each in texts] == [bool(plain.search(each)) for each in texts]


def test_a_text_that_is_made_to_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_pattern, "_ONE_S", 0.2)
    pattern, body = Pattern(b"user.*name", re.DOTALL, "~b user.*name", 3, 13), b"user" * 500_000
    begun = time.process_time()
    with pytest.raises(QueryError, match="takes too long on what was captured") as error:
        pattern.search(body)
    assert time.process_time() - begun < 10
    assert (error.value.query, error.value.at, error.value.end) == ("~b user.*name", 3, 13)
    assert pattern.search(b"user ... name")


def test_many_texts_that_are_a_little_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_pattern, "_ALL_S", 0.1)
    pattern, body = Pattern(b"user.*name", re.DOTALL, "", 0, 1), b"user" * 5_000
    with pytest.raises(QueryError):
        for _ in range(1000):
            pattern.search(body)


def test_large_texts_are_no_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_pattern, "_ALL_S", 0.5)
    pattern, body = Pattern(b"name+$", re.DOTALL, "", 0, 1), b"user " * 4_000_000
    assert [pattern.search(body) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("text", ["a*a*a*a*b", "(a|a)*b", "(?:a?){20}b", "(a+)+b", "a?" * 40 + "a" * 40, "(x*)*y", "(?x)(a+) +b"])
def test_short_texts_are_bounded_too(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_pattern, "_ONE_S", 0.2)
    pattern = Pattern(text, 0, "", 0, 1)
    for size in (10, 20, 40, 80, 500, 1000):
        begun = time.process_time()
        with contextlib.suppress(QueryError):
            pattern.search("a" * size + "c")
            pattern.search("x" * size)
        assert time.process_time() - begun < 10


def test_equal_patterns_are_one() -> None:
    assert {Pattern("a+", 0, "a+", 0, 2), Pattern("a+", 0, "!a+", 1, 3)} == {Pattern("a+", 0, "", 0, 0)}
