"""Real time per callback: aggregated numbers, their figure and the sentence that says the same. Filter and host are never one number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from workbench.analysis.words import count, duration, visible

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from workbench.replay import Replay

__all__ = ["CallbackTime", "Theme", "callback_times", "timing_data", "timing_figure", "timing_sentence"]

Theme: TypeAlias = Literal["any", "light", "dark"]

Places = npt.NDArray[np.intp]

_BINS = 48
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class CallbackTime:
    """One callback of one filter over a whole replay; times are real nanoseconds. `filter` is the place in the chain from 0."""

    filter: int
    filter_name: str
    name: str
    count: int
    p50: float
    p90: float
    p99: float
    max: float
    filter_ns: int
    host_ns: int
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis of whole decades' thirds, with ticks at powers of ten."""

    from_ns: float
    to_ns: float

    @classmethod
    def over(cls, total: npt.NDArray[np.float64]) -> _Axis:
        seen = total[total > 0]
        if not len(seen):
            return cls(100.0, 1000.0)
        low, high = np.floor(np.log10(seen.min()) * 3) / 3, np.ceil(np.log10(seen.max()) * 3) / 3
        return cls(float(10**low), float(10 ** max(high, low + 1)))

    @property
    def ticks(self) -> list[float]:
        exponents = range(int(np.ceil(np.log10(self.from_ns) - 1e-9)), int(np.floor(np.log10(self.to_ns) + 1e-9)) + 1)
        return [10.0**exponent for exponent in exponents]

    def edges(self) -> npt.NDArray[np.float64]:
        return np.geomspace(self.from_ns, self.to_ns, _BINS + 1)


def _times(replay: Replay) -> tuple[list[CallbackTime], _Axis]:
    table = replay.callbacks
    # A VM's own start belongs to no filter, and would dwarf what the filters do.
    table = table[table["filter"].notna()]
    names = list(replay.trace.filters)
    total = (table["filter_ns"] + table["host_ns"]).to_numpy(np.float64)
    axis = _Axis.over(total)
    edges = axis.edges()
    own, host = table["filter_ns"].to_numpy(np.int64), table["host_ns"].to_numpy(np.int64)
    found: list[tuple[int, CallbackTime]] = []
    groups: dict[Any, Places] = table.groupby(["filter", "callback"], observed=True, sort=False).indices  # type: ignore[assignment]
    for (filter_name, callback), places in groups.items():
        spent = total[places]
        p50, p90, p99 = np.quantile(spent, (0.5, 0.9, 0.99))
        one = CallbackTime(
            filter=names.index(filter_name),
            filter_name=str(filter_name),
            name=str(callback),
            count=len(places),
            p50=float(p50),
            p90=float(p90),
            p99=float(p99),
            max=float(spent.max()),
            filter_ns=int(own[places].sum()),
            host_ns=int(host[places].sum()),
            histogram=tuple(np.histogram(np.clip(spent, edges[0], edges[-1]), edges)[0].tolist()),
        )
        found.append((int(places[0]), one))
    # In the order of the chain, and within a filter in the order in which its callbacks were first called.
    found.sort(key=lambda pair: (pair[1].filter, pair[0]))
    return [one for _, one in found][:_MOST_ROWS], axis


def callback_times(replay: Replay) -> list[CallbackTime]:
    """Each callback of each filter, in the order of the chain and of the first call."""
    return _times(replay)[0]


def timing_sentence(times: list[CallbackTime], exchanges: int) -> str:
    """The figure in words: the whole, filter and host apart, and what costs most."""
    own, host = sum(one.filter_ns for one in times), sum(one.host_ns for one in times)
    if not own + host:
        return "No filter was called, so there is no time to show."
    calls = sum(one.count for one in times)
    most = max(times, key=lambda one: one.filter_ns + one.host_ns)
    share = 100 * (most.filter_ns + most.host_ns) / (own + host)
    return (
        f"{count(calls)} callbacks in {count(exchanges)} exchanges took {duration(own + host)} of real time on this machine: "
        f"{duration(own)} in the filters, {duration(host)} in the host. "
        f"Most of it, {share:.1f}\u202f%, went to {visible(most.name)} of {visible(most.filter_name)}, "
        f"half of its calls within {duration(most.p50)}."
    )


def timing_data(replay: Replay) -> dict[str, Any]:
    """What the Timing view draws: aggregated numbers only, no exchange is told apart."""
    times, axis = _times(replay)
    table = replay.exchanges
    spent = (table["filter_ns"] + table["host_ns"]).to_numpy(np.float64)
    facts: list[dict[str, Any]] = []
    if len(spent) and spent.sum():
        own = float(table["filter_ns"].sum())
        facts = [
            {"label": "Per exchange, p50", "ns": float(np.quantile(spent, 0.5))},
            {"label": "p99", "ns": float(np.quantile(spent, 0.99))},
            {"label": "Filter", "ns": own / len(spent), "note": f"mean, {100 * own / spent.sum():.1f}\u202f%"},
            {"label": "Host", "ns": (spent.sum() - own) / len(spent), "note": f"mean, {100 - 100 * own / spent.sum():.1f}\u202f%"},
        ]
    return {
        "facts": facts,
        "rows": [asdict(one) for one in times],
        "axis": {"from_ns": axis.from_ns, "to_ns": axis.to_ns, "ticks": axis.ticks},
        "filters": list(replay.trace.filters),
        "exchanges": len(table),
        "sentence": timing_sentence(times, len(table)),
    }


def timing_figure(replay: Replay, *, theme: Theme = "any") -> go.Figure:
    """Time per callback as a plotly figure, one bar each: the filter's own code solid, the host hatched, and the sentence above.

    It holds aggregated numbers and the names of filters and callbacks, nothing captured. `theme` is light, dark, or any: greys that
    can be read on both, since a figure in a cell cannot know the page's theme. Where no plotly is shown (exports, terminals) the same
    numbers stand as a table.
    """
    from .timing_plot import draw

    return draw(callback_times(replay), len(replay), theme)
