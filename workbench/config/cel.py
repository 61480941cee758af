"""CEL as text: whether it parses, and texts within it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ..services.yamlfile import Item
from .documents import fault, string

__all__ = ["check_cel", "quoted", "single_quoted"]

_LONGEST = 16 << 10
_FAULT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def check_cel(spot: Item) -> str:
    """The CEL expression that stands at `spot`; ConfigError with its place in the text where it does not parse.

    Names and functions are not looked up: a filter may have some of its own.
    """
    text = string(spot)
    if len(text) > _LONGEST:
        raise fault(spot, f"is {len(text)} characters long", f"{_LONGEST} are the most for one CEL expression")
    try:
        _environment().compile(text, disable_check=True)
    except (RuntimeError, ValueError) as error:
        found = _FAULT.search(str(error))
        problem = found[3].removeprefix("Syntax error: ").split(" expecting ")[0] if found else "it cannot be parsed"
        place = f" at character {found[2]}" if found else ""
        raise fault(spot, f"{text!r} is not CEL: {problem}{place}", "Mend the expression") from None
    return text


def quoted(text: str) -> str:
    """A CEL text in double quotes."""
    signs = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(signs.get(sign, sign) for sign in text) + '"'


def single_quoted(text: str) -> str:
    """A CEL text in single quotes, which the operator uses for what routes say."""
    signs = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "'" + "".join(signs.get(sign, sign) for sign in text) + "'"


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables={})
