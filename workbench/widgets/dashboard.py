"""The workbench: every view of a replay in one place, and the replay itself, run in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from inspect import signature
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any

import traitlets

from workbench.analysis.redaction import RedactedCapture
from workbench.analysis.words import visible
from workbench.errors import ConfigError
from workbench.replay import Replay

from .chain_pane import ChainAnswers
from .decision_timeline import DECISION_ANSWERS, DecisionAnswers
from .laboratory import LABORATORY_ANSWERS, LaboratoryAnswers
from .microscope import MicroscopeAnswers
from .replay_view import DETAILS, FLOWS
from .runs import Run
from .state_tracks import StateAnswers
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.capture import Capture
    from workbench.chain import Chain

__all__ = ["Workbench"]

_PROBLEMS_SHOWN = 4
_FINDINGS_SHOWN = 50


class Workbench(ChainAnswers, DecisionAnswers, LaboratoryAnswers, MicroscopeAnswers, StateAnswers):
    """The dashboard: `Workbench(capture, chain)` replays at once and shows the result, `Workbench(replay)` shows one that there is.

    The replay runs in a thread, so the cell returns, results appear as they come, and Cancel works; `wait()` waits for it. `replay` is
    the result, `chain` what was replayed, `runs` the last replays (`compare(number)` sets the last one against another), `selected` the
    index of the selected exchange. The chain can be edited in the view. With `watch=True` a module whose file changes is replayed again.
    What is wrong with a filter or a capture is shown in the view and, by `wait()`, raised.

    `settings` are arguments of `Chain.replay` for each replay, such as `{"callback_limit_s": 5}`, and `filter_defaults` those of `Filter`
    for each filter that is added in the view; with names of headers in `redact` the view and `replay` show none of their values
    (`Replay.redacted`).
    """

    _esm = script("dashboard", "dashboardView")
    _css = style(
        *("flow_table", "exchange_details", "call_tree"),
        *("microscope", "state_tracks"),
        *("decision_timeline", "laboratory"),
        *("timing", "timing_details"),
        *("chain_pane", "config_editor"),
        *("findings_list", "changes_strip", "dashboard"),
    )
    _answers = (
        *FLOWS,
        *DETAILS,
        *(*MicroscopeAnswers.KINDS, *StateAnswers.STATE_KINDS),
        *DECISION_ANSWERS,
        *LABORATORY_ANSWERS,
        *("timing",),
        *("chain", "edit", "apply", "modules"),
        *("findings", "run", "cancel", "runs", "changes"),
    )

    capture_name = traitlets.Unicode("").tag(sync=True)
    captured = traitlets.Int(0).tag(sync=True)
    filters = traitlets.List(traitlets.Unicode()).tag(sync=True)
    problems = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, source: Capture | Replay | None = None, chain: Chain | None = None, **traits: Any) -> None:
        if isinstance(source, Replay) and chain is not None:
            remedy = "Give one of them: a replay has its chain, a capture needs one"
            raise ConfigError("a replay and a chain are given both", where="Workbench", remedy=remedy)
        given = source if isinstance(source, Replay) else None
        if not (given or source is None or hasattr(source, "batches")):
            raise ConfigError(f"{brief(source)} is no capture", where="Workbench", remedy="Give open_capture(PATH), or a replay")
        if not (chain is None or hasattr(chain, "filters")):
            raise ConfigError(f"{brief(chain)} is no chain", where="Workbench", remedy="Give Chain(FILTER, …)")
        watch = traits.pop("watch", False)
        _check_options(traits, self.trait_names())
        capture = given.capture if given else source
        if isinstance(capture, RedactedCapture):
            traits["redact"], capture = capture.redaction.names, capture.whole
        elif given is not None and traits.get("redact") is not None:
            given = given.redacted(traits["redact"])
        super().__init__(capture, given.chain if given else chain, **traits)
        with self.hold_sync():
            if self._capture is not None:
                self._describe()
            self._applied()
        if given is not None:
            self._number = 1
            self._adopt(given)
            self._keep(Run(1, given, "", ()))
            self.run = {"state": "done", "number": 1, "words": ""}
        elif self.replayable:
            self.start()
        self.watch = watch

    def _describe(self) -> None:
        self.capture_name = visible(getattr(getattr(self._capture, "path", None), "name", "") or "capture")
        self.captured = len(self._capture)
        problems = [visible(one) for one in getattr(self._capture, "problems", ())]
        more = len(problems) - _PROBLEMS_SHOWN
        self.problems = problems[:_PROBLEMS_SHOWN] + ([f"{more} more in capture.problems"] if more > 0 else [])

    def _applied(self) -> None:
        self.filters = [one.name for one in self._chain.filters] if self._chain is not None else []
        self.replayable = self._capture is not None and self._chain is not None

    def _answer_findings(self, _question: Mapping[str, Any]) -> Answer:
        return {}, [one.as_dict() for one in self._shown()[0].findings()[:_FINDINGS_SHOWN]]


def _check_options(given: Mapping[str, Any], traits: Iterable[str]) -> None:
    """ConfigError for a keyword that is none, or for settings that `Chain.replay` or `Filter` do not take."""
    from workbench.chain import Chain
    from workbench.filter import Filter

    if unknown := sorted(given.keys() - {"redact", "settings", "filter_defaults", *traits}):
        remedy = "There are settings, filter_defaults, redact, watch and charts"
        raise ConfigError(f"no option {unknown[0]}", where="Workbench", remedy=remedy)
    _check_names(given, "settings", Chain.replay, {"capture", "progress", "cancel", "partial"})
    _check_names(given, "filter_defaults", Filter.__init__, {"path", "name"})


def _check_names(given: Mapping[str, Any], option: str, taker: Callable[..., Any], kept: Set[str]) -> None:
    named = given.get(option) or {}
    if not isinstance(named, Mapping):
        raise ConfigError(f"{option} are {brief(named)}", where="Workbench", remedy="Give a mapping of names to values")
    known = [name for name in signature(taker).parameters if name != "self" and name not in kept]
    if wrong := sorted(map(str, named.keys() - set(known))):
        raise ConfigError(f"no {option.replace('_', ' ')[:-1]} {wrong[0]}", where="Workbench", remedy=f"There are {', '.join(known)}")
