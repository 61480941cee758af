"""What the details of an exchange hold: headers over the stages, calls, logs, all bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from workbench.replay import Replay
from workbench.widgets import ExchangeDetails
from workbench.widgets.details import detail


def shown(replay: Replay, index: int) -> dict[str, Any]:
    return detail(replay[index], replay.trace.filters)


def first(replay: Replay, outcome: str) -> int:
    table = replay.exchanges
    return int(table[table["outcome"] == outcome]["index"].iloc[0])


def part(found: dict[str, Any], key: str) -> dict[str, Any]:
    return next(one for one in found["parts"] if one["key"] == key)


def test_an_added_header_stands_at_its_filter(replay: Replay) -> None:
    found = shown(replay, first(replay, "changed"))
    response = part(found, "response")
    row = next(one for one in response["rows"] if one["name"] == "hello")
    place = list(replay.trace.filters).index("add_header")
    column = next(at for at, stage in enumerate(response["stages"]) if stage["filter"] == place)
    assert {key: row["cells"][column][key] for key in ("kind", "value")} == {"kind": "add", "value": "world"}
    assert [cell["kind"] for cell in row["cells"][:column]] == ["void"] * column
    assert row["net"]["kind"] == "add"
    assert row["by"] == [place]
    assert row["changed"]


def test_the_columns_end_where_the_result_does(replay: Replay) -> None:
    """What the last column says is what the upstream or the client really got, in the JSON result."""
    for index in replay.exchanges["index"]:
        view, found = replay[index], shown(replay, index)
        for key, end in (("request", view.result["upstream_request"]), ("response", view.result["downstream_response"])):
            if end is None:
                continue
            rows = part(found, key)["rows"]
            got = sorted((row["name"], row["net"]["value"]) for row in rows if row["cells"][-1]["kind"] not in ("del", "void"))
            assert got == sorted((name, value if len(value) <= 4096 else value[:512]) for name, value in end["headers"]), (index, key)


def test_a_refused_request_shows_the_answer_in_the_upstreams_place(replay: Replay) -> None:
    found = shown(replay, first(replay, "limited"))
    assert found["finding"]["what"] == "429 by token_bucket"
    assert part(found, "request")["stages"][-1]["name"] == "Upstream got nothing"
    response = part(found, "response")
    assert response["stages"][0]["spent"], "the captured answer was not used"
    assert response["summary"].startswith("local response 429 in place of upstream's ")
    status = next(row for row in response["rows"] if row["name"] == ":status")
    assert status["net"]["kind"] == "chg"
    assert status["net"]["value"] == "429"
    assert status["by"] == [1]


def test_unchanged_headers_are_told_apart_from_changed_ones(replay: Replay) -> None:
    for index in replay.exchanges["index"]:
        for one in shown(replay, index)["parts"]:
            for row in one["rows"]:
                assert len(row["cells"]) == len(one["stages"])
                assert row["changed"] == any(cell["kind"] in ("add", "del", "chg", "move") for cell in row["cells"])


def test_repeated_headers_are_counted(replay: Replay) -> None:
    seen = 0
    for index in replay.exchanges["index"]:
        request = replay[index].request[0].headers
        names = [name for name, _ in request]
        rows = part(shown(replay, index), "request")["rows"]
        for name in {name for name in names if names.count(name) > 1}:
            total = names.count(name)
            assert [row["repeat"] for row in rows if row["name"] == name] == [f"{at} of {total}" for at in range(1, total + 1)]
            seen += 1
    assert seen, "the sample has repeated headers"


def test_calls_are_those_of_the_trace_in_order(replay: Replay) -> None:
    index = first(replay, "limited")
    found = shown(replay, index)
    callbacks = replay.callbacks[replay.callbacks["exchange"] == index]
    assert [call["name"] for call in found["calls"] if call["kind"] == "callback"] == callbacks["callback"].astype(str).tolist()
    hostcalls = replay.hostcalls[replay.hostcalls["exchange"] == index]
    inner = [child for call in found["calls"] for child in call["children"] if child["kind"] in ("hostcall", "log")]
    assert len(inner) == len(hostcalls)
    named = [child for child in inner if child["kind"] == "hostcall" and child["name"] == "send_local_response"]
    assert dict(named[0]["args"])["status_code"] == "429"
    numbers = [one["number"] for call in found["calls"] for one in (call, *call["children"]) if "number" in one]
    assert numbers == list(range(1, len(numbers) + 1))
    assert found["calls_total"] == len(numbers)


def test_logs_stand_with_filter_and_level(hostile_replay: Replay) -> None:
    found = shown(hostile_replay, 0)
    mine = hostile_replay.logs[hostile_replay.logs["exchange"] == 0]
    assert len(found["logs"]) + found["logs_left"] == len(mine) > 10
    assert {log["level"] for log in found["logs"]} == set(mine["level"].astype(str))
    assert all(log["filter"] == 0 for log in found["logs"])


def test_every_exchange_fits_into_a_message(hostile_replay: Replay, ask: Callable[[Any], Any]) -> None:
    view = ExchangeDetails(hostile_replay)
    for index in hostile_replay.exchanges["index"]:
        _, found = ask(view)("detail", index=int(index))
        assert len(json.dumps(found)) < 400_000
        for one in found["parts"]:
            for row in one["rows"]:
                assert all(len(cell["value"]) <= 4096 for cell in row["cells"])


def test_what_is_cut_says_how_much(hostile_replay: Replay) -> None:
    index = int(hostile_replay.exchanges["path"].str.len().idxmax())
    rows = part(shown(hostile_replay, index), "request")["rows"]
    long = next(row for row in rows if row["name"] == "x-text")
    assert long["cells"][0]["more"] == 60_000 - 512


@pytest.mark.parametrize("index", [-1, 0, 1])
def test_an_exchange_that_is_not_there(replay: Replay, ask: Callable[[Any], Any], index: int) -> None:
    head, found = ask(ExchangeDetails(replay))("detail", index=len(replay) + 5 if index == 1 else index)
    assert ("error" in head) == (index == 1)
    assert (found is None) == (index == 1)


def test_a_changed_header_leads_to_its_call(replay: Replay) -> None:
    led = 0
    for index in replay.exchanges["index"]:
        for one in shown(replay, index)["parts"]:
            for row in one["rows"]:
                for cell, stage in zip(row["cells"], one["stages"], strict=False):
                    if cell["kind"] not in ("add", "chg") or stage["filter"] is None or stage["tone"]:
                        continue
                    call = replay.trace.row(cell["call"])
                    assert call.exchange == index and call.filter == stage["filter"]
                    assert call.fields[0].decode().lower() == row["name"]
                    led += 1
    assert led > 50
