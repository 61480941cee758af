"""How the trace keeps a message's headers: once, as long as they do not change, and each row says what it would say alone."""

from __future__ import annotations

import pytest

from tests.core.conftest import GET, POST, Play, Played, request, response
from tests.core.wat import call
from workbench.capture.packing import unpack_pairs
from workbench.host import driver
from workbench.trace.records import Event

WAYS = ((Event.REQUEST, 0, Event.UPSTREAM_REQUEST), (Event.RESPONSE, 2, Event.DOWNSTREAM_RESPONSE))


def places(played: Played, event: Event, exchange: int = 0) -> list[int]:
    """Where the rows of an event have their fields, counted over all segments."""
    found, base = [], 0
    for _, rows, blob in played.trace.blocks():
        mine = (rows["kind"] == 3) & (rows["code"] == event) & (rows["exchange"] == exchange)
        found += (rows["blob"][mine].astype(int) + base).tolist()
        base += len(blob)
    return found


def as_told(played: Played, exchange: int = 0) -> None:
    """What went out is what came in with the changes told after it, whichever row has the bytes."""
    for first, kind, last in WAYS:
        told = [row.fields[0] for row in played.events(first, exchange)]
        told += [row.fields[0] for row in played.events(Event.MAP, exchange) if row.a == kind]
        (out,) = played.events(last, exchange)
        assert len(out.fields) == 3 and unpack_pairs(out.fields[0]) == unpack_pairs(told[-1])


@pytest.mark.parametrize("asked", [GET, POST, (request("PUT", "/b", "x: 1", body=b"ab"), response(200, "y: 1", body=b"abc"))])
def test_headers_that_nobody_changed_are_kept_once(play: Play, asked: object) -> None:
    played = play([{}, {}], [asked])
    as_told(played)
    for first, _, last in WAYS:
        assert places(played, first) == places(played, last)


def test_headers_that_a_filter_changed_are_kept_once_as_changed(play: Play) -> None:
    script = {"request_headers": [call("add", 0, "x", "1")], "response_headers": [call("replace", 2, "x", "2")]}
    played = play([script])
    as_told(played)
    maps = places(played, Event.MAP)
    assert maps == [*places(played, Event.UPSTREAM_REQUEST), *places(played, Event.DOWNSTREAM_RESPONSE)]
    assert not {*maps} & {*places(played, Event.REQUEST), *places(played, Event.RESPONSE)}


@pytest.mark.parametrize(
    "change",
    [
        call("add", 0, "x", "1"),
        call("add", 0, "accept", "1"),
        call("replace", 0, "accept", "1"),
        call("remove", 0, "accept"),
        call("set_pairs", 0, b""),
    ],
)
def test_a_change_after_they_were_kept_is_not_lost(play: Play, change: object) -> None:
    """Two filters, each changes them: the second sees and the upstream gets both changes."""
    played = play([{"request_headers": [call("add", 0, "first", "1")]}, {"request_headers": [change]}], [request("GET", "/p", "accept: 0")])
    if played.upstream() is not None:
        as_told(played)
    told = [unpack_pairs(row.fields[0])[0] for row in played.events(Event.MAP) if row.a == 0]
    assert len(told) == 2 and told[0] != told[1]


def test_what_the_codec_takes_off_is_taken_off(play: Play) -> None:
    played = play([{}], [(GET, response(200, "connection: close", "x: 1"))])
    message = played.client()
    assert message is not None and b"connection" not in dict(message.headers)
    assert b"connection" in dict(played.seen(Event.RESPONSE))


def test_trailers_and_other_bodies_are_kept_by_themselves(play: Play) -> None:
    asked = request("POST", body=b"abc", trailers=("t: 1",))
    played = play([{"request_body": [call("set_body", 0, 0, 3, "other")]}], [(asked, response())])
    message = played.upstream()
    assert message is not None and (message.body, message.trailers) == (b"other", ((b"t", b"1"),))
    assert places(played, Event.REQUEST) != places(played, Event.UPSTREAM_REQUEST)


def test_rows_of_other_segments_are_no_place(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core hands the trace over after each few rows: what was kept is gone then and is written again."""
    script = {"request_headers": [call("add", 0, "x", "1")]}
    traffic = [request(at_ms=at, body=b"ab") for at in range(5)]
    whole = play([script], traffic)
    monkeypatch.setattr(driver, "_TRACE_LIMIT", 1)
    cut = play([script], traffic)
    assert len(list(cut.trace.blocks())) > 5 > len(list(whole.trace.blocks()))
    for exchange in range(5):
        as_told(cut, exchange)
    assert [row.fields for row in cut.rows] == [row.fields for row in whole.rows]
    assert cut.trace.digest() == whole.trace.digest()
