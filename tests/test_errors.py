"""The text of an error is one line that a terminal does not act on, whatever it names."""

from __future__ import annotations

import pytest

from workbench.errors import ConfigError, QueryError, WorkbenchError, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("two\r\nlines", r"two\x0d\x0alines"),
        ("\u202eevil", r"\u202eevil"),
        ("\udc80\U000e0041", r"\udc80\U000e0041"),
        ("\x85" * 300, r"\x85" * 300),
    ],
)
def test_what_acts_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_the_text_of_an_error() -> None:
    hostile = "\x1b[2Ja\n.yaml"
    error = ConfigError(f"unknown key {hostile!s}", where=hostile, remedy=f"Not {hostile}")
    assert str(error) == r"\x1b[2Ja\x0a.yaml: unknown key \x1b[2Ja\x0a.yaml. Not \x1b[2Ja\x0a.yaml"
    assert error.where == hostile, "the parts stay what they are"
    (shown,) = error._render_traceback_()
    assert shown == f"\x1b[31mConfigError\x1b[0m: {error}"
    assert str(QueryError("no \x07", "~u \x07", 3, 4, "")) == r"query, character 4: no \x07"
    assert isinstance(error, WorkbenchError)
