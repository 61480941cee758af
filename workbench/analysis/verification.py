"""What real Envoy says of a replay: counts, each difference with its cause, as text, as JSON, as a table and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Protocol

from . import words
from .summary import Section, Summary, summary_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Difference", "Verification"]

_LINES, _FIRST, _VALUE = 20, 5, 200
_MESSAGES = {"upstream_request": "request to the upstream", "downstream_response": "response to the client", "exchange": "exchange"}


class Difference(Protocol):
    """One thing on which replay and Envoy differ, see `envoy.differences`."""

    @property
    def exchange(self) -> int: ...
    @property
    def side(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def ours(self) -> Any: ...
    @property
    def envoy(self) -> Any: ...
    @property
    def cause(self) -> str: ...
    @property
    def explained(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Differences in the same thing for the same cause. `exchanges`, and what the replay and Envoy have in each, in words; `message` is
    the request or the response. Texts are data, not escaped."""

    message: str
    what: str
    cause: str
    explained: bool
    exchanges: tuple[int, ...]
    replay: tuple[str, ...]
    envoy: tuple[str, ...]


@dataclass(frozen=True)
class Verification:
    """What `Replay.verify_with_envoy` gives.

    `exchanges` were compared, of `wanted`; `stopped` says in words why that ended early, if it did. `differences` are in capture order.
    A difference is explained where its cause is known to lie in Envoy or in how it was run. `seconds` is how long it took, `version`
    Envoy's, `paced` whether requests kept their captured distances, `notes` what else is to be known, in sentences,
    `replay` the replay.
    """

    source: str
    filters: tuple[str, ...]
    exchanges: int
    wanted: int
    differences: tuple[Difference, ...]
    version: str
    seconds: float
    paced: bool = False
    stopped: str = ""
    notes: tuple[str, ...] = field(default=())
    replay: Any = field(default=None, repr=False, compare=False)

    @cached_property
    def _explained(self) -> dict[int, bool]:
        """Exchanges that differ, and whether all their differences are explained."""
        found: dict[int, bool] = {}
        for each in self.differences:
            found[each.exchange] = found.get(each.exchange, True) and each.explained
        return found

    @property
    def agreed(self) -> int:
        """Exchanges without any difference."""
        return self.exchanges - len(self._explained)

    @property
    def explained(self) -> int:
        """Exchanges that differ, for known causes only."""
        return sum(self._explained.values())

    @property
    def unexplained(self) -> int:
        """Exchanges that differ in something without known cause: there the replay, or this comparison, may be wrong."""
        return len(self._explained) - self.explained

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data for JSON; values are data, not escaped."""
        return {
            "capture": self.source,
            "filters": list(self.filters),
            "envoy": self.version,
            "paced": self.paced,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 3),
            "exchanges": self.exchanges,
            "agreed": self.agreed,
            "explained": self.explained,
            "unexplained": self.unexplained,
            "notes": list(self.notes),
            "differences": [
                {
                    "exchange": each.exchange,
                    "message": each.side,
                    "what": each.what,
                    "replay": each.ours,
                    "envoy": each.envoy,
                    "cause": each.cause,
                    "explained": each.explained,
                }
                for each in self.differences
            ],
        }

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a difference: exchange, message, what, replay, envoy, cause, explained."""
        import pandas as pd

        columns = ["exchange", "message", "what", "replay", "envoy", "cause", "explained"]
        rows = [(each.exchange, each.side, each.what, each.ours, each.envoy, each.cause, each.explained) for each in self.differences]
        return pd.DataFrame(rows, columns=pd.Index(columns))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The differences, those without known cause first."""
        found: dict[tuple[bool, str, str, str], list[Difference]] = {}
        for each in self.differences:
            found.setdefault((each.explained, each.side, each.what, each.cause), []).append(each)
        return tuple(
            Group(
                _MESSAGES.get(side, side),
                "sent at all" if what == "reached" else what,
                cause,
                explained,
                tuple(each.exchange for each in group),
                tuple(_shown(each.ours) for each in group),
                tuple(_shown(each.envoy) for each in group),
            )
            for (explained, side, what, cause), group in sorted(found.items(), key=lambda item: item[0][0])
        )

    @cached_property
    def summary(self) -> Summary:
        """The same on one page; captured text in it is escaped for display."""
        chain = " → ".join(map(words.visible, self.filters)) or "no filter"
        head = f"{words.visible(self.source) or 'Capture'} through {chain}, beside Envoy {words.visible(self.version)}"
        of = f" of {words.count(self.wanted)}" if self.exchanges != self.wanted else ""
        facts = [f"{words.count(self.exchanges)}{of} exchanges compared in {words.duration(self.seconds * 1e9)}"]
        facts += ["at the captured pace"] * self.paced + [f"stopped: {words.visible(self.stopped)}"] * bool(self.stopped)
        counts = (("agree", self.agreed), ("explained", self.explained), ("unexplained", self.unexplained))
        sections = [
            _section(title, [each for each in self.groups if each.explained is explained])
            for title, explained in (("Unexplained", False), ("Explained: the cause lies in Envoy or in how it was run", True))
        ]
        notes = Section("Notes", ("note",), tuple((words.visible(note),) for note in self.notes))
        return Summary(head, " · ".join(facts), counts, tuple(one for one in (*sections, notes) if one.rows))

    def text(self, *, width: int = 110, colour: bool = False) -> str:
        """The page as plain text of at most `width` columns."""
        lines = [summary_text(replace(self.summary, sections=()), width=width, colour=colour).rstrip()]
        for section in self.summary.sections:
            lines += ["", f"\x1b[1m{section.title}\x1b[0m" if colour else section.title]
            for row in section.rows:
                lines += _block(row, width)
            lines += [f"  {section.more}"] * bool(section.more)
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        # cheap, and nothing that was captured
        counts = f"{self.agreed} agree, {self.explained} explained, {self.unexplained} unexplained"
        return f"<Verification of {self.exchanges} exchanges with Envoy {self.version}: {counts}>"

    def _repr_html_(self) -> str:
        from .page import summary_html

        return summary_html(self.summary)


def _section(title: str, groups: Sequence[Group]) -> Section:
    rows = [
        (
            _numbers(each.exchanges),
            words.visible(f"{each.message}, {each.what}"),
            *(words.shorten(words.visible(values[0]), _VALUE) for values in (each.replay, each.envoy)),
            words.visible(each.cause) or "unknown",
        )
        for each in groups[:_LINES]
    ]
    more = f"and {words.count(len(groups) - _LINES)} more" if len(groups) > _LINES else ""
    return Section(title, ("exchange", "what differs", "replay", "Envoy", "likely cause"), tuple(rows), more=more)


def _block(row: Sequence[str], width: int) -> list[str]:
    """A line of a section over as many lines as it needs: what differs where, the two values, the cause."""
    if len(row) == 1:
        parts = [row[0]]
    else:
        exchanges, thing, ours, theirs, cause = row
        parts = [f"{exchanges}  {thing}", f"replay {ours}", f"Envoy  {theirs}", f"cause  {cause}"]
    indents = ["  ", *["    "] * (len(parts) - 1)]
    return [
        line
        for part, indent in zip(parts, indents, strict=True)
        for line in wrap(part, width, initial_indent=indent, subsequent_indent="      ")
    ]


def _numbers(exchanges: Iterable[int]) -> str:
    each = [f"#{index}" for index in exchanges]
    more = f" and {words.count(len(each) - _FIRST)} more" if len(each) > _FIRST else ""
    return " ".join(each[:_FIRST]) + more


def _shown(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int):
        return f"{words.size(value[0])}, sha256 {str(value[1])[:12]}"
    if isinstance(value, list):
        return ", ".join(each if isinstance(each, str) else ": ".join(map(str, each)) for each in value) if value else "none"
    return "none" if value is None else str(value)
