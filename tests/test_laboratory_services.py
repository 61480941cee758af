"""The laboratory and the table of limits beside the rate-limit services themselves: real filter, real messages, the same verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.analysis.facts import Outcome
from workbench.analysis.laboratory import Setting
from workbench.replay import Replay
from workbench.services.ratelimit import EnvoyRateLimit, Limit, Limitador

REPO = Path(__file__).parents[1]
SHIM = REPO / "sample_filters" / "rls_shim"


@pytest.fixture(scope="module")
def policy() -> Any:
    return wb.config.kuadrant.load(SHIM / "policy.yaml", SHIM / "route.yaml")


@pytest.fixture(scope="module")
def capture() -> Any:
    return wb.open_capture(REPO / "captures" / "toystore.mitm")


@pytest.fixture(scope="module")
def replay(policy: Any, capture: Any) -> Replay:
    found: Replay = policy.chain(SHIM / "rls_shim.wasm", headers="draft03").replay(capture)
    return found


def test_limitador_explains_itself(replay: Replay) -> None:
    found = replay.limits
    assert set(found["source"]) == {"service"}
    assert set(found["limit"]) == {"create-toy"}
    assert (found["max"] == 5).all() and (found["window_s"] == 10).all()
    assert (found["verdict"] == "limited").sum() == replay.count("limited") > 0
    assert ((found["resets_at"] - found["window_start"]).dt.total_seconds() == 10).all()
    assert (found["time"] < found["resets_at"]).all()
    decided = replay.decisions
    assert (decided["counter"] + decided["remaining"] == 5).all()


def test_witnesses_agree(policy: Any, capture: Any, replay: Replay) -> None:
    """The same service as a function says nothing of its counters: then its messages and the headers in them tell the same."""
    asked = Limitador([Limit(**each) for each in policy.limits()], headers="draft03")
    service = asked.begin(capture)
    silent = policy.chain(SHIM / "rls_shim.wasm", clusters={policy.cluster(): lambda request: _without_limits(service, request)}).replay(
        capture
    )
    told, read = replay.limits, silent.limits
    assert set(read["source"]) == {"answer"}
    for name in ("exchange", "filter", "limit", "verdict", "max", "counter", "remaining", "window_s"):
        assert told[name].tolist() == read[name].tolist(), name


def _without_limits(service: Any, request: Any) -> Any:
    from dataclasses import replace

    return replace(service.grpc(request), limits=())


def test_the_laboratory_is_limitador(policy: Any, capture: Any, replay: Replay) -> None:
    lab = replay.laboratory()
    assert lab.configured == Setting(5, 10.0, "fixed window", aligned=False)
    for most in (1, 3, 5, 8, 40):
        limits = [Limit(**{**each, "max_value": most}) for each in policy.limits()]
        real = policy.chain(SHIM / "rls_shim.wasm", clusters={policy.cluster(): Limitador(limits)}).replay(capture)
        tried = lab.run(limit=most)
        assert real.facts.exchange[real.facts.outcome == Outcome.LIMITED].tolist() == sorted(
            tried.requests.exchange[tried.limited].tolist()
        )


def test_the_laboratory_is_envoys_service(policy: Any, replay: Replay, tmp_path: Path, capture: Any) -> None:
    """Windows of a second, kept to the clock; what is refused counts there, which changes no verdict."""
    (entry,) = _entries(replay)
    file = tmp_path / "limits.yaml"
    domain = replay.limits["domain"].iloc[0].removeprefix("limitador ")
    file.write_text(f"domain: {domain}\ndescriptors:\n  - key: {entry}\n    rate_limit: {{unit: second, requests_per_unit: 2}}\n")
    real = policy.chain(SHIM / "rls_shim.wasm", clusters={policy.cluster(): EnvoyRateLimit.load(file)}).replay(capture)
    assert real.count("limited") > 0
    lab = real.laboratory()
    assert lab.configured == Setting(2, 1.0, "fixed window")
    assert (lab.run(limit=2, window_s=1, algorithm="fixed window", aligned=True).limited == lab.requests.recorded).all()
    assert set(real.limits["window_s"]) == {1}


def _entries(replay: Replay) -> list[str]:
    """The keys of the descriptors that the filter asks for."""
    from workbench.analysis.ratelimit_answers import read_question

    trace = replay.trace
    code = next(code for code, call in enumerate(trace.schema.hostcalls) if call.name == "proxy_grpc_call")
    rows = (trace.row(seq) for seq in range(len(trace)))
    call = next(row for row in rows if row.kind == 2 and row.code == code)
    asked = read_question(call.fields[-1])
    assert asked is not None
    return [one.partition("=")[0] for one in asked.descriptors[0].split(", ")]
