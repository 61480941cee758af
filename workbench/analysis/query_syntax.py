"""From the text of a query to a tree: mitmproxy's grammar of filter expressions, with the place of everything that is wrong.

    query   := choice+                 one behind the other: all must hold
    choice  := both ("|" both)*
    both    := not ("&" not)*
    not     := "!" not | "(" query ")" | term | pattern
    term    := "~" name [argument]     see `query_terms`
    pattern := a word, or text in quotes with \\ before a quote or backslash

What mitmproxy takes means the same here. Two things that it refuses are taken: a term right before `)`, and several choices in
parentheses. An operator without something on both sides, which it reads as a pattern, is refused: in quotes it is one. Case does not
matter, as in mitmproxy 12 (11 heeds it in some terms): `(?-i:Toys)` heeds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from ..errors import QueryError
from .query_pattern import Pattern
from .query_terms import DECISIONS, ELSEWHERE, OUTCOMES, PARTS, TERMS, Argument, Form, nearest

__all__ = ["All", "Either", "Node", "Not", "Term", "parse_query", "terms"]

_LONGEST = 2000
_DEEPEST = 40
_SPACE = " \t\r\n"
_WORD = re.compile(r"[^()~'\"\s]+")
_NAME = re.compile(r"\w*")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_TIME = re.compile(r"(\d{1,15}(?:\.\d{0,9})?)(ns|us|µs|μs|ms|s)?")
_NS = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}
_WORDS: dict[Argument, tuple[str, tuple[str, ...]]] = {
    Argument.OUTCOME: ("an outcome", OUTCOMES),
    Argument.DECISION: ("a decision", DECISIONS),
    Argument.PART: ("a part that can differ", tuple(PARTS)),
}
"""What takes one of few words: what such a word is, and the words."""
_FLAGS = {"h": re.MULTILINE, "hq": re.MULTILINE, "hs": re.MULTILINE, "b": re.DOTALL, "bq": re.DOTALL, "bs": re.DOTALL}
_BYTES = ("h", "hq", "hs", "b", "bq", "bs", "t", "tq", "ts", "m")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `value` is a pattern, a number (status, nanoseconds), an outcome's, decision's or part's name, or None."""

    name: str
    value: Pattern | float | str | None


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where `inner` does not."""

    inner: Node


@dataclass(frozen=True, slots=True)
class All:
    """Holds where each of `parts` does."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Holds where any of `parts` does."""

    parts: tuple[Node, ...]


Node: TypeAlias = Term | Not | All | Either


@lru_cache(maxsize=64)
def parse_query(text: str) -> Node:
    """The tree of a query; a blank one asks for everything. QueryError says where it is wrong and what would fit."""
    if len(text) > _LONGEST:
        raise QueryError(f"a query has at most {_LONGEST} characters", text[:_LONGEST], _LONGEST, _LONGEST, "Shorten it")
    reader = _Reader(text)
    return reader.query(0) if reader.more() else Term("all", None)


