"""Conditions and variables of Limitador's limits: CEL, and the form of its 1.x releases, `name == "value"`.

Sources: Kuadrant/limitador, limitador/src/limit/cel.rs (2.x) and limitador/src/limit.rs of 1.x, and what the crate limitador 0.13 and 0.14
were seen to do. cel-cpp evaluates, in its Python package.

Before it evaluates, Limitador asks whether every name in an expression is bound: in a condition these are `descriptors` and `limit`, in a
variable `descriptors`; what a macro such as `exists(d, …)` binds counts as a name that is not. The limit then does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from ...errors import ConfigError
from ..cel import loops

__all__ = ["Condition", "Descriptors", "Unanswerable", "Variable"]

Descriptors: TypeAlias = Sequence[Mapping[str, str]]

_NAME = r"[A-Za-z_][A-Za-z0-9_.]*"
_TEXT = r'"[^"]*"|\'[^\']*\''
_OLD = re.compile(rf"\s*(?:({_NAME})\s*(==|!=)\s*({_TEXT})|({_TEXT})\s*(==|!=)\s*({_NAME}))\s*")
_OLD_VARIABLE = re.compile(rf"\s*({_NAME})\s*")
_NEW_NAMES = ("descriptors", "limit.name", "limit.id", "true", "false", "null")
_ENTRY = re.compile(r"""descriptors\[0\](?:\.([A-Za-z_]\w*)|\[\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\])""")
_MOST_SHOWN = 400
_PLACE = re.compile(r"<input>:\d+:(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([\w.]+)'")


class Unanswerable(Exception):
    """An expression gave what is neither a value nor simply missing: Limitador fails the whole request."""


def _merged(descriptors: Descriptors) -> dict[str, str]:
    """All entries of all descriptors as 1.x sees them: of one key the last."""
    return {key: value for descriptor in descriptors for key, value in descriptor.items()}


def _is_old(name: str) -> bool:
    # CEL of 2.x knows two names: what is called otherwise can only be meant for 1.x
    return name.split(".")[0] != "descriptors" and name not in _NEW_NAMES


class Condition:
    """Whether a limit applies. Raises ConfigError for what does not parse."""

    def __init__(self, text: str) -> None:
        self.text = text
        old = _OLD.fullmatch(text)
        self._old: tuple[str, str, bool] | None = None
        if old is not None:
            name, sign, quoted = old.group(1, 2, 3) if old[1] else old.group(6, 5, 4)
            self._old = (name, quoted[1:-1], sign == "==") if _is_old(name) else None
        if self._old is None:
            self._compiled, self._unbound = _compile(text, ("descriptors", "limit"))

    def holds(self, descriptors: Descriptors, limit: Mapping[str, str | None]) -> bool:
        """For these descriptors. A name that is not bound and a key that is missing make it false; raises `Unanswerable`."""
        if self._old is not None:
            name, wanted, equal = self._old
            value = _merged(descriptors).get(name)
            return value is not None and (value == wanted) == equal
        kind, value = _evaluate(self._compiled, self._unbound, descriptors, limit)
        if kind == "MISSING":
            return False
        if kind != "BOOL":
            raise Unanswerable(f"the condition {self.text} gives {value}, which is neither true nor false")
        return bool(value)


class Variable:
    """A value for which a limit has a counter of its own. `name` is it in short. Raises ConfigError for what does not parse."""

    def __init__(self, text: str) -> None:
        self.text = text
        entry, old = _ENTRY.fullmatch(text.strip()), _OLD_VARIABLE.fullmatch(text)
        self.name = next(filter(None, entry.groups()), text) if entry else text.strip()
        self._old = old[1] if old is not None and _is_old(old[1]) else None
        if self._old is None:
            self._compiled, self._unbound = _compile(text, ("descriptors",))

    def value(self, descriptors: Descriptors, limit: Mapping[str, str | None]) -> str | None:
        """For these descriptors; None where it is missing, and the limit does not apply. Raises `Unanswerable`."""
        if self._old is not None:
            return _merged(descriptors).get(self._old)
        kind, value = _evaluate(self._compiled, self._unbound, descriptors, limit)
        match kind:
            case "MISSING":
                return None
            case "STRING":
                return str(value)
            case "BOOL":
                return "true" if value else "false"
            case "INT" | "UINT":
                return str(value)
            case "DOUBLE":
                return format(Decimal(repr(value)).normalize(), "f")
            case "NULL":
                return "null"
        raise Unanswerable(f"the variable {self.text} gives {value}, of which no counter can be kept")


@lru_cache
def _environment(names: tuple[str, ...]) -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))


def _compile(text: str, bound: tuple[str, ...]) -> tuple[Any, bool]:
    """The expression without types, as Limitador takes it, and whether it names what is not bound."""
    try:
        compiled = _environment(("descriptors", "limit")).compile(text, disable_check=True)
    except RuntimeError as error:
        found = _PLACE.search(str(error))
        problem = f"{found[2]} (column {found[1]})" if found else str(error).splitlines()[0]
        raise ConfigError(f"{text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'!r} is no CEL: {problem}") from None
    if loops(text):
        return compiled, True
    try:
        _environment(bound).compile(text)
    except RuntimeError as error:
        names = (name.rpartition(".")[2] for name in _UNDECLARED.findall(str(error)))
        return compiled, any(not re.search(rf"\b{re.escape(name)}\s*\(", text) for name in names)
    return compiled, False


def _evaluate(compiled: Any, unbound: bool, descriptors: Descriptors, limit: Mapping[str, str | None]) -> tuple[str, Any]:
    """The kind of the value, `MISSING` for none, and the value."""
    if unbound:
        return "MISSING", None
    try:
        result = compiled.eval(data={"descriptors": descriptors, "limit": limit})
    except RuntimeError as error:
        raise Unanswerable(str(error)) from None
    kind = str(result.type()).partition("<")[0]
    if kind == "ERROR":
        text = str(result)
        if "Key not found" in text:
            return "MISSING", None
        raise Unanswerable(text)
    return kind, result.value()
