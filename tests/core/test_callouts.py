"""HTTP callouts: what a filter may ask, when and how it is answered. Each rule was seen with real Envoy 1.40."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.core.conftest import GET, MS, START_NS, Play, Played, exchanges, request, response
from tests.core.wat import LAST, OUT, TRAP, Nth, Ret, call, pairs
from workbench.capture.packing import unpack_pairs
from workbench.errors import ReplayError
from workbench.services.calls import NEVER, HttpAnswer, HttpRequest, HttpResponse, Reset, Unreachable
from workbench.services.function import FunctionService
from workbench.trace.records import NONE, CalloutEnd, Event, FailureKind

TIMEOUT_MS = 200


def head(path: str = "/c", *more: tuple[str, str]) -> bytes:
    return pairs((":method", "GET"), (":path", path), (":authority", "auth.example"), *more)


def http_call(path: str = "/c", *, cluster: str = "svc", headers: bytes | None = None, body: bytes = b"", trailers: bytes = b"",
              timeout: int = TIMEOUT_MS) -> Any:  # fmt: skip
    return call("http_call", cluster, head(path) if headers is None else headers, body, trailers, timeout, OUT)


def service(function: Callable[[Any], Any]) -> dict[str, FunctionService]:
    return {"svc": FunctionService(function)}


def hello(request: HttpRequest) -> HttpAnswer:
    return HttpResponse(403, [("Server", "me"), ("a", "b"), ("A", "c"), ("Keep-Alive", "1")], "hello", latency_ms=5)


WAITS = [http_call(), Ret(1)]
RESUMES = [call("effective", LAST), call("cont", 0)]


def callouts(played: Played) -> list[tuple[int, str, int, float]]:
    """Token, end, status and latency in milliseconds of each."""
    return [(row.a, CalloutEnd(row.c).name, row.result, row.d / 1000) for row in played.events(Event.CALLOUT)]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (http_call(), 0),
        (http_call(cluster="nope"), 2),
        (http_call(timeout=1 << 31), 2),
        (http_call(timeout=0), 0),
        (http_call(headers=b"bad"), 2),
        (http_call(headers=pairs((":path", "/c"), (":method", "GET"))), 2),
        (http_call(headers=pairs((":path", "/c"), (":authority", "a"))), 2),
        (http_call(headers=pairs((":method", "GET"), (":authority", "a"))), 2),
        (http_call(headers=pairs((":method", "GET"), (":path", "/"), ("host", "a"))), 0),
        (call("http_call", "svc", head(), b"", b"", 1, -8), 6),
        (call("proxy_http_call", 0x7FFFFFFF, 3, 0, 0, 0, 0, 0, 0, 1, OUT), 6),
    ],
)
def test_what_may_be_asked(play: Play, ask: Any, status: int) -> None:
    played = play([{"request_headers": [ask]}], clusters=service(hello))
    assert played.results("proxy_http_call") == [status]
    assert len(callouts(played)) == (status == 0)


def test_tokens_count_by_kind_and_a_refused_call_takes_none(play: Play) -> None:
    played = play([{"request_headers": [http_call(), http_call(cluster="nope"), http_call(), http_call()]}], clusters=service(hello))
    assert [row.a for row in played.events(Event.CALLOUT)] == [4, 8, 12]
    assert [row.b for row in played.of("proxy_http_call")] == [4, 0, 8, 12]


def test_the_answer_as_the_filter_sees_it(play: Play) -> None:
    looks = [
        call("pairs", 6, OUT, OUT),
        call("get", 6, ":STATUS", OUT, OUT),
        call("get", 6, "a", OUT, OUT),
        call("get", 6, "x-envoy-upstream-service-time", OUT, OUT),
        call("get", 6, "keep-alive", OUT, OUT),
        call("get", 7, "a", OUT, OUT),
        call("get", 4, "a", OUT, OUT),
        call("get", 0, ":path", OUT, OUT),
        call("body", 4, 1, 3, OUT, OUT),
        call("body", 5, 0, 3, OUT, OUT),
        call("set_body", 4, 0, 0, "x"),
        call("add", 6, "x", "y"),
        call("remove", 6, "a"),
        call("size", 6, OUT),
        call("status", OUT, OUT, OUT),
    ]
    played = play([{"request_headers": [http_call()], "http_call_response": looks}], clusters=service(hello))
    (answer,) = played.of("proxy_on_http_call_response")
    assert (answer.a, answer.b, answer.c, answer.d) == (4, 5, 5, 0)
    assert played.values("proxy_get_header_map_value") == [b"403", b"b", b"5", None, None, None, None]
    assert played.results("proxy_get_header_map_value") == [0, 0, 0, 1, 2, 2, 2]
    assert [(row.result, row.d) for row in played.of("proxy_get_buffer_bytes")] == [(0, 3), (0, 0)]
    for refused in ("proxy_set_buffer_bytes", "proxy_add_header_map_value", "proxy_remove_header_map_value", "proxy_get_header_map_size"):
        assert played.results(refused) == [2]
    (row,) = played.events(Event.CALLOUT)
    cluster, headers, body, trailers = row.fields
    assert (cluster, body, unpack_pairs(trailers)[0]) == (b"svc", b"hello", ())
    names = [(b":status", b"403"), (b"server", b"me"), (b"a", b"b"), (b"a", b"c"), (b"x-envoy-upstream-service-time", b"5")]
    assert list(unpack_pairs(headers)[0]) == names
    assert played.trace.row(row.parent).fields[0] == b"svc"


def test_the_request_as_the_service_gets_it(play: Play) -> None:
    seen: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpAnswer:
        seen.append(request)
        return HttpResponse(trailers={"T": "v"})

    ask = http_call("/c?q=1", headers=head("/c?q=1", ("X-Up", "1"), ("content-length", "77")), body=b"xyz", trailers=pairs(("T1", "v")))
    played = play([{"request_headers": [ask], "http_call_response": [call("pairs", 7, OUT, OUT)]}], clusters=service(answer))
    (got,) = seen
    assert (got.method, got.path, got.authority, got.body, got.trailers) == (b"GET", b"/c?q=1", b"auth.example", b"xyz", ((b"t1", b"v"),))
    added = ((b"x-envoy-internal", b"true"), (b"x-envoy-expected-rq-timeout-ms", b"200"))
    assert got.headers[3:] == ((b"x-up", b"1"), (b"content-length", b"3"), *added)
    assert (got.cluster, got.filter, got.exchange, got.timeout_ms, got.time_ns) == ("svc", "a", 0, TIMEOUT_MS, START_NS)
    assert [row.d for row in played.of("proxy_on_http_call_response")] == [1]
    assert [row.b for row in played.of("proxy_get_header_map_pairs")] == [1]


def test_the_request_is_a_header_map(play: Play) -> None:
    """Host is the authority, pseudo headers come first, and names that Envoy keeps once are joined."""
    seen: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpAnswer:
        seen.append(request)
        return HttpResponse()

    headers = pairs(("Accept", "a"), ("host", "h"), (":method", "GET"), ("x", "1"), (":path", "/c"), ("accept", "b"), ("X", "2"))
    play([{"request_headers": [http_call(headers=headers, timeout=0)]}], clusters=service(answer))
    assert seen[0].headers == (
        (b":authority", b"h"),
        (b":method", b"GET"),
        (b":path", b"/c"),
        (b"accept", b"a,b"),
        (b"x", b"1"),
        (b"x", b"2"),
        (b"x-envoy-internal", b"true"),
    )
    assert seen[0].timeout_ms is None


@pytest.mark.parametrize(
    ("given", "args", "end"),
    [
        (NEVER, (3, 24, 0), (4, "TIMEOUT", 504, 200)),
        (HttpResponse(latency_ms=201), (3, 24, 0), (4, "TIMEOUT", 504, 200)),
        (HttpResponse(latency_ms=199), (2, 0, 0), (4, "ANSWERED", 200, 199)),
        (Unreachable(7), (3, 98, 0), (4, "FAILED", 503, 7)),
        (Unreachable(7, "connection termination"), (3, 95, 0), (4, "FAILED", 503, 7)),
        (Reset(7), (0, 0, 0), (4, "FAILED", -1, 7)),
    ],
)
def test_failures(play: Play, given: HttpAnswer, args: tuple[int, ...], end: tuple[Any, ...]) -> None:
    looks = [
        call("get", 6, ":status", OUT, OUT),
        call("pairs", 6, OUT, OUT),
        call("body", 4, 0, 99, OUT, OUT),
        call("status", OUT, OUT, OUT),
    ]
    later = {"done": [call("status", OUT, OUT, OUT)]}
    script = {"request_headers": WAITS, "http_call_response": [*looks, *RESUMES], **later}
    played = play([script], clusters=service(lambda _: given))
    (answer,) = played.of("proxy_on_http_call_response")
    assert (answer.b, answer.c, answer.d) == args
    assert callouts(played) == [end]
    broken = isinstance(given, Reset)
    assert played.results("proxy_get_header_map_value") == [2 if broken else 0]
    assert played.results("proxy_get_buffer_bytes") == [1 if broken else 0]
    first, *rest = played.of("proxy_get_status")
    assert (first.a, first.fields[0]) == ((11, b"reset") if broken else (0, b""))
    assert {(row.a, row.fields[0]) for row in rest} == {(11 if broken else 0, b"")}
    assert played.status() == 200


def test_paused_streams_resume_in_the_order_of_virtual_time(play: Play) -> None:
    """Three requests 1 ms apart; the first is answered last."""
    latencies = iter([30, 20, 10])
    # the n-th answer is for the context that asked with that latency: 4, 3, 2
    resumes = [Nth(n, (call("effective", context), call("cont", 0))) for n, context in ((1, 4), (2, 3), (3, 2))]
    traffic = [request(at_ms=i) for i in range(3)]
    played = play(
        [{"request_headers": WAITS, "http_call_response": resumes}, {}],
        traffic,
        clusters=service(lambda _: HttpResponse(latency_ms=next(latencies))),
    )
    resumed = [(row.exchange, (row.time - START_NS) / MS) for row in played.events(Event.RESUME)]
    assert resumed == [(2, 12), (1, 21), (0, 30)]
    assert [row.exchange for row in played.of("proxy_on_request_headers") if row.filter == 1] == [2, 1, 0]
    assert [played.status(index) for index in range(3)] == [200, 200, 200]


def test_two_at_once_and_one_after_another(play: Play) -> None:
    script = {
        "request_headers": [http_call("/slow"), http_call("/quick"), Ret(1)],
        "http_call_response": [Nth(1, (http_call("/next"),)), Nth(3, tuple(RESUMES))],
    }
    wait = {b"/slow": 9.0, b"/quick": 2.0, b"/next": 3.0}
    played = play([script], clusters=service(lambda asked: HttpResponse(latency_ms=wait[asked.path])))
    assert callouts(played) == [(8, "ANSWERED", 200, 2), (12, "ANSWERED", 200, 3), (4, "ANSWERED", 200, 9)]
    assert [(row.time - START_NS) / MS for row in played.of("proxy_on_http_call_response")] == [2, 5, 9]


def test_each_worker_hears_its_own_answers(play: Play) -> None:
    """Three workers, each with a VM of its own: tokens count in each, and every exchange goes on."""
    traffic = [request(at_ms=i * 20) for i in range(12)]
    script = {"request_headers": WAITS, "http_call_response": RESUMES}
    played = play([script], traffic, clusters=service(hello), workers=3)
    assert [played.status(index) for index in range(12)] == [200] * 12
    asked = {row.exchange: (row.vm, row.b) for row in played.of("proxy_http_call")}
    told = {row.exchange: (row.vm, row.a) for row in played.of("proxy_on_http_call_response")}
    assert asked == told and len({vm for vm, _ in told.values()}) == 3
    assert sorted(told.values()) != [(0, 4 * (index + 1)) for index in range(12)]


def test_a_local_response_in_the_answer(play: Play) -> None:
    denies = [call("effective", LAST), call("local", 403, "denied", "no", b"", -1)]
    played = play([{"request_headers": WAITS, "http_call_response": denies}], clusters=service(hello))
    assert played.status() == 403
    assert played.upstream() is None


def test_a_callback_belongs_to_the_exchange_that_asked(play: Play) -> None:
    played = play([{"request_headers": WAITS, "http_call_response": [call("log", 2, "here"), *RESUMES]}], clusters=service(hello))
    assert [row.exchange for row in played.of("proxy_on_http_call_response")] == [0]
    assert [row.exchange for row in played.of("proxy_log")] == [0]


def test_an_answer_outlives_the_stream(play: Play) -> None:
    """As in Envoy: the call is the root context's, and its answer comes after the stream has gone."""
    played = play([{"request_headers": [http_call()]}], clusters=service(lambda _: HttpResponse(latency_ms=100)))
    assert callouts(played) == [(4, "ANSWERED", 200, 100)]
    (answer,) = played.of("proxy_on_http_call_response")
    assert answer.exchange == NONE
    assert answer.time > played.events(Event.END)[0].time


