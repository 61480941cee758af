from __future__ import annotations

from typing import Any

import pytest

from workbench.config.scalars import as_json, in_envoy, in_kubernetes


@pytest.mark.parametrize(
    ("text", "envoy", "kubernetes"),
    [
        ("", None, None),
        ("~", None, None),
        ("nUll", "nUll", "nUll"),
        ("yes", True, True),
        ("Off", False, False),
        ("y", True, True),
        ("tRue", "tRue", "tRue"),
        ("12", 12, 12),
        ("-12", -12, -12),
        ("+5", 5, 5),
        ("010", 8, 8),
        ("0o10", "0o10", 8),
        ("08", "08", 8.0),
        ("0x1F", 31, 31),
        ("0X1f", 31, 31),
        ("1e400", "1e400", "1e400"),
        ("_1", "_1", "_1"),
        ("0b11", "0b11", 3),
        ("1_000", "1_000", 1000),
        ("2147483647", 2147483647, 2147483647),
        ("2147483648", "2147483648", 2147483648),
        ("-2147483648", -2147483648, -2147483648),
        ("9223372036854775808", "9223372036854775808", 9223372036854775808),
        ("18446744073709551616", "18446744073709551616", 18446744073709551616.0),
        ("1.5", "1.5", 1.5),
        ("1e3", "1e3", 1000.0),
        (".5", ".5", 0.5),
        ("1:30", "1:30", "1:30"),
        ("2020-01-01", "2020-01-01", "2020-01-01"),
        ("-", "-", "-"),
        ("9" * 500, "9" * 500, "9" * 500),
    ],
)
def test_a_text_without_quotes(text: str, envoy: Any, kubernetes: Any) -> None:
    """The values on the right are those of sigs.k8s.io/yaml 1.6; what Envoy makes of them is tried with Envoy in `test_envoy_real`."""
    for found, wanted in ((in_envoy(text), envoy), (in_kubernetes(text), kubernetes)):
        assert found == wanted and type(found) is type(wanted)


def test_json_and_what_is_none() -> None:
    assert [as_json(text) for text in ("1.5", "-0.0", "true", "null", "9007199254740993")] == [1.5, 0.0, True, None, 9007199254740993]
    for read, text in ((as_json, "yes"), (as_json, "NaN"), (as_json, "9" * 5000), (in_kubernetes, ".inf"), (in_kubernetes, ".NaN")):
        with pytest.raises(ValueError, match="no value of JSON"):
            read(text)
