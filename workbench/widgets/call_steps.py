"""The calls of one exchange as the microscope shows them: all of them in a few letters and numbers, their texts page by page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from workbench.analysis.connection_view import ConnectionView
from workbench.analysis.words import count, duration, short_name, shorten, size, text, visible

if TYPE_CHECKING:
    from workbench.analysis.exchange import ExchangeView
    from workbench.analysis.streams import Span
    from workbench.analysis.timeline import Call

__all__ = ["MOST_STEPS", "Steps", "clock"]

MOST_STEPS = 100_000
"""Steps of one exchange that are shown; the rest is in `replay.hostcalls`."""
MOST_FOUND = 10_000
PAGE = 400
_LONG = 400
_TARGET = 512
_LETTERS = {"read": "r", "write": "w", "control": "k", "ends": "s"}
_EVENTS = {"failure": "f", "pause": "p", "resume": "u", "callout": "o", "callout_part": "o", "local_response": "s"}
_UNSHOWN = ("map", "body")
"""What a callback left of a message is in the state at its calls."""
_IN_THE_STATE = frozenset({"before", "after", "size_before"})


def clock(ns: int) -> str:
    """Virtual time since the request, as far apart as people can tell: `0.000 ms`, `+1.838 ms`, `+12.500 s`."""
    if ns < 10_000_000_000:
        return f"{'+' if ns else ''}{ns / 1e6:.3f} ms"
    return f"+{ns / 1e9:.3f} s"


class Steps:
    """The steps of one exchange, in the order in which they began. A step is a callback, hostcall, log line or event."""

    def __init__(self, view: ExchangeView) -> None:
        self.view = view
        every = sorted(self._flat(view.calls, 1), key=lambda pair: pair[0].seq)
        self.left = max(0, len(every) - MOST_STEPS)
        self.calls = [call for call, _ in every[:MOST_STEPS]]
        self.levels = [level for _, level in every[:MOST_STEPS]]
        self.rows = [call.seq for call in self.calls]

    def _flat(self, calls: Iterable[Call], level: int) -> Iterator[tuple[Call, int]]:
        for call in calls:
            if call.name in _UNSHOWN:
                continue
            # a callout's answer hangs on the call that asked, but it comes when it comes
            yield call, 1 if call.kind == "event" and call.name in ("callout", "callout_part") else level
            yield from self._flat(call.children, level + 1)

    def __len__(self) -> int:
        return len(self.calls)

    def step(self, seq: int) -> int:
        """The step at which row `seq` has happened; the last one for rows behind it."""
        return min(bisect_left(self.rows, seq), max(len(self.rows) - 1, 0))

    def head(self) -> dict[str, Any]:
        """Everything but texts and states: what the strip draws, and in how many steps."""
        view = self.view
        at = view.facts.position(view.index)
        method, target = _named(view)
        return {
            "index": view.index,
            "method": shorten(method, 64),
            "target": shorten(target, _TARGET),
            "outcome": view.outcome,
            "filters": list(view.trace.filters),
            "sum": self._sum(int(view.facts.filter_ns[at]), int(view.facts.host_ns[at])),
            "steps": len(self),
            "left": self.left,
            "kinds": "".join(map(_letter, self.calls)),
            "levels": "".join(str(min(level, 9)) for level in self.levels),
            "lanes": _runs(-1 if call.filter is None else call.filter for call in self.calls),
            "clocks": _runs(call.clock_ns for call in self.calls),
            "costs": [call.filter_ns + call.host_ns for call in self.calls],
            "rows": _runs(row - at for at, row in enumerate(self.rows)),
            "names": [[at, short_name(call.name)] for at, call in enumerate(self.calls) if call.kind == "callback"],
            "spans": [[self._span(span) for span in spans] for spans in view.moments.spans],
            "directions": ["From client", "From upstream"] if isinstance(view, ConnectionView) else ["Request", "Response"],
            "callouts": list(self._callouts()),
            "start": self._start(),
        }

    def _sum(self, filter_ns: int, host_ns: int) -> list[str]:
        kinds = [call.kind for call in self.calls]
        names = (("callback", "callback"), ("hostcall", "hostcall"), ("log", "log line"))
        found = [_plural(kinds.count(kind), name) for kind, name in names if kinds.count(kind) or kind == "callback"]
        if self.view.moments.called:
            found.insert(2, _plural(len(self.view.moments.called), "callout"))
        return [", ".join(found), f"filter {duration(filter_ns)}, host {duration(host_ns)}"]

    def _span(self, span: Span) -> dict[str, Any]:
        return {
            "state": span.state,
            "from": bisect_left(self.rows, span.first),
            "to": len(self) if span.last is None else bisect_left(self.rows, span.last),
            "filter": span.filter,
            "phase": span.phase,
            "action": span.action,
            "clock": clock(span.start_ns),
            "length": "" if span.end_ns is None else duration(span.end_ns - span.start_ns),
        }

    def _callouts(self) -> Iterator[dict[str, Any]]:
        filters = self.view.trace.filters
        for one in self.view.moments.called:
            status = "" if one.status is None else f" {one.status}"
            after = "" if one.latency_ms is None else f", {duration(one.latency_ms * 1e6)}"
            yield {
                "from": self.step(one.seq),
                "to": None if one.end_seq < 0 else self.step(one.end_seq),
                "filter": filters.index(one.filter) if one.filter in filters else None,
                "name": shorten(one.target, 120),
                "request": shorten(one.request, 200),
                "ended": one.ended,
                "words": f"{one.ended}{status}{after}" if one.ended != "answered" else f"{one.status}{after}, {size(one.size)}",
                "good": one.ended == "answered",
            }

    def _start(self) -> int:
        """The step to look at first: the one that decided, failed or changed something; else the first."""
        view = self.view
        failure = view.rows.failure()
        seqs = (
            failure.seq if failure is not None else -1,
            view.decision.seq if view.decision.kind in ("limited", "denied", "error") else -1,
            view.mutations[0].seq if view.mutations else -1,
        )
        return next((self.step(seq) for seq in seqs if seq >= 0), 0)

    def page(self, first: int, most: int) -> list[dict[str, Any]]:
        """The texts of steps `first` and following, at most `PAGE` of them."""
        first = max(first, 0)
        return [_line(call) for call in self.calls[first : first + min(most, PAGE)]]

    def find(self, words: str) -> dict[str, Any]:
        """The steps in whose name, arguments, result or message `words` stand, whatever their case."""
        wanted = words.casefold()
        found = [at for at, text in enumerate(self._texts) if wanted in text] if wanted else []
        return {"found": found[:MOST_FOUND], "total": len(found)}

    @cached_property
    def _texts(self) -> list[str]:
        return [_text(call) for call in self.calls]


def _named(view: ExchangeView) -> tuple[str, str]:
    """Method and target; not from the result, which costs as much as all the rest."""
    if isinstance(view, ConnectionView):
        return view.result["method"], view.result["url"].partition("://")[2]
    exchange = view.capture[view.index]
    return text(exchange.request.method), exchange.url.partition("://")[2]


def _plural(number: int, name: str) -> str:
    return f"{count(number)} {name}{'' if number == 1 else 's'}"


def _runs(values: Iterable[int]) -> list[list[int]]:
    """Values as the places where they become others: `[[0, a], [5, b], …]`."""
    found, at = [], 0
    for value, group in groupby(values):
        found.append([at, value])
        at += sum(1 for _ in group)
    return found


def _letter(call: Call) -> str:
    if call.kind == "callback":
        return "c" if call.finished else "x"
    if call.kind == "log":
        return "l"
    if call.kind == "event":
        return _EVENTS.get(call.name, "e")
    return "x" if call.refused else _LETTERS.get(call.tone, "r")


def _text(call: Call) -> str:
    parts = chain([call.name, call.result, call.level, call.message], chain.from_iterable(call.args), chain.from_iterable(call.outs))
    return "\n".join(parts).casefold()


def _line(call: Call) -> dict[str, Any]:
    """One row of the list. `args` and `outs` are pairs of name and value in words."""
    line: dict[str, Any] = {"kind": call.kind, "name": short_name(call.name), "full": call.name, "tone": _letter(call)}
    if call.kind == "event":
        return {**line, "message": shorten(call.message, 2 * _LONG)}
    line |= {"filter_ns": call.filter_ns, "host_ns": call.host_ns}
    if call.kind == "log":
        return {**line, "level": call.level, "message": shorten(call.message, 2 * _LONG)}
    return {
        **line,
        "args": [(key, shorten(value, _LONG)) for key, value in call.args[:12]],
        "outs": [(key, shorten(value, _LONG)) for key, value in call.outs[:6] if key not in _IN_THE_STATE],
        "result": visible(call.result),
        "refused": call.refused,
        "finished": call.finished,
        "shared": not call.own,
    }
