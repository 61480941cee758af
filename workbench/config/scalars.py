"""What a value without quotes means in a file, to whoever reads it: Envoy (yaml-cpp), Kubernetes (Go's YAML), or as JSON."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

__all__ = ["as_json", "in_envoy", "in_kubernetes"]

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE, _FALSE = ("y", "yes", "true", "on"), ("n", "no", "false", "off")
_BOOLS = {
    form: value for words, value in ((_TRUE, True), (_FALSE, False)) for word in words for form in (word, word.upper(), word.capitalize())
}
_ENVOY_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_GO_INTEGER = re.compile(r"[+-]?(0b[01]+|0[xX][0-9a-fA-F]+|0o?[0-7]*|[1-9][0-9]*)")
_GO_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS = 400
"""More of them no number has that a double can hold."""


def in_envoy(text: str) -> Any:
    """As Envoy reads YAML: numbers are whole and of 32 bits, larger ones and fractions become text (seen in Envoy 1.40)."""
    if text in _NULLS or text in _BOOLS:
        return _BOOLS.get(text)
    if len(text) > _DIGITS or not _ENVOY_INTEGER.fullmatch(text):
        return text
    number = _integer(text)
    if -(1 << 31) <= number < 1 << 31:
        return number
    return str(number) if -(1 << 63) <= number < 1 << 63 else text


def as_json(text: str) -> Any:
    """As JSON has it. Raises ValueError for what is none."""
    try:
        return json.loads(text, parse_constant=_none)
    except (ValueError, RecursionError):
        raise ValueError("no value of JSON") from None


def in_kubernetes(text: str) -> Any:
    """As `kubectl` turns YAML to JSON (sigs.k8s.io/yaml): numbers may have `_`, an exponent or a base; a date is text. Raises ValueError
    for numbers without end, which JSON has not."""
    if text in _NULLS or text in _BOOLS:
        return _BOOLS.get(text)
    if _ENDLESS.fullmatch(text):
        raise ValueError("no value of JSON")
    plain = text.replace("_", "") if text[:1] in "+-.0123456789" else ""
    if not plain or len(plain) > _DIGITS:
        return text
    if _GO_INTEGER.fullmatch(plain) and -(1 << 63) <= (whole := _integer(plain)) < 1 << 64:
        return whole
    # what is beyond a double stays text
    return number if _GO_FLOAT.fullmatch(plain) and isfinite(number := float(plain)) else text


def _integer(text: str) -> int:
    """Of digits with a sign and the prefix of a base; 0 alone is that of base eight."""
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-").lower()
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 8 if digits[0] == "0" else 10)
    return sign * int(digits[2:] if digits[:2] in ("0x", "0b", "0o") else digits, base)


def _none(name: str) -> None:
    raise ValueError(name)
