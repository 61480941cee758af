"""What happened to a list of header fields between two moments, told entry by entry.

A header list has an order, and names that repeat. Entries are paired so that the fewest changes remain: equal entries first, the
k-th with the k-th; then what is left of the same name, as a changed value; then what has no partner was removed or added.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Change", "HeaderLine", "HeaderTrack", "diff_headers", "track_headers"]

Headers: TypeAlias = Sequence[tuple[str, str]]
Change: TypeAlias = Literal["unchanged", "added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """One entry of a difference. `before` and `after` are values, None where there is none.

    `before_at` and `after_at` are places in the two lists from 0. `moved` says that the entry left its order among the others;
    an entry that only moved has `kind` "moved". `repeat` is (k, of) from 1 where the name occurs more than once in a list, else None.
    """

    kind: Change
    name: str
    before: str | None
    after: str | None
    before_at: int | None
    after_at: int | None
    moved: bool = False
    repeat: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class HeaderTrack:
    """One header entry through several stages: its value at each (None: not there), and what each step did to it.

    `steps[i]` is the change from stage i to stage i + 1, None where the entry is in neither.
    """

    name: str
    values: tuple[str | None, ...]
    steps: tuple[Change | None, ...]


def _pair(before: Headers, after: Headers) -> dict[int, int]:
    """Place in `after` for each place in `before` that has a partner."""
    pairs: dict[int, int] = {}
    keys: tuple[Callable[[tuple[str, str]], Hashable], ...] = (lambda entry: entry, lambda entry: entry[0])
    for key in keys:
        free: defaultdict[Hashable, list[int]] = defaultdict(list)
        taken = set(pairs.values())
        for at in range(len(after) - 1, -1, -1):
            if at not in taken:
                free[key(after[at])].append(at)
        for at, entry in enumerate(before):
            if at not in pairs and free.get(key(entry)):
                pairs[at] = free[key(entry)].pop()
    return pairs


def _in_order(places: Sequence[int]) -> set[int]:
    """The members of a longest increasing run of `places`: what kept its order."""
    tails: list[int] = []
    tail_at: list[int] = []
    back: list[int] = []
    for at, place in enumerate(places):
        length = bisect_left(tails, place)
        back.append(tail_at[length - 1] if length else -1)
        tails[length : length + 1] = [place]
        tail_at[length : length + 1] = [at]
    kept, at = set(), tail_at[-1] if tail_at else -1
    while at >= 0:
        kept.add(places[at])
        at = back[at]
    return kept


def diff_headers(before: Headers, after: Headers) -> list[HeaderLine]:
    """The difference in the order of `after`, each removed entry behind the one that it followed."""
    pairs = _pair(before, after)
    kept = _in_order(list(pairs[at] for at in sorted(pairs)))
    totals = _repeats(before), _repeats(after)
    partner = {there: here for here, there in pairs.items()}
    lines: list[HeaderLine] = []
    gone: defaultdict[int, list[HeaderLine]] = defaultdict(list)
    last = -1
    for at, (name, value) in enumerate(before):
        if at in pairs:
            last = pairs[at] if pairs[at] in kept else last
        else:
            gone[last].append(HeaderLine("removed", name, value, None, at, None, repeat=totals[0][at]))
    lines += gone[-1]
    for at, (name, value) in enumerate(after):
        here = partner.get(at)
        if here is None:
            lines.append(HeaderLine("added", name, None, value, None, at, repeat=totals[1][at]))
        else:
            moved, old = at not in kept, before[here][1]
            kind: Change = "changed" if old != value else "moved" if moved else "unchanged"
            lines.append(HeaderLine(kind, name, old, value, here, at, moved, totals[1][at]))
        lines += gone[at]
    return lines


def _repeats(headers: Headers) -> list[tuple[int, int] | None]:
    total = Counter(name for name, _ in headers)
    seen: Counter[str] = Counter()
    found: list[tuple[int, int] | None] = []
    for name, _ in headers:
        seen[name] += 1
        found.append((seen[name], total[name]) if total[name] > 1 else None)
    return found


def track_headers(stages: Sequence[Headers]) -> list[HeaderTrack]:
    """Every entry that occurs at any stage, followed from stage to stage: the rows of a side-by-side table.

    Rows are in the order of the first stage; an entry that appears later stands behind the one that precedes it there.
    """
    rows: list[list[str | None]] = []
    names: list[str] = []
    steps: list[list[Change | None]] = []
    order: list[int] = []
    current: dict[int, int] = {}
    for stage, headers in enumerate(stages):
        following: dict[int, int] = {}
        lines = diff_headers(stages[stage - 1] if stage else (), headers)
        for row in range(len(rows)):
            rows[row].append(None)
            steps[row].append(None)
        behind = -1
        for line in lines:
            if line.before_at is None:
                row = len(rows)
                rows.append([None] * (stage + 1))
                steps.append([None] * (stage + 1))
                names.append(line.name)
                order.insert(order.index(behind) + 1 if behind >= 0 else 0 if stage else len(order), row)
            else:
                row = current[line.before_at]
            if line.after_at is not None:
                following[line.after_at] = row
                rows[row][stage] = line.after
            behind = row
            steps[row][stage] = line.kind
        current = following
    return [HeaderTrack(names[row], tuple(rows[row]), tuple(steps[row][1:])) for row in order]
