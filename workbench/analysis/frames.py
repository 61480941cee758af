"""Columns of tables: what stands in a trace as numbers, as pandas has it, made from columns without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..trace.records import NONE
from ..trace.trace import Records, Trace
from . import words
from .calls import callback_codes
from .rowfields import Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Picked", "category", "clock", "exchange_numbers", "filter_names", "nullable", "results", "seen"]


def nullable(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_], dtype: npt.DTypeLike = np.int64) -> Any:
    """Numbers that may be missing."""
    import pandas as pd

    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(dtype), missing)


def clock(ns: npt.NDArray[Any]) -> Any:
    """Virtual nanoseconds as times of day, UTC."""
    import pandas as pd

    return pd.DatetimeIndex(ns.astype("datetime64[ns]")).tz_localize("UTC")


def category(codes: npt.NDArray[Any], names: Sequence[str]) -> Any:
    """Names by their numbers, -1 for none; the categories are all names."""
    import pandas as pd

    return pd.Categorical.from_codes(codes, pd.Index(list(names)))


def seen(codes: npt.NDArray[Any], names: Sequence[str]) -> Any:
    """The same where the categories are the names that occur, each once and sorted. A code that is no place in `names` is none."""
    there = (codes >= 0) & (codes < len(names))
    used = np.unique(codes[there]).tolist()
    ordered = sorted({names[code] for code in used})
    place = np.full(max(len(names), 1), -1, np.int64)
    place[used] = [ordered.index(names[code]) for code in used]
    return category(np.where(there, place[np.where(there, codes, 0)], -1), ordered)


def exchange_numbers(values: npt.NDArray[Any]) -> Any:
    """Capture indexes, missing where a row belongs to no exchange."""
    return nullable(values, values == NONE)


def filter_names(trace: Trace, places: npt.NDArray[Any]) -> Any:
    """Categories in chain order; two filters of one name are one category, as in the chain a name is what tells them apart."""
    names = list(dict.fromkeys(trace.filters))
    code = np.array([names.index(name) for name in trace.filters] + [-1], np.int64)
    return category(code[np.minimum(places, len(trace.filters))], names)


def results(names: Sequence[str], codes: npt.NDArray[Any], values: npt.NDArray[Any]) -> Any:
    """What calls returned, by name: there are few pairs of call and result, so each is named once."""
    pairs, inverse = np.unique(codes.astype(np.int64) << 32 | (values.astype(np.int64) & 0xFFFFFFFF), return_inverse=True)
    texts = [words.result(names[pair >> 32], int(np.int32(np.uint32(pair & 0xFFFFFFFF)))) for pair in pairs.tolist()]
    categories = list(dict.fromkeys(texts))
    place = np.array([categories.index(text) for text in texts] or [0], np.int64)
    return category(place[inverse], categories)


class Picked:
    """Rows that were picked out of a trace for a table, and what every table says of them."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("seq", "exchange", "time", "filter", "callback")}

    def add(self, first: int, records: Records, at: Ints) -> None:
        """Take the rows at these places of a segment."""
        self._parts["seq"].append(at + first)
        for name in ("exchange", "time", "filter"):
            self._parts[name].append(records[name][at])
        self._parts["callback"].append(callback_codes(self._trace, first, records, at))

    def _column(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate([np.empty(0, np.uint8), *self._parts[name]])

    def frame(self, **more: Any) -> pd.DataFrame:
        """exchange (nullable), time, filter, callback, and further columns; the index is the row's number."""
        import pandas as pd

        names = [words.short_name(call.name) for call in self._trace.schema.callbacks]
        code = self._column("callback").astype(np.int64)
        columns = {
            "exchange": exchange_numbers(self._column("exchange")),
            "time": clock(self._column("time").astype(np.int64)),
            "filter": seen(self._column("filter").astype(np.int64), self._trace.filters),
            "callback": seen(np.where(code == 255, len(names), code), [*names, ""]),
            **more,
        }
        return pd.DataFrame(columns, index=pd.Index(self._column("seq").astype(np.int64), name="row"))
