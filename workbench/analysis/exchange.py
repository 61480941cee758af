"""One exchange in detail: what views show when it is selected, and what `replay[i]` gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ConfigError
from ..trace.records import Event
from ..trace.trace import Trace
from . import words
from .calls import ExchangeRows, LogLine, log_line
from .changes import Mutation, mutations
from .decision import Decision, Judges, decide
from .facts import Facts, Outcome
from .headers import HeaderTrack, track_headers
from .moments import Moment, Moments
from .outcome import Exchanges, Result, body_of, result_of
from .stages import Stage, request_stages, response_stages, trailer_stages
from .state import State, gather_state
from .timeline import Call, call_tree

if TYPE_CHECKING:
    from .connection import ConnectionResult

__all__ = ["ExchangeView"]


class Home(Protocol):
    """What an exchange asks of its replay: what all its exchanges have in common, and to be shown."""

    def state(self) -> State: ...
    def diff(self, index: int) -> Any: ...
    def microscope(self, index: int) -> Any: ...


@dataclass(frozen=True)
class ExchangeView:
    """Exchange number `index` of a replay; everything else is read from the trace when it is asked for, and kept.

    `print` it for what became of it, what filters changed, and every call in order.

    Texts of `result`, stages, mutations and logs are data as captured; those of `calls` are escaped for display.
    """

    trace: Trace
    capture: Exchanges
    index: int
    facts: Facts
    judges: Judges
    home: Home | None = field(default=None, repr=False, compare=False)
    """The replay that it belongs to, where it belongs to one."""

    @cached_property
    def rows(self) -> ExchangeRows:
        """The rows of the trace that tell of this exchange."""
        return ExchangeRows.of(self.trace, self.index)

    @cached_property
    def result(self) -> Result | ConnectionResult:
        """The result as other programs read it."""
        return result_of(self.rows, self.capture, self.judges)

    @property
    def outcome(self) -> str:
        """passed, changed, local, denied, limited or error."""
        return Outcome(int(self.facts.outcome[self.facts.position(self.index)])).name.lower()

    @cached_property
    def decision(self) -> Decision:
        """What a filter decided, and the row that shows it."""
        return decide(self.rows, self.judges)

    @cached_property
    def mutations(self) -> tuple[Mutation, ...]:
        """What filters changed, call by call."""
        return tuple(mutations(self.rows))

    @cached_property
    def logs(self) -> tuple[LogLine, ...]:
        """What filters wrote."""
        lines = (log_line(self.trace, row, self.rows.callback(row)) for _, row in self.rows.hostcalls)
        return tuple(line for line in lines if line is not None)

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """Callbacks, hostcalls, logs and events in order, as a tree."""
        return call_tree(self.rows)

    @cached_property
    def moments(self) -> Moments:
        """The state at every call."""
        state = self.home.state() if self.home is not None else gather_state(self.trace)
        return Moments.of(self.rows, state, self._bodies())

    def _bodies(self) -> tuple[bytes | None, bytes | None]:
        request, response = self.rows.event(Event.REQUEST), self.rows.event(Event.RESPONSE)
        return tuple(None if event is None else body_of(event, self.capture) for event in (request, response))  # type: ignore[return-value]

    def at(self, seq: int) -> Moment:
        """The state after row `seq` of the trace (`Call.seq`): headers, bodies, both streams, what was read, shared data and metrics."""
        return self.moments.at(seq)

    def diff(self) -> Any:
        """What the filters did to headers and bodies, as a view in a notebook; as text: `print(exchange.diff())`."""
        if self.home is None:
            raise TypeError("an exchange is shown by its replay: take it from one, as replay[0]")
        return self.home.diff(self.index)

    def microscope(self) -> Any:
        """Every call of this exchange in order, and the state at each, as a view in a notebook."""
        if self.home is None:
            raise TypeError("an exchange is shown by its replay: take it from one, as replay[0]")
        return self.home.microscope(self.index)

    @cached_property
    def request(self) -> tuple[Stage, ...]:
        """The request's headers and body: client sent, after each filter, upstream got."""
        return request_stages(self.rows, self.capture)

    @cached_property
    def response(self) -> tuple[Stage, ...]:
        """The response's: upstream answered (or who did in its stead), after each filter, client got."""
        return response_stages(self.rows, self.capture)

    @cached_property
    def request_trailers(self) -> tuple[Stage, ...]:
        """Trailers of the request, where there are any."""
        return trailer_stages(self.rows, response=False)

    @cached_property
    def response_trailers(self) -> tuple[Stage, ...]:
        """Trailers of the response, where there are any."""
        return trailer_stages(self.rows, response=True)

    def tracks(self, direction: str = "request") -> list[HeaderTrack]:
        """The rows of a side-by-side table of header entries over the stages of `request` or `response` that were reached."""
        if direction not in ("request", "response"):
            raise ConfigError(f"no direction {brief(direction)}", remedy="Give request or response")
        stages = self.request if direction == "request" else self.response
        return track_headers([stage.headers for stage in stages if stage.reached])

    @property
    def finding(self) -> str:
        """The answer in one sentence, escaped for display: what became of the exchange and why."""
        if self.decision.reason and self.decision.kind != "allowed":
            return self.decision.reason
        response = self.rows.event(Event.DOWNSTREAM_RESPONSE)
        parts = ["client got nothing" if response is None else f"client got {response.result}", self._told_changes()]
        return "; ".join([", ".join(parts), *filter(None, [self.decision.reason])])

    def _told_changes(self) -> str:
        changes = len(self.mutations)
        who = ", ".join(dict.fromkeys(words.visible(change.filter or "proxy") for change in self.mutations))
        return f"{changes} change{'s' if changes > 1 else ''} by {who}" if changes else "nothing changed"

    def __repr__(self) -> str:
        result = self.result
        line = f"#{self.index} {result['method']} {result['url']}: {self.outcome}, "
        return f"<ExchangeView {words.shorten(words.visible(line), 160)}{words.shorten(self.finding, 200)}>"

    def __str__(self) -> str:
        from .exchange_text import exchange_text

        return exchange_text(self)

    def _repr_html_(self) -> str:
        from .page import exchange_html

        return exchange_html(self)
