"""What counts as the same value at another time or of other random bytes, and the exchanges that an experiment replays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.core.traffic import Made
from workbench.capture import Exchange
from workbench.capture.packing import pack
from workbench.envoy import Difference, Observed
from workbench.envoy.causes import Altered, Differing, Moment, _same_form, _same_time, explain

Make = Callable[..., Exchange]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("1700000000123", "1700000000987", True),
        ("1700000000123", "1700000000123000", False),  # milliseconds beside microseconds
        ("Fri, 21 Nov 2026 10:00:59 GMT", "Fri, 21 Nov 2026 10:00:58 GMT", True),
        ("Fri, 21 Nov 2026 10:00:59 GMT", "Sat, 21 Nov 2026 10:00:59 GMT", False),
        ("limit=5;left=3", "limit=5;left=2", True),
        ("limit=5", "limit=50", False),
        ("yes", "no", False),
        ("same", "same", True),
    ],
)
def test_the_same_at_another_time(ours: str, theirs: str, same: bool) -> None:
    assert _same_time(ours, theirs) is same


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("9f86d081-884c", "60303ae2-2b8e", True),
        ("id=q83vEg==", "id=AbC1Zz==", True),
        ("9f86d081", "9f86", False),
        ("a-b", "a_b", False),
    ],
)
def test_the_same_of_other_random_bytes(ours: str, theirs: str, same: bool) -> None:
    assert _same_form(ours, theirs) is same


def test_altered_exchanges_come_in_the_order_of_sending(exchange: Make) -> None:
    capture = Made(exchange(index, start_ms=index) for index in range(3))
    altered = Altered(capture, [2, 0], lambda one: replace(one, connection=7))
    assert [(one.index, one.connection) for one in altered.in_time()] == [(2, 7), (0, 7)]
    assert [one.index for one in altered] == [0, 2]
    (batch,) = altered.batches()
    assert (batch.count, batch.start_ns) == (2, capture[2].request.start_ns)
    assert batch.data == pack(altered.in_time())
    assert list(Altered(capture, [], lambda one: one).batches()) == []


def test_large_exchanges_come_in_batches(exchange: Make) -> None:
    capture = Made(exchange(index, body=b"x" * (5 << 20)) for index in range(3))
    assert [batch.count for batch in Altered(capture, [0, 1, 2], lambda one: one).batches()] == [1, 1, 1]


def told(status: int, exchange: int = 0) -> dict[str, Any]:
    response = {"status": status, "headers": [], "body_size": 0, "body_sha256": EMPTY, "trailers": []}
    return {"exchange": exchange, "upstream_request": None, "downstream_response": response}


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SECOND = 1_000_000_000


class Limiter:
    """A replay that answers 429 from a point in time on; remembers how often it ran and with what settings."""

    def __init__(self, limit_ns: int) -> None:
        self._limit = limit_ns
        self.runs: list[dict[str, int]] = []

    def __call__(self, exchanges: Altered, /, **settings: int) -> Any:
        self.runs.append(settings)
        statuses = {one.index: 429 if one.request.start_ns >= self._limit else 200 for one in exchanges.in_time()}
        return statuses, lambda index: told(statuses[index], index)


def _seen(status: int, index: int = 0) -> Observed:
    from workbench.envoy import Seen

    return Observed(index, None, 0, status, Seen((), b"", (), True, b"", frozenset()), "", ())


def _explained(limit_ns: int, moment: Moment, exchange: Make, ours: int, envoy: int) -> tuple[Difference, Limiter]:
    difference = Difference(0, "downstream_response", "status", ours, envoy)
    one = Differing(_seen(envoy), _seen(200), [difference])
    limiter = Limiter(limit_ns)
    explain(Made([exchange(0)]), [moment], [one], limiter, paced=False)
    (found,) = one.differences
    return found, limiter


def test_a_limit_that_is_reached_within_what_is_known_of_the_time(exchange: Make) -> None:
    """At Envoy's own time of the request the limit is not reached; it is 3 ms later, when the answer was there at the latest."""
    start = 2_000_000_000 * SECOND
    moment = Moment(0, start, start + 4_000_000, start + 5_000_000, 429)
    found, _ = _explained(start + 3_000_000, moment, exchange, 200, 429)
    assert (found.explained, found.cause.startswith("the clock")) == (True, True)


def test_a_limit_beyond_what_is_known_of_the_time_explains_nothing(exchange: Make) -> None:
    start = 2_000_000_000 * SECOND
    moment = Moment(0, start, start + 4_000_000, start + 5_000_000, 429)
    found, limiter = _explained(start + SECOND, moment, exchange, 200, 429)
    assert (found.explained, found.cause) == (False, "")
    # The control, each factor once a setting, both ends of the time: no more runs where nothing changes.
    assert len(limiter.runs) == 10


def test_a_replay_that_cannot_be_had_again_explains_nothing(exchange: Make) -> None:
    moment = Moment(0, SECOND, SECOND, SECOND, 429)
    found, limiter = _explained(0, moment, exchange, 200, 429)
    assert (found.explained, "run again" in found.cause, len(limiter.runs)) == (False, True, 1)
