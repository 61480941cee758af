"""Loops of CEL expressions are counted whatever stands around them."""

from __future__ import annotations

import pytest

from workbench.services.cel import loops


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("request.path == '/toys'", 0),
        ("[1].map(x, x).filter(x, x > 1)", 2),
        ("[1].all(x, [2].exists(y, y == x))", 2),
        ("[1] . // map(\n exists_one // '\n (x, true)", 1),
        ("request.path == '.map(' // .map(", 0),
        (r"'\'.map(' + '.map('", 0),
        (r"[r'\'].map(x, x + '')", 1),
        (r"""[b"a'b"].map(x, x)""", 1),
        ("""['\'\'', '''"''', "'"].map(x, x)""", 1),
        (r"""[r'''\'''].map(x, "a")""", 1),
        ("unmapped(1) + map(2)", 0),
    ],
)
def test_loops(text: str, count: int) -> None:
    assert loops(text) == count
