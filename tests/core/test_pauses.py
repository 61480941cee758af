"""Pausing and going on, in chains. Source: Envoy 1.40's filter manager as it behaves, unless a test says otherwise."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, MS, POST, START_NS, Play, request, response
from tests.core.wat import OUT, Nth, Ret, call
from workbench.capture.exchange import Request, Response
from workbench.trace.records import Event

CHUNKED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef")
TRAILED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",))
BOTH = (TRAILED, response(200, "transfer-encoding: chunked", body=b"ghijkl", trailers=("R: 2",)))
REQUEST, RESPONSE = 0, 1


def later(direction: int, *steps: object, tick_ms: int = 50) -> dict[str, list[object]]:
    """A filter whose first tick makes `steps` on stream 2 and lets a direction go on."""
    return {"configure": [call("tick", tick_ms)], "tick": [Nth(1, (call("effective", 2), *steps, call("cont", direction)))]}


def of(calls: list[str], filter_: str, direction: str) -> list[str]:
    return [each.split("_", 1)[1] for each in calls if each.startswith(f"{filter_}.{direction}_")]


@pytest.mark.parametrize(
    ("value", "traffic", "own", "next_"),
    [
        (1, GET, ["headers(5, 1)"], ["headers(5, 1)"]),
        (1, POST, ["headers(6, 0)", "body(6, 1)"], ["headers(6, 0)", "body(6, 1)"]),
        (3, POST, ["headers(6, 0)", "body(6, 1)"], ["headers(6, 0)", "body(6, 1)"]),
        (4, TRAILED, ["headers(5, 0)", "body(6, 0)", "trailers(1)"], ["headers(5, 0)", "body(6, 0)", "trailers(1)"]),
        (99, request("POST", "/p", "transfer-encoding: chunked"), ["headers(5, 0)", "body(0, 1)"], ["headers(5, 0)", "body(0, 1)"]),
    ],
)
def test_resumed_in_request_headers(play: Play, value: int, traffic: object, own: list[str], next_: list[str]) -> None:
    """No callback repeats; what was held comes in one piece, to this filter too."""
    played = play([later(REQUEST) | {"request_headers": [Ret(value)]}, {}], [traffic], chunk_size=3)
    assert of(played.calls(), "a", "request") == own
    assert of(played.calls(), "b", "request") == next_
    assert played.status() == 200


def test_two_is_no_pause_in_headers(play: Play) -> None:
    played = play([{"request_headers": [Ret(2)], "response_headers": [Ret(2)]}])
    assert played.status() == 200 and not played.events(Event.PAUSE)


@pytest.mark.parametrize("direction", [REQUEST, RESPONSE])
def test_resumed_in_body(play: Play, direction: int) -> None:
    """The held body goes to the next filter at once, this one gets no further callback."""
    name = ("request", "response")[direction]
    script = later(direction, call("set_body", direction, 0, 0, "<")) | {f"{name}_body": [Ret(1)]}
    played = play([script, {}] if direction == REQUEST else [{}, script], [(CHUNKED, response(body=b"ghijkl"))], chunk_size=3)
    first, then = ("a", "b") if direction == REQUEST else ("b", "a")
    assert of(played.calls(), first, name)[1:] == ["body(3, 0)", "body(6, 0)", "body(6, 1)"]
    assert of(played.calls(), then, name)[1:] == ["body(7, 1)"]


@pytest.mark.parametrize("direction", [REQUEST, RESPONSE])
def test_resumed_in_trailers(play: Play, direction: int) -> None:
    name = ("request", "response")[direction]
    script = later(direction) | {f"{name}_trailers": [Ret(1)]}
    played = play([script, {}] if direction == REQUEST else [{}, script], [BOTH])
    first, then = ("a", "b") if direction == REQUEST else ("b", "a")
    assert of(played.calls(), first, name)[1:] == of(played.calls(), then, name)[1:] == ["body(6, 0)", "trailers(1)"]
    assert played.status() == 200


def test_a_buffered_body_waits_with_its_trailers(play: Play) -> None:
    script = later(REQUEST) | {"request_body": [Ret(1)], "request_trailers": [Ret(1)]}
    played = play([script, {}], [TRAILED], chunk_size=3)
    assert of(played.calls(), "b", "request") == ["headers(5, 0)", "body(6, 0)", "trailers(1)"]


def test_response_resumed_with_a_change(play: Play) -> None:
    """From a tick: the map is there until it goes on."""
    script = later(RESPONSE, call("add", 2, "x", "1"), call("add", 0, "y", "1")) | {"response_headers": [Ret(1)]}
    played = play([{}, script])
    assert played.results("proxy_add_header_map_value") == [0, 2]
    assert of(played.calls(), "a", "response")[0] == "headers(3, 0)"


def test_the_request_map_is_gone_with_the_continue(play: Play) -> None:
    """At once, for a continue of either direction."""
    steps = (call("add", 0, "x", "1"), call("cont", 0), call("add", 0, "y", "1"))
    script = {"configure": [call("tick", 50)], "tick": [Nth(1, (call("effective", 2), *steps))], "request_headers": [Ret(1)]}
    played = play([script])
    assert played.results("proxy_add_header_map_value") == [0, 2]
    assert (b"x", b"1") in played.upstream().headers  # type: ignore[union-attr]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_two_filters_resumed_in_one_call(play: Play, order: str) -> None:
    """Two filters of one VM hold different parts of a body: there is one buffer, and it goes whole with whichever goes on first."""
    # roots 1 and 2, then streams 3 (a) and 4 (b); the module's first body callback is a's and passes, the others hold
    ids = {"a": 3, "b": 4}
    tick = [Nth(1, tuple(step for each in order for step in (call("effective", ids[each]), call("cont", 0))))]
    one = {"configure": [call("tick", 50)], "tick": tick, "request_body": [Nth(n, (Ret(1),)) for n in (2, 3, 4)]}
    played = play([(one, {"vm_id": "v"}), (one, {"vm_id": "v"}), {}], [CHUNKED], chunk_size=3)
    assert of(played.calls(), "a", "request")[1:] == ["body(3, 0)", "body(3, 0)", "body(3, 1)"]
    assert [each for each in of(played.calls(), "c", "request")][:2] == ["headers(5, 0)", "body(6, 1)"]
    assert played.upstream() is not None and played.upstream().body is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("steps", "seen_by_b"),
    [
        # continue in the callback that has the whole: harmless, whatever is returned then
        ([Nth(1, (Ret(1),)), Nth(2, (Ret(1),)), Nth(3, (call("cont", 0), Ret(0)))], ["body(6, 1)"]),
        ([Nth(1, (Ret(1),)), Nth(2, (Ret(1),)), Nth(3, (call("cont", 0), Ret(1)))], ["body(6, 1)"]),
        ([Nth(1, (Ret(1),)), Nth(2, (call("cont", 0), Ret(0)))], ["body(6, 0)", "body(0, 0)", "body(0, 1)"]),
        ([Nth(1, (Ret(1),)), Nth(2, (call("cont", 0), Ret(1)))], ["body(6, 0)", "body(0, 1)"]),
        ([Nth(1, (Ret(2),)), Nth(2, (call("cont", 0), Ret(0)))], ["body(3, 0)", "body(3, 0)", "body(0, 1)"]),
        ([Nth(1, (Ret(2),)), Nth(2, (call("cont", 0), Ret(1)))], ["body(3, 0)", "body(3, 1)"]),
    ],
)
def test_continue_within_a_body_callback(play: Play, steps: list[object], seen_by_b: list[str]) -> None:
    """Nothing is lost and nothing is turned round."""
    played = play([{"request_body": steps}, {}], [CHUNKED], chunk_size=3)
    assert of(played.calls(), "b", "request")[1:] == seen_by_b
    assert played.upstream() is not None and played.upstream().body is None and played.status() == 200  # type: ignore[union-attr]


@pytest.mark.parametrize("callback", ["request_headers", "response_headers"])
def test_continue_where_nothing_is_paused(play: Play, callback: str) -> None:
    """Twice through the filters behind, and out twice: an upstream does not mind, a client cannot read it."""
    direction = 0 if callback == "request_headers" else 1
    script = {callback: [call("cont", direction)]}
    played = play([script, {}] if direction == REQUEST else [{}, script])
    seen = of(played.calls(), "b" if direction == REQUEST else "a", callback.partition("_")[0])
    assert [each[:7] for each in seen[:2]] == ["headers", "headers"]
    assert played.status() == (200, -200)[direction]
    assert "did not hold back" in played.notes()[0] and "a second time" in played.notes()[1]
    assert played.results("proxy_continue_stream") == [0]


@pytest.mark.parametrize("callback", ["request_headers", "request_body", "request_trailers"])
def test_continue_a_response_that_is_not_there(play: Play, callback: str) -> None:
    """Envoy crashes."""
    played = play([{callback: [call("cont", 1), call("local", 403, "", "", "", -1), call("cont", 1)]}], [TRAILED])
    assert played.status() == 403 and [note.endswith("Envoy crashes") for note in played.notes()] == [True, True]


@pytest.mark.parametrize("answer", [BOTH, (GET, response(204))])
def test_continue_at_the_end_of_a_response(play: Play, answer: tuple[Request, Response]) -> None:
    """Envoy crashes where the filter then passes on what has gone."""
    callback = "response_headers" if answer[0] is GET else "response_trailers"
    played = play([{}, {callback: [call("cont", 1)]}], [answer])
    assert abs(played.status() or 0) in (200, 204) and any(note.endswith("Envoy crashes") for note in played.notes())
    assert len(of(played.calls(), "a", callback.removeprefix("response_"))) <= 1


def test_continue_behind_an_answer(play: Play) -> None:
    """It waits for the VM's next callback, the answer's headers: the filters behind see the request, the upstream does not."""
    script = {
        "configure": [call("tick", 50)],
        "request_headers": [Ret(1)],
        "tick": [Nth(1, (call("effective", 2), call("local", 418, "d", "tea", "", -1), call("cont", 0)))],
    }
    played = play([script, {}])
    assert played.status() == 418 and played.upstream() is None
    assert of(played.calls(), "b", "request") == ["headers(5, 1)"] and len(played.notes()) == 0


@pytest.mark.parametrize(("stream_type", "status"), [(0, 0), (1, 0), (2, 0), (3, 12), (4, 2)])
def test_continue_stream_types(play: Play, stream_type: int, status: int) -> None:
    assert play([{"log": [call("cont", stream_type)]}]).results("proxy_continue_stream") == [status]


STOP = {"allow_on_headers_stop_iteration": True}


def test_stop_iteration_lets_body_callbacks_come(play: Play) -> None:
    """With the option: the headers leave with the first body that does."""
    script = {"request_headers": [Ret(1)], "request_body": [Nth(1, (Ret(1),)), call("add", 0, "x", "1")]}
    played = play([(script, STOP), {}], [CHUNKED], chunk_size=3)
    assert of(played.calls(), "a", "request") == ["headers(5, 0)", "body(3, 0)", "body(6, 0)", "body(0, 1)"]
    assert of(played.calls(), "b", "request") == ["headers(7, 0)", "body(6, 0)", "body(0, 1)"]


def test_stop_iteration_without_a_body_waits(play: Play) -> None:
    played = play([({"request_headers": [Ret(1)]}, STOP)])
    assert played.status() == 504 and played.end() == 1


def test_stop_iteration_resumed(play: Play) -> None:
    """The headers keep their end of stream."""
    played = play([(later(REQUEST) | {"request_headers": [Ret(1)]}, STOP), {}])
    assert of(played.calls(), "b", "request") == ["headers(5, 1)"] and played.status() == 200


@pytest.mark.parametrize(
    ("callback", "traffic", "bits"),
    [
        ("request_headers", BOTH, 1),
        ("request_body", CHUNKED, 1),
        ("response_headers", BOTH, 2),
        ("response_body", CHUNKED, 2),
        ("request_trailers", BOTH, 1),
        ("response_trailers", BOTH, 2),
    ],
)
def test_left_paused(play: Play, callback: str, traffic: object, bits: int) -> None:
    """Ended after Envoy's stream idle timeout: answered where the client has no headers yet, else cut; with log, done and delete."""
    played = play([{callback: [Ret(1)]}], [traffic])
    late = callback in ("response_body", "response_trailers")
    assert played.end() == bits | (4 if late else 0) and played.status() == (-200 if late else 504)
    assert played.calls()[-3:] == ["a.log", "a.done", "a.delete"]
    assert (played.events(Event.END)[0].time - played.events(Event.PAUSE)[-1].time) == 300_000 * MS