def terms(node: Node) -> Iterator[Term]:
    """The conditions in a tree, from left to right."""
    if isinstance(node, Term):
        yield node
    else:
        for part in (node.inner,) if isinstance(node, Not) else node.parts:
            yield from terms(part)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, what: str, at: int, end: int, remedy: str, fits: tuple[str, ...] = ()) -> QueryError:
        return QueryError(what, self.text, at, max(end, min(at + 1, len(self.text))), remedy, fits)

    def more(self) -> str:
        """The next character that is no white space; empty at the end."""
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def query(self, depth: int) -> Node:
        parts = [self.choice(depth)]
        while (char := self.more()) and not (char == ")" and depth):
            parts.append(self.choice(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def choice(self, depth: int) -> Node:
        parts = [self.both(depth)]
        while self.more() == "|":
            self.at += 1
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def both(self, depth: int) -> Node:
        parts = [self.operand(depth)]
        while self.more() == "&":
            self.at += 1
            parts.append(self.operand(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def operand(self, depth: int) -> Node:
        char, at = self.more(), self.at
        if depth > _DEEPEST:
            raise self.fail("nested too deeply", at, at + 1, f"At most {_DEEPEST} levels")
        if char == "!":
            return self._not(depth)
        if char == "(":
            self.at += 1
            if self.more() == ")":
                raise self.fail("nothing stands in these parentheses", at, self.at + 1, "Put a term in, or take them out")
            inner = self.query(depth + 1)
            if self.more() != ")":
                raise self.fail("this parenthesis is not closed", at, at + 1, "Add )")
            self.at += 1
            return inner
        if char == "~":
            return self.term()
        if char in ("&", "|", ")", ""):
            raise self._misplaced(char, at)
        return self._term(TERMS["u"], self.pattern(), at)

    def _not(self, depth: int) -> Node:
        """A run of `!`, without a level for each."""
        count = 0
        while self.more() == "!":
            self.at += 1
            count += 1
        inner = self.operand(depth)
        return Not(inner) if count % 2 else inner

    def _misplaced(self, char: str, at: int) -> QueryError:
        before = self.text[:at].rstrip(_SPACE)
        if before[-1:] in ("&", "|", "!"):
            end = len(before)
            return self.fail(f"nothing follows {before[-1]}", end - 1, end, "Write a term or a pattern behind it")
        if char == ")":
            return self.fail("no parenthesis is open here", at, at + 1, "Take ) out")
        if not char:
            return self.fail("something is missing at the end", at, at, "Write a term or a pattern")
        return self.fail(f"nothing stands before {char}", at, at + 1, f'Write a term before it; "{char}" in quotes is a pattern')

    def term(self) -> Node:
        begin = self.at
        found = _NAME.match(self.text, begin + 1)
        name = found.group() if found else ""
        self.at = begin + 1 + len(name)
        form = TERMS.get(name)
        if form is None:
            reason = ELSEWHERE.get(name)
            if reason:
                raise self.fail(f"~{name} has no meaning here: {reason}", begin, self.at, "Take it out")
            fits = tuple(f"~{each}" for each in nearest(name, tuple(TERMS))) if name else ()
            remedy = f"Did you mean {' or '.join(fits)}?" if fits else "Terms are such as ~m, ~u, ~changed, ~outcome"
            raise self.fail(f"~{name} is no term" if name else "a term's name is missing behind ~", begin, self.at, remedy, fits)
        if form.argument is Argument.NONE:
            return Term(name, None)
        end = self.at
        char = self.more()
        if char in ("", "(", ")", "~"):
            _, fits = _WORDS.get(form.argument, ("", ()))
            wanted = {"": "", "regex": "a pattern", "code": "a status", "time": "a time such as 20us"}.get(form.argument.value)
            wanted = f"one of {', '.join(fits)}" if wanted is None else wanted
            raise self.fail(f"~{name} wants {wanted}", begin, end, f"Write it behind ~{name}", fits)
        at = self.at
        return self._term(form, self.pattern(), at)

    def pattern(self) -> str:
        """A word, or what stands in quotes."""
        at, quote = self.at, self.text[self.at]
        if quote not in "'\"":
            found = _WORD.match(self.text, at)
            assert found is not None
            self.at = found.end()
            return found.group()
        said: list[str] = []
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] not in (quote, "\n"):
            char = self.text[self.at]
            if char == "\\" and self.at + 1 < len(self.text):
                self.at += 1
                char = self.text[self.at]
                char = _ESCAPED.get(char, char)
            said.append(char)
            self.at += 1
        if self.text[self.at : self.at + 1] != quote:
            raise self.fail("this quote is not closed", at, at + 1, f"Add {quote} where the text ends")
        self.at += 1
        return "".join(said)

    def _term(self, form: Form, word: str, at: int) -> Term:
        kind = form.argument
        if kind is Argument.PATTERN:
            return Term(form.name, self._compiled(form.name, word, at))
        if kind is Argument.CODE:
            if not (word.isascii() and word.isdigit() and len(word) <= 9):
                raise self.fail(f"{word} is no status", at, self.at, "Give a number such as 200")
            return Term(form.name, int(word))
        if kind is Argument.DURATION:
            found = _TIME.fullmatch(word)
            if found is None:
                raise self.fail(f"{word} is no time", at, self.at, "Give a number and ns, us, ms or s, such as 20us")
            return Term(form.name, float(found[1]) * _NS[found[2] or "ns"])
        article, known = _WORDS[kind]
        if word not in known:
            fits = nearest(word, known) or known
            remedy = f"Did you mean {' or '.join(fits)}?" if fits != known else f"There are {', '.join(known)}"
            raise self.fail(f"{word} is not {article}", at, self.at, remedy, fits)
        return Term(form.name, word)

    def _compiled(self, name: str, word: str, at: int) -> Pattern:
        try:
            return Pattern(word.encode() if name in _BYTES else word, _FLAGS.get(name, 0) | re.IGNORECASE, self.text, at, self.at)
        except (re.error, OverflowError, RecursionError, UnicodeEncodeError) as error:
            said = str(error).partition(" at position")[0]
            remedy = "Patterns are regular expressions: put \\ before ( [ * + ? where they stand for themselves"
            raise self.fail(f"not a regular expression: {said}", at, self.at, remedy) from None
