"""Header map calls: what they do and when a map can be reached. Source: Envoy 1.40 as it behaves."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, POST, Play, request, response
from tests.core.wat import OUT, Nth, Ret, call, pairs
from workbench.capture.packing import unpack_pairs
from workbench.host.abi import Abi
from workbench.trace.records import Event

OK, NOT_FOUND, BAD_ARGUMENT, INVALID_MEMORY = 0, 1, 2, 6


def after(play: Play, *steps: object, asked: object = GET) -> tuple[tuple[bytes, bytes], ...]:
    """What the upstream gets of a request whose headers the steps changed."""
    message = play([{"request_headers": steps}], [asked]).upstream()
    assert message is not None
    return message.headers


BASE = ((b":authority", b"h"), (b":path", b"/p"), (b":method", b"GET"), (b":scheme", b"http"))
XFP = ((b"x-forwarded-proto", b"http"),)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([call("add", 0, "X-New", "1")], (*BASE, *XFP, (b"x-new", b"1"))),
        ([call("add", 0, "accept", "1"), call("add", 0, "accept", "2")], (*BASE, *XFP, (b"accept", b"1,2"))),
        ([call("add", 0, "accept", "1"), call("add", 0, "accept", "")], (*BASE, *XFP, (b"accept", b"1"))),
        ([call("add", 0, "accept", ""), call("add", 0, "accept", "2")], (*BASE, *XFP, (b"accept", b"2"))),
        ([call("add", 0, "cookie", "1"), call("add", 0, "cookie", "2")], (*BASE, *XFP, (b"cookie", b"1"), (b"cookie", b"2"))),
        ([call("add", 0, ":new", "1")], (*BASE, (b":new", b"1"), *XFP)),
        (
            [call("replace", 0, ":path", "/n"), call("replace", 0, "host", "i")],
            (BASE[2], BASE[3], (b":path", b"/n"), (b":authority", b"i"), *XFP),
        ),
        (
            [call("add", 0, "x", "1"), call("replace", 0, "x-forwarded-proto", "https")],
            (*BASE, (b"x", b"1"), (b"x-forwarded-proto", b"https")),
        ),
        ([call("add", 0, "x", "1"), call("add", 0, "x", "2"), call("replace", 0, "X", "3")], (*BASE, *XFP, (b"x", b"3"))),
        ([call("add", 0, "x", "1"), call("add", 0, "x", "2"), call("remove", 0, "X"), call("remove", 0, "none")], (*BASE, *XFP)),
        ([call("add", 0, ":path", "q")], (BASE[0], (b":path", b"/p,q"), BASE[2], BASE[3], *XFP)),
        ([call("add", 0, "", "v")], (*BASE, *XFP, (b"", b"v"))),
    ],
)
def test_writes(play: Play, steps: list[object], expected: tuple[tuple[bytes, bytes], ...]) -> None:
    assert after(play, *steps) == expected


def test_set_pairs_joins_and_orders(play: Play) -> None:
    """Clears, then adds each: pseudo headers first among themselves."""
    given = pairs(("x-z", "1"), ("Accept", "a"), (":path", "/s"), ("accept", "b"), ("x-forwarded-proto", "http"), (":method", "PUT"))
    expected = ((b":path", b"/s"), (b":method", b"PUT"), (b"x-z", b"1"), (b"accept", b"a,b"), (b"x-forwarded-proto", b"http"))
    assert after(play, call("set_pairs", 0, given)) == expected


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\0\0\0\0",
        b"abc",
        b"\xff\xff\xff\xff",
        pairs(("a", "b"))[:-1],
        pairs(("a", "b")) + b"x",
        b"\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x01\x04\0\0" + bytes(9 * 1025),
        pairs(("a", "b")).replace(b"a\0", b"ax"),
    ],
)
def test_malformed_pairs_empty_the_map(play: Play, given: bytes) -> None:
    """Status 0; the request then has no route."""
    played = play([{"request_headers": [call("set_pairs", 0, given), call("pairs", 0, OUT, OUT)]}])
    assert played.results("proxy_set_header_map_pairs") == [OK]
    assert played.of("proxy_get_header_map_pairs")[0].b == 0
    assert played.status() == 404 and played.client() is not None and played.client().headers == ((b":status", b"404"),)  # type: ignore[union-attr]


def test_reads(play: Play) -> None:
    steps = [
        call("get", 0, "X-A", OUT, OUT),
        call("get", 0, "none", OUT, OUT),
        call("get", 0, "host", OUT, OUT),
        call("get", 0, "x-e", OUT, OUT),
        call("size", 0, OUT),
    ]
    played = play([{"request_headers": steps}], [request("GET", "/p", "x-a: 1", "x-a: 2", "x-e:")])
    assert played.results("proxy_get_header_map_value") == [OK, NOT_FOUND, OK, OK]
    assert played.values("proxy_get_header_map_value") == [b"1", None, b"h", b""]
    # names and values, no separators
    assert played.of("proxy_get_header_map_size")[0].b == sum(len(k) + len(v) for k, v in played.seen())


@pytest.mark.parametrize(("out", "status"), [(0xFFFFFFFC, INVALID_MEMORY), (1024, OK)])
def test_pointers_out_of_memory(play: Play, out: int, status: int) -> None:
    played = play([{"request_headers": [call("get", 0, ":path", out, 1040), call("size", 0, out)]}])
    assert played.results("proxy_get_header_map_value") == played.results("proxy_get_header_map_size") == [status]


# request headers, response headers in each callback of a stream: r readable, w writable, - bad argument, n not found
@pytest.mark.parametrize(
    ("callback", "maps"),
    [
        ("context_create", "--"),
        ("request_headers", "w-"),
        ("request_body", "--"),
        ("request_trailers", "--"),
        ("response_headers", "-w"),
        ("response_body", "--"),
        ("response_trailers", "--"),
        ("log", "rr"),
        ("done", "--"),
        ("delete", "--"),
    ],
)
def test_reach_of_headers(play: Play, callback: str, maps: str) -> None:
    """After its own callback has returned Continue a map is gone, until the log."""
    steps = [
        step for which in (0, 2) for step in (call("get", which, "none", OUT, OUT), call("add", which, "x", "1"), call("size", which, OUT))
    ]
    trailers = {"trailers": ("T: 1",)}
    asked = request("POST", "/p", "transfer-encoding: chunked", body=b"a", **trailers)
    played = play(
        [{callback: [Nth(2, tuple(steps))] if callback == "context_create" else steps}],
        [(asked, response(200, "transfer-encoding: chunked", body=b"b", **trailers))],
    )
    reads = [row.result for row in played.of("proxy_get_header_map_value", 0)][:2]
    writes = [row.result for row in played.of("proxy_add_header_map_value", 0)][:2]
    sizes = [row.result for row in played.of("proxy_get_header_map_size", 0)][:2]
    assert reads == [NOT_FOUND if how in "wr" else BAD_ARGUMENT for how in maps]
    assert writes == sizes == [OK if how == "w" else BAD_ARGUMENT for how in maps]


def test_trailers_in_the_log(play: Play) -> None:
    """Only the response's are left there."""
    asked = request("POST", "/p", "transfer-encoding: chunked", body=b"a", trailers=("T: 1",))
    steps = [call("get", 1, "t", OUT, OUT), call("get", 3, "r", OUT, OUT), call("get", 3, "none", OUT, OUT), call("size", 3, OUT)]
    played = play([{"log": steps}], [(asked, response(200, "transfer-encoding: chunked", body=b"b", trailers=("R: 2",)))])
    assert played.results("proxy_get_header_map_value") == [NOT_FOUND, OK, NOT_FOUND]
    assert played.results("proxy_get_header_map_size") == [BAD_ARGUMENT]


