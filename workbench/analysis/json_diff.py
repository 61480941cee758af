"""What differs between two JSON values, path by path."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, Literal

__all__ = ["JsonChange", "json_changes"]

_DEEPEST = 60
_LONGEST_LIST = 2000
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_NONE = object()


@dataclass(frozen=True, slots=True)
class JsonChange:
    """One difference at `path` (`$.items[3].price`); `before` and `after` are JSON, None where there is nothing."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: str | None
    after: str | None


def json_changes(before: Any, after: Any, most: int = 500) -> list[JsonChange]:
    """At most so many differences, in the order of the values. Members of lists are paired so that few differences remain."""
    return list(islice(_changes("$", before, after, 0), most))


def _changes(path: str, before: Any, after: Any, depth: int) -> Iterator[JsonChange]:
    if before is _NONE or after is _NONE:
        gone = after is _NONE
        yield JsonChange(path, "removed" if gone else "added", _spelt(before) if gone else None, None if gone else _spelt(after))
    elif isinstance(before, dict) and isinstance(after, dict) and depth < _DEEPEST:
        for name in {**before, **after}:
            step = f".{name}" if _NAME.fullmatch(name) else f"[{json.dumps(name, ensure_ascii=False)}]"
            yield from _changes(path + step, before.get(name, _NONE), after.get(name, _NONE), depth + 1)
    elif isinstance(before, list) and isinstance(after, list) and depth < _DEEPEST:
        for at, was, now in _paired(before, after):
            yield from _changes(f"{path}[{at}]", was, now, depth + 1)
    elif _spelt(before) != _spelt(after):  # 1, 1.0 and true are equal in Python
        yield JsonChange(path, "changed", _spelt(before), _spelt(after))


def _paired(before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[int, Any, Any]]:
    """Members that belong together, with their place: the one after, of those removed the one before."""
    if max(len(before), len(after)) > _LONGEST_LIST:
        yield from ((at, was, now) for at, (was, now) in enumerate(zip_longest(before, after, fillvalue=_NONE)))
        return
    old, new = ([_spelt(one) for one in side] for side in (before, after))
    for tag, a, a_end, b, b_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for was, now in zip_longest(range(a, a_end), range(b, b_end)):
            place = now if now is not None else was
            assert place is not None
            yield place, _NONE if was is None else before[was], _NONE if now is None else after[now]


def _spelt(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
