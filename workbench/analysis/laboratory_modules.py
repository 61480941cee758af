"""The laboratory with the real module: the same capture through the same chain, one filter's configuration changed each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import WorkbenchError
from .facts import Outcome
from .rowfields import Bools, Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ModuleSweep", "ModuleTrial", "sweep_module"]


@dataclass(frozen=True)
class ModuleTrial:
    """One configuration: the outcome of each exchange (numbers of `facts.Outcome`), or the error in words where it was refused."""

    config: Any
    exchange: Ints
    outcome: Ints
    error: str = ""

    @property
    def limited(self) -> Bools:
        """Whether each exchange was limited."""
        return np.asarray(self.outcome == Outcome.LIMITED, bool)


@dataclass(frozen=True)
class ModuleSweep:
    """The trials in the order of their configurations; fewer than `wanted` where it was stopped."""

    filter: str
    trials: list[ModuleTrial] = field(default_factory=list)
    wanted: int = 0

    @property
    def complete(self) -> bool:
        """Whether every configuration was tried."""
        return len(self.trials) == self.wanted

    @property
    def table(self) -> pd.DataFrame:
        """One row a configuration: what differs in it, exchanges, how many had each outcome, the limited share, the error."""
        import pandas as pd

        given = [trial.config if isinstance(trial.config, dict) else {"config": str(trial.config)} for trial in self.trials]
        counts = [Counter(trial.outcome.tolist()) for trial in self.trials]
        frame = pd.DataFrame(given).assign(exchanges=[len(trial.outcome) for trial in self.trials])
        for outcome in Outcome:
            frame[outcome.name.lower()] = [count[outcome] for count in counts]
        frame["share"] = [count[Outcome.LIMITED] / max(count.total(), 1) for count in counts]
        frame["problem"] = [trial.error for trial in self.trials]
        return frame


def sweep_module(
    chain: Any,
    filter: str | int,
    configs: Iterable[Any],
    capture: Any,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancel: Event | None = None,
    **settings: Any,
) -> ModuleSweep:
    """Replay `capture` through `chain` once for each of `configs` of one filter, named or by its place.

    progress  called with trials done and their number
    cancel    set it from another thread to stop, an interrupt does the same: what was tried until then is kept
    settings  of `Chain.replay`

    A configuration that the filter refuses is a trial with an error. What is wrong with the chain or the filter's name raises.
    """
    wanted = list(configs)
    old = chain[filter]
    found = ModuleSweep(old.name, wanted=len(wanted))
    for config in wanted:
        if cancel is not None and cancel.is_set():
            break
        try:
            changed = chain.with_filter(replace(old, config=config), old.name)
            replay = changed.replay(capture, cancel=cancel, **settings)
        except WorkbenchError as error:
            found.trials.append(ModuleTrial(config, np.empty(0, np.int64), np.empty(0, np.int64), str(error)))
        except KeyboardInterrupt:
            break
        else:
            if not replay.complete:
                break
            found.trials.append(ModuleTrial(config, replay.facts.exchange, replay.facts.outcome))
        if progress is not None:
            progress(len(found.trials), len(wanted))
    return found
