"""What if the limit were another? Settings tried on the requests of a replay, without the filter.

    lab = replay.laboratory("~m POST & ~u /toys", key="header:x-user")
    lab.run(limit=5, window_s=10).limited            # a verdict for each request
    lab.sweep(limits=range(1, 21)).table

A request that is limited here would have been answered at once; all others come as they were captured, so that clients which would have
tried again, or slower, are not made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from reprlib import repr as brief
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..trace.trace import Trace
from . import words
from .facts import Facts
from .laboratory_requests import Captured, Key, Requests, default_key, requests_of
from .limiters import ALGORITHMS, limited_by
from .limits import Limits
from .rowfields import Bools, Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUDGETS", "SPREADS", "Band", "Laboratory", "Outcome", "Setting", "Sweep", "laboratory_of", "recognised"]

SPREADS = ("round robin", "by connection", "random")
"""How requests reach workers. By connection is as a replay with several workers does it."""
BUDGETS = ("shared", "per worker", "divided")
"""One counter for all workers, the whole limit for each, or a part of it for each."""
_MOST_WORKERS = 1024
_MOST_LIMIT = 10**9
_LONGEST_S = 366 * 86_400.0


@dataclass(frozen=True)
class Setting:
    """One way to limit: `limit` requests in `window_s` seconds for each key.

    algorithm  see `limiters`; `aligned` says whether fixed windows keep to the clock or begin with a first hit
    burst      tokens that a bucket holds, or requests that GCRA lets come at once: without a number as many as the limit, and 1
    workers    among which requests are spread; `budgets` says what each of them may let pass
    seed       of a random spread
    """

    limit: int
    window_s: float = 1.0
    algorithm: str = "fixed window"
    aligned: bool = True
    burst: int | None = None
    workers: int = 1
    spread: str = "round robin"
    budgets: str = "shared"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("limit", 0, _MOST_LIMIT), ("workers", 1, _MOST_WORKERS), ("burst", 1, _MOST_LIMIT)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most):
                raise ConfigError(f"{name} is {value!r}", where=name, remedy=f"Give a whole number from {least} to {most}")
        if not isinstance(self.window_s, (int, float, np.integer, np.floating)) or not 1e-6 <= self.window_s <= _LONGEST_S:
            raise ConfigError(f"window_s is {self.window_s!r}", where="window_s", remedy="Give seconds, from a millionth to a year")
        for name, known in (("algorithm", ALGORITHMS), ("spread", SPREADS), ("budgets", BUDGETS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}", where=name, remedy=f"Give one of {', '.join(known)}")

    @property
    def window_ns(self) -> int:
        """The window in nanoseconds."""
        return round(self.window_s * 1e9)

    def words(self) -> str:
        """`5 in 10 s, fixed window`."""
        more = {"fixed window": "" if self.aligned else " from the first hit"}.get(self.algorithm, "")
        bucket = f", burst {self.burst}" if self.burst is not None and self.algorithm in ("token bucket", "gcra") else ""
        spread = f", {self.workers} workers, {self.budgets} budgets, {self.spread}" if self.workers > 1 else ""
        return f"{words.count(self.limit)} in {words.duration(self.window_ns)}, {self.algorithm}{more}{bucket}{spread}"


@dataclass(frozen=True)
class Outcome:
    """What one setting does to the requests: `limited` in their order, and how many of each key."""

    setting: Setting
    requests: Requests
    limited: Bools

    @property
    def count(self) -> int:
        """How many are limited."""
        return int(self.limited.sum())

    @property
    def share(self) -> float:
        """Their part of all requests; 0 where there are none."""
        return self.count / len(self.limited) if len(self.limited) else 0.0

    @property
    def by_key(self) -> tuple[Ints, Ints]:
        """Requests, and limited ones, of each of `requests.keys`."""
        n = len(self.requests.keys)
        return np.bincount(self.requests.key, minlength=n), np.bincount(self.requests.key[self.limited], minlength=n)

    @property
    def table(self) -> pd.DataFrame:
        """One row a key: requests, limited, share; the most limited first."""
        import pandas as pd

        total, limited = self.by_key
        frame = pd.DataFrame(
            {"key": list(self.requests.keys), "requests": total, "limited": limited, "share": limited / np.maximum(total, 1)}
        )
        return frame.sort_values(["limited", "requests"], ascending=False, kind="stable", ignore_index=True)

    def __repr__(self) -> str:
        return f"<{words.count(self.count)} of {words.count(len(self.limited))} limited by {self.setting.words()}>"


@dataclass(frozen=True)
class Band:
    """The strictest and the laxest that workers with budgets of their own can be: all requests of a key on one of them, or dealt out in
    turn. For windows aligned to the clock no spread lies outside; for the others these are its two ends, not a proof."""

    strictest: Outcome
    laxest: Outcome


@dataclass(frozen=True)
class Sweep:
    """Many settings tried: for each how many requests are limited, by key, and its band. `complete` is False where it was stopped."""

    requests: Requests
    settings: list[Setting] = field(default_factory=list)
    limited: list[Ints] = field(default_factory=list)
    """For each setting the limited requests of each key."""
    strictest: list[int] = field(default_factory=list)
    laxest: list[int] = field(default_factory=list)
    wanted: int = 0

    def __repr__(self) -> str:
        return f"<Sweep: {len(self.settings)} of {self.wanted} settings tried on {len(self.requests)} requests>"

    @property
    def complete(self) -> bool:
        """Whether every setting was tried."""
        return len(self.settings) == self.wanted

    @property
    def table(self) -> pd.DataFrame:
        """One row a setting: what it is, requests, limited, share, and the limited of the band's two ends."""
        import pandas as pd

        n = len(self.requests)
        counts = [int(one.sum()) for one in self.limited]
        frame = pd.DataFrame([vars(setting) for setting in self.settings], columns=pd.Index(list(Setting.__dataclass_fields__)))
        frame["burst"] = frame["burst"].astype("Int64")
        return frame.assign(
            requests=n, limited=counts, share=[one / max(n, 1) for one in counts], strictest=self.strictest, laxest=self.laxest
        )

    @property
    def by_key(self) -> pd.DataFrame:
        """One row a setting and key: the setting's limit, window and algorithm, key, requests, limited, share."""
        import pandas as pd

        total = np.bincount(self.requests.key, minlength=len(self.requests.keys))
        names, keys = ("limit", "window_s", "algorithm"), len(self.requests.keys)
        columns: dict[str, Any] = {name: np.repeat([getattr(one, name) for one in self.settings], keys) for name in names}
        limited = np.concatenate(self.limited) if self.limited else np.empty(0, np.int64)
        requests = np.tile(total, len(self.settings))
        frame = pd.DataFrame({**columns, "key": list(self.requests.keys) * len(self.settings), "requests": requests, "limited": limited})
        return frame.assign(share=limited / np.maximum(requests, 1))