@pytest.mark.parametrize("which", [1, 2, 3, 4, 5, 6, 7, 8, 99])
def test_maps_out_of_place(play: Play, which: int) -> None:
    """Pairs of a known map are empty, everything else is a bad argument."""
    steps = [
        call("pairs", which, OUT, OUT),
        call("get", which, "x", OUT, OUT),
        call("add", which, "x", "1"),
        call("replace", which, "x", "1"),
        call("remove", which, "x"),
        call("set_pairs", which, pairs(("a", "b"))),
        call("size", which, OUT),
    ]
    played = play([{"request_headers": steps}])
    results = [row.result for row in played.hostcalls()]
    assert results == [OK if which < 8 else BAD_ARGUMENT, *[BAD_ARGUMENT] * 6]
    assert played.upstream() is not None and played.upstream().headers == (*BASE, *XFP)  # type: ignore[union-attr]


def test_trailers_are_made_by_a_write_at_the_end(play: Play) -> None:
    """With end_of_stream only; the next filters get the data without it, then trailers."""
    steps = [call("add", 1, "T", "1"), call("get", 1, "t", OUT, OUT)]
    played = play([{"request_body": steps}, {}], [POST])
    assert played.results("proxy_add_header_map_value") == [BAD_ARGUMENT, OK]
    assert played.results("proxy_get_header_map_value") == [BAD_ARGUMENT, OK]
    calls = [each for each in played.calls() if each.startswith("b.request")]
    assert calls == ["b.request_headers(6, 0)", "b.request_body(6, 0)", "b.request_body(0, 0)", "b.request_trailers(1)"]
    assert played.upstream() is not None and played.upstream().trailers == ((b"t", b"1"),)  # type: ignore[union-attr]


