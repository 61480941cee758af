"""The header lists of an exchange at each place on its way: client, after each filter, upstream; and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..trace.records import NO_FILTER, Event, ResponseSource
from ..trace.trace import Row
from .calls import ExchangeRows
from .headers import HeaderLine, diff_headers
from .outcome import Exchanges, body_of, pairs_of

__all__ = ["Stage", "request_stages", "response_stages", "trailer_stages"]

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """A message at one place of the chain.

    `place` is client, filter, upstream, local (made in the chain) or proxy (made because the capture has no response).
    `filter` is the place of the filter in the chain from 0, None where it is no filter's. `reached` is False where the message
    never came so far; then there are no headers. `changes` tells the step from the stage before.
    `body_size` and `body` are None where the trace does not say what they were there.
    """

    place: str
    label: str
    filter: int | None
    reached: bool
    headers: Headers
    changes: tuple[HeaderLine, ...] = ()
    body_size: int | None = None
    body: bytes | None = None
    status: int | None = None


def request_stages(rows: ExchangeRows, capture: Exchanges) -> tuple[Stage, ...]:
    """Client, after each filter in chain order, upstream."""
    first, last = rows.event(Event.REQUEST), rows.event(Event.UPSTREAM_REQUEST)
    if first is None:
        return ()
    chain = range(len(rows.trace.filters))
    stopped = _stopped_by(rows) if last is None else None
    headers = tuple(pairs_of(first.fields[0]))
    stages = [Stage("client", "client sent", None, True, headers, (), first.a, body_of(first, capture))]
    stages += _through(rows, 0, headers, chain, {place for place in chain if stopped is None or place <= stopped})
    if last is None:
        stages.append(Stage("upstream", "upstream got nothing", None, False, ()))
    else:
        stages.append(_end(stages, "upstream", "upstream got", last, capture, None))
    return tuple(stages)


def response_stages(rows: ExchangeRows, capture: Exchanges) -> tuple[Stage, ...]:
    """Upstream (or the one who answered in its stead), after each filter in reverse chain order, client."""
    answered, local, last = rows.event(Event.RESPONSE), rows.local_response(), rows.event(Event.DOWNSTREAM_RESPONSE)
    stages: list[Stage] = []
    if answered is not None:
        place, label = ("proxy", "proxy answered: no response was captured") if answered.c else ("upstream", "upstream answered")
        headers = tuple(pairs_of(answered.fields[0]))
        stages.append(Stage(place, label, None, True, headers, (), answered.a, body_of(answered, capture), answered.result))
    order = list(reversed(range(len(rows.trace.filters))))
    if local is None:
        stages += _through(rows, 2, stages[-1].headers, order, set(order), stages[-1].status) if stages else []
    elif stages:
        # an answer in the response phase takes the place of the upstream's and goes straight to the client
        behind = order[: order.index(_last_to_see(rows, "response", local.filter)) + 1]
        stages += _through(rows, 2, stages[-1].headers, behind, set(behind), stages[-1].status)
        stages.append(_local_stage(rows, local, stages))
        stages += _through(rows, 2, stages[-1].headers, order[len(behind) :], set(), None)
    else:
        # one in the request phase goes back through the filters that the request has come to
        stages.append(_local_stage(rows, local, stages))
        furthest = _last_to_see(rows, "request", local.filter)
        came = {place for place in order if place <= furthest and (place != local.filter or local.b != ResponseSource.FAILURE)}
        stages += _through(rows, 2, stages[-1].headers, order, came, local.result)
    if not stages:
        return ()
    if last is None:
        stages.append(Stage("client", "client got nothing", None, False, ()))
    else:
        stages.append(_end(stages, "client", "client got part of it" if last.d else "client got", last, capture, last.result))
    return tuple(stages)


def trailer_stages(rows: ExchangeRows, response: bool) -> tuple[Stage, ...]:
    """The trailers of one direction, first, after each filter that changed them, last; empty if there were none anywhere."""
    start, end = (Event.RESPONSE, Event.DOWNSTREAM_RESPONSE) if response else (Event.REQUEST, Event.UPSTREAM_REQUEST)
    first, last = rows.event(start), rows.event(end)
    headers = tuple(pairs_of(first.fields[1])) if first is not None else ()
    stages = [Stage("upstream" if response else "client", "sent", None, first is not None, headers)]
    chain = range(len(rows.trace.filters))
    changed = {row.filter for row in rows.all(Event.MAP) if row.a == (3 if response else 1)}
    order = [place for place in (reversed(chain) if response else chain) if place in changed]
    stages += _through(rows, 3 if response else 1, headers, order, changed)
    if last is not None:
        headers = tuple(pairs_of(last.fields[1]))
        changes = tuple(diff_headers(stages[-1].headers, headers))
        stages.append(Stage("client" if response else "upstream", "got", None, True, headers, changes))
    return tuple(stages) if any(stage.headers for stage in stages) else ()


def _stopped_by(rows: ExchangeRows) -> int | None:
    """Place of the filter behind which the request did not go, None where it is not known to have stopped."""
    found = rows.local_response() or rows.failure()
    return found.filter if found is not None and found.filter != NO_FILTER else None


def _last_to_see(rows: ExchangeRows, direction: str, place: int) -> int:
    """Place of the filter that the message had come to when `place` (`NO_FILTER`: the proxy) answered."""
    chain = range(len(rows.trace.filters))
    if place in chain:
        return place
    if direction == "request" and rows.event(Event.UPSTREAM_REQUEST) is not None:
        return chain[-1] if chain else 0
    seen = [row.filter for name, row in rows.callbacks if name.startswith(f"proxy_on_{direction}_") and row.filter in chain]
    return (max if direction == "request" else min)(seen, default=0 if direction == "request" else chain[-1])


def _through(
    rows: ExchangeRows, map_type: int, headers: Headers, order: Sequence[int], reached: set[int], status: int | None = None
) -> list[Stage]:
    """One stage a filter: its last MAP event of that map, or the headers as they came."""
    after: dict[int, Row] = {row.filter: row for row in rows.all(Event.MAP) if row.a == map_type}
    bodies: dict[int, bytes] = {row.filter: row.fields[0] for row in rows.all(Event.BODY) if row.a == map_type // 2}
    stages = []
    for place in order:
        now = tuple(pairs_of(after[place].fields[0])) if place in after else headers
        body = bodies.get(place)
        if place in reached:
            changes = tuple(diff_headers(headers, now))
            size = None if body is None else len(body)
            stages.append(Stage("filter", f"after {rows.trace.filters[place]}", place, True, now, changes, size, body, status))
            headers = now
        else:
            stages.append(Stage("filter", f"not seen by {rows.trace.filters[place]}", place, False, ()))
    return stages


def _local_stage(rows: ExchangeRows, local: Row, before: list[Stage]) -> Stage:
    """The answer as the response filters are shown it."""
    given = tuple((name.lower(), value) for name, value in pairs_of(local.fields[2])) if len(local.fields) > 2 else ()
    headers = given if any(name == ":status" for name, _ in given) else ((":status", str(local.result)), *given)
    who = rows.trace.filter_name(local) if local.b != ResponseSource.PROXY else None
    changes = tuple(diff_headers(before[-1].headers, headers)) if before else ()
    place = local.filter if who is not None else None
    body = local.fields[1] if len(local.fields) > 1 else b""
    label = f"answered for {who}, which failed" if local.b == ResponseSource.FAILURE else f"{who or 'proxy'} answered"
    return Stage("local", label, place, True, headers, changes, len(body), body, local.result)


def _end(stages: list[Stage], place: str, label: str, last: Row, capture: Exchanges, status: int | None) -> Stage:
    headers = tuple(pairs_of(last.fields[0]))
    before = next(stage.headers for stage in reversed(stages) if stage.reached)
    return Stage(place, label, None, True, headers, tuple(diff_headers(before, headers)), last.a, body_of(last, capture), status)
