"""Why a replay and real Envoy differ, found by experiment: the replay is run again with one circumstance as it was in Envoy.

Where that changes the very thing that differs, and brings it to what Envoy has, the circumstance is the cause. Nothing is guessed
from how a value looks. A control comes first: run again as it was, the replay must say the same, else no experiment shows anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Protocol

from workbench.capture.capture import Batch
from workbench.capture.exchange import Exchange, Pairs
from workbench.capture.packing import pack

from .differences import Difference, compare
from .judge import Observed

__all__ = ["Again", "Altered", "Differing", "InTime", "explain"]

_BATCH, _BATCH_BYTES = 1000, 8 << 20
_CHANGED = "the replay says something else when it is run again: was a filter's file built anew since?"
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

    def in_time(self) -> Iterator[Exchange]:
        """The exchanges in the order in which they were sent."""
        return map(self.__getitem__, self._order)

    def batches(self) -> Iterator[Batch]:
        """The same, packed for the host."""
        held: list[bytes] = []
        start = total = 0
        for exchange in self.in_time():
            start = start if held else exchange.request.start_ns
            held.append(pack((exchange,)))
            total += len(held[-1])
            if len(held) >= _BATCH or total >= _BATCH_BYTES:
                yield Batch(b"".join(held), len(held), start)
                held, total = [], 0
        if held:
            yield Batch(b"".join(held), len(held), start)


class Again(Protocol):
    """Runs the replay again over other exchanges and with other settings (`seed`, `chunk_size`); gives the result of an exchange
    in the form of the replay's JSON, None for one that it did not reach."""

    def __call__(self, exchanges: Altered, /, **settings: int) -> Callable[[int], Mapping[str, Any] | None]: ...


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


def explain(
    capture: InTime,
    order: Sequence[int],
    times: Mapping[int, tuple[int, int]],
    differing: Sequence[Differing],
    again: Again,
    *,
    paced: bool,
) -> None:
    """Set cause and `explained` of the differences whose cause an experiment shows.

    `order` are the exchanges that went through Envoy, in that order, `times` when each was sent and answered, in nanoseconds.
    """
    if not _open(differing) or not _reproduced(_open(differing), again(Altered(capture, order, lambda exchange: exchange))):
        return
    for factor in _factors(times, paced):
        for settings in factor.settings:
            open_ = _open(differing)
            if not open_:
                return
            result_of = again(Altered(capture, order, factor.alter), **settings)
            for one in open_:
                result = result_of(one.seen.exchange)
                if result is not None:
                    one.differences = _judged(one, compare([one.seen], [one.plain], [result]), factor)


def _open(differing: Sequence[Differing]) -> list[Differing]:
    return [one for one in differing if any(not each.explained for each in one.differences)]


def _reproduced(differing: Sequence[Differing], result_of: Callable[[int], Mapping[str, Any] | None]) -> bool:
    """The control. Where the replay says something else now, that stands as the cause of what is not explained."""
    same = True
    for one in differing:
        result = result_of(one.seen.exchange)
        now = compare([one.seen], [one.plain], [result]) if result is not None else []
        if [(each.side, each.what, each.ours) for each in now] != [(each.side, each.what, each.ours) for each in one.differences]:
            same = False
            one.differences = [each if each.explained else replace(each, cause=_CHANGED) for each in one.differences]
    return same


def _judged(one: Differing, now: Sequence[Difference], factor: _Factor) -> list[Difference]:
    there = {(each.side, each.what): each for each in now}
    lost = {each.side for each in now if each.what in ("status", "reached")}
    return [_judge(each, there.get((each.side, each.what)), each.side in lost, factor) for each in one.differences]


def _judge(before: Difference, now: Difference | None, lost: bool, factor: _Factor) -> Difference:
    if before.explained:
        return before
    if now is None:
        return before if lost else replace(before, cause=f"{factor.cause}: replayed as it was in Envoy, this is the same", explained=True)
    if now.ours == before.ours:
        return before
    if _near(now, factor):
        return replace(before, cause=f"{factor.cause}: the value changes with it", explained=True)
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


def _factors(times: Mapping[int, tuple[int, int]], paced: bool) -> Iterator[_Factor]:
    def retimed(exchange: Exchange) -> Exchange:
        sent, answered = times[exchange.index]
        request = replace(exchange.request, start_ns=sent, end_ns=sent)
        response = exchange.response and replace(exchange.response, start_ns=answered, end_ns=answered)
        return replace(exchange, request=request, response=response)

    pace = "the clock" if paced else "the clock, or the pace (with `paced` it is the captured one)"
    yield _Factor(pace, _same_time, retimed)
    yield _Factor("the connection, in Envoy on loopback and over HTTP/1.1", _anything, _on_loopback)
    yield _Factor("how a body is cut into pieces", _anything, settings=tuple({"chunk_size": size} for size in (16384, 1000)))
    threads = ({"workers": 1, "main_thread": True},)
    yield _Factor("Envoy's threads, where filters start on the main one too and one worker serves", _nothing, settings=threads)
    yield _Factor("random bytes", _same_form, settings=tuple({"seed": seed} for seed in (101, 102, 103)))


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
