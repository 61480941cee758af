"""CEL as text: what one can say of an expression before it is evaluated."""

from __future__ import annotations

import re

__all__ = ["loops"]

_TRIPLE, _ONCE = r'"""(?:{0})*?"""|' + r"'''(?:{0})*?'''", r'"(?:{0}|[^"\\])*"|' + r"'(?:{0}|[^'\\])*'"
_RAW = r"(?:[rR][bB]?|[bB][rR])(?:" + _TRIPLE.format(r"[^\0]") + r"""|"[^"]*"|'[^']*')"""
_PLAIN = _TRIPLE.format(r"\\[^\0]|[^\\]") + "|" + _ONCE.format(r"\\[^\0]")
_ASIDE = re.compile(rf"{_RAW}|{_PLAIN}|//[^\n]*")
"""Strings and comments (CEL language definition, Syntax)."""
_LOOP = re.compile(r"\.\s*(?:map|filter|all|exists|exists_one)\s*\(")


def loops(text: str) -> int:
    """How many macros that go through a list or map stand in an expression; what strings and comments hold does not count."""
    return len(_LOOP.findall(_ASIDE.sub(" ", text)))
