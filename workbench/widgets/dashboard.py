"""The workbench: every view of a replay in one place, and the replay itself, run in the background."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import traitlets

from workbench.analysis.words import count, duration, visible
from workbench.errors import WorkbenchError

from .replay_view import ReplayView
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.capture import Capture
    from workbench.chain import Chain
    from workbench.replay import Replay

__all__ = ["Workbench"]

_SOON_S = 0.5
_PROBLEMS_SHOWN = 4
_FINDINGS_SHOWN = 50


class Workbench(ReplayView):
    """The dashboard: `Workbench(capture, chain)` replays at once and shows the result, `Workbench(replay)` shows one that there is.

    The replay runs in a thread, so the cell returns and Cancel works; `wait()` waits for it. `replay` is the result, `selected` the
    index of the selected exchange. What is wrong with a filter or a capture is shown in the view and, by `wait()`, raised.
    """

    _esm = script("dashboard", "dashboardView")
    _css = style("flow_table", "exchange_details", "call_tree", "timing", "timing_details", "findings_list", "dashboard")
    _answers = ("rows", "locate", "detail", "body", "timing", "findings", "run", "cancel")

    capture_name = traitlets.Unicode("").tag(sync=True)
    captured = traitlets.Int(0).tag(sync=True)
    filters = traitlets.List(traitlets.Unicode()).tag(sync=True)
    problems = traitlets.List(traitlets.Unicode()).tag(sync=True)
    replayable = traitlets.Bool(False).tag(sync=True)
    run: traitlets.Dict[str, Any] = traitlets.Dict(help="What the replay does: its state, and words or numbers for it").tag(sync=True)

    def __init__(self, source: Capture | Replay | None = None, chain: Chain | None = None, **traits: Any) -> None:
        from workbench.replay import Replay

        self._cancel = Event()
        self._thread: Thread | None = None
        self._failure: BaseException | None = None
        replay = source if isinstance(source, Replay) else None
        self._capture: Any = source.capture if isinstance(source, Replay) else source
        self._chain = source.chain if isinstance(source, Replay) else chain
        if isinstance(source, Replay) and chain is not None:
            raise TypeError("Workbench takes a replay, or a capture and a chain; not a replay and a chain")
        super().__init__(run={"state": "idle"}, **traits)
        with self.hold_sync():
            if self._capture is not None:
                self._describe()
            if self._chain is not None:
                self.filters = [one.name for one in self._chain.filters]
            self.replayable = self._capture is not None and self._chain is not None
        if replay is not None:
            self._adopt(replay)
            self.run = {"state": "done", "words": ""}
        elif self.replayable:
            self.start()

    def _describe(self) -> None:
        self.capture_name = visible(getattr(getattr(self._capture, "path", None), "name", "") or "capture")
        self.captured = len(self._capture)
        problems = [visible(one) for one in getattr(self._capture, "problems", ())]
        more = len(problems) - _PROBLEMS_SHOWN
        self.problems = problems[:_PROBLEMS_SHOWN] + ([f"{more} more in capture.problems"] if more > 0 else [])

    def start(self) -> None:
        """Replay again, for instance after the module was built anew. Does nothing while a replay runs."""
        if not self.replayable or (self._thread is not None and self._thread.is_alive()):
            return
        self._cancel.clear()
        self._failure = None
        self.run = {"state": "running", "done": 0, "total": self.captured}
        self._thread = Thread(target=self._work, name="workbench-replay", daemon=True)
        self._thread.start()
        # Most captures are done before a page could draw, and a notebook without a page then has the result.
        self._thread.join(_SOON_S)

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

        def progress(done: int, total: int) -> None:
            spent = time.monotonic() - began
            left = math.ceil(spent * (total - done) / done) if done and spent > 1 else 0
            self.run = {"state": "running", "done": done, "total": total, "left_s": left}

        try:
            assert self._chain is not None
            replay = self._chain.replay(self._capture, progress=progress, cancel=self._cancel)
            if replay.capture is not self._capture:  # the TCP connections of a capture
                self._capture = replay.capture
                self._describe()
            spent = duration(1e9 * (time.monotonic() - began))
            replay.findings()  # here, so that the kernel is not kept from answering when the page asks for them
            self._adopt(replay)
        except WorkbenchError as error:
            self._failure = error
            self.run = {"state": "failed", "what": visible(error.what), "where": visible(error.where), "remedy": visible(error.remedy)}
        except Exception as error:  # a thread has nobody else to tell
            self._failure = error
            what = visible(f"{type(error).__name__}: {error}")[:1000]
            self.run = {"state": "failed", "what": what, "where": "", "remedy": "The workbench's wait() raises it with its traceback"}
        else:
            done = f"{count(self.total)} of {count(self.captured)} in {spent}"
            self.run = {"state": "done", "words": f"Cancelled: {done}" if self._cancel.is_set() else done}

    def _answer_findings(self, _question: Mapping[str, Any]) -> Answer:
        return {}, [one.as_dict() for one in self._shown()[0].findings()[:_FINDINGS_SHOWN]]

    def _answer_run(self, _question: Mapping[str, Any]) -> Answer:
        self.start()
        return {}, None

    def _answer_cancel(self, _question: Mapping[str, Any]) -> Answer:
        self.cancel()
        return {}, None
