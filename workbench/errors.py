"""Every exception the workbench raises, drawn as a tree.

WorkbenchError            something the user can mend; the text names the file, the place and the remedy
├── CaptureError          a capture that cannot be read
├── FilterLoadError       a module that no host could load, or that refuses its configuration
├── ConfigError           a chain description, JSON or YAML that is wrong
├── QueryError            a query for exchanges that is wrong, with the place in it
├── MissingError          an exchange by a number that none has; an IndexError too
├── EnvoyError            real Envoy is missing, does not start or stops
└── ReplayError           a replay that cannot go on (never: a filter that fails, that is a result)
    └── InterceptError    a function that intercepts a hostcall raised: the replay stopped there
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

__all__ = [
    "CaptureError", "ConfigError", "EnvoyError", "FilterLoadError", "InterceptError", "MissingError", "QueryError", "ReplayError",
    "WorkbenchError", "visible",
]  # fmt: skip

_SHORT = 256
"""Characters of a text that is worth remembering."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def visible(value: str) -> str:
    """`value` on one line that cannot fool its reader: control, bidirectional, invisible and unassigned characters as escapes."""
    if value.isascii() and value.isprintable():
        return value
    return _remembered(value) if len(value) <= _SHORT else _escaped(value)


def _escaped(value: str) -> str:
    return "".join(_escape(char) if unicodedata.category(char) in _HIDDEN else char for char in value)


_remembered = lru_cache(maxsize=8192)(_escaped)


def _escape(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class WorkbenchError(Exception):
    """Root of the tree.

    `what` says what is wrong, `where` names the file or place, `remedy` what to do; the text is all three on one line, `visible`:
    what is wrong may be captured text, or a file's name.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        text = f"{where}: {what}" if where else what
        super().__init__(visible(f"{text}. {remedy}" if remedy else text))

    def _rendered(self) -> list[str]:
        return [f"\x1b[31m{type(self).__name__}\x1b[0m: {self}"]

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """What IPython shows in place of a traceback: the text says all that the user can mend."""
        return self._rendered


class CaptureError(WorkbenchError):
    """A capture that cannot be read at all; one cut short is read as far as it goes and says so."""


class FilterLoadError(WorkbenchError):
    """A `.wasm` that is not a Proxy-Wasm filter, cannot be linked, or refused to start or its configuration.

    `refused` tells the last from the others: a replay with `start_anyway` goes on without such a filter, as its failure policy says.
    """

    refused = False


class ConfigError(WorkbenchError):
    """A chain, a configuration file or a JSON text that is wrong."""


class QueryError(WorkbenchError):
    """A query for exchanges that is wrong from character `at` (from 0) to before `end`; `fits` are words that would fit there."""

    def __init__(self, what: str, query: str, at: int, end: int, remedy: str, fits: tuple[str, ...] = ()) -> None:
        self.query, self.at, self.end, self.fits = query, at, end, fits
        super().__init__(what, where=f"query, character {at + 1}", remedy=remedy)


class MissingError(WorkbenchError, IndexError):
    """An exchange or connection that is not in a replay, asked for by its number."""


class EnvoyError(WorkbenchError):
    """Real Envoy, the judge, is not installed, refuses to start, or stops."""


class ReplayError(WorkbenchError):
    """A replay that cannot go on. What a filter does wrong is a result, not an exception."""

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """Where a function of the user's is the cause, its traceback says where."""
        if self.__cause__ is not None:
            raise AttributeError("_render_traceback_")
        return self._rendered


class InterceptError(ReplayError):
    """A function that intercepts a hostcall raised, and the replay stopped there; what it raised is the cause.

    `trace` is what was done until then, `replay` the same as `Chain.replay` would give it, not complete.
    """

    trace: Any = None
    replay: Any = None