class Laboratory:
    """Tries settings on `requests`; `Replay.laboratory` makes one. `configured` is what the replay itself was limited by, where it tells
    of that."""

    def __init__(self, requests: Requests, configured: Setting | None = None) -> None:
        self.requests = requests
        self.configured = configured
        self._orders: dict[tuple[Any, ...], tuple[Ints, Ints, Ints]] = {}

    def __len__(self) -> int:
        return len(self.requests)

    def __repr__(self) -> str:
        known = f", limited by {self.configured.words()}" if self.configured else ""
        keys = f"{words.count(len(self.requests.keys))} keys by {self.requests.key_name}"
        return f"<Laboratory of {words.count(len(self))} requests, {keys}{known}>"

    def setting(self, **changes: Any) -> Setting:
        """The configured setting, or where none is known 5 in 10 s, with `changes`. ConfigError for what is none."""
        unknown = set(changes) - set(Setting.__dataclass_fields__)
        if unknown:
            raise ConfigError(f"no setting {min(unknown)!r}", remedy=f"There are {', '.join(Setting.__dataclass_fields__)}")
        return replace(self.configured or Setting(5, 10.0), **changes)

    def run(self, setting: Setting | None = None, **changes: Any) -> Outcome:
        """Try one setting: `run(limit=5, window_s=10)` changes what is configured."""
        setting = self.setting(**changes) if setting is None else replace(setting, **changes)
        alone = setting.workers == 1 or setting.budgets == "shared"
        return self._tried(setting, 1 if alone else setting.workers, "" if alone else setting.spread)

    def band(self, setting: Setting | None = None, **changes: Any) -> Band:
        """The strictest and the laxest outcome of any spread over workers with budgets of their own; both the same without such."""
        setting = self.setting(**changes) if setting is None else replace(setting, **changes)
        if setting.workers == 1 or setting.budgets == "shared":
            both = self.run(setting)
            return Band(both, both)
        return Band(self._tried(setting, setting.workers, "one"), self._tried(setting, setting.workers, "dealt"))

    def sweep(
        self,
        *,
        limits: Iterable[int] | None = None,
        windows_s: Iterable[float] | None = None,
        algorithms: Iterable[str] | None = None,
        bursts: Iterable[int | None] | None = None,
        workers: Iterable[int] | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Event | None = None,
        setting: Setting | None = None,
        **changes: Any,
    ) -> Sweep:
        """Try every combination of what is given; the rest as in `setting`, or else as configured, with `changes`. `cancel` set, or an
        interrupt, ends it: what was tried until then is kept."""
        base = self.setting(**changes) if setting is None else replace(setting, **changes)
        given = {"limit": limits, "window_s": windows_s, "algorithm": algorithms, "burst": bursts, "workers": workers}
        for name, values in given.items():
            if values is not None and not isinstance(values, Iterable):
                raise ConfigError(f"{brief(values)} is no list of values", where=name, remedy="Give several, such as [3, 5, 10]")
        axes: dict[str, list[Any]] = {name: list(values) for name, values in given.items() if values is not None}
        settings = [replace(base, **dict[str, Any](zip(axes, point, strict=True))) for point in product(*axes.values())]
        found = Sweep(self.requests, wanted=len(settings))
        try:
            for one in settings:
                if cancel is not None and cancel.is_set():
                    break
                band = self.band(one)
                mine = band.strictest if band.strictest is band.laxest else self.run(one)
                found.limited.append(mine.by_key[1])
                found.strictest.append(max(band.strictest.count, mine.count))
                found.laxest.append(min(band.laxest.count, mine.count))
                found.settings.append(one)
                if progress is not None:
                    progress(len(found.settings), len(settings))
        except KeyboardInterrupt:
            del found.limited[len(found.settings) :], found.strictest[len(found.settings) :], found.laxest[len(found.settings) :]
        return found

    def _tried(self, setting: Setting, workers: int, spread: str) -> Outcome:
        order, starts, worker = self._order(workers, spread, setting.seed)
        budgets = np.full(workers, setting.limit, np.int64)
        if setting.budgets == "divided" and workers > 1:
            budgets = setting.limit // workers + (np.arange(workers) < setting.limit % workers)
            if spread == "one":
                budgets[:] = setting.limit // workers
        limited = np.empty(len(order), bool)
        limited[order] = limited_by(
            setting.algorithm,
            self.requests.time[order],
            starts,
            budgets[worker],
            setting.window_ns,
            burst=setting.burst,
            aligned=setting.aligned,
        )
        return Outcome(setting, self.requests, limited)

    def _order(self, workers: int, spread: str, seed: int) -> tuple[Ints, Ints, Ints]:
        """The requests sorted by key and worker, where each such group begins, and its worker. Settings of a sweep share it."""
        name = (workers, spread, seed if spread == "random" else 0)
        if name not in self._orders:
            requests = self.requests
            by_key = np.argsort(requests.key, kind="stable")
            on = np.zeros(len(requests), np.int64)
            if spread == "round robin":
                on = np.arange(len(requests)) % workers
            elif spread == "by connection":
                # as the core's worker.rs: the same connection is on the same thread in each replay
                on = ((requests.connection * 0x9E3779B1) & 0xFFFFFFFF) * workers >> 32
            elif spread == "random":
                on = np.random.default_rng(seed).integers(0, workers, len(requests))
            elif spread == "dealt":
                key = requests.key[by_key]
                first = np.flatnonzero(np.diff(key, prepend=-1))
                on[by_key] = (np.arange(len(key)) - np.repeat(first, np.diff(np.append(first, len(key))))) % workers
            group = requests.key * workers + on
            order = np.argsort(group, kind="stable")
            starts = np.flatnonzero(np.diff(group[order], prepend=-1))
            self._orders[name] = (order, starts, on[order][starts])
        return self._orders[name]


