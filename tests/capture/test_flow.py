from __future__ import annotations

import math
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.io import FlowReader, tnetstring

from workbench.capture import open_capture
from workbench.capture.flow import decode, nanoseconds, readable_version

from .conftest import CAPTURES, states, turned, write


def attributes(exchange: Any) -> dict[str, bytes]:
    return {name.decode().replace("\0", "."): value for name, value in exchange.attributes}


def test_every_exchange_is_what_mitmproxy_reads(sample: Path) -> None:
    with sample.open("rb") as file:
        flows: list[Any] = list(FlowReader(file).stream())
    capture = open_capture(sample)
    assert capture.problems == ()
    assert len(capture) == len(flows)
    numbers: dict[str, int] = {}
    for index, (exchange, flow) in enumerate(zip(capture, flows, strict=True)):
        request, response = exchange.request, exchange.response
        assert exchange.index == index
        assert exchange.connection == numbers.setdefault(flow.client_conn.id, len(numbers) + 1)
        assert request.method.decode() == flow.request.method
        assert request.scheme.decode() == flow.request.scheme
        assert request.authority.decode() == (flow.request.host_header or flow.request.authority)
        assert request.path.decode() == flow.request.path
        assert request.http_version.decode() == flow.request.http_version
        assert request.headers == flow.request.headers.fields
        assert request.body == flow.request.raw_content
        assert request.trailers == (flow.request.trailers.fields if flow.request.trailers else ())
        assert request.start_ns == pytest.approx(flow.request.timestamp_start * 1e9, abs=300)
        assert request.end_ns == pytest.approx(flow.request.timestamp_end * 1e9, abs=300)
        assert (response is None) == (flow.response is None)
        assert exchange.error == (flow.error.msg if flow.error else "")
        if response is not None:
            assert (response.status, response.reason.decode()) == (flow.response.status_code, flow.response.reason)
            assert response.headers == flow.response.headers.fields
            assert response.body == flow.response.raw_content
            assert response.trailers == (flow.response.trailers.fields if flow.response.trailers else ())
            assert response.end_ns == pytest.approx(flow.response.timestamp_end * 1e9, abs=300)
            assert request.start_ns <= request.end_ns <= response.end_ns
        assert attributes(exchange)["source.address"] == "{}:{}".format(*flow.client_conn.peername).encode()
    assert capture.problems == ()


def test_attributes_have_envoys_names_and_bytes() -> None:
    plain, *_, secure = (e for e in open_capture(CAPTURES / "toystore.mitm") if e.index in (0, 62))
    known = attributes(plain)
    port = known["source.address"].rpartition(b":")[2]
    assert known["source.port"] == int(port).to_bytes(8, "little")
    assert known["connection.id"] == b"\1" + b"\0" * 7
    assert known["connection.mtls"] == b"\0"
    assert known["connection.requested_server_name"] == b""
    assert known["request.protocol"] == b"HTTP/1.1"
    assert "connection.tls_version" not in known and "upstream.tls_version" not in known
    known = attributes(secure)
    assert known["request.protocol"] == b"HTTP/2"
    assert known["connection.tls_version"] == known["upstream.tls_version"] == b"TLSv1.3"
    assert known["connection.requested_server_name"] == b"api.toystore.com"
    assert {"upstream.address", "upstream.port", "upstream.local_address", "destination.address", "destination.port"} < known.keys()


def changed(burst: Path, tmp_path: Path, change: Any) -> Any:
    flow, *_ = states(burst)
    change(flow)
    capture = open_capture(write(tmp_path / "one.mitm", [flow]))
    return capture, capture[0]


def test_a_body_that_was_not_recorded_is_empty_and_named(burst: Path, tmp_path: Path) -> None:
    def change(flow: dict[str, Any]) -> None:
        flow["request"]["content"] = flow["response"]["content"] = None

    capture, exchange = changed(burst, tmp_path, change)
    assert exchange.request.body == exchange.response.body == b""
    expected = ("Exchange 0: the request's body was not recorded.", "Exchange 0: the response's body was not recorded.")
    assert capture.problems == expected
    assert capture[0] == exchange and capture.problems == expected