def test_callouts_of_root_contexts(play: Play) -> None:
    script = {"configure": [http_call("/start"), call("tick", 3)], "tick": [http_call("/tick"), call("tick", 0)]}
    paths: list[bytes] = []

    def answer(asked: HttpRequest) -> HttpAnswer:
        paths.append(asked.path)
        assert asked.exchange is None
        return HttpResponse(latency_ms=1)

    played = play([script], [GET, request(at_ms=50)], clusters=service(answer))
    assert paths == [b"/start", b"/tick"]
    assert [(row.time - START_NS) / MS for row in played.of("proxy_on_http_call_response")] == [1, 4]


def test_a_callout_never_answered_is_a_hang(play: Play) -> None:
    script = {"request_headers": [http_call(timeout=0), Ret(1)]}
    played = play([script], [GET, request(at_ms=5)], clusters=service(lambda _: NEVER))
    assert callouts(played) == [(4, "UNANSWERED", -1, 300_000), (8, "UNANSWERED", -1, 300_000)]
    assert [played.end(index) for index in (0, 1)] == [1 | 8] * 2
    failures = played.events(Event.FAILURE)
    assert [(row.exchange, row.filter, row.a, row.fields[1]) for row in failures] == [
        (index, 0, FailureKind.HANG, b"proxy_on_request_headers") for index in (0, 1)
    ]
    assert b"cluster svc (token 4)" in failures[0].fields[0]
    assert played.trace.name(played.trace.row(failures[0].parent)) == "proxy_on_request_headers"