def laboratory_of(
    trace: Trace, facts: Facts, capture: Captured, limits: Limits, which: npt.ArrayLike | None = None, key: Key | None = None
) -> Laboratory:
    """The laboratory on a replay, see `Replay.laboratory`; `which` are indexes or a mask. Raises `ConfigError`."""
    asked = np.unique(limits.exchange)
    if which is None:
        chosen = asked if len(asked) else facts.exchange
    else:
        given = np.asarray(which)
        chosen = facts.exchange[given] if given.dtype == bool and len(given) == len(facts) else given.astype(np.int64)
    requests = requests_of(trace, facts, capture, limits, chosen, default_key(limits) if key is None else key)
    told = requests_of(trace, facts, capture, limits, asked, "limit")
    return Laboratory(requests, recognised(told, limits))


def recognised(requests: Requests, limits: Limits) -> Setting | None:
    """The limit that a replay tells of; None where it tells of none. Its algorithm is the one whose verdicts are nearest to those recorded,
    of a service that tells of its windows a fixed window.

    `requests` are all that a limit was asked for, told apart by the key `limit`.
    """
    known = np.flatnonzero((limits.maximum >= 0) & (limits.window_s > 0))
    if not len(known):
        return None
    pairs, counts = np.unique(np.stack((limits.maximum[known], limits.window_s[known])), axis=1, return_counts=True)
    limit, window = pairs[:, int(counts.argmax())].tolist()
    if limit > _MOST_LIMIT or window > _LONGEST_S:
        return None
    told = limits.start[known][limits.start[known] >= 0]
    # who tells when its windows begin counts in windows
    aligned = len(told) > 0 and not (told % (window * 10**9)).any()
    candidates = _CANDIDATES if not len(told) else (("fixed window", aligned),)
    tried = [Setting(limit, float(window), name, aligned=on) for name, on in candidates]
    laboratory = Laboratory(requests)
    return max(tried, key=lambda setting: int((laboratory.run(setting).limited == requests.recorded).sum()))


_CANDIDATES = (
    ("token bucket", True), ("fixed window", False), ("fixed window", True), ("sliding window log", True),
    ("sliding window counter", True), ("gcra", True),
)  # fmt: skip
