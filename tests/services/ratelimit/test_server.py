"""The limiter over real gRPC and in real time: asked by grpcio, by a replay, and by real Envoy's own rate-limit filter."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.services.ratelimit.asking import message
from tests.services.ratelimit.test_replay import _asks, _each_second, _rows
from workbench.chain import Chain
from workbench.cli import main
from workbench.envoy.config import Cluster, bootstrap
from workbench.envoy.process import EnvoyProcess
from workbench.errors import ConfigError
from workbench.services.ratelimit import EnvoyRateLimit, Limitador
from workbench.services.ratelimit.messages import CHECK, OK, OVER_LIMIT, SHOULD, RateLimitResponse
from workbench.services.ratelimit.server import Answered, LimitServer, load_limits
from workbench.trace.records import Event

LIMITS = "- {namespace: toys, max_value: %d, seconds: 3600, name: create, conditions: [], variables: ['descriptors[0].user']}\n"
CONFIG = "domain: toys\ndescriptors: [{key: user, rate_limit: {unit: year, requests_per_unit: 3}}]\n"


def _ask(port: int, body: bytes, method: tuple[str, str] = SHOULD) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{method[0]}/{method[1]}")
        return RateLimitResponse.FromString(call(body, timeout=120, wait_for_ready=True))


@contextmanager
def _serving(path: Path, **settings: Any) -> Iterator[tuple[int, LimitServer, list[Answered]]]:
    told: list[Answered] = []
    server = LimitServer(path, lambda given: load_limits(given, **settings), told.append)
    with server.serve() as port:
        yield port, server, told


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_text(LIMITS % 3)
    return path


def test_decisions_over_grpc(limits: Path) -> None:
    with _serving(limits, headers=True) as (port, _, told):
        answers = [_ask(port, message("toys", {"user": "jane"})) for _ in range(4)]
        assert _ask(port, message("toys", {"user": "june"}), CHECK).overall_code == OK
        with pytest.raises(grpc.RpcError) as error:
            _ask(port, message("toys"), ("pkg.Other", "Call"))
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert [each.overall_code for each in answers] == [OK] * 3 + [OVER_LIMIT]
    assert [each.response_headers_to_add[1].value for each in answers] == ["2", "1", "0", "0"]
    assert [(each.code, each.domain, each.method) for each in told[3:5]] == [
        ("OVER_LIMIT", "toys", "ShouldRateLimit"),
        ("OK", "toys", "CheckRateLimit"),
    ]
    assert told[3].descriptors == ((("user", "jane"),),) and told[3].limits[0].over and told[3].over
    assert (told[5].code, told[5].limits) == ("status 12", ())


def test_many_at_once_are_counted_one_by_one(limits: Path) -> None:
    limits.write_text(LIMITS % 50)
    body = message("toys", {"user": "jane"})
    with _serving(limits) as (port, _, told), grpc.insecure_channel(f"127.0.0.1:{port}") as channel, ThreadPoolExecutor(8) as pool:
        call = channel.unary_unary("/" + "/".join(SHOULD))
        codes = [RateLimitResponse.FromString(each).overall_code for each in pool.map(call, [body] * 120)]
    assert codes.count(OK) == 50 and len(told) == 120


def test_the_file_is_read_again_and_counters_go_on(limits: Path) -> None:
    body = message("toys", {"user": "jane"})
    with _serving(limits) as (port, server, told):
        assert [_ask(port, body).overall_code for _ in range(3)] == [OK] * 3
        assert not server.reload()
        limits.write_text(LIMITS % 4 + "# grown\n")
        assert server.reload() and not server.reload()
        assert [_ask(port, body).overall_code for _ in range(2)] == [OK, OVER_LIMIT]
        limits.write_text("- {namespace: toys}")
        with pytest.raises(ConfigError, match=r"limits\.yaml: line 1: has no max_value"):
            server.reload()
        assert not server.reload() and told[-1].limits[0].limit == 4
        assert _ask(port, body).overall_code == OVER_LIMIT
        limits.unlink()
        with pytest.raises(ConfigError, match="cannot be read"):
            server.reload()


def test_what_a_file_looks_like(limits: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.yaml").write_text(CONFIG)
    assert isinstance(load_limits(limits), Limitador)
    assert isinstance(load_limits(tmp_path / "config.yaml"), EnvoyRateLimit) and isinstance(
        load_limits(tmp_path / "folder"), EnvoyRateLimit
    )
    with pytest.raises(ConfigError, match="is a mapping where a list is wanted"):
        load_limits(tmp_path / "config.yaml", "limitador")


def test_a_port_that_is_taken(limits: Path) -> None:
    with _serving(limits) as (port, server, _), pytest.raises(ConfigError, match=f"port {port}: cannot be listened on"), server.serve(port):
        pass


def test_a_replay_asks_a_real_server(tmp_path: Path, limits: Path) -> None:
    with _serving(limits, headers=True) as (port, _, told):
        chain = Chain(_asks(tmp_path, timeout_ms=120_000), clusters={"rls": f"grpc://127.0.0.1:{port}"})
        replay = chain.replay(_each_second(5))  # type: ignore[arg-type]
    codes = [RateLimitResponse.FromString(row.fields[2]).overall_code for row in _rows(replay, Event.CALLOUT)]
    assert codes == [OK] * 3 + [OVER_LIMIT] * 2 == [OVER_LIMIT if each.over else OK for each in told]
    # what it counts is known from its answers
    assert list(replay.limits["verdict"]) == ["allowed"] * 3 + ["limited"] * 2
    assert list(replay.limits["remaining"]) == [2, 1, 0, 0, 0] and set(replay.limits["max"]) == {3}
    assert _rows(replay, Event.LIMIT) == [] and any("rls" in note for note in replay.notes)


@contextmanager
def _command(*arguments: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The command itself, as a user runs it; gives the port that it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "rls", "serve", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "127.0.0.1:" in first, first + process.stderr.read()
        yield int(first.partition("127.0.0.1:")[2].partition(";")[0]), process
    finally:
        process.kill()
        process.communicate()


def replace(path: Path, text: str) -> None:
    """Change a file at one stroke: the command may look at any moment."""
    beside = path.with_suffix(".part")
    beside.write_text(text)
    beside.replace(path)


def test_the_command(limits: Path) -> None:
    limits.write_text(LIMITS % 1)
    with _command(str(limits), "--headers", "draft03") as (port, process):
        assert process.stdout is not None and process.stderr is not None
        codes = [_ask(port, message("toys", {"user": "\x1b[31mjane"})).overall_code for _ in range(2)]
        assert codes == [OK, OVER_LIMIT]
        first, second = process.stdout.readline(), process.stdout.readline()
        assert "Z  OK          toys  user=" in first and "→ create [user=" in first and "] 1/1, resets in 36" in first
        assert "  OVER_LIMIT  toys" in second and "] 1/1, over, resets in" in second and "\x1b" not in first + second
        replace(limits, "- {namespace: toys}")
        assert "has no max_value" in (told := process.stderr.readline()) and "goes on" in told
        replace(limits, LIMITS % 5)
        assert "has changed: <Limitador, 1 limit>" in process.stderr.readline()
        assert _ask(port, message("toys", {"user": "\x1b[31mjane"})).overall_code == OK
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=120)
        assert (process.returncode, rest) == (0, "")


def test_the_command_in_json(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with _command(str(tmp_path / "config.yaml"), "--envoy", "--json") as (port, process):
        assert process.stdout is not None
        assert _ask(port, message("toys", {"user": "jane"}, hits=4)).overall_code == OVER_LIMIT
        one = json.loads(process.stdout.readline())
        assert (one["code"], one["domain"], one["descriptors"], one["hits"]) == ("OVER_LIMIT", "toys", [[["user", "jane"]]], 4)
        assert one["limits"][0]["count"] == 4 and 0 < one["limits"][0]["resets_in_s"] <= 365 * 86400
        assert abs(one["time"] - time.time()) < 60
        process.terminate()
        process.communicate(timeout=120)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.yaml"], "none.yaml: cannot be read"),
        (["limits.yaml", "--envoy"], "limits.yaml: line 1: is a list where a mapping is wanted"),
        (["limits.yaml", "--headers", "ratelimit"], "--headers ratelimit: limitador answers without such headers"),
        (["limits.yaml", "--envoy", "--limitador"], "not allowed with argument"),
        (["limits.yaml", "--port", "99999"], "--port"),
    ],
)
def test_what_the_command_refuses(
    arguments: list[str], told: str, limits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(limits.parent)
    assert main(["rls", "serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _envoy_with_its_own_filter(rls_port: int) -> Iterator[EnvoyProcess]:
    """Real Envoy with `envoy.filters.http.ratelimit`, which asks about each request's path."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    config = bootstrap([], upstream.server_address[1], clusters=[Cluster("rls", rls_port, http2=True)])
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    kind = "envoy.extensions.filters.http.ratelimit.v3.RateLimit"
    limit = {
        "@type": f"type.googleapis.com/{kind}",
        "domain": "toys",
        "timeout": "30s",
        "failure_mode_deny": True,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": {"grpc_service": {"envoy_grpc": {"cluster_name": "rls"}}, "transport_api_version": "V3"},
    }
    manager["http_filters"].insert(0, {"name": "envoy.filters.http.ratelimit", "typed_config": limit})
    route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    route["rate_limits"] = [{"actions": [{"request_headers": {"header_name": "x-user", "descriptor_key": "user"}}]}]
    try:
        with EnvoyProcess(config) as envoy:
            yield envoy
    finally:
        upstream.shutdown()
        upstream.server_close()


