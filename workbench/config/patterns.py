"""Conditions and counters of policies, in both languages: selectors with operators (v1beta2), and CEL (v1).

The older wasm-shim reads the one, the newer the other: what a policy says in one is written in the other where that is possible.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..services.yamlfile import Item
from .cel import check_cel, single_quoted
from .documents import choice, fault, mapping, string

__all__ = ["OPERATORS", "Condition", "Counter", "Pattern", "read_expression", "read_selector", "read_when"]

OPERATORS = ("eq", "neq", "startswith", "endswith", "matches")
"""Those that the wasm-shim knows; the policy's schema has `incl` and `excl` too, which it does not."""

_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_TEXT = r"(?:'(?P<single>[^'\\]*)'|\"(?P<double>[^\"\\]*)\")"
_COMPARED = re.compile(rf"(?P<path>[\w.]+)\s*(?P<sign>==|!=)\s*{_TEXT}")
_CALLED = re.compile(rf"(?P<path>[\w.]+)\.(?P<sign>startsWith|endsWith)\(\s*{_TEXT}\s*\)")
_SIGNS = {"==": "eq", "!=": "neq", "startsWith": "startswith", "endsWith": "endswith"}


@dataclass(frozen=True)
class Pattern:
    """`selector` compared with `value` by one of `OPERATORS`."""

    selector: str
    operator: str
    value: str

    def as_json(self) -> dict[str, str]:
        """As the wasm-shim reads it."""
        return {"selector": self.selector, "operator": self.operator, "value": self.value}

    def cel(self) -> str:
        """The same in CEL; a header that is absent counts as empty text, as it does for a selector."""
        path, value = cel_path(self.selector), single_quoted(self.value)
        if path.startswith("request.headers"):
            *_, name = _segments(self.selector)
            path = f"({single_quoted(name.lower())} in request.headers ? {path} : '')"
        if self.operator == "eq":
            return f"{path} == {value}"
        if self.operator == "neq":
            return f"{path} != {value}"
        if self.operator == "matches":
            return f"{path}.matches({single_quoted(_glob(self.value))})"
        return f"{path}.{'startsWith' if self.operator == 'startswith' else 'endsWith'}({value})"


@dataclass(frozen=True)
class Condition:
    """One entry of `when`: a pattern, or a CEL predicate."""

    spot: Item
    pattern: Pattern | None = None
    predicate: str = ""

    def cel(self) -> str:
        """As CEL."""
        return self.pattern.cel() if self.pattern else self.predicate

    def as_pattern(self) -> Pattern | None:
        """As a selector with an operator, None for CEL that says more than those can."""
        if self.pattern:
            return self.pattern
        found = _COMPARED.fullmatch(self.predicate.strip()) or _CALLED.fullmatch(self.predicate.strip())
        if found is None or not _PLAIN.fullmatch(found["path"]):
            return None
        value = found["single"] if found["single"] is not None else found["double"]
        return Pattern(found["path"], _SIGNS[found["sign"]], value)


@dataclass(frozen=True)
class Counter:
    """What a limit is counted by: a selector, or a CEL expression."""

    spot: Item
    selector: str = ""
    expression: str = ""

    @property
    def text(self) -> str:
        """As the policy has it."""
        return self.selector or self.expression

    def cel(self) -> str:
        """As CEL."""
        return cel_path(self.selector) if self.selector else self.expression

    def as_selector(self) -> str | None:
        """As a selector, None for CEL that is more than a path."""
        if self.selector:
            return self.selector
        return self.expression if _PLAIN.fullmatch(self.expression) else None


def read_when(spot: Item, version: str) -> Condition:
    """An entry of `when`: `{selector, operator, value}` in v1beta2, `{predicate}` in v1. Raises ConfigError for others."""
    if version == "v1":
        return Condition(spot, predicate=check_cel(mapping(spot, ("predicate",), ("predicate",))["predicate"]))
    given = mapping(spot, ("selector", "operator", "value"), ("selector", "operator", "value"))
    operator = choice(given["operator"], (*OPERATORS, "incl", "excl"))
    if operator not in OPERATORS:
        raise fault(given["operator"], f"the operator {operator!r} is none that a wasm-shim knows", f"Give one of {', '.join(OPERATORS)}")
    return Condition(spot, pattern=Pattern(read_selector(given["selector"]), operator, string(given["value"], empty=True)))


def read_selector(spot: Item) -> str:
    """A dotted path of at most 253 characters, `\\.` standing for a dot within a name."""
    text = string(spot)
    if len(text) > 253 or not all(_segments(text)):
        raise fault(spot, f"{text!r} is no selector", "Write names with dots between them, as in request.url_path")
    return text


def read_expression(spot: Item) -> Counter:
    """An entry of v1's `counters`."""
    return Counter(spot, expression=check_cel(mapping(spot, ("expression",), ("expression",))["expression"]))


def cel_path(selector: str) -> str:
    """A selector as CEL; names that are none of CEL's stand in brackets, those of headers in lower case, as Envoy keeps them."""
    first, *others = _segments(selector)
    if (first, *others[:1]) == ("request", "headers") and len(others) == 2:
        return f"request.headers[{single_quoted(others[1].lower())}]"
    return first + "".join(f".{name}" if _NAME.fullmatch(name) else f"[{single_quoted(name)}]" for name in others)


def _segments(selector: str) -> list[str]:
    return [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", selector)]


def _glob(text: str) -> str:
    """The shim's `matches` as a regular expression: `?` up to one character, `*` any number, `+` at least one."""
    signs = {"?": ".?", "*": ".*", "+": ".+"}
    return "^" + "".join(signs.get(sign, re.escape(sign)) for sign in text) + "$"
