"""Every sample filter over every sample capture: real Envoy does nothing else than the replay, or it is known why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.capture import open_capture
from workbench.chain import Chain, Filter

pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.usefixtures("envoy_binary")]

Find = Callable[[str], Path]

RULES: Any = {
    "realm": "toys",
    "basic_auth_rules": [
        {"prefix": "/productpage", "request_methods": ["GET", "POST"], "credentials": ["ok:test", "YWRtaW4zOmFkbWluMw=="]},
        {"suffix": "/1", "request_methods": ["GET", "PATCH", "DELETE"], "credentials": ["ok:test"]},
        {"exact": "/toys", "request_methods": ["POST"], "credentials": ["ok:test"], "hosts": ["*.example.com"]},
    ],
}
EDITS: Any = {"set": {"meta.version": 2, "0.price_cents": 100, "name": "x", "tags.1": None}, "remove": ["id", "toys.0"]}
CASES: dict[str, tuple[tuple[str, Any], ...]] = {
    "trace_every_call": (("trace_every_call", None),),
    "add_header": (("add_header", {"header": "x-team", "value": "toys"}),),
    "basic_auth": (("basic_auth", RULES),),
    "body_rewrite": (("body_rewrite", EDITS),),
    "token_bucket": (("token_bucket", None),),
    "token_bucket by user": (("token_bucket", {"rate": 20, "per_s": 1, "methods": [], "prefix": "/", "key": "header:x-user"}),),
    "all": (
        *(("trace_every_call", None), ("basic_auth", RULES), ("token_bucket", {"rate": 3, "per_s": 2, "methods": []})),
        *(("body_rewrite", EDITS), ("add_header", None)),
    ),
}
PACED = ("token_bucket", "token_bucket by user")


@pytest.mark.parametrize("capture", ["burst", "toystore", "edge"])
@pytest.mark.parametrize("case", CASES)
def test_a_sample_filter_over_a_sample_capture(repo: Path, sample_filter: Find, case: str, capture: str) -> None:
    chain = Chain(*(Filter(sample_filter(name), config) for name, config in CASES[case]))
    with open_capture(repo / f"captures/{capture}.mitm") as opened:
        replay = chain.replay(opened)
        found = replay.verify_with_envoy(limit=None)
        paced = replay.verify_with_envoy(limit=None, paced=True) if case in PACED else found
    for pace, one in (("", found), *((("paced", paced),) if case in PACED else ())):
        counts = f"agree {one.agreed:4} explained {one.explained:4} unexplained {one.unexplained:3}"
        print(f"{case:22} {capture:9} {pace:6} {one.exchanges:4} exchanges, {counts}, {one.seconds:5.1f} s")
    assert (found.stopped, found.unexplained) == ("", 0), found.text()
    assert paced.unexplained == 0, paced.text()
    assert found.exchanges == len(replay) > 0
    if not any(name == "token_bucket" for name, _ in CASES[case]):
        assert found.differences == ()


def test_each_case_does_something(repo: Path, sample_filter: Find) -> None:
    """Nothing is compared where filters leave everything as it is: each must change or answer exchanges in the largest capture."""
    with open_capture(repo / "captures/edge.mitm") as opened:
        for case, filters in CASES.items():
            replay = Chain(*(Filter(sample_filter(name), config) for name, config in filters)).replay(opened)
            assert replay.count("passed") < len(replay), case
