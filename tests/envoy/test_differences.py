"""A comparison finds what was planted, and forgives only what Envoy adds behind the filters."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from workbench.envoy import Difference, Observed, Seen, compare
from workbench.errors import ReplayError

REQUEST = ((":method", "POST"), (":path", "/p"), (":authority", "h"), ("x-a", "1"), ("x-b", "2"), ("x-forwarded-proto", "http"))
RESPONSE = (("x-up", "1"), ("content-length", "2"), ("date", "today"), ("connection", "close"))


def seen(headers: tuple[tuple[str, str], ...], body: bytes, added: set[str]) -> Seen:
    return Seen(headers, body, (), True, b"", frozenset(added))


OBSERVED = Observed(7, seen(REQUEST, b"abc", {"x-forwarded-proto"}), 1, 200, seen(RESPONSE, b"ok", {"date", "connection"}), "", ())
OURS: dict[str, Any] = {
    "exchange": 7,
    "upstream_request": {
        "headers": [[":authority", "h"], [":path", "/p"], [":method", "POST"], [":scheme", "http"], *map(list, REQUEST[3:])],
        "body_size": 3,
        "body_sha256": hashlib.sha256(b"abc").hexdigest(),
        "trailers": [],
    },
    "downstream_response": {
        "status": 200,
        "headers": [[":status", "200"], ["x-up", "1"], ["content-length", "2"]],
        "body_size": 2,
        "body_sha256": hashlib.sha256(b"ok").hexdigest(),
        "trailers": [],
    },
}


def differences(change: Callable[[dict[str, Any]], object], observed: Observed = OBSERVED, plain: Observed = OBSERVED) -> list[Difference]:
    ours = copy.deepcopy(OURS)
    change(ours)
    return compare([observed], [plain], [ours])


def test_the_same_is_no_difference() -> None:
    assert differences(lambda ours: None) == []


PLANTED: list[tuple[Callable[[dict[str, Any]], object], str, str]] = [
    (lambda o: o["upstream_request"]["headers"].remove(["x-a", "1"]), "upstream_request", "header x-a"),
    (lambda o: o["upstream_request"]["headers"].append(["x-a", "1"]), "upstream_request", "header x-a"),
    (lambda o: o["upstream_request"]["headers"].append(["x-new", ""]), "upstream_request", "header x-new"),
    (lambda o: o["upstream_request"]["headers"][1].__setitem__(1, "/q"), "upstream_request", "header :path"),
    (lambda o: o["upstream_request"]["headers"][0].__setitem__(1, "i"), "upstream_request", "header :authority"),
    (lambda o: o["upstream_request"]["headers"].insert(4, o["upstream_request"]["headers"].pop(5)), "upstream_request", "header order"),
    (lambda o: o["upstream_request"].update(body_sha256="0"), "upstream_request", "body"),
    (lambda o: o["upstream_request"].update(body_size=4), "upstream_request", "body"),
    (lambda o: o["upstream_request"].update(trailers=[["x-t", "1"]]), "upstream_request", "trailers"),
    (lambda o: o.update(upstream_request=None), "upstream_request", "reached"),
    (lambda o: o.update(downstream_response=None), "downstream_response", "reached"),
    (lambda o: o["downstream_response"].update(status=403), "downstream_response", "status"),
    (lambda o: o["downstream_response"]["headers"].pop(1), "downstream_response", "header x-up"),
    (lambda o: o["downstream_response"]["headers"].append(["connection", "x"]), "downstream_response", "header connection"),
    (lambda o: o["downstream_response"].update(body_size=0), "downstream_response", "body"),
    (lambda o: o.update(exchange=8), "exchange", "replayed"),
]


@pytest.mark.parametrize(("plant", "side", "what"), PLANTED)
def test_each_planted_difference_is_found(plant: Callable[[dict[str, Any]], object], side: str, what: str) -> None:
    first = differences(plant)[0]
    assert (first.side, first.what) == (side, what)
    assert first.ours != first.envoy


def test_a_header_that_only_the_chain_in_envoy_added_is_found() -> None:
    request = seen((*REQUEST, ("x-filter", "1")), b"abc", {"x-forwarded-proto", "x-filter"})
    (found,) = compare([replace(OBSERVED, upstream_request=request)], [OBSERVED], [OURS])
    assert (found.what, found.ours, found.envoy) == ("header x-filter", [], ["1"])


def test_a_captured_header_that_ours_lost_is_found_though_the_baseline_has_it() -> None:
    assert [found.what for found in differences(lambda o: o["upstream_request"]["headers"].remove(["x-b", "2"]))] == ["header x-b"]


def test_what_envoy_adds_by_itself_is_forgiven() -> None:
    assert differences(lambda o: o["upstream_request"]["headers"].remove(["x-forwarded-proto", "http"])) == []


def test_a_request_that_envoy_gave_up_counts_as_not_sent() -> None:
    given_up = replace(OBSERVED, upstream_request=replace(OBSERVED.upstream_request, complete=False))  # type: ignore[type-var]
    assert differences(lambda o: o.update(upstream_request=None), given_up) == []
    (found,) = differences(lambda o: o["upstream_request"].update(body_size=9), given_up)
    assert found.cause == "the message ended before its content-length"


def test_a_body_longer_than_its_content_length_is_what_was_written_or_what_is_taken() -> None:
    response = replace(seen(RESPONSE, b"ok", {"date", "connection"}), excess=b"more")
    longer = replace(OBSERVED, downstream_response=response)
    digest = hashlib.sha256(b"okmore").hexdigest()
    assert differences(lambda o: None, longer) == []
    assert differences(lambda o: o["downstream_response"].update(body_size=6, body_sha256=digest), longer) == []
    (found,) = differences(lambda o: o["downstream_response"].update(body_size=6), longer)
    assert found.what == "body"


def test_trailers_beside_a_content_length_cannot_be_seen() -> None:
    assert differences(lambda o: o["downstream_response"].update(trailers=[["x-t", "1"]])) == []


def test_a_request_sent_twice_is_told() -> None:
    (found,) = compare([replace(OBSERVED, upstream_requests=2)], [OBSERVED], [OURS])
    assert (found.what, found.envoy) == ("times sent", 2)


def test_the_idle_timeout_comes_later_than_any_client_here_waits() -> None:
    """Where the replay says that a filter held the exchange for five minutes; any other answer that Envoy lacks is a difference."""
    waited = replace(OBSERVED, status=0, downstream_response=None, failure="timeout")
    local = {"status": 504, "filter": None, "callback": None, "grpc_status": None, "details": "stream_idle_timeout"}
    assert differences(lambda ours: ours.update(local_response=local), waited) == []
    assert [each.what for each in differences(lambda ours: ours.update(local_response=local | {"filter": "a"}), waited)] == ["reached"]
    assert [each.what for each in differences(lambda ours: None, waited)] == ["reached"]


def test_likely_causes() -> None:
    refused = replace(OBSERVED, upstream_request=None, status=400)
    (found,) = compare([refused], [refused], [OURS])
    assert (found.what, "refuses this request with 400" in found.cause) == ("refused", True)
    bad = replace(OBSERVED, status=502, downstream_response=seen((), b"upstream connect error or", set()))
    (found,) = compare([bad], [bad], [OURS])
    assert (found.what, "refuses the captured response with 502" in found.cause) == ("refused", True)
    trapped = replace(OBSERVED, status=503, log=("[error] Function: proxy_on_request_headers failed: unreachable",))
    assert "proxy_on_request_headers failed" in compare([trapped], [OBSERVED], [OURS])[0].cause
    joined = replace(OBSERVED, upstream_request=seen((*REQUEST, ("via", "a,b")), b"abc", set()))
    (found,) = differences(lambda o: o["upstream_request"]["headers"].extend([["via", "a"], ["via", "b"]]), joined)
    assert "joins" in found.cause
    unrouted = replace(OBSERVED, upstream_request=None, status=404)
    (first, *_) = differences(lambda o: o["upstream_request"]["headers"].pop(), unrouted)
    assert "x-forwarded-proto" in first.cause
    assert str(first).startswith("exchange 7, upstream_request, reached: ours True, Envoy False (")


def test_what_envoy_does_by_itself_explains_only_what_was_captured() -> None:
    """Envoy drops `x-c`: that explains a replay that kept the captured one, and not one that has another, or whose filter set it."""
    given = replace(OBSERVED.upstream_request, sent=(("x-c", "3"),))  # type: ignore[type-var]
    plain = replace(OBSERVED, upstream_request=given)

    def found(value: str, *mutations: dict[str, str]) -> tuple[str, bool]:
        def change(ours: dict[str, Any]) -> None:
            ours["upstream_request"]["headers"].append(["x-c", value])
            ours["mutations"] = mutations

        (one,) = differences(change, plain=plain)
        return one.cause, one.explained

    by_itself = ("Envoy has the same without any filter", True)
    assert found("3") == found("3", {"op": "add", "name": "x-d"}) == by_itself
    assert found("4") == found("3", {"op": "add", "name": "x-c"}) == ("in Envoy no filter changed it", False)


def test_a_replay_of_another_form_or_other_exchanges() -> None:
    with pytest.raises(ReplayError, match="replayed object 0: no field 'upstream_request'"):
        compare([OBSERVED], [OBSERVED], [{"exchange": 7}])
    with pytest.raises(ReplayError, match="exchange 7: the baseline lacks"):
        compare([OBSERVED], [], [OURS])
    assert [found.what for found in compare([], [], [OURS])] == ["observed"]
