from __future__ import annotations

import pytest

from workbench.config.go_json import go_json


def test_numbers_as_go_writes_them() -> None:
    """The right side was written by Go 1.26 (`encoding/json`)."""
    given = [0, -0.25, 1.50, 1e20, 1e21, 123456789012345678901234, 1e-6, 1.25e-7, 1e-10, 5e-324, 0.1, 9007199254740993, 1e15, 1e16]
    assert go_json(given).decode() == (
        "[0,-0.25,1.5,100000000000000000000,1e+21,1.2345678901234569e+23,0.000001,1.25e-7,1e-10,5e-324,0.1,"
        "9007199254740992,1000000000000000,10000000000000000]"
    )


def test_text_and_names_as_go_writes_them() -> None:
    given = {"b": '<a> & é ☃ \u2028\u2029 \x01\b\f\n\r\t\x7f \\ / " 😀', "a": {}, "B": [None, True, []], "é": 1, "<": 0}
    assert go_json(given).decode() == (
        '{"\\u003c":0,"B":[null,true,[]],"a":{},'
        '"b":"\\u003ca\\u003e \\u0026 é ☃ \\u2028\\u2029 \\u0001\\b\\f\\n\\r\\t\x7f \\\\ / \\" 😀","é":1}'
    )


@pytest.mark.parametrize("value", ["\ud83d", 10**400])
def test_what_no_text_has(value: object) -> None:
    with pytest.raises(ValueError, match=r"too large|surrogates"):
        go_json(value)
