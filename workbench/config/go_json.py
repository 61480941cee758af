"""JSON as istiod writes a plugin's configuration for the filter, byte for byte: Go's jsonpb of a google.protobuf.Struct."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

__all__ = ["go_json"]

_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def go_json(value: Any) -> bytes:
    """A value of JSON without a blank, names in the order of their bytes, every number a double, what HTML could take for its own escaped.

    Raises ValueError for half a character (a surrogate) or a number that no double holds.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    if isinstance(value, dict):
        # UTF-8 keeps the order of code points, which is that of Python's text
        return "{" + ",".join(f"{_string(name)}:{_text(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, str):
        return _string(value)
    return _number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)


def _number(number: float) -> str:
    try:
        shortest = repr(float(number))
    except OverflowError:
        raise ValueError("a number is too large") from None
    if number and not 1e-6 <= abs(number) < 1e21:
        return re.sub(r"e([+-])0", r"e\1", shortest)
    return format(Decimal(shortest), "f").removesuffix(".0")