def _post(port: int, user: str) -> tuple[int, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/toys", headers={"x-user": user})
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders() if "ratelimit" in name.lower()}
    finally:
        connection.close()


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_real_envoy_and_limitadors_limits(limits: Path) -> None:
    with _serving(limits, headers=True) as (port, _, told), _envoy_with_its_own_filter(port) as envoy:
        answers = [_post(envoy.ports["plain"], "jane") for _ in range(5)]
        assert _post(envoy.ports["plain"], "june")[0] == 200
    assert [status for status, _ in answers] == [200] * 3 + [429] * 2
    assert [headers["x-ratelimit-remaining"] for _, headers in answers] == ["2", "1", "0", "0", "0"]
    assert {headers["x-ratelimit-limit"] for _, headers in answers} == {'3, 3;w=3600;name="create"'}
    assert [each.code for each in told] == ["OK"] * 3 + ["OVER_LIMIT"] * 2 + ["OK"]


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_real_envoy_and_its_own_projects_limits(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with _serving(tmp_path / "config.yaml") as (port, _, told), _envoy_with_its_own_filter(port) as envoy:
        answers = [_post(envoy.ports["plain"], "jane") for _ in range(5)]
    assert [status for status, _ in answers] == [200] * 3 + [429] * 2
    # Envoy makes them of the statuses: limit, what remains, and when it begins anew
    assert [headers["x-ratelimit-remaining"] for _, headers in answers] == ["2", "1", "0", "0", "0"]
    year = 365 * 86400
    assert {headers["x-ratelimit-limit"] for _, headers in answers} == {f"3, 3;w={year}"}
    assert all(0 < int(headers["x-ratelimit-reset"]) <= year for _, headers in answers)
    assert told[4].limits[0].count == 5
