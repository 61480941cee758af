"""Bodies in callbacks, and edits. Source: Envoy 1.40 as it behaves."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, POST, Play, request, response
from tests.core.wat import OUT, Nth, Ret, call
from workbench.trace.records import LAST, Event

CHUNKED = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef")
ALL = 0xFFFFFFFF


def bodies(calls: list[str], filter_: str, direction: str = "request") -> list[str]:
    return [each.split("_", 1)[1] for each in calls if each.startswith(f"{filter_}.{direction}_")]


@pytest.mark.parametrize(
    ("values", "seen", "sent"),
    [
        ((0, 0, 0), ["body(3, 0)", "body(3, 0)", "body(0, 1)"], b"abcdef"),
        ((1, 1, 0), ["body(3, 0)", "body(6, 0)", "body(6, 1)"], b"abcdef"),
        ((1, 0, 0), ["body(3, 0)", "body(6, 0)", "body(0, 1)"], b"abcdef"),
        ((0, 1, 0), ["body(3, 0)", "body(3, 0)", "body(3, 1)"], b"abcdef"),
        ((2, 2, 0), ["body(3, 0)", "body(3, 0)", "body(0, 1)"], b"abcdef"),
        ((2, 1, 0), ["body(3, 0)", "body(3, 0)", "body(6, 1)"], b"abcdef"),
        ((3, 0, 0), ["body(3, 0)", "body(3, 0)", "body(0, 1)"], b"def"),
        ((0, 3, 0), ["body(3, 0)", "body(3, 0)", "body(0, 1)"], b"abc"),
        ((7, 99, 0), ["body(3, 0)", "body(3, 0)", "body(0, 1)"], b""),
    ],
)
def test_results_of_a_body_callback(play: Play, values: tuple[int, ...], seen: list[str], sent: bytes) -> None:
    """1 buffers and shows the sum, 2 keeps and shows the new, 3 and more let the chunk go."""
    steps = [Nth(i + 1, (Ret(value),)) for i, value in enumerate(values)]
    played = play([{"request_body": steps}], [CHUNKED], chunk_size=3)
    assert bodies(played.calls(), "a")[1:] == seen
    message = played.upstream()
    assert message is not None and (b"abcdef" if message.body is None else message.body) == sent


@pytest.mark.parametrize(
    ("start", "size", "expected", "status"),
    [
        (0, 0, b"XYabcdef", 0),
        (0, 2, b"XYcdef", 0),
        (0, 6, b"XY", 0),
        (0, ALL, b"XY", 0),
        (6, 0, b"abcdefXY", 0),
        (ALL, 5, b"abcdefXY", 0),
        (1, 0, b"abcdef", 2),
        (5, ALL, b"abcdef", 2),
    ],
)
def test_edits(play: Play, start: int, size: int, expected: bytes, status: int) -> None:
    """At the ends only."""
    played = play([{"request_body": [Nth(1, (call("set_body", 0, start, size, "XY"),))]}], [POST])
    assert played.results("proxy_set_buffer_bytes") == [status]
    message = played.upstream()
    assert message is not None and (b"abcdef" if message.body is None else message.body) == expected


def test_an_edit_before_a_pause_is_kept(play: Play) -> None:
    script = {"request_body": [Nth(1, (call("set_body", 0, 0, 0, "P-"), Ret(1)))]}
    played = play([script], [CHUNKED], chunk_size=3)
    assert bodies(played.calls(), "a")[1:] == ["body(3, 0)", "body(8, 0)", "body(0, 1)"]
    assert played.upstream() is not None and played.upstream().body == b"P-abcdef"  # type: ignore[union-attr]


def test_an_emptied_chunk_still_goes_on(play: Play) -> None:
    """The next filter is shown its nothing, then the end."""
    played = play([{"request_body": [Nth(1, (call("set_body", 0, 0, ALL, ""),))]}, {}], [POST])
    assert bodies(played.calls(), "b")[1:] == ["body(0, 0)", "body(0, 1)"]


def test_data_added_at_the_end(play: Play) -> None:
    played = play([{"request_body": [Nth(2, (call("set_body", 0, 0, 0, "tail"),))]}, {}], [POST])
    assert bodies(played.calls(), "b")[1:] == ["body(6, 0)", "body(4, 1)"]
    assert played.upstream() is not None and played.upstream().body == b"abcdeftail"  # type: ignore[union-attr]


def test_a_buffered_body_reaches_the_next_filter_once(play: Play) -> None:
    script = {"request_body": [Nth(1, (Ret(1),)), Nth(2, (Ret(1),))]}
    played = play([script, {}], [CHUNKED], chunk_size=3)
    assert bodies(played.calls(), "b")[1:] == ["body(6, 1)"]


def test_a_buffered_body_with_trailers(play: Play) -> None:
    """The body goes on without the end, then the trailers."""
    asked = request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef", trailers=("T: 1",))
    played = play([{"request_body": [Ret(1)]}, {}], [asked], chunk_size=3)
    assert bodies(played.calls(), "b")[1:] == ["body(6, 0)", "trailers(1)"]


@pytest.mark.parametrize(
    ("buffer", "read", "write"),
    [(0, 0, 2), (1, 0, 2), (2, 0, 2), (3, 0, 2), (4, 1, 1), (5, 0, 2), (6, 0, 2), (7, 1, 1), (8, 0, 2), (9, 2, 2)],
)
def test_buffers_in_a_headers_callback(play: Play, buffer: int, read: int, write: int) -> None:
    """NotFound only for the callout body and the plugin configuration; a body out of reach is empty."""
    steps = [call("body", buffer, 0, ALL, OUT, OUT), call("body_status", buffer, OUT, OUT), call("set_body", buffer, 0, 0, "x")]
    played = play([{"request_headers": steps}])
    assert [row.result for row in played.hostcalls()] == [read, read, write]


def test_configurations(play: Play) -> None:
    """The plugin's in its root's context_create and in configure, not in vm_start; the VM's at any time."""
    reads = [call("body", 7, 0, ALL, OUT, OUT), call("body", 6, 1, 3, OUT, OUT)]
    script = {"context_create": reads, "vm_start": reads, "configure": reads, "request_headers": reads}
    played = play([(script, {"config": b"plugin", "vm_config": b"machine"})])
    results = [(row.result, row.d) for row in played.of("proxy_get_buffer_bytes")]
    assert results == [(0, 6), (0, 3), (1, 0), (0, 3), (0, 6), (0, 3), (1, 0), (0, 3), (1, 0), (0, 3)]


