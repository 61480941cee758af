"""Replays in the background: one at a time, seen while it goes on, and the last ones kept to compare with."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from workbench.analysis.compare import Comparison
from workbench.analysis.facts import Outcome
from workbench.analysis.query_terms import PARTS
from workbench.analysis.redaction import Redaction
from workbench.analysis.words import count, duration, visible
from workbench.errors import FilterLoadError, WorkbenchError
from workbench.replay import Replay, compare

from .replay_view import ReplayView
from .rows import FlowRows
from .view import Answer
from .watcher import Watcher, file_digest

if TYPE_CHECKING:
    from workbench.chain import Chain

__all__ = ["MOST_RUNS", "Run", "RunningView"]

MOST_RUNS = 5
_MOST_BYTES = 512 << 20
_SOON_S = 0.5
_PARTIAL_S = 0.4
_PARTIAL_SHARE = 5
_DIFFERENCES_SHOWN = 200
_WORDS_SHOWN = 12
_PARTS_SHOWN = tuple(word for word in PARTS if "_" in word or word in ("any", "outcome", "status", "presence", "connection"))
"""Each for itself, not those that stand for several."""
_REFUSED = "Check its configuration and root id, or replay anyway: it then counts as failed, and its failure policy says what that means"
"""The remedy where a filter does not start, for a reader who has buttons and no Python."""


@dataclass(frozen=True)
class Run:
    """A replay that is over. `why` says what is other than before it, in words: empty where it was only run again."""

    number: int
    replay: Replay
    words: str
    why: tuple[str, ...]


class RunningView(ReplayView):
    """A view that replays. `run` says how that goes on, `runs` are the last that are over, at most five and 512 MiB of traces."""

    replayable = traitlets.Bool(False).tag(sync=True)
    run: traitlets.Dict[str, Any] = traitlets.Dict(help="What the replay does: its state, and words or numbers for it").tag(sync=True)
    watch = traitlets.Bool(False, help="Replay again when a module's file changes").tag(sync=True)
    start_anyway = traitlets.Bool(False, help="Replay although a filter refuses to start, as its failure policy says").tag(sync=True)

    def __init__(
        self,
        capture: Any = None,
        chain: Chain | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        redact: Iterable[str] | None = None,
        **traits: Any,
    ) -> None:
        self._settings = dict(settings or {})
        self._redaction = None if redact is None else Redaction(redact)
        self.redact = None if self._redaction is None else self._redaction.names
        traits.setdefault("start_anyway", bool(self._settings.pop("start_anyway", False)))
        self._capture = capture
        self._chain = chain
        self._cancel = Event()
        self._lock = RLock()
        self._thread: Thread | None = None
        self._failure: BaseException | None = None
        self._watcher: Watcher | None = None
        self._used: dict[Path, str] = {}
        self._why: tuple[str, ...] = ()
        self._number = 0
        self.runs: tuple[Run, ...] = ()
        self._compared: tuple[tuple[int, int], Comparison] | None = None
        self._against: int | None = None
        super().__init__(run={"state": "idle"}, **traits)

    @property
    def chain(self) -> Chain | None:
        """The chain that is replayed; with filters edited in the view, the one that was applied last."""
        return self._chain

    def start(self) -> None:
        """Replay again, for instance after the module was built anew. Does nothing while a replay runs."""
        self._start(())

    def _start(self, why: tuple[str, ...]) -> None:
        with self._lock:
            if not self.replayable or (self._thread is not None and self._thread.is_alive()):
                return
            self._cancel.clear()
            self._failure = None
            self._why = why
            self._number += 1
            # before the thread begins: a watcher that looks meanwhile would else take what is about to be replayed for news
            self._used = {path: file_digest(path) for path in self._modules()}
            self.run = {"state": "running", "number": self._number, "done": 0, "total": len(self._capture)}
            thread = self._thread = Thread(target=self._work, name="workbench-replay", daemon=True)
            thread.start()
        # Most captures are done before a page could draw, and a notebook without a page then has the result.
        thread.join(_SOON_S)

    def cancel(self) -> None:
        """Stop the replay; what was done so far is kept and shown."""
        self._cancel.set()

    def wait(self, timeout: float | None = None) -> Replay:
        """The replay when it is done. Raises what went wrong with it, and `TimeoutError` after `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the replay still runs after {timeout} s")
        if self._failure is not None:
            raise self._failure
        return self._shown()[0]

    def _work(self) -> None:
        began = time.monotonic()
        number = self._number
        shown = due = 0.0

        def progress(done: int, total: int) -> None:
            spent = time.monotonic() - began
            # a rate over the first moments would mean little
            rate = done / spent if done and spent > 1 else 0
            left = math.ceil((total - done) / rate) if rate else 0
            told = {"done": done, "total": total, "rate": round(rate, 1), "left_s": left}
            self.run = {"state": "running", "number": number, **told, "partial": bool(shown)}

        def partial(replay: Replay) -> None:
            nonlocal shown, due
            now = time.monotonic()
            if now < max(due, began + _SOON_S) or self._cancel.is_set():
                return
            self._adopt(self._shown_as(replay), grown=bool(shown))
            shown = time.monotonic()
            # showing may slow the replay down by a fifth; the first time loads what all later ones use
            due = shown + max(_PARTIAL_S, _PARTIAL_SHARE * (shown - now) if due else 0.0)

        try:
            chain = self._chain
            assert chain is not None
            self._redaction = None if self.redact is None else Redaction(self.redact)
            watched: dict[str, Any] = {"progress": progress, "cancel": self._cancel, "partial": partial}
            replay = chain.replay(self._capture, **watched, start_anyway=self.start_anyway, **self._settings)
            spent = duration(1e9 * (time.monotonic() - began))
            replay = self._shown_as(replay)
            replay.findings()  # here, so that the kernel is not kept from answering when the page asks for them
            done = f"{count(len(replay))} of {count(len(self._capture))} in {spent}"
            words = f"Cancelled: {done}" if self._cancel.is_set() else done
            self._keep(Run(number, replay, words, self._why))  # before it is shown: a query may ask what differs
            self._adopt(replay)
        except WorkbenchError as error:
            self._failure = error
            refused = isinstance(error, FilterLoadError) and error.refused
            remedy = _REFUSED if refused else visible(error.remedy)
            told = {"what": visible(error.what), "where": visible(error.where), "remedy": remedy, "refused": refused}
            self.run = {"state": "failed", "number": number, **told, "kept": self.runs[-1].number if self.runs else 0}
        except Exception as error:  # a thread has nobody else to tell
            self._failure = error
            what = visible(f"{type(error).__name__}: {error}")[:1000]
            remedy = "The workbench's wait() raises it with its traceback"
            self.run = {"state": "failed", "number": number, "what": what, "where": "", "remedy": remedy, "kept": 0}
        else:
            self.run = {"state": "done", "number": number, "words": words, "changes": self._summed()}

    def _shown_as(self, replay: Replay) -> Replay:
        if replay.capture is not self._capture:  # the TCP connections of a capture
            self._capture = replay.capture
            self._describe()
        return replay if self._redaction is None else replay.redacted(self._redaction)

    def _describe(self) -> None:
        """Say anew what the capture is."""

    def _keep(self, run: Run) -> None:
        kept = [*self.runs, run][-MOST_RUNS:]
        while len(kept) > 1 and sum(one.replay.trace.nbytes for one in kept) > _MOST_BYTES:
            del kept[0]
        with self._lock:
            self.runs = tuple(kept)
            self._compared = self._against = None

    def compare(self, number: int | None = None) -> Comparison:
        """The run that is over last against the run of that number, without one the run before it. WorkbenchError where it is not kept."""
        if not self.runs:
            raise WorkbenchError("nothing was replayed yet")
        last = self.runs[-1]
        known = {one.number: one for one in self.runs[:-1]}
        wanted = (max(known) if known else 0) if number is None else number
        if wanted not in known:
            raise WorkbenchError(f"run {wanted} is not kept" if wanted else "there is no run to compare with")
        key = (last.number, wanted)
        with self._lock:
            if self._compared is None or self._compared[0] != key:
                self._compared = key, compare(known[wanted].replay, last.replay)
            return self._compared[1]

    def _compared_with(self) -> Comparison:
        """What is shown against the run that the changes were asked for last, without that against the one before."""
        if not self.runs or self._replay is not self.runs[-1].replay:
            raise WorkbenchError("what differs is known when the replay is over", remedy="Wait for it")
        if len(self.runs) < 2:
            raise WorkbenchError("there is no run to compare with", remedy="Replay once more: then it shows what is other than before")
        return self.compare(self._against)

    def _summed(self) -> dict[str, int] | None:
        """In how much the last run differs from the one before; here, so that the kernel is not kept from answering later."""
        if len(self.runs) < 2:
            return None
        found = self.compare()
        return {"with": self.runs[-2].number, "count": len(found.differences), "both": _common(found)}

    @traitlets.observe("watch")
    def _watch(self, _change: object) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        if self.watch:
            self._watcher = Watcher(self._modules, lambda path: self._used.get(path, ""), self._sound, self._module_changed)
            self._watcher.start()

    def close(self) -> None:
        """End the watching and the replay with the view."""
        # collected before it was whole, it has neither
        if (watcher := vars(self).get("_watcher")) is not None:
            watcher.stop()
        if (cancel := vars(self).get("_cancel")) is not None:
            cancel.set()
        super().close()

    def _modules(self) -> list[Path]:
        return [Path(each.path) for each in self._chain.stages] if self._chain is not None and self.replayable else []

    def _sound(self, path: Path) -> bool:
        for each in self._chain.stages if self._chain is not None else ():
            if Path(each.path) == path:
                try:
                    return each.inspect().verdict("this-workbench").runs != "no"
                except WorkbenchError:
                    return False
        return True

    def _module_changed(self, paths: list[Path]) -> None:
        """Replay with what the files hold now; a replay that goes on is of what they held, and ends."""
        if self._thread is not None and self._thread.is_alive():
            self.cancel()
            self._thread.join()
        self._start(tuple(f"{visible(path.name)} changed" for path in paths))

    def _answer_run(self, _question: Mapping[str, Any]) -> Answer:
        self.start()
        return {}, None

    def _answer_cancel(self, _question: Mapping[str, Any]) -> Answer:
        self.cancel()
        return {}, None

    def _answer_runs(self, _question: Mapping[str, Any]) -> Answer:
        """The runs that are kept, the last one first, with how many exchanges ended how."""
        return {}, [
            {
                "number": one.number,
                "words": one.words,
                "why": list(one.why[:_WORDS_SHOWN]),
                "filters": [visible(name) for name in one.replay.trace.filters],
                "outcomes": {kind.name.lower(): n for kind in reversed(Outcome) if (n := one.replay.count(kind.name.lower()))},
            }
            for one in reversed(self.runs)
        ]

    def _answer_changes(self, question: Mapping[str, Any]) -> Answer:
        """How the last run differs from run `with`: sums, and the first exchanges that do."""
        number = None if question.get("with") is None else int(question["with"])
        found = self.compare(number)
        if number != self._against and self._replay is self.runs[-1].replay:
            self._against = number
            self._rows = FlowRows(self._replay, self._compared_with)  # those that are shown may have been asked what differs
        differences = found.differences
        last = self.runs[-1]
        return {}, {
            "number": last.number,
            "why": list(last.why[:_WORDS_SHOWN]),
            "count": len(differences),
            "both": _common(found),
            "only": [len(one) for one in found.only],
            "parts": Counter(part for one in differences for part in one.parts).most_common(),
            "words": [(word, found.words[word], PARTS[word]) for word in _PARTS_SHOWN if found.words[word]],
            "rows": [
                {"index": one.exchange, "outcome": one.outcome, "status": one.status, "parts": one.parts}
                for one in differences[:_DIFFERENCES_SHOWN]
            ],
        }


def _common(found: Comparison) -> int:
    """How many exchanges both sides replayed."""
    return len(np.intersect1d(found.a.facts.exchange, found.b.facts.exchange, assume_unique=True))
