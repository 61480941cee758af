"""Properties by phase. Source: Envoy 1.40 as it behaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.conftest import MS, START_NS, Play, exchanges, request, response
from tests.core.wat import OUT, Nth, call
from workbench.capture.packing import pack_pairs

PHASES = ("context_create", "request_headers", "request_body", "response_headers", "response_body", "log", "done")
LETTERS = "CqbsBLD"
PLAIN = request("POST", "/a/b?q=1", "content-length: 6", "X-M: 1", "x-m: 2", "user-agent: ua", body=b"abcdef", took_ms=20)
ANSWER = response(200, "x-up: 1", "content-length: 6", body=b"ABCDEF", after_ms=30, took_ms=10)


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


Found = dict[str, dict[str, bytes | int]]


def read(play: Play, *paths: str) -> Found:
    """The properties in each phase: their values, or the status where there is none."""
    reads = tuple(call("prop", path.replace(".", "\0"), OUT, OUT) for path in paths)
    # bodies: in the first callback; context_create: the stream's
    script = {phase: [Nth({"context_create": 2}.get(phase, 1), reads)] for phase in PHASES}
    rows = iter(play([script], [(PLAIN, ANSWER)], chunk_size=3).of("proxy_get_property", 0))
    found: Found = {path: {} for path in paths}
    for letter in LETTERS:
        for path in paths:
            row = next(rows)
            found[path][letter] = row.result if row.result else row.fields[1]
    assert next(rows, None) is None
    return found


BY_PHASE = [
    ("request.path", b"/a/b?q=1", "qL"),
    ("request.url_path", b"/a/b", "qL"),
    ("request.query", b"q=1", "qL"),
    ("request.host", b"h", "qL"),
    ("request.scheme", b"http", "qL"),
    ("request.method", b"POST", "qL"),
    ("request.useragent", b"ua", "qL"),
    ("request.headers.x-m", b"1,2", "qL"),
    ("request.headers.X-M", b"1,2", "qL"),
    ("request.referer", None, ""),
    ("request.id", None, ""),
    ("request.nope", None, ""),
    ("request.headers.none", None, ""),
    ("request.path.x", None, ""),
    ("request.protocol", b"HTTP/1.1", LETTERS),
    ("request.time", u64(START_NS), LETTERS),
    ("request.duration", u64(40 * MS), "LD"),
    ("response.code", u64(200), "sBLD"),
    ("response.code_details", b"via_upstream", "sBLD"),
    ("response.flags", u64(0), LETTERS),
    ("response.grpc_status", u64(2), "sBLD"),
    ("response.headers.x-up", b"1", "sL"),
    ("response.backend_latency", u64(40 * MS), "LD"),
    ("connection.id", u64(7), LETTERS),
    ("connection_id", u64(7), LETTERS),
    ("connection.mtls", b"\0", LETTERS),
    ("connection.requested_server_name", b"", LETTERS),
    ("connection.tls_version", None, ""),
    ("connection.termination_details", None, ""),
    ("upstream.num_endpoints", u64(1), LETTERS),
    ("upstream.transport_failure_reason", b"", "bsBLD"),
    ("upstream.locality", b"", "bsBLD"),
    ("upstream.cx_pool_ready_duration", u64(0), "sBLD"),
    ("upstream.tls_version", None, ""),
    ("metadata", b"", LETTERS),
    ("metadata.filter_metadata", bytes(4), LETTERS),
    ("metadata.nope", None, ""),
    ("xds.route_name", b"", LETTERS),
    ("xds.node.id", b"", LETTERS),
    ("xds.listener_direction", u64(0), LETTERS),
    ("xds.nope", None, ""),
    ("node", None, ""),
    ("cluster_name", None, ""),
    ("listener_direction", None, ""),
    ("plugin_name.x", None, ""),
    ("plugin_name", b"a", LETTERS),
    ("plugin_vm_id", b"a", LETTERS),
    ("plugin_root_id", b"", LETTERS),
]


def test_by_phase(play: Play) -> None:
    """Value and the phases that have it; NotFound in all others."""
    found = read(play, *(path for path, _, _ in BY_PHASE))
    assert found == {path: {letter: value if letter in phases else 1 for letter in LETTERS} for path, value, phases in BY_PHASE}


def test_whole_objects_have_no_bytes(play: Play) -> None:
    found = read(play, "request", "response", "connection", "upstream", "source", "destination", "xds", "filter_state")
    assert {status for values in found.values() for status in values.values()} == {3}


# names and values of the maps as filters see them
ASKED = len(":authorityh:path/a/b?q=1:methodPOST:schemehttpcontent-length6x-m1x-m2user-agentuax-forwarded-protohttp")
ANSWERED = len(":status200x-up1content-length6")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("request.size", [0, 6, 3, 6, 6, 6, 6]),
        ("request.total_size", [0, ASKED, 3, 6, 6, 6 + ASKED, 6]),
        ("request.headers_bytes", [0, ASKED, 0, 0, 0, ASKED, 0]),
        ("response.size", [0, 0, 0, 0, 0, 6, 6]),
        ("response.total_size", [0, 0, 0, ANSWERED, 0, 6 + ANSWERED, 6]),
        ("response.headers_bytes", [0, 0, 0, ANSWERED, 0, ANSWERED, 0]),
        ("upstream.request_attempt_count", [0, 0, 1, 1, 1, 1, 1]),
    ],
)
def test_sizes(play: Play, path: str, expected: list[int]) -> None:
    """The map counts where it can be reached; content-length is the request's size there, else what came so far."""
    found = read(play, path)[path]
    assert [int.from_bytes(found[letter], "little") for letter in LETTERS] == expected  # type: ignore[arg-type]


