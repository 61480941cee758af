"""What envoyproxy/ratelimit itself answered, and what is answered here: the whole messages, statuses and headers with them.

`envoy_ratelimit_seen.json` was recorded (`record_envoy_ratelimit`) with its service as a Go module, a Redis in memory, and a clock that the
requests set.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.services.ratelimit.asking import START_NS, Asking, S
from tests.services.ratelimit.record_envoy_ratelimit import CONFIG
from workbench.services.ratelimit import EnvoyRateLimit
from workbench.services.ratelimit.messages import OK, OVER_LIMIT, RateLimitRequest, RateLimitResponse


def test_the_same_is_answered_here() -> None:
    ask = Asking(EnvoyRateLimit.parse(CONFIG, headers=True))
    codes = []
    for seen in json.loads((Path(__file__).parent / "envoy_ratelimit_seen.json").read_text(encoding="utf-8")):
        asked = bytes.fromhex(seen["asked"])
        given = ask.raw(seen["now"] - START_NS // S, asked)
        if "error" in seen:
            assert (given.status, given.status_message) == (2, seen["error"])
            continue
        answered = RateLimitResponse.FromString(bytes.fromhex(seen["answered"]))
        assert RateLimitResponse.FromString(given.message) == answered, (seen["now"], RateLimitRequest.FromString(asked))
        codes.append(answered.overall_code)
    assert codes.count(OK) > 100 and codes.count(OVER_LIMIT) > 50
