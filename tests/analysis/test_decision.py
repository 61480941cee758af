from __future__ import annotations

from typing import Any

from workbench.analysis.calls import ExchangeRows
from workbench.analysis.decision import Decision, Judges, all_decisions, all_verdicts, decide
from workbench.analysis.facts import gather_facts
from workbench.trace.records import NONE, Event
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter, fields


def decisions(trace: Trace) -> list[Decision]:
    facts = gather_facts(trace)
    return [decide(ExchangeRows.of(trace, index), Judges.of(facts)) for index in facts.exchange.tolist()]


def test_each_ending(endings: Trace) -> None:
    found = decisions(endings)
    assert [one.kind for one in found] == ["allowed", "limited", "denied", "error", "none", "none", "allowed"]
    assert [one.filter for one in found] == ["auth", "limit", "auth", "auth", "auth", None, "limit"]


def test_reasons_say_who_and_why(endings: Trace) -> None:
    found = decisions(endings)
    assert found[1].reason == "429 by limit: Too many requests; 0 of 5 left"
    assert (found[1].status, found[1].limit, found[1].remaining) == (429, 5, 0)
    assert found[2].reason == "401 by auth: No credentials"
    assert found[3].reason == "trap in on_request_headers: unreachable (fail_closed: the exchange failed)"
    assert found[5].reason == "503 by the proxy: upstream_reset"
    assert found[0].reason == "auth read authorization and let pass"
    assert found[6].reason == "limit drew its counter in shared data and let pass"


def test_the_row_shows_it(endings: Trace) -> None:
    found = decisions(endings)
    assert [endings.name(endings.row(one.seq)) for one in found] == [
        "proxy_get_header_map_value", "local_response", "local_response", "failure", "local_response", "local_response",
        "proxy_set_shared_data",
    ]  # fmt: skip


def test_rate_limit_headers_weigh_most() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_response_headers", 0, 0)
    for name, value in ((b"RateLimit-Limit", b"10, 10;w=60"), (b"ratelimit-remaining", b"9"), (b"ratelimit-reset", b"60")):
        w.hostcall("proxy_add_header_map_value", 0, 0, (2,), name, value, b"", fields(value))
    (found,) = decisions(w.take())
    assert (found.kind, found.limit, found.remaining, found.reset) == ("allowed", 10, 9, 60)
    assert found.reason == "f let pass, 9 of 10 left, full again in 60 s"


def test_asking_a_rate_limit_service_is_a_verdict() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    service = b"envoy.service.ratelimit.v3.RateLimitService"
    w.hostcall("proxy_grpc_call", 0, 0, (20, 4), b"cluster", service, b"ShouldRateLimit", b"", b"")
    w.request(1)
    w.callback("proxy_on_request_headers", 0, 1)
    w.hostcall("proxy_grpc_call", 0, 1, (20, 4), b"cluster", service, b"ShouldRateLimit", b"", b"", result=4)
    found = decisions(w.take())
    assert found[0].kind == "allowed" and "RateLimitService" in found[0].reason
    assert found[1].kind == "none"


def test_shared_data_alone_is_no_verdict() -> None:
    """Only a filter that limits somewhere in the replay judges what it lets pass."""
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_set_shared_data", 0, 0, (0,), b"k", b"v")
    assert decisions(w.take())[0].kind == "none"


def test_a_second_answer_without_effect_does_not_count() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    for status, late in ((403, 0), (429, 1)):
        w.event(Event.LOCAL_RESPONSE, 0, (NONE, 0, late), b"", b"", b"\0\0\0\0", result=status, filter=0)
    assert decisions(w.take())[0].kind == "denied"


def test_hostile_details_stay_on_their_line() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.event(Event.LOCAL_RESPONSE, 0, (NONE, 0, 0), b"a\nb\x1b[31m\xe2\x80\xae", b"", b"\0\0\0\0", result=403, filter=0)
    assert decisions(w.take())[0].reason == "403 by f: a\\x0ab\\x1b[31m\\u202e"


def test_all_at_once_is_one_by_one(endings: Trace, replayed: Any) -> None:
    for trace in (endings, replayed.trace):
        each = [one for one in decisions(trace) if one.kind != "none"]
        assert list(all_decisions(trace, gather_facts(trace))) == each
        assert each
        verdicts = [(one, verdict, trace.filters[place]) for one, verdict, place in all_verdicts(trace, gather_facts(trace))]
        assert verdicts == [(one.exchange, one.verdict, one.filter) for one in each]