def test_maps_whole(play: Play) -> None:
    """Each name once, values joined; four zero bytes where they are out of reach."""
    found = read(play, "response.headers")["response.headers"]
    assert [len(value) for value in found.values()] == [4, 4, 4, len(found["s"]), 4, len(found["s"]), 4]  # type: ignore[arg-type]
    joined = ((b":status", b"200"), (b"x-up", b"1"), (b"content-length", b"6"))
    assert len(found["s"]) == len(pack_pairs(joined)) + 2 * len(joined)  # type: ignore[arg-type]


def test_grpc_status_of_the_response(play: Play) -> None:
    """From trailers once they can be seen, else headers, else the HTTP status."""
    answer = response(200, "transfer-encoding: chunked", "grpc-status: 5", body=b"x", trailers=("grpc-status: 9",))
    script = {phase: [call("prop", "response\0grpc_status", OUT, OUT)] for phase in ("response_headers", "response_trailers", "log")}
    assert play([script], [(PLAIN, answer)]).values("proxy_get_property") == [u64(5), u64(9), u64(9)]
    assert play([script], [(PLAIN, response(403))]).values("proxy_get_property") == [u64(7), u64(7)]


def test_trailers_as_property(play: Play) -> None:
    answer = response(200, "transfer-encoding: chunked", body=b"x", trailers=("R: 2",))
    steps = [call("prop", "response\0trailers\0r", OUT, OUT), call("prop", "response\0trailers", OUT, OUT)]
    played = play([{"response_headers": steps, "response_trailers": steps, "log": steps}], [(PLAIN, answer)])
    whole = b"\1\0\0\0\1\0\0\0\1\0\0\0r\0" + b"2\0"
    assert played.values("proxy_get_property") == [None, bytes(4), b"2", whole, b"2", whole]


def test_what_a_capture_knows(play: Play) -> None:
    """Addresses and TLS come from the capture; the upstream's once there is one."""
    (one,) = exchanges((PLAIN, ANSWER))
    known = (
        (b"source\0address", b"1.2.3.4:5"),
        (b"upstream\0address", b"5.6.7.8:9"),
        (b"connection\0mtls", b"\1"),
        (b"upstream\0local_address", b"9.9.9.9:1"),
    )
    paths = ("source\0address", "upstream\0address", "connection\0mtls", "upstream\0local_address")
    script = {
        phase: [Nth(1, tuple(call("prop", path, OUT, OUT) for path in paths))]
        for phase in ("request_headers", "request_body", "response_headers")
    }
    values = play([script], [replace(one, attributes=known)]).values("proxy_get_property")
    assert values == [
        b"1.2.3.4:5",
        None,
        b"\1",
        None,
        b"1.2.3.4:5",
        b"5.6.7.8:9",
        b"\1",
        None,
        b"1.2.3.4:5",
        b"5.6.7.8:9",
        b"\1",
        b"9.9.9.9:1",
    ]


def test_set_and_read_back(play: Play) -> None:
    """One segment only; a name of Envoy's own stays in front; other filters and the log see it."""
    steps = [call("set_prop", "foo", "v"), call("set_prop", "a\0b", "w"), call("set_prop", "request", "x"), call("set_prop", "e", "")]
    reads = [
        call("prop", path, OUT, OUT)
        for path in ("foo", "foo\0", "a\0b", "request", "e", "wasm.foo", "filter_state\0wasm.foo", "filter_state\0foo", "foo\0x")
    ]
    played = play([{"request_headers": [*steps, *reads]}, {"request_headers": reads[:1], "log": reads[:1]}])
    assert played.results("proxy_set_property") == [0] * 4
    assert played.results("proxy_get_property")[:9] == [0, 0, 1, 3, 0, 1, 0, 1, 1]
    assert played.values("proxy_get_property")[9:] == [b"v", b"v"]


def test_on_a_root_context(play: Play) -> None:
    """No stream: only the plugin's names and the node."""
    reads = [
        call("prop", path, OUT, OUT)
        for path in ("plugin_name", "xds\0node", "xds\0node\0id", "xds\0route_name", "request\0time", "metadata", "foo")
    ]
    played = play([{"configure": [*reads, call("set_prop", "foo", "v")]}])
    assert played.results("proxy_get_property") == [0, 0, 0, 1, 1, 1, 1] and played.results("proxy_set_property") == [1]
