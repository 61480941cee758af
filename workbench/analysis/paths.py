"""Request paths as columns, and their patterns: `/toys/17` and `/toys/42?page=2` are both `/toys/{n}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..trace.trace import Trace
from . import words
from .facts import Facts
from .heads import head_spans
from .prints import slices

__all__ = ["path_pattern", "path_patterns", "request_lines"]

_LONGEST = 256
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{8,}")
_NUMBER = re.compile(r"[0-9]+")
_TOKEN = re.compile(r"(?=.*[0-9])[A-Za-z0-9_\-=.~%]{20,}")
_NAMES = ((_NUMBER, "{n}"), (_UUID, "{uuid}"), (_HEX, "{hex}"), (_TOKEN, "{token}"))
_QUERY_OF_LINE = re.compile(r"\?.*")
# the same where segments end at slashes and ends of lines; what has a name already matches no other
_IN_LINES = tuple((re.compile(r"(?<![^/\n])" + each.pattern.replace(".*", r"[^/\n]*") + r"(?![^/\n])"), name) for each, name in _NAMES)


def request_lines(trace: Trace, facts: Facts) -> tuple[list[bytes], list[bytes]]:
    """Method and path of each exchange of `facts`, in its order, as the first filter was shown them; empty where there is none."""
    methods, paths = [b""] * len(facts), [b""] * len(facts)
    for octets, here, spans in head_spans(trace, facts, np.arange(len(facts))):
        for name, into in (("method", methods), ("path", paths)):
            for place, value in zip(here.tolist(), slices(octets, *spans[name]), strict=True):
                into[place] = value
    return methods, paths


@lru_cache(maxsize=16384)
def path_pattern(path: bytes) -> str:
    """A path without its query, with `{n}`, `{uuid}`, `{hex}` or `{token}` for segments that name one thing of many."""
    segments = words.text(path.partition(b"?")[0]).split("/")
    return words.shorten("/".join(_segment(segment) for segment in segments), _LONGEST)


def path_patterns(paths: Sequence[bytes]) -> list[str]:
    """`path_pattern` of each, in one go: as lines of one text."""
    text = b"\n".join(paths)
    if not text.isascii() or text.count(b"\n") >= len(paths) or max(map(len, paths)) > _LONGEST:
        return list(map(path_pattern, paths))
    lines = _QUERY_OF_LINE.sub("", text.decode())
    for pattern, name in _IN_LINES:
        lines = pattern.sub(name, lines)
    return lines.split("\n")


def _segment(segment: str) -> str:
    for pattern, name in _NAMES:
        if pattern.fullmatch(segment):
            return name
    return segment
