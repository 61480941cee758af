"""Replays and real Envoy agree: each sample filter and a chain of them, over recorded traffic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.envoy import FilterSpec, Observed, compare, run_envoy
from workbench.errors import ConfigError

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

RULES: Any = {
    "realm": "istio",
    "basic_auth_rules": [
        {"prefix": "/productpage", "request_methods": ["GET", "POST"], "credentials": ["ok:test", "YWRtaW4zOmFkbWluMw=="]}
    ],
}
EDITS: Any = {"set": {"meta.version": 2, "items.0.price": "1.50", "name": "x"}, "remove": ["debug"]}
Find = Callable[[str], Path]


def differences(capture: Path, chain: Chain, out: Path, *, paced: bool = False) -> tuple[int, list[str]]:
    """How many exchanges the chain changed in Envoy, and every difference in words."""
    with open_capture(capture) as opened:
        exchanges = list(opened)
        chain.replay(opened).to_jsonl(out)
    replayed = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(replayed) == len(exchanges)
    baseline = run_envoy(exchanges, [])
    observed = run_envoy(exchanges, [FilterSpec.of(each) for each in chain], paced=paced)
    changed = sum(_undated(one) != _undated(plain) for one, plain in zip(observed, baseline, strict=True))
    return changed, [str(found) for found in compare(observed, baseline, replayed)]


def _undated(one: Observed) -> tuple[Any, ...]:
    """All that was seen but the `date` of the day, which Envoy adds."""
    sides = [
        seen and ([pair for pair in seen.headers if pair[0] != "date"], seen.body)
        for seen in (one.upstream_request, one.downstream_response)
    ]
    return (one.status, *sides)


@pytest.mark.parametrize("capture", ["toystore", "edge"])
@pytest.mark.parametrize(
    "filters",
    [
        (("trace_every_call", None),),
        (("basic_auth", RULES),),
        (("body_rewrite", EDITS),),
    ],
    ids=lambda filters: "+".join(name for name, _ in filters),
)
def test_sample_filters_over_recorded_traffic(
    repo: Path, sample_filter: Find, tmp_path: Path, capture: str, filters: tuple[tuple[str, Any], ...]
) -> None:
    chain = Chain(*(Filter(sample_filter(name), config) for name, config in filters))
    changed, found = differences(repo / "captures" / f"{capture}.mitm", chain, tmp_path / "out.jsonl")
    assert found == []
    assert changed > 0


def test_a_rate_limit_at_the_captured_pace(repo: Path, sample_filter: Find, tmp_path: Path) -> None:
    changed, found = differences(repo / "captures/burst.mitm", Chain(sample_filter("token_bucket")), tmp_path / "out.jsonl", paced=True)
    assert found == []
    assert changed > 0


def test_a_failure_policy_that_envoy_has_not() -> None:
    with pytest.raises(ConfigError, match="x: Envoy has no failure policy 'restart'"):
        FilterSpec.of(Filter("x.wasm", failure_policy="restart"))
