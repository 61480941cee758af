"""rls_shim in real Envoy decides as in the replay: asking the replay's Limitador in the captured time, or one over gRPC in real time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import workbench as wb
from tests.config.made import HOST, get, post
from tests.config.objects import FIVE_V1, ROUTE, loader, policy
from tests.core.traffic import Made
from workbench.config.kuadrant import Kuadrant
from workbench.envoy import Cluster, FilterSpec, run_envoy
from workbench.envoy.judge import Observed
from workbench.services import NEVER, GrpcResponse, Unreachable
from workbench.services.ratelimit.server import Answered, LimitServer, load_limits

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

FOLDER = Path(__file__).resolve().parents[2] / "sample_filters" / "rls_shim"
SHIM = FOLDER / "rls_shim.wasm"
SAMPLE = (FOLDER / "policy.yaml", FOLDER / "route.yaml")

Serve = Callable[[Kuadrant], AbstractContextManager[tuple[int, list[Answered]]]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`with serve(policies) as (port, answered)`: a Limitador with their limits over gRPC, and what it has been asked."""

    @contextmanager
    def run(found: Kuadrant) -> Iterator[tuple[int, list[Answered]]]:
        (tmp_path / "limits.yaml").write_text(found.limits_yaml())
        answered: list[Answered] = []
        server = LimitServer(tmp_path / "limits.yaml", lambda path: load_limits(path, headers=True), answered.append)
        with server.serve() as port:
            yield port, answered

    return run


def through_envoy(found: Kuadrant, made: Made, port: int, mode: str = "deny", *, paced: bool = False) -> list[Observed]:
    """The exchanges through an Envoy of their own, whose Limitador is on that port."""
    chain = found.chain(SHIM, failure_mode=mode, timeout="20s")
    return run_envoy(made, [FilterSpec.of(chain[0])], clusters=[Cluster(found.cluster(), port, http2=True)], paced=paced, timeout=30)


def ratelimit_headers(pairs: object) -> dict[str, str]:
    """Those that do not tell a time."""
    return {name: value for name, value in pairs if name in ("x-ratelimit-limit", "x-ratelimit-remaining")}  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["0.4", *(pytest.param(form, marks=pytest.mark.slow) for form in ("0.6", "0.8", "0.11")), "0.13"])
def test_the_same_verdicts_and_headers(form: str) -> None:
    """In the captured time: POST once a second, and what no limit is for."""
    posts = [post(at_ms=1000 * second) for second in range(12)]
    others = [get(at_ms=11_500), *(post(path, at_ms=11_500) for path in ("/toys/1", "/toys?x=1"))]
    hosts = [post(host=host, at_ms=11_500) for host in (f"{HOST}:8080", "other.com")]
    replay = wb.config.kuadrant.load(*SAMPLE).chain(SHIM, form, headers="draft03", timeout="2s").replay(Made([*posts, *others, *hosts]))
    assert [one.result["downstream_response"]["status"] for one in replay][:12] == [200] * 5 + [429] * 5 + [200] * 2
    found = replay.verify_with_envoy()
    assert [str(each) for each in found.differences] == [] and found.agreed == 17


@pytest.mark.parametrize(
    ("failure", "mode"),
    [
        (Unreachable(), "deny"),
        (GrpcResponse(b""), "allow"),
        *(pytest.param(one, mode, marks=pytest.mark.slow) for one in (NEVER, GrpcResponse(status=8)) for mode in ("deny", "allow")),
    ],
)
def test_the_same_failures(failure: object, mode: str) -> None:
    found = wb.config.kuadrant.load(*SAMPLE)
    chain = found.chain(SHIM, failure_mode=mode, clusters={found.cluster(): failure})
    replay = chain.replay(Made([post(), get(at_ms=500)]))
    assert [one.result["downstream_response"]["status"] for one in replay] == [500 if mode == "deny" else 200, 200]
    checked = replay.verify_with_envoy()
    assert [str(each) for each in checked.differences] == [] and checked.agreed == 2


def test_a_limitador_over_grpc_in_real_time(tmp_path: Path, serve: Serve) -> None:
    found = loader(tmp_path)(policy(FIVE_V1.replace("10s", "5s"), target="HTTPRoute/toystore/rule-2"), ROUTE)
    # the window begins when the first is asked for: there is more than a second for that, and four for the ten
    made = Made([*(post(at_ms=50 * step) for step in range(10)), get(at_ms=500), post(at_ms=6500), post(at_ms=6600)])
    replay = found.chain(SHIM, headers="draft03").replay(made)
    with serve(found) as (port, answered):
        seen = through_envoy(found, made, port, paced=True)
    assert [one.status for one in seen] == [200] * 5 + [429] * 5 + [200] * 3
    assert [one.over for one in answered] == [False] * 5 + [True] * 5 + [False] * 2
    for ours, theirs in zip(replay, seen, strict=True):
        answer = ours.result["downstream_response"]
        assert theirs.downstream_response is not None
        assert theirs.status == answer["status"] and theirs.downstream_response.body_sha256 == answer["body_sha256"]
        assert ratelimit_headers(theirs.downstream_response.headers) == ratelimit_headers(answer["headers"])


def test_counters_outlive_envoy_and_its_filter(tmp_path: Path, serve: Serve) -> None:
    """They are the service's: another Envoy with the filter goes on where the first has left."""
    found = loader(tmp_path)(policy(FIVE_V1.replace("10s", "10m")), ROUTE)
    with serve(found) as (port, _):
        first = through_envoy(found, Made([post(), post(), post()]), port)
        second = through_envoy(found, Made([post(), post(), post()]), port)
    assert [one.status for one in [*first, *second]] == [200] * 5 + [429]


@pytest.mark.parametrize(("mode", "status"), [("deny", 500), ("allow", 200)])
def test_limitador_is_stopped(mode: str, status: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens on it
        seen = through_envoy(wb.config.kuadrant.load(*SAMPLE), Made([post(), get(), post()]), taken.getsockname()[1], mode)
    assert [one.status for one in seen] == [status, 200, status]
    bodies = [one.downstream_response.body for one in seen if one.downstream_response is not None]
    assert bodies == ([b"Internal Server Error.\n", b"ok", b"Internal Server Error.\n"] if status == 500 else [b"ok"] * 3)
