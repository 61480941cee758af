"""Rows of limits on their way to columns, and the hostcalls that they are read from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..trace.records import NONE
from ..trace.trace import Records, Trace
from .limits import ALLOWED, LIMITED, Limit, Limits
from .ratelimit_answers import Quota
from .rowfields import Ints, field_spans
from .selections import hostcalls

__all__ = ["LimitRows", "calls", "fields_of"]

_COLUMNS = tuple(name for name in Limits.__dataclass_fields__ if name != "limits")


class LimitRows:
    """Rows on their way to columns."""

    def __init__(self) -> None:
        self.limits: dict[Limit, int] = {}
        self.parts: list[Ints] = []
        self.rows: list[tuple[int, ...]] = []

    def place(self, limit: Limit) -> int:
        """The number of a limit, which is a new one where it has none yet."""
        return self.limits.setdefault(limit, len(self.limits))

    def add(self, row: int, exchange: int, time: int, filter_: int, limit: int, over: bool, quota: Quota, hits: int, source: int) -> None:
        """One row from what a service or filter told in numbers."""
        maximum, left, reset = quota.maximum, quota.remaining, quota.reset_ns
        counter = max(maximum - left, 0) if maximum >= 0 and left >= 0 else quota.counter
        end = time + reset if reset >= 0 else -1
        start = end - quota.window_s * 10**9 if quota.aligned and end >= 0 and quota.window_s > 0 else -1
        verdict = LIMITED if over else ALLOWED
        self.rows.append((row, exchange, time, filter_, limit, verdict, maximum, counter, left, hits, quota.window_s, start, end, source))

    def close(self) -> Limits:
        """The rows as columns, in the order of the trace."""
        if self.rows:
            self.parts.append(np.array(self.rows, np.int64))
        table = np.concatenate(self.parts) if self.parts else np.empty((0, len(_COLUMNS)), np.int64)
        table = table[np.argsort(table[:, 0], kind="stable")]
        return Limits(tuple(self.limits), **{name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(_COLUMNS)})


def calls(
    trace: Trace, name: str, wanted: tuple[str, ...], *, may_fail: bool = False, map_type: int | None = None
) -> Iterator[tuple[int, int, int, list[bytes]]]:
    """Row, exchange, filter and some of the fields of each call of one hostcall for an exchange, of header maps those of one type."""
    known = next((call.fields for call in trace.schema.hostcalls if call.name == name), ())
    for first, rows, blob, at in hostcalls(trace, (name,)):
        kept = rows["exchange"][at] != NONE
        if not may_fail:
            kept &= rows["result"][at] == 0
        if map_type is not None:
            kept &= rows["a"][at] == map_type
        at = at[kept]
        if len(at):
            yield from fields_of(first, rows, blob, at, [known.index(each) for each in wanted], len(known))


def fields_of(
    first: int, rows: Records, blob: memoryview, at: Ints, places: list[int], count: int
) -> Iterator[tuple[int, int, int, list[bytes]]]:
    """Row, exchange, filter and the fields at `places` of each row at `at` of a block; each row's blob has `count` fields."""
    found = field_spans(np.frombuffer(blob, np.uint8), rows, at, count)
    pairs = [(found[place][0].tolist(), (found[place][0] + found[place][1]).tolist()) for place in places]
    cells = zip(*([bytes(blob[start:end]) for start, end in zip(*pair, strict=True)] for pair in pairs), strict=True)
    for seq, exchange, filter_, cell in zip(
        (at + first).tolist(), rows["exchange"][at].tolist(), rows["filter"][at].tolist(), cells, strict=True
    ):
        yield seq, exchange, filter_, list(cell)