def test_times_that_are_missing_or_absurd_take_a_neighbours(burst: Path, tmp_path: Path) -> None:
    def change(flow: dict[str, Any]) -> None:
        flow["request"]["timestamp_start"] = 100.5
        flow["request"]["timestamp_end"] = None
        flow["response"]["timestamp_start"] = math.inf
        flow["response"]["timestamp_end"] = math.nan

    _, exchange = changed(burst, tmp_path, change)
    request, response = exchange.request, exchange.response
    assert request.start_ns == request.end_ns == response.start_ns == response.end_ns == 100_500_000_000


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -1.0, 0.0, 1e30])
def test_what_is_no_time(value: float | None) -> None:
    assert nanoseconds(value) is None


def test_without_response_or_error_it_says_so(burst: Path, tmp_path: Path) -> None:
    _, exchange = changed(burst, tmp_path, lambda flow: flow.update(response=None))
    assert exchange.response is None
    assert exchange.error == "no response was recorded"


def test_without_host_the_authority_is_where_it_went(burst: Path, tmp_path: Path) -> None:
    def change(flow: dict[str, Any]) -> None:
        flow["request"].update(headers=[], host="toys.example", port=8080)

    _, exchange = changed(burst, tmp_path, change)
    assert exchange.request.authority == b"toys.example:8080"
    assert exchange.url == "http://toys.example:8080/toys"


def test_ipv6_addresses_and_unknown_ones(burst: Path, tmp_path: Path) -> None:
    def change(flow: dict[str, Any]) -> None:
        flow["client_conn"]["peername"] = ["2001:db8::1", 4711, 0, 0]
        flow["server_conn"]["peername"] = None
        flow["server_conn"]["sockname"] = ["", 0]

    _, exchange = changed(burst, tmp_path, change)
    known = attributes(exchange)
    assert known["source.address"] == b"[2001:db8::1]:4711"
    assert not [name for name in known if name.startswith("upstream.")]


DAMAGE = {
    "status": lambda flow: flow["response"].update(status_code=-5),
    "type": lambda flow: flow["request"].update(method=7),
    "field": lambda flow: flow["request"].update(headers=[[b"a"]]),
    "missing": lambda flow: flow["request"].pop("path"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_mitmproxy_cannot_take_is_one_clear_error(kind: str, burst: Path) -> None:
    flow, *_ = states(burst)
    DAMAGE[kind](flow)
    with pytest.raises(ValueError):
        decode(tnetstring.dumps(turned(flow)), 0, 1, 1)


def test_a_flow_of_millions_of_values_is_refused_but_a_body_may_look_like_one(burst: Path) -> None:
    size, _, rest = burst.read_bytes().partition(b":")
    first = rest[: int(size)]
    swollen = b"4:many;9000000:" + b"0:]" * 3_000_000 + b"]" + first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="more than 2000000 values"):
        decode(b"%d:%s}" % (len(swollen), swollen), 0, 1, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    flow, *_ = states(burst)
    flow["comment"], flow["request"]["content"] = "not in today's layout", b"0:]" * 3_000_000
    exchange, _ = decode(tnetstring.dumps(turned(flow)), 0, 1, 1)
    assert len(exchange.request.body) == 9_000_000


def test_versions() -> None:
    assert readable_version(21) and readable_version(7) and readable_version((0, 18, 2))
    assert not readable_version(9999) and not readable_version((9, 9))


def test_an_older_flow_is_brought_up_to_date(burst: Path, tmp_path: Path) -> None:
    # format 19 still wrote the connections' state (mitmproxy 9)
    def change(flow: dict[str, Any]) -> None:
        flow["version"] = 19
        flow["client_conn"]["state"] = flow["server_conn"]["state"] = 0

    capture, exchange = changed(burst, tmp_path, change)
    assert capture.problems == ()
    assert exchange == open_capture(burst)[0]


def test_mitmproxy_is_imported_only_where_it_is_needed(burst: Path, tmp_path: Path) -> None:
    first, *_ = states(burst)
    odd = write(tmp_path / "odd.mitm", [{**first, "comment": "edited"}])
    code = (
        "import sys; from workbench.capture import open_capture; capture = open_capture(sys.argv[1]); capture.start_ns; list(capture);"
        "assert 'mitmproxy' not in sys.modules and 'wasmtime' not in sys.modules;"
        "open_capture(sys.argv[2])[0]; assert 'mitmproxy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(burst), str(odd)], check=True, timeout=300)