def test_left_paused_does_not_wait_for_the_end_of_the_capture(play: Play) -> None:
    """The idle timeout runs in virtual time while other exchanges pass."""
    script = {"request_headers": [Nth(1, (Ret(1),))]}
    played = play([script], [GET, request(at_ms=200_000), request(at_ms=400_000)])
    ends = [(row.exchange, (row.time - START_NS) // MS) for row in played.events(Event.END)]
    assert [exchange for exchange, _ in ends] == [1, 0, 2] and ends[1][1] == 300_000


def test_a_late_exchange_still_meets_its_tick(play: Play) -> None:
    """However long after the one before it comes."""
    script = {
        "configure": [call("tick", 1000)],
        "request_headers": [Ret(1)],
        "tick": [call("effective", 2), call("cont", 0), call("effective", 3), call("cont", 0)],
    }
    assert [play([script], [GET, request(at_ms=3_600_000)]).status(index) for index in (0, 1)] == [200, 200]


def test_a_reused_slot_meets_no_stale_event(play: Play) -> None:
    """The first exchange is answered here, so its captured answer and body never come; the second takes its place in the host."""
    script = {"request_headers": [Nth(1, (call("local", 403, "", "", "", -1),))]}
    slow = (request("POST", "/p", "content-length: 6", body=b"abcdef", took_ms=50), response(after_ms=60))
    played = play([script], [slow, (request(at_ms=10), response(201, body=b"x", after_ms=100))], chunk_size=2)
    assert (played.status(0), played.status(1)) == (403, 201)
    assert [each for each in played.calls(1) if "body" in each] == ["a.response_body(1, 0)", "a.response_body(0, 1)"]


def test_overlapping_exchanges_keep_their_contexts(play: Play) -> None:
    """Ids count up and are not taken again."""
    played = play([{"log": [call("log", 2, "x"), call("get", 0, ":path", OUT, OUT)]}], [request(path=f"/{i}", at_ms=i) for i in range(4)])
    assert [(row.context, row.fields[1]) for row in played.of("proxy_get_header_map_value")] == [(2 + i, b"/%d" % i) for i in range(4)]