def test_an_unanswered_callout_of_a_stream_that_went_on_is_no_hang(play: Play) -> None:
    played = play([{"request_headers": [http_call(timeout=0)]}], clusters=service(lambda _: NEVER))
    assert callouts(played)[0][1] == "UNANSWERED"
    assert played.notes() == []
    assert played.end() == 0


def test_a_trap_in_the_answer_cancels_the_others(play: Play) -> None:
    script = {"request_headers": [http_call("/a"), http_call("/b")], "http_call_response": [TRAP]}
    played = play([script], [GET, request(at_ms=50)], clusters=service(lambda asked: HttpResponse(latency_ms=1 + (asked.path == b"/b"))))
    assert callouts(played) == [(4, "ANSWERED", 200, 1), (8, "CANCELLED", -1, 1)]
    assert len(played.of("proxy_on_http_call_response")) == 1
    assert len(played.events(Event.FAILURE)) >= 1


def test_a_restarted_filter_calls_anew(play: Play) -> None:
    script = {"request_headers": [http_call()], "http_call_response": [TRAP]}
    played = play([(script, {"failure_policy": "restart"})], [GET, request(at_ms=50)], clusters=service(hello))
    assert [row.b for row in played.of("proxy_http_call")] == [4, 4]
    assert [row.vm for row in played.of("proxy_on_http_call_response")] == [0, 1]


