"""Chains whose filters call services: from the chain's settings and the command line to what a user sees."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.core.traffic import MS, START_NS, Made, request, response
from tests.core.wat import LAST, OUT, If, Ret, call, pairs, wasm
from tests.services.servers import grpc_server, http_server
from tests.services.three_calls import write_three_calls
from workbench.analysis.summary import summary_text
from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.cli import main
from workbench.envoy import Cluster, FilterSpec, compare, run_envoy
from workbench.errors import ConfigError, ReplayError
from workbench.replay import Replay
from workbench.services import NEVER, Entry, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse
from workbench.services.calls import HttpAnswer
from workbench.trace.records import Event, Kind

REPO = Path(__file__).resolve().parents[2]
CAPTURE = REPO / "captures" / "burst.mitm"
HEAD = pairs((":method", "GET"), (":path", "/check"), (":authority", "auth.example"))
ASKS = {
    "request_headers": [call("http_call", "auth", HEAD, b"", b"", 0, OUT), Ret(1)],
    "http_call_response": [call("effective", LAST), call("cont", 0)],
}


@pytest.fixture
def asks(tmp_path: Path) -> Path:
    (tmp_path / "asks.wasm").write_bytes(wasm(**ASKS))
    return tmp_path / "asks.wasm"


@pytest.fixture
def three_calls(tmp_path: Path) -> Path:
    return write_three_calls(tmp_path / "three_calls.wasm")


def test_the_chains_clusters_and_those_of_a_replay(asks: Path) -> None:
    made = Made([request(), request(at_ms=50)])
    chain = Chain(asks, clusters={"auth": HttpResponse(403, latency_ms=2)})
    own, other, none = chain.replay(made), chain.replay(made, clusters={"auth": [HttpResponse(401)]}), Chain(asks).replay(made)  # type: ignore[arg-type]
    assert [one["callouts"] for one in own.outcomes()] == [
        [{"filter": "asks", "kind": "http", "target": "auth", "status": 403, "latency_ms": 2.0, "ended": "answered"}]
    ] * 2
    assert {one["callouts"][0]["status"] for one in other.outcomes()} == {401}
    assert {one["callouts"][0]["ended"] for one in none.outcomes()} == {"refused"}
    assert chain.with_filter(Filter(asks, name="second")).clusters is chain.clusters
    assert list(own.callouts["request"]) == ["GET auth.example/check"] * 2
    assert "Calls to other services" in summary_text(own.summary)
    with pytest.raises(ConfigError, match="cluster auth: int cannot answer"):
        Chain(asks, clusters={"auth": 5})  # type: ignore[dict-item]


def test_a_callout_in_the_tree_of_calls(asks: Path) -> None:
    replay = Chain(asks, clusters={"auth": HttpResponse(403, body="no", latency_ms=2)}).replay(Made([request()]))  # type: ignore[arg-type]
    top = replay[0].calls
    asked = next(node for node in top if node.name == "proxy_on_request_headers")
    (hostcall,) = [node for node in asked.children if node.name == "proxy_http_call"]
    assert [node.message for node in hostcall.children] == ["auth answers 403 after 2 ms, 2 B"]
    assert any(node.name == "proxy_on_http_call_response" and node.own for node in top)


def test_a_hang_is_told_wherever_failures_are(asks: Path) -> None:
    made = Made([request(), request(at_ms=50)])
    replay = Chain(asks, clusters={"auth": [Entry((HttpResponse(), NEVER))]}).replay(made)  # type: ignore[arg-type]
    assert replay[0].result["error"] is None
    error = replay[1].result["error"]
    assert error is not None and "cluster auth" in error["message"]
    assert (error["filter"], error["callback"], error["kind"]) == ("asks", "on_request_headers", "hang")
    assert replay[1].outcome == "error" and replay[1].decision.reason.startswith("hang in on_request_headers")
    assert replay.failures[["exchange", "kind"]].to_numpy().tolist() == [[1, "hang"]]
    assert "hang" in summary_text(replay.summary, width=200)
    assert [one["callouts"][0]["ended"] for one in replay.outcomes()] == ["answered", "unanswered"]


def test_a_script_begins_anew_in_each_replay(asks: Path) -> None:
    made = Made([request(), request(at_ms=50)])
    chain = Chain(asks, clusters={"auth": [Entry((HttpResponse(200), HttpResponse(201)))]})
    first, second = chain.replay(made), chain.replay(made)  # type: ignore[arg-type]
    assert list(first.callouts["status"]) == [200, 201]
    assert first.digest() == second.digest()


def test_the_capture_answers(asks: Path) -> None:
    recorded = (request("GET", "/check", host="auth.example"), response(204, after_ms=9))
    replay = Chain(asks, clusters={"auth": "capture"}).replay(Made([recorded]))  # type: ignore[arg-type]
    (one,) = replay.outcomes()
    assert (one["callouts"][0]["status"], one["callouts"][0]["latency_ms"]) == (204, 10.0)


def test_on_the_command_line(asks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("clusters: {auth: {answers: [{match: {path: /check}, status: 403, latency_ms: 3}]}}")
    out = tmp_path / "out.jsonl"
    assert main(["replay", str(CAPTURE), "--filter", str(asks), "--clusters", str(tmp_path / "c.yaml"), "--jsonl", str(out)]) == 0
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert {(call["status"], call["latency_ms"]) for one in results for call in one["callouts"]} == {(403, 3.0)}
    assert "auth" in capsys.readouterr().out
    (tmp_path / "c.yaml").write_text("clusters: {auth: {answer: []}}")
    assert main(["replay", str(CAPTURE), "--filter", str(asks), "--clusters", str(tmp_path / "c.yaml")]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'c.yaml'}: line 1: answer is no key that is known here" in error and error.count("\n") == 1


def test_a_real_server_and_what_is_said_of_it(asks: Path) -> None:
    with http_server(lambda method, path, body: HttpResponse(202, {"content-length": "0"})) as port:
        replay = Chain(asks, clusters={"auth": f"http://127.0.0.1:{port}"}).replay(Made([request()]))  # type: ignore[arg-type]
    (one,) = replay.outcomes()
    assert one["callouts"][0]["status"] == 202
    assert any("auth" in note for note in replay.notes)
    assert "cannot be had a second time" in summary_text(replay.summary)


def test_a_stream_to_a_real_server(tmp_path: Path) -> None:
    talks = [
        call("grpc_stream", "svc", "pkg.Svc", "Talk", b"", OUT),
        call("grpc_send", 6, b"one", 0),
        call("grpc_send", 6, b"two", 1),
        Ret(1),
    ]
    (tmp_path / "talks.wasm").write_bytes(wasm(request_headers=talks, grpc_close=[call("effective", LAST), call("cont", 0)]))
    with grpc_server(lambda path, message: GrpcResponse(b"re:" + message, trailers={"t": "1"})) as port:
        chain = Chain(tmp_path / "talks.wasm", clusters={"svc": f"http://127.0.0.1:{port}"})
        replay = chain.replay(Made([request()]))  # type: ignore[arg-type]
    (one,) = replay.outcomes()
    assert one["downstream_response"] is not None
    assert [(each["kind"], each["status"], each["ended"]) for each in one["callouts"]] == [("grpc", 0, "answered")]
    names = [name for name in replay.callbacks["callback"] if name.startswith("on_grpc")]
    assert names == [
        "on_grpc_receive_initial_metadata",
        "on_grpc_receive",
        "on_grpc_receive",
        "on_grpc_receive_trailing_metadata",
        "on_grpc_close",
    ]


def test_an_error_in_a_function_names_the_cluster(asks: Path) -> None:
    def check(asked: HttpRequest) -> HttpResponse:
        raise KeyError("user")

    with pytest.raises(ReplayError, match="cluster auth: check raised KeyError"):
        Chain(asks, clusters={"auth": check}).replay(Made([request()]))  # type: ignore[arg-type]


def test_a_service_that_is_asked_can_be_interrupted(asks: Path) -> None:
    """An interrupt leaves the function at once; what was done is kept."""

    stayed = []

    def check(asked: HttpRequest) -> HttpResponse:
        if asked.exchange == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
            stayed.append(asked)
        return HttpResponse()

    replay = Chain(asks, clusters={"auth": check}).replay(Made([request(), request(at_ms=50)]))  # type: ignore[arg-type]
    assert not stayed and not replay.complete
    assert replay[0].result["callouts"][0]["ended"] == "answered"


HUNG = 4321


def _latency(index: int, what: int) -> int:
    return 1 + (index * 7919 + what * 31) % 50


def _users(asked: HttpRequest) -> HttpAnswer:
    assert asked.exchange is not None
    second = asked.path == b"/second"
    return NEVER if second and asked.exchange == HUNG else HttpResponse(200, latency_ms=_latency(asked.exchange, 1 + second))


def _limits(asked: GrpcRequest) -> GrpcResponse:
    assert asked.exchange is not None
    return GrpcResponse(b"ok", latency_ms=_latency(asked.exchange, 3))


@pytest.mark.slow
def test_ten_thousand_exchanges_with_three_calls_each(three_calls: Path, tmp_path: Path) -> None:
    """Two HTTP calls at once and one gRPC call for each request, before another filter; one is never answered."""
    (tmp_path / "plain.wasm").write_bytes(wasm(request_headers=[call("add", 0, "x-second", "1")], without=["log", "done", "delete"]))
    made = Made(request(at_ms=index) for index in range(10_000))
    chain = Chain(three_calls, tmp_path / "plain.wasm", clusters={"users": _users, "limits": _limits})
    replay, again = chain.replay(made), chain.replay(made)  # type: ignore[arg-type]
    assert replay.digest() == again.digest()
    kind, code, exchange, time = (replay.trace.column(name) for name in ("kind", "code", "exchange", "time"))
    at = np.flatnonzero((kind == Kind.EVENT) & (code == Event.RESUME))
    resumed = list(zip(time[at].tolist(), exchange[at].tolist(), strict=True))
    due = {index: START_NS + (index + max(_latency(index, what) for what in (1, 2, 3))) * MS for index in range(10_000) if index != HUNG}
    assert len(resumed) == 9_999
    assert {index: when for when, index in resumed} == due
    assert time[at].tolist() == sorted(time[at].tolist())
    assert exchange[at].tolist() != sorted(exchange[at].tolist())
    assert np.flatnonzero(replay.facts.status != 200).tolist() == [HUNG]
    _is_told_as_a_hang(replay)


def _is_told_as_a_hang(replay: Replay) -> None:
    error = replay[HUNG].result["error"]
    assert error is not None
    assert (error["filter"], error["callback"], error["kind"]) == ("three_calls", "on_request_headers", "hang")
    assert "users" in error["message"]
    ended = [(each["target"], each["ended"]) for each in replay[HUNG].result["callouts"]]
    assert ended == [("users", "answered"), ("users", "unanswered"), ("limits/pkg.Limits/Check", "answered")]
    assert replay.failures[["exchange", "filter", "callback", "kind"]].to_numpy().tolist() == [
        [HUNG, "three_calls", "on_request_headers", "hang"]
    ]
    text = summary_text(replay.summary, width=200)
    assert "hang" in text and f"#{HUNG}" in text and "three_calls" in text


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_envoy_agrees(three_calls: Path, tmp_path: Path) -> None:
    """The same services for the replay, scripted and real, and for Envoy: both sides send and answer the same."""
    (tmp_path / "plain.wasm").write_bytes(wasm(request_headers=[call("add", 0, "x-second", "1")]))
    made = Made(request(path=f"/{index}", at_ms=50 * index) for index in range(20))
    answer = HttpResponse(403, {"content-length": "2", "x-user": "jane"}, "no", latency_ms=2)
    message = GrpcResponse(b"ok", latency_ms=2)
    filters = [Filter(three_calls), Filter(tmp_path / "plain.wasm")]
    with http_server(lambda *_: answer) as users, grpc_server(lambda *_: message) as limits:
        clusters = [Cluster("users", users), Cluster("limits", limits, http2=True)]
        observed = run_envoy(made, [FilterSpec.of(each) for each in filters], clusters=clusters)
        baseline = run_envoy(made, [])
        real = {"users": f"http://127.0.0.1:{users}", "limits": f"http://127.0.0.1:{limits}"}
        replays = [Chain(*filters, clusters=given).replay(made) for given in ({"users": answer, "limits": message}, real)]  # type: ignore[arg-type]
    for replay in replays:
        results = list(replay.outcomes())
        assert [str(found) for found in compare(observed, baseline, results)] == []
        upstream = results[0]["upstream_request"]
        assert upstream is not None and ["x-answers", "3"] in upstream["headers"]
        assert {each["ended"] for one in results for each in one["callouts"]} == {"answered"}


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_verification_answers_callouts_in_envoy_too(three_calls: Path) -> None:
    """The chain's own services are served to Envoy, over HTTP and gRPC."""

    def check(asked: HttpRequest) -> HttpResponse:
        return HttpResponse(403, {"content-length": "2"}, "no", latency_ms=1)

    with open_capture(CAPTURE) as capture:
        replay = Chain(three_calls, clusters={"users": check, "limits": GrpcResponse(b"ok", latency_ms=1)}).replay(capture)
        checked = replay.verify_with_envoy()
    assert (checked.agreed, checked.explained, checked.unexplained) == (15, 0, 0)


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_verification_shows_where_a_service_answers_otherwise(asks: Path) -> None:
    """A function that looks at the filter's name says something else where it is told none."""

    def check(asked: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"content-length": "0", "x-known" if asked.filter else "x-unknown": "1"})

    denies = If(call("get", 6, "x-known", OUT, OUT), 1, (call("local", 403, "", "", b"", -1),))
    asks.write_bytes(wasm(**ASKS | {"http_call_response": [call("effective", LAST), denies, call("cont", 0)]}))
    with open_capture(CAPTURE) as capture:
        checked = Chain(asks, clusters={"auth": check}).replay(capture).verify_with_envoy(limit=3)
    assert (checked.agreed, checked.unexplained) == (0, 3)
    assert any("403" in str(found) for found in checked.differences)
