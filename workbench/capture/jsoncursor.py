"""Walking a JSON file of any size without decoding it (RFC 8259): what an index needs.

Only brackets and the ends of strings are looked at; whether what lies between is JSON, a decoder says later. Nothing here recurses,
and no more than a block of the file is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .filebytes import FileBytes

__all__ = ["Cursor"]

_BLOCK = 1 << 18
_KEY = 64
"""No key that matters is longer; of a longer one only this much is looked at."""
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_GAP = rb'[^"{}\[\]]*+'
_RUN = _GAP + rb"(?:" + _STRING + _GAP + rb")*+"
_FLAT = re.compile(_RUN + rb"(?:[{\[]" + _RUN + rb"[}\]]" + _RUN + rb")*+", re.DOTALL)
"""Strings, and objects and lists that hold no others: most of a file, passed at once."""
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,:\"{}\[\]]*+")
_SPACE = re.compile(rb"[ \t\r\n]*+")
_QUOTE, _COMMA, _COLON = ord('"'), ord(","), ord(":")
_CUT = "the file ends before its JSON does"
_OPENING, _CLOSING = b"{[", b"}]"


class Cursor:
    """A place in a file that moves forward from value to value; ValueError where no value is, or the file ends too soon."""

    def __init__(self, data: FileBytes, at: int = 0) -> None:
        self._data = data
        self._base, self._block = at, b""
        self.at = at

    def peek(self) -> int:
        """The byte with which the next value or sign begins."""
        while True:
            near = self._near()
            if near >= len(self._block):
                raise ValueError(_CUT)
            self.at += _SPACE.match(self._block, near).end() - near  # type: ignore[union-attr]
            if self.at < self._base + len(self._block):
                return self._block[self.at - self._base]

    def skip(self) -> tuple[int, int]:
        """Pass one value; gives where it starts and stops."""
        kind = self.peek()
        start = self.at
        if kind == _QUOTE:
            self._pass_string()
        elif kind in _OPENING:
            self._pass_brackets()
        else:
            while (near := self._near()) < (end := _SCALAR.match(self._block, near).end()):  # type: ignore[union-attr]
                self.at += end - near
            if self.at == start:
                raise ValueError("no JSON value begins there")
        return start, self.at

    def members(self) -> Iterator[bytes]:
        """The keys of the object that begins here, as they are written; each value has to be passed before the next key."""
        for kind in self._items(b"{}"):
            if kind != _QUOTE:
                raise ValueError("no key of an object begins there")
            start, stop = self.skip()
            key = self._data.read(start + 1, min(stop - start - 2, _KEY))
            self._take(_COLON)
            yield key

    def elements(self) -> Iterator[None]:
        """Once for each element of the list that begins here; each has to be passed before the next."""
        for _ in self._items(b"[]"):
            yield

    def _items(self, brackets: bytes) -> Iterator[int]:
        self._take(brackets[0])
        kind = self.peek()
        while kind != brackets[1]:
            yield kind
            if self.peek() != brackets[1]:
                self._take(_COMMA)
            kind = self.peek()
        self.at += 1

    def _take(self, sign: int) -> None:
        if self.peek() != sign:
            raise ValueError(f"'{chr(sign)}' is wanted there")
        self.at += 1

    def _near(self) -> int:
        """Where the cursor is in the block, which is read when the cursor has left the one before."""
        if not self._base <= self.at < self._base + len(self._block):
            self._base, self._block = self.at, self._data.read(self.at, _BLOCK)
        return self.at - self._base

    def _pass_string(self) -> None:
        self.at += 1
        while True:
            near = self._near()
            end = _IN_STRING.match(self._block, near).end()  # type: ignore[union-attr]
            self.at = self._base + end
            if end < len(self._block) and self._block[end] == _QUOTE:
                self.at += 1
                return
            if end == near:
                # a backslash is the last byte of the block
                self._base, self._block = self.at, self._data.read(self.at, _BLOCK)
                if len(self._block) < 2:
                    raise ValueError(_CUT)

    def _pass_brackets(self) -> None:
        depth = 0
        while True:
            near = self._near()
            if near >= len(self._block):
                raise ValueError(_CUT)
            sign = self._block[near]
            if sign == _QUOTE:
                self._pass_string()
            elif sign in _OPENING:
                depth += 1
                self.at += 1
            elif sign in _CLOSING:
                depth -= 1
                self.at += 1
                if not depth:
                    return
            near = self._near()
            self.at += _FLAT.match(self._block, near).end() - near  # type: ignore[union-attr]
