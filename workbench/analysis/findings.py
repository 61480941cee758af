"""What looks wrong in a replay, in plain words: each finding with its reason and what to do about it.

Computed from columns, block by block: a hundred thousand exchanges take well under a second. What a finding says is what Envoy would
do too. Names and messages in it are escaped for display.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..trace.records import NONE, Kind
from ..trace.trace import Trace
from . import words
from .facts import Facts
from .rowfields import Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SEVERITIES", "Block", "Finding", "Findings", "Hits", "Plugin", "blocks", "find", "findings_text", "where"]

SEVERITIES = ("error", "warning", "note")
_FIRST = 5
_COLOURS = {"error": "31", "warning": "33", "note": "36"}


class Plugin(Protocol):
    """What is told of a filter beside its trace, see `workbench.chain.Filter`."""

    @property
    def config(self) -> bytes: ...
    @property
    def vm_config(self) -> bytes: ...
    @property
    def root_id(self) -> str: ...


Language: TypeAlias = Callable[[int], str]
"""Which language the filter at a place of the chain was made in, empty where nobody knows: asked only where it matters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that looks wrong.

    `code` names the kind for programs, `severity` is error, warning or note; `title` says what, `reason` why it matters and what Envoy
    does, `remedy` what to do. `filter` is the filter's name, None where it belongs to none. `count` is how many exchanges it concerns
    and `exchanges` the first of them; both are 0 and empty for what belongs to no exchange, as a filter's start.
    """

    code: str
    severity: str
    title: str
    reason: str
    remedy: str
    filter: str | None
    count: int
    exchanges: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON has it, and as a row of a table."""
        return asdict(self) | {"exchanges": list(self.exchanges)}


class Findings(tuple[Finding, ...]):
    """The findings on a replay, the weightiest first; shown, they are the text with reasons and remedies."""

    __slots__ = ()

    def __repr__(self) -> str:
        return findings_text(self).rstrip() or "No findings"

    def as_frame(self) -> pd.DataFrame:
        """One row a finding."""
        import pandas as pd

        columns = list(Finding.__slots__)
        return pd.DataFrame([each.as_dict() for each in self], columns=columns)


@dataclass(frozen=True)
class Block:
    """One segment of a trace as plain columns; `first` is the number of its first row, `callback` the code of each hostcall's callback."""

    first: int
    octets: npt.NDArray[np.uint8]
    kind: npt.NDArray[np.uint8]
    filter: npt.NDArray[np.uint8]
    code: npt.NDArray[np.uint8]
    exchange: npt.NDArray[np.uint32]
    result: npt.NDArray[np.int32]
    a: npt.NDArray[np.uint32]
    b: npt.NDArray[np.uint32]
    c: npt.NDArray[np.uint32]
    d: npt.NDArray[np.uint32]
    vm: npt.NDArray[np.uint32]
    blob: Ints
    blob_len: Ints
    callback: npt.NDArray[np.uint8]

    def events(self, code: int) -> Ints:
        """Places of the events of that code."""
        return np.flatnonzero((self.kind == Kind.EVENT) & (self.code == code))

    def calls(self, codes: npt.NDArray[np.bool_]) -> Ints:
        """Places of the hostcalls whose codes a table picks (`facts.lookup`)."""
        return np.flatnonzero((self.kind == Kind.HOSTCALL) & codes[self.code])

    def numbers(self, at: Ints) -> Ints:
        """Little-endian numbers in the blob at these places."""
        return self.table(at, 1)[:, 0]

    def table(self, at: Ints, width: int) -> npt.NDArray[np.int64]:
        """`width` numbers in a row at each of these places."""
        raw = self.octets[at[:, None] + np.arange(4 * width)]
        return np.asarray(raw.view("<u4"), np.int64)


def blocks(trace: Trace) -> Iterator[Block]:
    """The trace's segments with what the detectors read."""
    codes = np.full(len(trace), 255, np.uint8)
    for first, records, blob in trace.blocks():
        callback = records["kind"] == Kind.CALLBACK
        codes[first : first + len(records)][callback] = records["code"][callback]
        parent = records["parent"].astype(np.int64)
        has = parent < len(codes)
        names = ("kind", "filter", "code", "exchange", "result", *"abcd", "vm")
        columns: dict[str, Any] = {name: np.ascontiguousarray(records[name]) for name in names}
        columns |= {name: records[name].astype(np.int64) for name in ("blob", "blob_len")}
        of = np.where(has, codes[np.where(has, parent, 0)], 255)
        yield Block(first, np.frombuffer(blob, np.uint8), **columns, callback=of)