def test_trailers_added_before_a_pause_are_not_lost(play: Play) -> None:
    """Resumed from a tick: they go on behind the body, seen with Envoy."""
    script = {
        "configure": [call("tick", 100)],
        "request_body": [Nth(2, (call("add", 1, "T", "1"), Ret(1)))],
        "tick": [call("effective", 2), call("cont", 0)],
    }
    played = play([script, {}], [POST])
    assert [each for each in played.calls() if each.startswith("b.request")][-1] == "b.request_trailers(1)"
    assert played.upstream() is not None and played.upstream().trailers == ((b"t", b"1"),)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("steps", "status", "body", "details"),
    [
        ([call("remove", 0, ":path")], 404, b"", b"route_not_found"),
        ([call("replace", 0, ":path", "nope")], 404, b"", b"route_not_found"),
        ([call("remove", 0, "x-forwarded-proto")], 404, b"", b"route_not_found"),
        ([call("remove", 0, ":method")], 503, b"missing required header: :method", b"{missing_required_header:_:method}"),
        ([call("add", 0, "bad name", "v")], 503, b"invalid header name: bad name", b"{invalid_header_name:_bad_name}"),
        ([call("add", 0, "caf\xe9", "v")], 503, b"invalid header name: caf\xe9", b"{invalid_header_name:_caf\xe9}"),
        ([call("add", 0, ":a ", "v")], 503, b"invalid header name: :a ", b"{invalid_header_name:_:a_}"),
        ([call("add", 0, "x", "a\r\nb")], 503, b"invalid header value for: x", b"{invalid_header_value_for:_x}"),
        ([call("replace", 0, ":path", "/a\x7f")], 503, b"invalid header value for: :path", b"{invalid_header_value_for:_:path}"),
        ([call("remove", 0, ":authority")], 200, None, None),
        ([call("remove", 0, ":scheme")], 200, None, None),
        ([call("replace", 0, ":path", "/a b\t\xff")], 200, None, None),
        ([call("add", 0, "bad name", "v"), call("remove", 0, "bad name")], 200, None, None),
    ],
)
def test_what_the_router_does_not_send(play: Play, steps: list[object], status: int, body: bytes | None, details: bytes | None) -> None:
    """Answered like a local response, through the response filters."""
    played = play([{"request_headers": steps}, {}])
    assert played.status() == status
    if details is not None:
        (answer,) = played.events(Event.LOCAL_RESPONSE)
        assert answer.fields[0].endswith(details) and answer.fields[1] == body
        assert any(each.startswith("b.response_headers") for each in played.calls()) and played.upstream() is None


def test_what_cannot_be_sent_shows_when_the_upstream_is_there(play: Play) -> None:
    """What has come of the body by then passes the filters; the upstream gets nothing."""
    played = play([{"request_headers": [call("remove", 0, ":method")]}], [POST])
    assert [each.partition("(")[0] for each in played.calls()][2:5] == ["a.request_body", "a.request_body", "a.response_headers"]
    assert played.status() == 503 and played.upstream() is None


@pytest.mark.parametrize(
    "steps",
    [
        [call("remove", 2, ":status")],
        [call("replace", 2, ":status", "abc")],
        [call("add", 2, ":status", "201")],
        [call("set_pairs", 2, b"")],
    ],
)
def test_a_response_without_status_becomes_502(play: Play, steps: list[object]) -> None:
    """Sent directly, no filter sees it."""
    played = play([{"response_headers": steps}])
    assert played.status() == 502
    assert [each for each in played.calls() if "response" in each] == ["a.response_headers(2, 0)"]
    assert played.client() is not None and played.client().body == b"missing required header: :status"  # type: ignore[union-attr]


def test_a_replaced_status_is_the_code_in_the_log(play: Play) -> None:
    played = play([{"response_headers": [call("replace", 2, ":status", "418")], "log": [call("prop", "response\0code", OUT, OUT)]}])
    assert played.values("proxy_get_property") == [(418).to_bytes(8, "little")] and played.status() == 418


def test_a_change_after_the_headers_left_has_no_effect(play: Play) -> None:
    """allow_on_headers_stop_iteration keeps the map within reach, not the message."""
    script = {"request_headers": [Ret(1)], "request_body": [call("add", 0, "x", "late"), Nth(1, (Ret(0),))]}
    played = play(
        [(script, {"allow_on_headers_stop_iteration": True})], [request("POST", "/p", "content-length: 6", body=b"abcdef")], chunk_size=3
    )
    assert played.results("proxy_add_header_map_value") == [OK, OK, OK]
    sent = [value for name, value in played.upstream().headers if name == b"x"]  # type: ignore[union-attr]
    assert sent == [b"late"]


def test_old_abi_answers_missing_keys_with_nothing(play: Play) -> None:
    """ABI 0.1.0: OK and empty where later versions say NotFound."""
    script = {
        "abi": Abi.V0_1_0,
        "request_headers": [call("get", 0, "none", OUT, OUT), call("get", 2, "none", OUT, OUT)],
        "log": [call("get", 1, "x", OUT, OUT)],
    }
    played = play([script])
    assert played.results("proxy_get_header_map_value") == [OK, BAD_ARGUMENT, OK]


def test_pairs_come_as_envoy_writes_them(play: Play) -> None:
    """An allocation of exactly their size."""
    played = play([{"request_headers": [call("pairs", 0, 1024, 1040), call("set_prop", "x", "y")], "malloc": []}])
    seen = played.seen()
    assert played.of("proxy_get_header_map_pairs")[0].b == len(seen)
    assert unpack_pairs(played.events(Event.REQUEST)[0].fields[0])[0] == seen
