"""What each limit said of each exchange: a row for every counter that was asked, from the best witness there is.

service         the rate-limit service inside says itself which counters it looked at (LIMIT events).
answer          a RateLimitResponse over gRPC tells of limits in its statuses, or in the headers that it asks to be added.
headers         a filter wrote `ratelimit-*` or `x-ratelimit-*` headers, in its local response or on the upstream's.
shared data     a filter that limits in this replay read or wrote a counter there: what can be seen is its key and, where
                the value is one whole number, that number. Falling from write to write it is what remains, rising what was counted.
local response  a filter limited the exchange and nothing tells by which counter.

Of one filter's verdict on one exchange the first that there is counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..trace.trace import Trace
from .rowfields import Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SOURCES", "VERDICTS", "Limit", "Limits", "deciding", "limits_table"]

VERDICTS = ("allowed", "limited", "shadow", "unlimited")
"""Of one counter. `shadow`: over its limit, and let pass because the limit is only tried."""
SOURCES = ("service", "answer", "headers", "shared data", "local response")
ALLOWED, LIMITED, SHADOW, UNLIMITED = range(4)
SERVICE, ANSWER, HEADERS, SHARED, LOCAL = range(5)
MOST = (1 << 62) - 1
"""The largest number of nanoseconds that is kept."""


class Limit(NamedTuple):
    """A limit and one key of it. `owner` is the service's domain, or the name of the filter that keeps the counter itself."""

    owner: str
    name: str
    key: str


@dataclass(frozen=True)
class Limits:
    """One entry for each counter that was asked, in the order of the trace; numbers are -1 where nobody said them.

    `limit` is a place in `limits`; `start` and `end` of the window are virtual nanoseconds since the Unix epoch, `row` the row of the
    trace that shows it.
    """

    limits: tuple[Limit, ...]
    row: Ints
    exchange: Ints
    time: Ints
    filter: Ints
    limit: Ints
    verdict: Ints
    """Places in `VERDICTS`."""
    maximum: Ints
    counter: Ints
    """Hits in the window after this one."""
    remaining: Ints
    hits: Ints
    window_s: Ints
    start: Ints
    end: Ints
    source: Ints
    """Places in `SOURCES`."""

    def __len__(self) -> int:
        return len(self.row)


def deciding(limits: Limits, exchanges: Ints, filters: Ints) -> Ints:
    """For each exchange and filter the place of the counter that decided: the one that limited, else the one with the least left; -1 for
    none."""
    left = np.where(limits.remaining < 0, MOST, limits.remaining)
    of = limits.exchange << 8 | limits.filter
    order = np.lexsort((left, limits.verdict != LIMITED, of))
    found, first = np.unique(of[order], return_index=True)
    if not len(found):
        return np.full(len(exchanges), -1, np.int64)
    wanted = exchanges << 8 | filters
    at = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
    return np.where(found[at] == wanted, order[first[at]], -1)


def limits_table(trace: Trace, limits: Limits) -> pd.DataFrame:
    """One row a counter that was asked for an exchange, in order, its index the row's number in the trace.

    exchange, time, filter, domain (the service's, with its kind where it explains itself; empty where a filter keeps the counter itself),
    limit, key, verdict (allowed, limited, shadow, unlimited), max, counter (after this request), remaining, hits, window_s,
    window_start, resets_at (virtual time, NaT where nobody said), source. Numbers are nullable. Texts are captured data, not escaped.
    """
    import pandas as pd

    names = list(dict.fromkeys(trace.filters))
    kept = np.isin(limits.source, (SERVICE, ANSWER))
    which = [limits.limits[place] for place in limits.limit.tolist()]

    def number(values: Ints) -> Any:
        return pd.arrays.IntegerArray(np.maximum(values, 0), values < 0)

    def moment(values: Ints) -> Any:
        return pd.DatetimeIndex(np.where(values < 0, np.datetime64("NaT", "ns"), values.astype("datetime64[ns]"))).tz_localize("UTC")

    place = np.array([names.index(name) for name in trace.filters] + [-1], np.int64)
    columns: dict[str, Any] = {
        "exchange": limits.exchange,
        "time": moment(limits.time),
        "filter": pd.Categorical.from_codes(place[np.minimum(limits.filter, len(trace.filters))], pd.Index(names)),
        "domain": pd.Categorical([one.owner if mine else "" for one, mine in zip(which, kept.tolist(), strict=True)]),
        "limit": pd.Categorical([one.name for one in which]),
        "key": pd.Categorical([one.key for one in which]),
        "verdict": pd.Categorical.from_codes(limits.verdict, pd.Index(VERDICTS)),
        **{
            name: number(values) for name, values in (("max", limits.maximum), ("counter", limits.counter), ("remaining", limits.remaining))
        },
        "hits": number(limits.hits),
        "window_s": number(limits.window_s),
        "window_start": moment(limits.start),
        "resets_at": moment(limits.end),
        "source": pd.Categorical.from_codes(limits.source, pd.Index(SOURCES)),
    }
    return pd.DataFrame(columns, index=pd.Index(limits.row, name="row"))
