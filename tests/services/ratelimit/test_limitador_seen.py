"""What Limitador's own library did, and what is done here.

`limitador_seen.json` was recorded (`record_limitador`) with the crate `limitador`, three releases of it, counters in memory, in real time:
limits, requests with the microsecond at which each was made, and what came of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.ratelimit.asking import START_NS, Answered, Asking, message
from workbench.services.ratelimit import Limitador
from workbench.services.ratelimit.messages import CHECK, OVER_LIMIT, REPORT, SHOULD

SEEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "limitador_seen.json").read_text(encoding="utf-8"))
METHODS = {"should": SHOULD, "check": CHECK, "report": REPORT}


@pytest.mark.parametrize("scene", SEEN, ids=lambda scene: f"{scene['library']}-{scene['limits'][0]['namespace'].partition('/')[0]}")
def test_the_same_is_done_here(scene: dict[str, Any]) -> None:
    ask = Asking(Limitador(scene["limits"], headers="draft03", library=scene["library"]))
    verdicts = set()
    for seen in scene["asks"]:
        body = message(seen["domain"], *seen["descriptors"], hits=seen["hits"])
        given = ask.raw(seen["at_us"] / 1e6, body, METHODS[seen["how"]])
        assert (given.status != 0) == ("error" in seen), seen
        if given.status:
            continue
        answer = ask.read(given)
        assert (answer.code == OVER_LIMIT) == seen["over"], seen
        verdicts.add(seen["over"])
        _same_headers(answer, seen, START_NS // 1000 + seen["at_us"])
    assert verdicts == {True, False}


def _same_headers(answer: Answered, seen: dict[str, Any], now_us: int) -> None:
    told = {name.removeprefix("X-RateLimit-"): value for name, value in answer.headers.items()}
    assert told.keys() == seen["headers"].keys(), seen
    if not told:
        return
    # of counters with equally much left Limitador takes any
    (first, *policies), (its_first, *its_policies) = told["Limit"].split(", "), seen["headers"]["Limit"].split(", ")
    assert sorted(policies) == sorted(its_policies), seen
    assert told["Remaining"] == seen["headers"]["Remaining"], seen
    if first == its_first and "Reset" in told:
        # one that begins with this request has lost its first microseconds there
        begins = any(state.start_ns // 1000 == now_us and state.key for state in answer.limits)
        assert int(told["Reset"]) - int(seen["headers"]["Reset"]) in ((0, 1) if begins else (0,)), seen
