from __future__ import annotations

import hashlib
from typing import Any

from workbench.analysis.outcome import Result, outcomes
from workbench.capture.exchange import Exchange
from workbench.capture.packing import pack_pairs
from workbench.trace.records import Event
from workbench.trace.trace import Trace

from .tracewriter import START, TraceWriter, exchange

FIELDS = {
    "exchange", "method", "url", "time", "upstream_request", "downstream_response", "local_response", "decision", "mutations", "logs",
    "callouts", "error", "timing_ns",
}  # fmt: skip
MESSAGE = {"headers", "body_size", "body_sha256", "trailers"}
INSIDE = {
    "upstream_request": MESSAGE,
    "downstream_response": MESSAGE | {"status"},
    "local_response": {"status", "filter", "callback", "grpc_status", "details"},
    "decision": {"kind", "filter", "reason"},
    "error": {"filter", "callback", "kind", "message", "policy"},
    "timing_ns": {"filter", "host", "callbacks"},
}
LISTS = {
    "mutations": {"filter", "callback", "part", "op", "name", "before", "after"},
    "logs": {"filter", "callback", "level", "message"},
    "callouts": {"filter", "kind", "target", "status", "latency_ms"},
}


def results(trace: Trace, capture: list[Exchange]) -> list[Result]:
    return list(outcomes(trace, capture))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_fields_are_the_agreed_ones(endings: Trace, captured: list[Exchange], replayed: Any) -> None:
    for result in [*results(endings, captured), *replayed.outcomes()]:
        whole: dict[str, Any] = dict(result)
        assert set(whole) == FIELDS
        for name, fields in INSIDE.items():
            assert whole[name] is None or set(whole[name]) == fields
        for name, fields in LISTS.items():
            assert all(set(each) == fields for each in whole[name])
        for each in whole["timing_ns"]["callbacks"]:
            assert set(each) == {"filter", "callback", "filter_ns", "host_ns", "hostcalls"}


def test_each_ending(endings: Trace, captured: list[Exchange]) -> None:
    found = results(endings, captured)
    assert [one["upstream_request"] is not None for one in found] == [True, False, False, False, False, True, True]
    assert [one["downstream_response"] and one["downstream_response"]["status"] for one in found] == [200, 429, 401, 503, 204, 503, 200]
    assert [one["error"] is not None for one in found] == [False, False, False, True, False, False, False]
    assert found[1]["local_response"] == {
        "status": 429, "filter": "limit", "callback": "on_request_headers", "grpc_status": None, "details": "Too_many_requests",
    }  # fmt: skip
    assert found[1]["logs"] == [{"filter": "limit", "callback": "on_request_headers", "level": "info", "message": "limited"}]
    assert found[3]["error"] == {
        "filter": "auth", "callback": "on_request_headers", "kind": "trap", "message": "unreachable", "policy": "fail_closed",
    }  # fmt: skip
    assert found[3]["local_response"] is not None and found[3]["local_response"]["grpc_status"] is None
    assert found[5]["local_response"] is not None and found[5]["local_response"]["filter"] is None


def test_head_and_timing(endings: Trace, captured: list[Exchange]) -> None:
    one = results(endings, captured)[0]
    assert (one["method"], one["url"], one["time"]) == ("GET", "https://api.toystore.com/toys", START / 10**9)
    timing = one["timing_ns"]
    assert (timing["filter"], timing["host"]) == (1200, 800)
    assert timing["callbacks"][0] == {"filter": "auth", "callback": "on_request_headers", "filter_ns": 600, "host_ns": 400, "hostcalls": 1}


def test_bodies_as_captured_and_changed(captured: list[Exchange], endings: Trace) -> None:
    found = results(endings, captured)
    response = found[0]["downstream_response"]
    assert response is not None and (response["body_size"], response["body_sha256"]) == (2, sha(b"ok"))
    limited = found[1]["downstream_response"]
    assert limited is not None and limited["body_sha256"] == sha(b"slow down")
    request = found[0]["upstream_request"]
    assert request is not None and request["body_sha256"] == sha(b"")


def test_bodies_of_a_real_replay(replayed: Any) -> None:
    """The tour's filters change no body: what the upstream gets is what was captured."""
    checked = 0
    for result in replayed.outcomes():
        captured, sent = replayed.capture[result["exchange"]], result["upstream_request"]
        assert result["url"] == captured.url
        if sent is not None:
            assert (sent["body_size"], sent["body_sha256"]) == (len(captured.request.body), sha(captured.request.body))
            checked += sent["body_size"] > 0
    assert checked > 10


def test_order_repeats_and_latin1_are_kept() -> None:
    pairs = ((b":status", b"200"), (b"b", b"1"), (b"a", b"\xe9"), (b"b", b"\xc3\xa9"))
    w = TraceWriter()
    w.request(0)
    w.upstream(0)
    w.downstream(0, 200, 0, *pairs[1:])
    response = results(w.take(), [exchange(0)])[0]["downstream_response"]
    assert response is not None
    assert response["headers"] == [[":status", "200"], ["b", "1"], ["a", "é"], ["b", "é"]]


def test_trailers() -> None:
    w = TraceWriter()
    w.request(0)
    w.event(Event.UPSTREAM_REQUEST, 0, (0, 0, 1), pack_pairs(w.pairs), pack_pairs(((b"t", b"1"),)), b"")
    request = results(w.take(), [exchange(0)])[0]["upstream_request"]
    assert request is not None and request["trailers"] == [["t", "1"]]


def test_an_exchange_that_never_began_is_told_from_the_capture() -> None:
    w = TraceWriter("f")
    w.callback("proxy_on_request_headers", 0, 0)
    (one,) = results(w.take(), [exchange(0)])
    assert (one["method"], one["url"], one["time"]) == ("GET", "https://api.toystore.com/toys", START / 10**9)
    assert one["upstream_request"] is None and one["downstream_response"] is None


def test_callouts() -> None:
    w = TraceWriter("f")
    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_grpc_call", 0, 0, (20, 4), b"limits", b"RateLimitService", b"ShouldRateLimit", b"", b"", result=4)
    (one,) = results(w.take(), [exchange(0)])
    assert one["callouts"] == [
        {
            "filter": "f",
            "kind": "grpc",
            "target": "limits/RateLimitService/ShouldRateLimit",
            "status": None,
            "latency_ms": None,
            "ended": "refused",
        }
    ]
