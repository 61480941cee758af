"""How far exchanges go along a chain: on traces made by hand, and against what a real replay says otherwise."""

from __future__ import annotations

from typing import Any

from workbench.analysis.facts import gather_facts
from workbench.analysis.passage import Passage, Stop, passage
from workbench.capture.packing import pack_pairs
from workbench.trace.records import NO_FILTER, NONE, Event, ResponseSource

from .tracewriter import TraceWriter


def of(writer: TraceWriter) -> Passage:
    trace = writer.take()
    return passage(trace, gather_facts(trace))


def local(writer: TraceWriter, exchange: int, status: int, filter: int = NO_FILTER, source: int = ResponseSource.FILTER) -> None:
    writer.event(Event.LOCAL_RESPONSE, exchange, (NONE, source), b"", b"", pack_pairs(()), result=status, filter=filter)


def test_nothing_was_replayed() -> None:
    assert of(TraceWriter("a", "b")) == Passage((0, 0, 0), (0, 0, 0), (0, 0), ((), ()))


def test_each_way_to_end() -> None:
    w = TraceWriter("a", "b")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.upstream(0)
    w.response(0, 200, 2)
    w.downstream(0, 200, 2)
    w.request(1)  # answered by the second filter
    w.callback("proxy_on_request_headers", 1, 1)
    local(w, 1, 429, filter=1)
    w.downstream(1, 429, 0)
    w.request(2)  # the second filter replaces what the upstream sent
    w.upstream(2)
    w.response(2, 200, 2)
    local(w, 2, 500, filter=1)
    w.downstream(2, 500, 0)
    w.request(3)  # the proxy answers, since the capture has no response
    w.upstream(3)
    local(w, 3, 503, source=ResponseSource.PROXY)
    w.downstream(3, 503, 0)
    w.request(4)  # held for ever by the first filter
    w.callback("proxy_on_request_headers", 0, 4)
    w.request(5)  # refused by the proxy before any filter
    local(w, 5, 400, source=ResponseSource.PROXY)
    w.downstream(5, 400, 0)
    found = of(w)
    assert found.requests == (5, 4, 3)
    assert found.responses == (4, 4, 3)
    assert found.refused == 1
    assert found.stops == ((), (Stop("denied", 500, 1), Stop("limited", 429, 1)))


def test_a_real_chain(replayed: Any) -> None:
    found = passage(replayed.trace, replayed.facts)
    n = len(replayed.chain)
    assert found.requests[0] == found.responses[0] == len(replayed)
    assert list(found.requests) == sorted(found.requests, reverse=True)
    for place, stops in enumerate(found.stops):
        assert found.requests[place] - found.requests[place + 1] == sum(one.count for one in stops)
    assert found.requests[n] == sum(view.result["upstream_request"] is not None for view in replayed)
    names = [each.name for each in replayed.chain]
    changed = replayed.mutations.groupby("filter")["exchange"].nunique()
    assert found.changed == tuple(int(changed.get(name, 0)) for name in names)
