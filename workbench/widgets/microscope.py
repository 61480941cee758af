"""One exchange under the microscope: every call in order, and the state at each. The states of a window of calls go to the page at once,
so that a hand on the scrubber waits for nobody."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.analysis.calls import spelt
from workbench.analysis.words import shorten, text, visible
from workbench.errors import WorkbenchError
from workbench.trace.numbers import MetricType

from .call_steps import PAGE, Steps
from .replay_view import ReplayView
from .view import Answer, script, style

if TYPE_CHECKING:
    from workbench.analysis.bodies_seen import Body
    from workbench.analysis.moments import Entry, Slot
    from workbench.analysis.state import State
    from workbench.replay import Replay

__all__ = ["Microscope", "MicroscopeAnswers"]

WINDOW = 600
"""Steps whose states are sent at once."""
MOST_KEYS = 60
MOST_OTHERS = 12
MOST_ENTRIES = 300
_VALUE, _BODY = 512, 600
_MAPS = ("request_headers", "request_trailers", "response_headers", "response_trailers")


class States:
    """The states at steps `first` to `last` of an exchange: what held at the first, and every change after it."""

    def __init__(self, steps: Steps, first: int, last: int) -> None:
        self.steps, self.first, self.last = steps, first, last
        self.low, self.high = steps.rows[first], steps.rows[last]
        self._entries: dict[Entry, int] = {}
        self._seen: list[list[Any]] = []

    def data(self) -> dict[str, Any]:
        """All of it, ready for JSON; a change is `[step, value]`, entries of headers are numbers in `entries`."""
        moments = self.steps.view.moments
        maps = {name: self._changes(slot, self._map) for name, slot in zip(_MAPS, moments.maps, strict=True)}
        bodies = [self._changes(slot, self._body) for slot in moments.bodies]
        reads = [
            [self.steps.step(read.seq), read.filter, shorten(read.path, 200), self._value(read.value), read.result, read.written]
            for read in moments.reads
            if read.seq <= self.high
        ]
        return {
            "first": self.first,
            "last": self.last,
            "maps": maps,
            "entries": self._seen,
            "bodies": bodies,
            "properties": reads[-500:],
            **self._shared(moments.state),
            "metrics": self._metrics(moments.state),
        }

    def _changes(self, slot: Slot[Any], shown: Any) -> list[list[Any]]:
        begin = max(bisect_right(slot.rows, self.low) - 1, 0)
        end = bisect_right(slot.rows, self.high)
        last: dict[int, Any] = {}
        for row, value in zip(slot.rows[begin:end], slot.values[begin:end], strict=True):
            last[max(self.steps.step(row), self.first) if row <= self.low else self.steps.step(row)] = value
        return [[at, shown(value)] for at, value in last.items()]

    def _map(self, entries: tuple[Entry, ...]) -> list[int]:
        return [self._entry(entry) for entry in entries[:MOST_ENTRIES]]

    def _entry(self, entry: Entry) -> int:
        if entry not in self._entries:
            self._entries[entry] = len(self._seen)
            was = shorten(text(entry.was), _VALUE) if entry.change == "changed" and entry.was is not None else None
            step = self.steps.step(entry.seq) if entry.seq >= 0 else -1
            self._seen.append([shorten(text(entry.name), 200), shorten(text(entry.value), _VALUE), entry.change, step, was])
        return self._entries[entry]

    def _body(self, body: Body) -> dict[str, Any]:
        shown = None if body.content is None else spelt("body", body.content[:_BODY]).strip('"')
        return {
            "filter": body.filter,
            "size": body.size,
            "text": shown,
            "cut": body.content is not None and len(body.content) > _BODY,
            "held": body.held,
            "passed": body.passed,
            "end": body.end_of_stream,
        }

    @staticmethod
    def _value(value: bytes) -> str:
        return shorten(spelt("value", value), _VALUE)

    def _touched(self, state: State) -> dict[tuple[str, bytes], None]:
        """Keys of shared data that this exchange read or wrote, in the order of its calls."""
        found: dict[tuple[str, bytes], None] = {}
        for name, row in self.steps.view.rows.hostcalls:
            if name in ("proxy_get_shared_data", "proxy_set_shared_data") and row.fields:
                found.setdefault((state.vm_id(row.filter), row.fields[0]))
                if len(found) >= MOST_KEYS:
                    break
        return found

    def _shared(self, state: State) -> dict[str, Any]:
        mine = self._touched(state)
        others = [key for key in state.latest(self.low, MOST_OTHERS + len(mine)) if key not in mine][:MOST_OTHERS]
        trace = self.steps.view.trace

        def shown(at: int, row: int, cas: int) -> list[Any]:
            value = trace.row(row)
            own = value.exchange == self.steps.view.index
            return [at, self._value(value.fields[1]), len(value.fields[1]), cas, None if own else value.exchange]

        keys = []
        for vm_id, key in (*mine, *others):
            data = state.data.get((vm_id, key))
            places = self._places(data.rows) if data is not None else []
            held = [shown(at, data.rows[place], data.cas[place]) for at, place in places] if data is not None else []
            keys.append({"vm": shorten(visible(vm_id), 80), "key": shorten(text(key), 200), "own": (vm_id, key) in mine, "held": held})
        return {"shared": keys, "keys": state.count(self.high)}

    def _places(self, rows: list[int]) -> list[tuple[int, int]]:
        """Of rows that put a value: the step at which each holds, and its place; the last one before the window at its first step."""
        begin, end = max(bisect_right(rows, self.low) - 1, 0), bisect_right(rows, self.high)
        last = {}
        for place in range(begin, end):
            last[max(bisect_left(self.steps.rows, rows[place]), self.first)] = place
        return list(last.items())

    def _metrics(self, state: State) -> list[dict[str, Any]]:
        touched = {row.a: None for name, row in self.steps.view.rows.hostcalls if name in ("proxy_increment_metric", "proxy_record_metric")}
        low, high = self.steps.rows[0], self.high
        found = []
        for metric in state.metrics.values():
            if metric.defined > high:
                continue
            changed = bisect_right(metric.rows, high) > bisect_left(metric.rows, low) and bool(touched)
            held = [[at, metric.values[place]] for at, place in self._places(metric.rows)]
            held = held or [[self.first, 0]]
            if held[0][0] > self.first:
                held.insert(0, [self.first, 0])
            # numbers beyond 2^53 do not survive in a page
            signed = metric.type == MetricType.Gauge
            written = [(at, f"{value - (1 << 64)} (wrapped)" if signed and value >> 63 else str(value)) for at, value in held]
            found.append({"type": metric.type.name, "name": shorten(text(metric.name), 200), "own": changed, "held": written})
        found.sort(key=lambda one: not one["own"])
        return found[: MOST_KEYS + MOST_OTHERS]


class MicroscopeAnswers(ReplayView):
    """What the microscope asks, for the view alone and for the pane."""

    KINDS: ClassVar = ("microscope", "calls", "states", "find", "owner")
    _steps: tuple[Replay, Steps] | None = None

    def _steps_of(self, question: Mapping[str, Any]) -> Steps:
        replay, _ = self._shown()
        index = int(question["index"])
        known = self._steps
        if known is None or known[0] is not replay or known[1].view.index != index:
            self._steps = known = replay, Steps(replay[index])
        return known[1]

    def _answer_microscope(self, question: Mapping[str, Any]) -> Answer:
        steps = self._steps_of(question)
        head = steps.head()
        call = int(question.get("call", -1))
        at = steps.step(call) if steps.rows and steps.rows[0] <= call <= steps.rows[-1] else head["start"]
        first = max(0, min(at - WINDOW // 2, len(steps) - WINDOW))
        return {}, {**head, "at": at, "page": max(0, at - PAGE // 2), **self._opening(steps, at, first)}

    def _opening(self, steps: Steps, at: int, first: int) -> dict[str, Any]:
        if not len(steps):
            return {"lines": [], "states": None}
        last = min(first + WINDOW, len(steps)) - 1
        return {"lines": steps.page(max(0, at - PAGE // 2), PAGE), "states": States(steps, first, last).data()}

    def _answer_calls(self, question: Mapping[str, Any]) -> Answer:
        steps = self._steps_of(question)
        return {}, steps.page(int(question["first"]), int(question["count"]))

    def _answer_states(self, question: Mapping[str, Any]) -> Answer:
        steps = self._steps_of(question)
        if not len(steps):
            raise WorkbenchError("no filter was called, so there is no state to show")
        at = min(max(int(question["at"]), 0), len(steps) - 1)
        first = max(0, min(at - WINDOW // 2, len(steps) - WINDOW))
        return {}, States(steps, first, min(first + WINDOW, len(steps)) - 1).data()

    def _answer_find(self, question: Mapping[str, Any]) -> Answer:
        return {}, self._steps_of(question).find(str(question["text"])[:1000])

    def _answer_owner(self, question: Mapping[str, Any]) -> Answer:
        """The exchange that a row of the trace belongs to."""
        replay, _ = self._shown()
        row = replay.trace.row(int(question["call"]))
        return {"index": replay[row.exchange].index}, None


class Microscope(MicroscopeAnswers):
    """Every call of one exchange, `selected`, and the state at each; `call` is the row of the trace that is looked at."""

    _esm = script("microscope", "microscopeView")
    _css = style("microscope")
    _answers = MicroscopeAnswers.KINDS
