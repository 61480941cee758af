"""Texts searched as lines against the same texts searched one by one."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from workbench.analysis.prints import distinct, prints
from workbench.analysis.query_lines import LinePattern
from workbench.analysis.query_pattern import Pattern

TEXTS = [
    *(b"https://shop-3.example.com:8443/orders/12?page=1", b"http://api.toystore.com/toys", b"https://api.toystore.com/Toys/7.JPG"),
    *(b"", b"/", b"a\nb", b"/toys\n", b"\n", "https://k\u00fc.example/\u212ain".encode(), b"\xff\xfe/toys", b"x\r\ty", b"tail "),
    *(b"https://h/ab.c", b"https://h/abxc", b"(a|b)", b"a{2}", b"^$", b"aa", b"/orders/12/items"),
]
AT_ONCE = [
    *("/toys", "toys$", "^https://", "shop-\\d", "\\.jpg$", "ab.c", "ab\\.c", "^$", "(a|b)$", "[a-z][0-9]", "[A-z][a-z]:", "$", "^"),
    *("\\bh\\b", "x|y", "\\(a\\|b\\)", "kin", ".", "a\\{2\\}", "page=1|orders", "items$|^/$", "12/", "\\w $", "(o)(r)ders", "|", "()"),
]
ONE_BY_ONE = [
    *("[^/]+$", "\\s", "(?i:TOYS)", "a\\nb", "\\Ahttp", "toys\\Z", "(?<=/)toys", "(.)\\1", "\u00fc", "\\D", "[\\s/]", "\\x2f"),
    *("a*", "(a|b)+$", "a?", "a{2}", "(a+)+$", "[/\\]]"),
]


@pytest.mark.parametrize("flags", [0, re.IGNORECASE])
@pytest.mark.parametrize("source", AT_ONCE + ONE_BY_ONE)
def test_lines_give_what_texts_give(source: str, flags: int) -> None:
    pattern = Pattern(source, flags, source, 0, len(source))
    lines = LinePattern(pattern)
    assert (lines._lines is not None) == (source in AT_ONCE), "what may match an end of line, or has no end, is asked of each text"
    chance = random.Random(source)
    for texts in (TEXTS, [], [b""], [b"\n"], TEXTS[:3], *(chance.choices(TEXTS, k=9) for _ in range(20))):
        wanted = [pattern.search(text.decode(errors="surrogateescape")) is not None for text in texts]
        assert lines.found(texts).tolist() == wanted, texts


def test_patterns_put_together_at_random() -> None:
    chance = random.Random(5)
    pieces = ["a", "/", ".", "\\.", "o", "^", "$", "|", "(a)", "(b|c)", "[a-f]", "\\d", "\\w", "\\b", "*", "t", "1", "|", "(o|1)"]
    tried = 0
    while tried < 400:
        source = "".join(chance.choices(pieces, k=chance.randrange(1, 7)))
        try:
            pattern = Pattern(source, chance.choice((0, re.IGNORECASE)), source, 0, len(source))
        except re.error:
            continue
        tried += 1
        texts = ["".join(chance.choices("abco/1.T\n \u00e9", k=chance.randrange(12))).encode() for _ in range(30)]
        assert LinePattern(pattern).found(texts).tolist() == [pattern.search(text.decode()) is not None for text in texts], source


def test_equal_texts_have_equal_prints() -> None:
    chance = random.Random(3)
    texts = [bytes(chance.choices(b"ab\0", k=chance.randrange(6))) for _ in range(500)] + [
        b"x" * 70_000,
        b"x" * 69_999 + b"y",
        b"x" * 70_000,
    ]
    sizes = np.array([len(text) for text in texts])
    starts = np.cumsum(sizes) - sizes
    octets = np.frombuffer(b"".join(texts), np.uint8)
    by_print: dict[int, bytes] = {}
    for number, text in zip(prints(octets, starts, sizes).tolist(), texts, strict=True):
        assert by_print.setdefault(number, text) == text
    assert len(by_print) == len(set(texts))
    each, which = distinct(octets, starts, sizes)
    assert [each[at] for at in which.tolist()] == texts
    assert distinct(octets, starts[:0], sizes[:0])[0] == []
