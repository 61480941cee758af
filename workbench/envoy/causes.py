"""Why a replay and real Envoy differ, found by experiment: the replay is run again with one circumstance as it was in Envoy.

Where that changes the very thing that differs, and brings it to what Envoy has, the circumstance is the cause. Nothing is guessed
from how a value looks. A control comes first: run again as it was, the replay must say the same, else no experiment shows anything.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple, Protocol

from workbench.capture.batch import Batch, batches
from workbench.capture.exchange import Exchange, Pairs
from workbench.capture.packing import pack

from .differences import Difference, compare
from .judge import Observed

__all__ = ["Again", "Altered", "Differing", "InTime", "Moment", "explain"]

_BATCH, _BATCH_BYTES = 1000, 8 << 20
_RUNS = 40
"""How often the replay is run again to find the moments at which a filter read the clock."""
_VARIANTS = 12
"""And how often with other moments within what is possible, where that left a difference."""
_SOON_NS = 100_000
"""About what Envoy needs from a request's first byte to the first filter."""
_CHANGED = "the replay says something else when it is run again: was a filter built anew, or did a function step in?"
_LONG = 9
"""Digits from which on a number is a point in time rather than a count."""
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[0-9A-Za-z+/=]+")
_CONNECTION = (b"source\0", b"destination\0", b"upstream\0", b"connection\0", b"request\0protocol")


class InTime(Protocol):
    """What a run needs of a capture; `Capture` is one."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Exchange: ...
    def in_time(self) -> Iterator[Exchange]: ...


class Altered:
    """Some exchanges of a capture, each altered, as a replay takes them; nothing is kept in memory."""

    def __init__(self, capture: InTime, order: Sequence[int], alter: Callable[[Exchange], Exchange]) -> None:
        self._capture = capture
        self._order = order
        self._alter = alter

    def __len__(self) -> int:
        return len(self._capture)

    def __getitem__(self, index: int) -> Exchange:
        return self._alter(self._capture[index])

    def __iter__(self) -> Iterator[Exchange]:
        return map(self.__getitem__, sorted(self._order))

    def in_time(self) -> Iterator[Exchange]:
        """The exchanges in the order in which they were sent."""
        return map(self.__getitem__, self._order)

    def batches(self) -> Iterator[Batch]:
        """The same, packed for the host."""
        return batches(((each.request.start_ns, pack((each,))) for each in self.in_time()), _BATCH, _BATCH_BYTES)


class Again(Protocol):
    """Runs the replay again over other exchanges and with other settings (`seed`, `chunk_size`); gives the client's status of each
    exchange (0: none), and what makes the result of one of them in the form of the replay's JSON."""

    def __call__(self, exchanges: Altered, /, **settings: int) -> tuple[Mapping[int, int], Callable[[int], Mapping[str, Any]]]: ...


class Moment(NamedTuple):
    """When an exchange went through Envoy, see `Observed`, and the status that its client got. `sent_ns` may be Envoy's own time."""

    exchange: int
    sent_ns: int
    reached_ns: int
    answered_ns: int
    status: int


@dataclass(slots=True)
class Differing:
    """An exchange that differs: what Envoy did with the chain and without, and the differences."""

    seen: Observed
    plain: Observed
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class _Factor:
    """`near(ours, theirs)`: whether what the replay has under this circumstance counts as what Envoy has, though it is not the same."""

    cause: str
    near: Callable[[Any, Any], bool]
    alter: Callable[[Exchange], Exchange] = field(default=lambda exchange: exchange)
    settings: tuple[Mapping[str, int], ...] = ({},)
    hint: str = ""


def explain(capture: InTime, moments: Sequence[Moment], differing: Sequence[Differing], again: Again, *, paced: bool) -> None:
    """Set cause and `explained` of the differences whose cause an experiment shows. `moments` are in the order of sending."""
    order = [each.exchange for each in moments]

    def run(alter: Callable[[Exchange], Exchange], **settings: int) -> _Rerun:
        return _Rerun(*again(Altered(capture, order, alter), **settings))

    control = run(lambda exchange: exchange) if _open(differing) else None
    if control is None or not _reproduced(_open(differing), control):
        return
    for factor in _FACTORS:
        for settings in factor.settings:
            if _open(differing):
                _set(_open(differing), run(factor.alter, **settings), factor)
    if _open(differing):
        _Clock(moments, differing, run, control, paced).explain()