class Hits:
    """Where something was seen: for each key the exchanges, and the first row as an example."""

    def __init__(self) -> None:
        self._exchanges: defaultdict[Any, list[Ints]] = defaultdict(list)
        self.example: dict[Any, int] = {}

    def add(self, block: Block, rows: Ints, *keys: npt.NDArray[Any]) -> None:
        """Note these rows of a block, by the columns of which each row has one key."""
        if not len(rows):
            return
        whole = np.zeros(len(rows), np.int64)
        for key in keys:
            whole = whole << 16 | key.astype(np.int64)
        for number in np.unique(whole).tolist():
            mine = rows[whole == number]
            parts = tuple((number >> (16 * place)) & 0xFFFF for place in reversed(range(len(keys))))
            self.note(parts, block.exchange[mine], block.first + int(mine[0]))

    def note(self, key: Any, exchanges: npt.NDArray[Any], row: int) -> None:
        """Note exchanges under a key, and the row where that was first seen."""
        found = np.unique(exchanges[exchanges != NONE]).astype(np.int64)
        self._exchanges[key].append(found)
        self.example.setdefault(key, row)

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(self._exchanges, key=lambda key: self.example[key]))

    def exchanges(self, key: Any) -> Ints:
        """The exchanges under a key, each once, in order."""
        return np.unique(np.concatenate(self._exchanges[key])) if key in self._exchanges else np.empty(0, np.int64)


def find(trace: Trace, facts: Facts, plugins: Sequence[Plugin] = (), language: Language = lambda place: "") -> Findings:
    """Every finding on a replay, the weightiest first. `plugins` are the chain's filters in order."""
    from . import findings_calls, findings_messages, findings_threads

    detectors = [*findings_calls.detectors(trace, facts, plugins, language), *findings_messages.detectors(trace, facts)]
    detectors += findings_threads.detectors(trace)
    for block in blocks(trace):
        for detector in detectors:
            detector.look(block)
    found = [finding for detector in detectors for finding in detector.findings()]
    return Findings(sorted(found, key=_weight))


def _weight(finding: Finding) -> tuple[Any, ...]:
    """What only follows from another finding stands behind its cause, however many exchanges it cost."""
    return SEVERITIES.index(finding.severity), finding.code == "failed-before", -finding.count, finding.code, finding.title


class Detector(Protocol):
    """Looks at each block in turn, and then says what it found."""

    def look(self, block: Block) -> None: ...
    def findings(self) -> Iterator[Finding]: ...


def made(trace: Trace, place: int, code: str, severity: str, title: str, reason: str, remedy: str, exchanges: Ints) -> Finding:
    """A finding on a filter, by its place in the chain."""
    name = trace.filters[place] if place < len(trace.filters) else None
    return Finding(code, severity, title, reason, remedy, name, len(exchanges), tuple(exchanges[:_FIRST].tolist()))


def where(finding: Finding) -> str:
    """On which exchanges, in words."""
    if not finding.count:
        return ""
    named = ", ".join(f"#{each}" for each in finding.exchanges)
    if finding.count > len(finding.exchanges):
        named += ", …"
    return f"{words.count(finding.count)} exchange{'' if finding.count == 1 else 's'}: {named}"


def findings_text(found: Sequence[Finding], *, width: int = 100, colour: bool = False, most: int = 12) -> str:
    """The findings in full for a terminal, each with its reason and its remedy; an empty text where there are none."""
    lines: list[str] = []
    for each in found[:most]:
        head = each.severity if not colour else f"\x1b[{_COLOURS[each.severity]}m{each.severity}\x1b[0m"
        who = f"{words.visible(each.filter)}: " if each.filter else ""
        first, *rest = wrap(f"{each.severity} {who}{each.title}", width - 2, subsequent_indent="  ")
        lines += [f"  {head}{first[len(each.severity) :]}", *(f"  {line}" for line in rest)]
        for text in (each.reason, each.remedy, where(each)):
            lines += wrap(text, width - 4, initial_indent="    ", subsequent_indent="    ") if text else []
    if len(found) > most:
        lines.append(f"  and {len(found) - most} more")
    title = f"Findings ({len(found)})"
    return "\n".join([f"\x1b[1m{title}\x1b[0m" if colour else title, *lines]) + "\n" if lines else ""
