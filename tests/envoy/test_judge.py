"""Real Envoy: nothing differs where nothing should, and what a filter does is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.capture.exchange import Exchange, Response
from workbench.envoy import FilterSpec, compare, run_envoy
from workbench.errors import FilterLoadError

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

Make = Callable[..., Exchange]
MakeResponse = Callable[..., Response]
Untouched = Callable[[Exchange], dict[str, Any]]


@pytest.fixture
def traffic(exchange: Make, response: MakeResponse) -> list[Exchange]:
    """Messages of every framing, over both schemes, with fields in odd order and case."""
    host = (b"Host", b"toys.example")
    odd = (b"X-B", b"1"), host, (b"x-a", b"caf\xe9"), (b"X-b", b""), (b"Cookie", b"a=1"), (b"Cookie", b"b=2")
    chunks = (b"Transfer-Encoding", b"chunked")
    answers = (b"Set-Cookie", b"a=1"), (b"X-Up", b"1"), (b"set-cookie", b"b=2"), (b"Content-Length", b"2")
    return [
        exchange(0, headers=odd, response=response(answers)),
        exchange(1, method=b"POST", headers=(host, (b"Content-Length", b"3")), body=b"abc"),
        exchange(2, method=b"PUT", headers=(host, chunks), body=b"x" * 70_000, trailers=((b"X-T", b"1"), (b"X-T", b"2"))),
        exchange(3, method=b"POST", headers=(host, (b"Content-Length", b"0"))),
        exchange(4, scheme=b"https", headers=(*odd, (b"Accept", b"*/*"))),
        exchange(5, response=response((chunks, (b"X-Up", b"1")), b"y" * 70_000, ((b"X-T", b"z"),))),
        exchange(6, response=response(((b"X-Up", b"1"),), b"no framing, as over HTTP/2")),
        exchange(7, method=b"HEAD", response=response(((b"Content-Length", b"99"),), b"")),
        exchange(8, response=response(((b"ETag", b"x"),), b"", (), 304)),
        exchange(9, response=response(((b"X-Up", b"1"),), b"", (), 204)),
        exchange(10, path=b"/a//b/../c%2F?x=%41&y"),
    ]


@pytest.fixture
def identity(wat: Any, tmp_path: Path) -> FilterSpec:
    return FilterSpec("identity", wat.build(tmp_path / "identity.wasm", ""))


def test_an_identity_filter_differs_nowhere(traffic: list[Exchange], identity: FilterSpec, replayed: Untouched) -> None:
    baseline = run_envoy(traffic, [])
    observed = run_envoy(traffic, [identity])
    assert [str(found) for found in compare(observed, baseline, map(replayed, traffic))] == []
    assert [one.status for one in observed] == [200] * 8 + [304, 204, 200]
    assert observed[4].upstream_request is not None
    assert ("x-forwarded-proto", "https") in observed[4].upstream_request.headers


def test_a_planted_difference_is_found(traffic: list[Exchange], identity: FilterSpec, replayed: Untouched) -> None:
    some = traffic[:2]
    ours = [replayed(one) for one in some]
    ours[0]["upstream_request"]["headers"].remove(["x-b", ""])
    ours[1]["downstream_response"]["body_sha256"] = "0" * 64
    found = compare(run_envoy(some, [identity]), run_envoy(some, []), ours)
    assert [(one.exchange, one.side, one.what) for one in found] == [
        (0, "upstream_request", "header x-b"),
        (1, "downstream_response", "body"),
    ]


def test_what_a_filter_changes_is_seen(wat: Any, tmp_path: Path, exchange: Make, replayed: Untouched) -> None:
    value = wat.text(b"caf\xc3\xa9 \xff")
    functions = f"""
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $add (i32.const 0) {wat.text(b"x-filter")} {value}))
        (drop (call $remove (i32.const 0) {wat.text(b"x-secret")}))
        (i32.const 0))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $remove (i32.const 2) {wat.text(b"content-length")}))
        (i32.const 0))
      (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
        (if (i32.eqz (local.get 2))
          (then (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const -1) {wat.text(b"other")}))))
        (i32.const 0))
    """
    chain = [FilterSpec("changes", wat.build(tmp_path / "changes.wasm", functions))]
    one = exchange(headers=((b"Host", b"toys.example"), (b"X-Secret", b"s"), (b"Accept", b"*/*")))
    (observed,), baseline = run_envoy([one], chain), run_envoy([one], [])
    found = compare([observed], baseline, [replayed(one)])
    assert {(f.what, tuple(f.ours), tuple(f.envoy)) for f in found if f.side == "upstream_request"} == {
        ("header x-filter", (), ("cafÃ© ÿ",)),
        ("header x-secret", ("s",), ()),
    }
    assert [f.what for f in found if f.side == "downstream_response"] == ["header content-length", "body"]
    assert observed.downstream_response is not None
    assert observed.downstream_response.body == b"other"


def test_an_answer_by_the_filter_never_reaches_the_upstream(wat: Any, tmp_path: Path, exchange: Make, replayed: Untouched) -> None:
    functions = f"""
      (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (drop (call $local (i32.const 429) {wat.text(b"limited")} {wat.text(b"slow down")} (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 0))
    """
    chain = [FilterSpec("limits", wat.build(tmp_path / "limits.wasm", functions))]
    one = exchange(method=b"POST", headers=((b"Host", b"toys.example"), (b"Content-Length", b"3")), body=b"abc")
    (observed,), baseline = run_envoy([one], chain), run_envoy([one], [])
    assert observed.status == 429
    assert observed.downstream_response is not None
    assert observed.downstream_response.body == b"slow down"
    ours = replayed(one)
    assert {"reached", "status"} <= {found.what for found in compare([observed], baseline, [ours])}
    answer = {"status": 429, "headers": [["content-length", "9"], ["content-type", "text/plain"]], "body_size": 9, "trailers": []}
    ours |= {"upstream_request": None, "downstream_response": {**answer, "body_sha256": observed.downstream_response.body_sha256}}
    assert compare([observed], baseline, [ours]) == []


def test_an_exchange_without_response_and_one_that_envoy_refuses(exchange: Make, replayed: Untouched) -> None:
    some = [exchange(0, response=None), exchange(1, path=b"/a#b"), exchange(2, headers=((b"Host", b"h"), (b"X A", b"1")))]
    observed = run_envoy(some, [])
    assert [one.status for one in observed] == [503, 400, 400]
    assert observed[0].downstream_response is not None
    assert observed[0].downstream_response.body.endswith(b"reset reason: connection termination")
    assert [one.upstream_requests for one in observed] == [1, 0, 0]
    found = compare(observed[1:], observed[1:], map(replayed, some[1:]))
    assert [(one.exchange, one.what, one.cause) for one in found] == [
        (index, "refused", "Envoy itself refuses this request with 400, no filter runs") for index in (1, 2)
    ]


def test_a_stream_left_paused_is_given_up_in_time(wat: Any, tmp_path: Path, exchange: Make) -> None:
    functions = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))'
    chain = [FilterSpec("pauses", wat.build(tmp_path / "pauses.wasm", functions))]
    (observed,) = run_envoy([exchange()], chain, timeout=1)
    assert (observed.failure, observed.status, observed.upstream_requests) == ("timeout", 0, 0)


def test_a_request_shorter_than_its_content_length_is_not_answered(wat: Any, tmp_path: Path, exchange: Make, replayed: Untouched) -> None:
    functions = f"""
      (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const -1) {wat.text(b"x")}))
        (i32.const 0))
    """
    chain = [FilterSpec("shortens", wat.build(tmp_path / "shortens.wasm", functions))]
    one = exchange(method=b"POST", headers=((b"Host", b"toys.example"), (b"Content-Length", b"9")), body=b"something")
    (observed,), baseline = run_envoy([one], chain, timeout=1.5), run_envoy([one], [])
    assert observed.failure == "timeout"
    assert observed.upstream_request is not None
    # Once for the chunk, once for the empty last callback.
    assert (observed.upstream_request.body, observed.upstream_request.complete) == (b"xx", False)
    last = compare([observed], baseline, [replayed(one)])[-1]
    assert (last.what, last.cause) == ("reached", "the upstream waits for the rest of a request that is shorter than its content-length")


def test_a_trap_is_a_503_and_its_line_is_in_the_log(wat: Any, tmp_path: Path, exchange: Make, replayed: Untouched) -> None:
    functions = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)'
    wasm = wat.build(tmp_path / "traps.wasm", functions)
    some = [exchange(0), exchange(1)]
    closed, opened, old = (
        run_envoy(some, [FilterSpec("traps", wasm, failure_policy="closed")]),
        run_envoy(some, [FilterSpec("traps", wasm, failure_policy="open")]),
        run_envoy(some, [FilterSpec("traps", wasm, fail_open_old=True)]),
    )
    assert [[one.status for one in run] for run in (closed, opened, old)] == [[503, 503], [503, 200], [200, 200]]
    found = compare(closed, run_envoy(some, []), map(replayed, some))
    assert found[0].cause.startswith("the filter trapped in Envoy: proxy_on_request_headers failed")


def test_an_exchange_that_crashes_envoy_is_named_and_the_others_go_on(
    wat: Any, tmp_path: Path, exchange: Make, replayed: Untouched
) -> None:
    # Continuing a response that is not there makes Envoy 1.40 fall with a segmentation fault.
    functions = """
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (i32.eqz (local.get 2)) (then (drop (call $continue (i32.const 1)))))
        (i32.const 0))
    """
    chain = [FilterSpec("crashes", wat.build(tmp_path / "crashes.wasm", functions))]
    posted = exchange(1, method=b"POST", headers=((b"Host", b"toys.example"), (b"Content-Length", b"3")), body=b"abc", start_ms=1)
    some = [exchange(0), posted, exchange(2, start_ms=2)]
    observed = run_envoy(some, chain)
    assert ["signal 11" in one.crash for one in observed] == [False, True, False]
    assert (observed[0].status, observed[2].status) == (200, 200)
    (found,) = compare(observed, run_envoy(some, []), map(replayed, some))
    assert (found.exchange, found.what) == (1, "crashed")


def test_configuration_and_environment_reach_the_filter_exactly(wat: Any, tmp_path: Path, exchange: Make) -> None:
    functions = """
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const -1) (i32.const 16) (i32.const 20)))
        (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20))))
        (drop (call $environ_get (i32.const 40000) (i32.const 44000)))
        (drop (call $log (i32.const 2) (i32.const 44000) (i32.const 9)))
        (i32.const 1))
    """
    wasm = wat.build(tmp_path / "tells.wasm", functions)
    chain = [FilterSpec("tells", wasm, configuration=b"\xff{ \xc3\xa9}", failure_policy="reload", env=(("KEY", "value"),))]
    from workbench.envoy.config import bootstrap
    from workbench.envoy.process import EnvoyProcess

    with EnvoyProcess(bootstrap(chain, 9)) as envoy:
        log = envoy.log_path.read_bytes()
    assert b"wasm log: \xff{ \xc3\xa9}\n" in log
    assert b"wasm log: KEY=value\n" in log


def test_a_filter_that_refuses_its_configuration_is_told(wat: Any, tmp_path: Path, exchange: Make) -> None:
    functions = '(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))'
    with pytest.raises(FilterLoadError, match="Failed to configure"):
        run_envoy([exchange()], [FilterSpec("refuses", wat.build(tmp_path / "refuses.wasm", functions))])


def test_paced_keeps_the_captured_distances(exchange: Make) -> None:
    paced = run_envoy([exchange(0), exchange(1, start_ms=300), exchange(2, start_ms=600)], [], paced=True)
    # a little less: an event loop may wake up a tick of its clock too early
    assert all(one.sent_ns - paced[0].sent_ns > 290_000_000 * place for place, one in enumerate(paced[1:], 1))
    far = [exchange(2, start_ms=600_000), exchange(0)]
    at_once = run_envoy(far, [])
    assert [one.exchange for one in at_once] == [2, 0]
    assert 0 < at_once[0].sent_ns - at_once[1].sent_ns < 300_000_000_000


def test_it_runs_where_an_event_loop_runs(exchange: Make) -> None:
    async def notebook() -> int:
        return run_envoy([exchange()], [])[0].status

    assert asyncio.run(notebook()) == 200


def test_nothing_to_run_starts_nothing() -> None:
    assert run_envoy([], [FilterSpec("none", Path("nowhere.wasm"))]) == []