class _Rerun(NamedTuple):
    statuses: Mapping[int, int]
    result: Callable[[int], Mapping[str, Any]]

    def differences(self, one: Differing) -> list[Difference]:
        index = one.seen.exchange
        return compare([one.seen], [one.plain], [self.result(index)] if index in self.statuses else [])


def _open(differing: Sequence[Differing]) -> list[Differing]:
    return [one for one in differing if any(not each.explained for each in one.differences)]


def _reproduced(differing: Sequence[Differing], control: _Rerun) -> bool:
    """Where the control says something else than the replay, that stands as the cause of what is not explained."""
    same = True
    for one in differing:
        if [_key(each) for each in control.differences(one)] != [_key(each) for each in one.differences]:
            same = False
            one.differences = [each if each.explained else replace(each, cause=_CHANGED) for each in one.differences]
    return same


def _key(each: Difference) -> tuple[str, str, Any]:
    return each.side, each.what, each.ours


class _Clock:
    """Replays at the times at which Envoy had the exchanges.

    When exactly a filter read the clock is not known, but it lies between `sent_ns` and `reached_ns`.
    """

    def __init__(
        self, moments: Sequence[Moment], differing: Sequence[Differing], run: Callable[..., _Rerun], control: _Rerun, paced: bool
    ) -> None:
        self._moments = moments
        self._run = run
        self._control = control
        self._factor = _Factor("the clock", _same_time, hint="" if paced else "; `paced` keeps the captured pace")
        self._at = {each.exchange: min(each.sent_ns + _SOON_NS, each.reached_ns) for each in moments}
        self._answered = {each.exchange: each.answered_ns for each in moments}
        self._open = {one.seen.exchange: one for one in _open(differing)}
        # A status that differs for another reason cannot be put right by a time.
        self._other = {one.seen.exchange for one in differing} - set(self._open)

    def explain(self) -> None:
        soon, self._at = self._at, {each.exchange: each.reached_ns for each in self._moments}
        latest = self._run(self._alter)
        self._at = soon
        first = self._run(self._alter)
        if not self._matters(first) and not self._matters(latest):
            return
        _set(self._still_open(), self._aligned(first), self._factor)
        chance = random.Random(0)
        for _ in range(_VARIANTS):
            if not self._still_open():
                return
            self._at = {each.exchange: chance.randint(each.sent_ns, max(each.sent_ns, each.reached_ns)) for each in self._moments}
            _set(self._still_open(), self._run(self._alter), self._factor)

    def _still_open(self) -> list[Differing]:
        return _open(list(self._open.values()))

    def _matters(self, rerun: _Rerun) -> bool:
        """Whether the replay does anything else at other times."""
        if rerun.statuses != self._control.statuses:
            return True
        return any([*map(_key, rerun.differences(one))] != [*map(_key, self._control.differences(one))] for one in self._open.values())

    def _alter(self, exchange: Exchange) -> Exchange:
        start = self._at[exchange.index]
        end = max(start, self._answered[exchange.index])
        request = replace(exchange.request, start_ns=start, end_ns=start)
        return replace(exchange, request=request, response=exchange.response and replace(exchange.response, start_ns=end, end_ns=end))

    def _agrees(self, rerun: _Rerun, moment: Moment) -> bool:
        index = moment.exchange
        if rerun.statuses.get(index) != moment.status:
            return False
        one = self._open.get(index)
        return one is None or all(each.explained for each in _judged(one, rerun.differences(one), self._factor))

    def _aligned(self, best: _Rerun) -> _Rerun:
        """A replay that goes as far with Envoy as it can. Where a decision hangs on less than a few milliseconds (a limit just reached or
        just not), other moments are tried, one exchange after the other, as the later ones follow from it."""
        runs = 0
        for moment in self._moments:
            if moment.exchange in self._other or self._agrees(best, moment):
                continue
            first = self._at[moment.exchange]
            for other in ((first + moment.reached_ns) // 2, moment.reached_ns, moment.sent_ns):
                if runs >= _RUNS:
                    return best
                self._at[moment.exchange], runs = other, runs + 1
                tried = self._run(self._alter)
                if self._agrees(tried, moment):
                    best = tried
                    break
            else:
                self._at[moment.exchange] = first
        return best


def _set(differing: Sequence[Differing], rerun: _Rerun, factor: _Factor) -> None:
    for one in differing:
        if one.seen.exchange in rerun.statuses:
            one.differences = _judged(one, rerun.differences(one), factor)


def _judged(one: Differing, now: Sequence[Difference], factor: _Factor) -> list[Difference]:
    there = {(each.side, each.what): each for each in now}
    lost = {each.side for each in now if each.what in ("status", "reached")}
    return [_judge(each, there.get((each.side, each.what)), each.side in lost, factor) for each in one.differences]


def _judge(before: Difference, now: Difference | None, lost: bool, factor: _Factor) -> Difference:
    if before.explained:
        return before
    if now is None:
        return (
            before
            if lost
            else replace(before, cause=f"{factor.cause}: replayed as it was in Envoy, this is the same{factor.hint}", explained=True)
        )
    if now.ours == before.ours:
        return before
    if _near(now, factor):
        return replace(before, cause=f"{factor.cause}: the value changes with it{factor.hint}", explained=True)
    return before if before.cause else replace(before, cause=f"perhaps {factor.cause}: the value changes with it, but not to Envoy's")


def _near(now: Difference, factor: _Factor) -> bool:
    if now.what in ("status", "reached", "times sent", "header order"):
        return False
    if now.what == "body":
        return factor.near is _anything or bool(now.ours[0] == now.envoy[0])  # only its size and hash are known
    ours, theirs = list(chain(*_flat(now.ours))), list(chain(*_flat(now.envoy)))
    return factor.near is _anything or (len(ours) == len(theirs) and all(map(factor.near, ours, theirs)))


def _flat(value: Any) -> Iterable[Sequence[str]]:
    """Header values, or the pairs of trailers."""
    return ([each] if isinstance(each, str) else each for each in value or ())


def _same_time(ours: str, theirs: str) -> bool:
    """The same but for numbers, and these as near to each other as two readings of one clock can be expected."""
    if _NUMBER.sub("0", ours) != _NUMBER.sub("0", theirs):
        return False
    return all(_close(int(a), int(b), len(a)) for a, b in zip(_NUMBER.findall(ours), _NUMBER.findall(theirs), strict=True))


def _close(a: int, b: int, digits: int) -> bool:
    apart = abs(a - b)
    return apart <= max(a, b) // 1_000_000 if digits >= _LONG else apart <= max(2, max(a, b) // 2)


def _same_form(ours: str, theirs: str) -> bool:
    """The same but for letters and digits, words as long as before: what random bytes are written as."""
    return [len(word) for word in _WORD.findall(ours)] == [len(word) for word in _WORD.findall(theirs)] and (
        _WORD.sub("x", ours) == _WORD.sub("x", theirs)
    )


def _anything(ours: str, theirs: str) -> bool:
    return True


def _nothing(ours: str, theirs: str) -> bool:
    return False


def _on_loopback(exchange: Exchange) -> Exchange:
    request = replace(exchange.request, http_version=b"HTTP/1.1")
    response = exchange.response and replace(exchange.response, http_version=b"HTTP/1.1")
    kept: Pairs = tuple(pair for pair in exchange.attributes if not pair[0].startswith(_CONNECTION))
    return replace(
        exchange,
        request=request,
        response=response,
        connection=exchange.index + 1,
        attributes=(*kept, (b"request\0protocol", b"HTTP/1.1"), (b"source\0address", b"127.0.0.1:1")),
    )


_FACTORS = (
    _Factor("the connection, in Envoy on loopback and over HTTP/1.1", _anything, _on_loopback),
    _Factor("how a body is cut into pieces", _anything, settings=tuple({"chunk_size": size} for size in (16384, 1000))),
    _Factor(
        "Envoy's threads, where filters start on the main one too and one worker serves",
        _nothing,
        settings=({"workers": 1, "main_thread": True},),
    ),
    _Factor("random bytes", _same_form, settings=tuple({"seed": seed} for seed in (101, 102, 103))),
)