def test_reading_is_clamped(play: Play) -> None:
    steps = [
        Nth(
            1,
            (
                call("body", 0, 4, ALL, OUT, OUT),
                call("body", 0, 6, 1, OUT, OUT),
                call("body", 0, ALL, ALL, OUT, OUT),
                call("body", 0, 0, 2, OUT, OUT),
            ),
        )
    ]
    played = play([{"request_body": steps}], [POST])
    assert [(row.result, row.d) for row in played.of("proxy_get_buffer_bytes")] == [(0, 2), (0, 0), (0, 0), (0, 2)]


@pytest.mark.parametrize(
    ("script", "asked", "answer", "status"),
    [
        ({"request_body": [Ret(1)]}, request("POST", "/p", body=bytes(21)), response(), 413),
        ({"request_body": [Ret(1)]}, request("POST", "/p", body=bytes(20)), response(), 504),
        ({"request_headers": [Ret(3)]}, request("POST", "/p", body=bytes(21)), response(), 413),
        ({"request_headers": [Ret(1)]}, request("POST", "/p", body=bytes(21)), response(), 504),
        ({"request_body": [Ret(2)]}, request("POST", "/p", body=bytes(21)), response(), 504),
        ({"response_body": [Ret(1)]}, GET, response(body=bytes(21)), -200),
        ({"response_headers": [Ret(3)]}, GET, response(body=bytes(21)), 500),
        ({"response_headers": [Ret(1)]}, GET, response(body=bytes(21)), 504),
    ],
)
def test_buffer_limit(play: Play, script: dict[str, object], asked: object, answer: object, status: int | None) -> None:
    """413 through the response filters; a response whose head is out is cut; watermarks only slow down."""
    played = play([script], [(asked, answer)], buffer_limit=20)
    assert played.status() == status
    if status == 413:
        assert bodies(played.calls(), "a", "response") == ["headers(3, 0)", "body(17, 1)"]
    if status == 500:
        assert bodies(played.calls(), "a", "response") == ["headers(2, 0)"]
        assert played.events(Event.LOCAL_RESPONSE)[0].fields[0] == b"response_payload_too_large"


def test_http2_has_the_end_on_its_last_data(play: Play) -> None:
    asked = request("POST", "/p", body=b"abcdef", version=b"HTTP/2")
    assert bodies(play([{}], [asked], chunk_size=3).calls(), "a")[1:] == ["body(3, 0)", "body(3, 1)"]


def test_an_early_response_ends_the_exchange(play: Play) -> None:
    """It comes while the request is still under way, at its distance from the request's start."""
    asked = request("POST", "/p", "content-length: 6", body=b"abcdef", took_ms=60)
    played = play([{}], [(asked, response(413, after_ms=30))], chunk_size=2)
    assert bodies(played.calls(), "a") == ["headers(6, 0)", "body(2, 0)"]
    assert played.status() == 413 and played.upstream() is None


def test_own_bodies_may_shrink_to_nothing(play: Play) -> None:
    script = {"response_body": [call("set_body", 1, 0, ALL, "")], "response_headers": [call("remove", 2, "content-length")]}
    message = play([script]).client()
    assert message is not None and message.body == b""


def test_the_trace_has_the_body_after_an_edit(play: Play) -> None:
    played = play([{"request_body": [Nth(1, (call("set_body", 0, 0, 0, "<"), call("set_body", 0, ALL, 0, ">")))]}], [POST])
    (row,) = played.events(Event.BODY)
    assert (row.a, row.b, row.fields) == (0, 6, (b"<abcdef>",))


def test_call_data_that_is_over(play: Play) -> None:
    """Envoy reads through a pointer to what is gone, which may show anything; here it is empty."""
    script = {"request_body": [Nth(1, (call("body", 8, 0, ALL, OUT, OUT),))], "log": [call("body", 8, 0, ALL, OUT, OUT)]}
    played = play([script], [POST])
    assert played.results("proxy_get_buffer_bytes") == [0, 0]
    assert [row.d for row in played.of("proxy_get_buffer_bytes")] == [6, 0]


def test_the_trace_says_which_body_was_meant_by_what_was_looked_at_last(play: Play) -> None:
    """So that a write through CallData counts as a change of that body wherever the trace is read."""
    played = play([{f"{way}_body": [call("set_body", 8, 0, 99, way)] for way in ("request", "response")}], [POST])
    told = [(row.a, row.flags & LAST, row.result, row.fields[0]) for row in played.of("proxy_set_buffer_bytes")]
    assert set(told) == {(0, LAST, 0, b"request"), (1, LAST, 0, b"response")}
    assert {row.a for row in played.events(Event.BODY)} == {0, 1}