def test_an_endless_chain_of_callouts_ends(play: Play) -> None:
    """Each answer asks for the next, in no time at all."""
    played = play(
        [{"request_headers": [http_call()], "http_call_response": [http_call()]}], clusters=service(lambda _: HttpResponse(latency_ms=0))
    )
    assert played.results("proxy_http_call")[-1] == 10
    assert any("callouts" in note for note in played.notes())


def test_answers_that_come_too_late_take_no_room(play: Play) -> None:
    """They wait for their time all the same: 20 of 16 MiB are more than may wait at once."""
    large = HttpResponse(body=bytes(16 << 20), latency_ms=50)
    script = {"request_headers": [http_call(timeout=1)]}
    played = play([script], [request(at_ms=100 * i) for i in range(20)], clusters=service(lambda _: large))
    assert {end for _, end, _, _ in callouts(played)} == {"TIMEOUT"}
    assert played.notes() == []


def test_many_large_questions_at_once(play: Play) -> None:
    sizes: list[int] = []

    def count(asked: HttpRequest) -> HttpAnswer:
        sizes.append(len(asked.body))
        return HttpResponse()

    body = bytes(700_000)
    played = play([{"request_headers": [http_call(body=body)] * 3, "memory": "64"}], clusters=service(count))
    assert sizes == [700_000] * 3
    assert len(callouts(played)) == 3


def test_a_function_that_raises_is_one_clear_error(play: Play) -> None:
    def broken(asked: HttpRequest) -> HttpAnswer:
        raise ValueError("no such user")

    with pytest.raises(ReplayError, match=r"cluster svc: broken raised ValueError: no such user"):
        play([{"request_headers": [http_call()]}], clusters=service(broken))
    with pytest.raises(ReplayError, match=r"cluster svc: .*gave str"):
        play([{"request_headers": [http_call()]}], clusters=service(lambda _: "text"))
    with pytest.raises(ReplayError, match=r"cluster svc: .*status"):
        play([{"request_headers": [http_call()]}], clusters=service(lambda _: HttpResponse(42)))


def test_two_runs_are_the_same(play: Play) -> None:
    script = {"request_headers": WAITS, "http_call_response": RESUMES}
    runs = [play([script], [request(at_ms=i) for i in range(20)], clusters=service(hello)) for _ in range(2)]
    assert runs[0].trace.digest() == runs[1].trace.digest()


def test_what_was_captured_stays_as_it_is(play: Play) -> None:
    played = play(
        [{"request_headers": WAITS, "http_call_response": RESUMES}], exchanges((GET, response(201, body=b"abc"))), clusters=service(hello)
    )
    message = played.client()
    assert message is not None and (message.status, message.body) == (201, None)
