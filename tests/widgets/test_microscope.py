"""What the microscope is told: steps in order, texts page by page, states that agree with the analysis, all of it bounded."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.stories import edits_in, make, verifies
from tests.core.traffic import Made, request
from tests.core.wat import OUT, Loop, call, wasm
from workbench.analysis.exchange import ExchangeView
from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.widgets import Microscope, Workbench

Ask = Callable[[Any], Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return make(tmp_path_factory.mktemp("story"), verifies(), edits_in(), count=3)


def held(changes: list[Any], step: int) -> Any:
    """The value at a step, as the page finds it."""
    place = bisect_right(changes, step, key=lambda change: change[0]) - 1
    return changes[place][1] if place >= 0 else None


def rows_of(head: dict[str, Any]) -> list[int]:
    return [at + held(head["rows"], at) for at in range(head["steps"])]


def agree(view: ExchangeView, head: dict[str, Any], states: dict[str, Any], step: int) -> None:
    """What the page shows at a step is what the analysis says of its row."""
    moment = view.at(rows_of(head)[step])
    for name in ("request_headers", "request_trailers", "response_headers", "response_trailers"):
        entries = getattr(moment, name)
        shown = held(states["maps"][name], step)
        assert (entries is None) == (shown is None), (name, step)
        if entries is not None:
            told = [states["entries"][one][:3] for one in shown]
            assert told == [[entry.name.decode(), entry.value.decode(), entry.change] for entry in entries], (name, step)
    for way, body in enumerate((moment.request_body, moment.response_body)):
        told = held(states["bodies"][way], step)
        assert (told is None) == (body is None)
        if body is not None and body.content is not None:
            assert (told["size"], told["text"], told["held"]) == (body.size, body.content.decode(), body.held)
    for key in states["shared"]:
        value = moment.shared_data.get((key["vm"], key["key"].encode()))
        told = held([[one[0], one[1:]] for one in key["held"]], step)
        assert (None if value is None else (f'"{value[0].decode()}"', value[1])) == (None if told is None else (told[0], told[2]))
    for metric in states["metrics"]:
        assert held(metric["held"], step) == str(moment.metrics[metric["type"], metric["name"].encode()])


def test_the_page_shows_what_the_analysis_says(story: Replay, ask: Ask) -> None:
    for index in range(len(story)):
        _, head = ask(story[index].microscope())("microscope", index=index)
        assert (head["states"]["first"], head["states"]["last"]) == (0, head["steps"] - 1)
        for step in range(head["steps"]):
            agree(story[index], head, head["states"], step)


def test_steps_are_the_calls_in_their_order(story: Replay, ask: Ask) -> None:
    _, head = ask(Microscope(story))("microscope", index=1)
    rows = rows_of(head)
    assert rows == sorted(rows)
    wanted = [row.seq for row in story[1].rows.rows if story.trace.name(row) not in ("map", "body")]
    assert rows == wanted
    assert len(head["kinds"]) == len(head["levels"]) == len(head["costs"]) == head["steps"] == len(head["lines"])
    refused = head["kinds"].index("x")
    assert head["lines"][refused]["name"] == "set_shared_data" and head["lines"][refused]["refused"]
    assert head["lines"][refused]["result"] == "CasMismatch"
    answer = next(line for line in head["lines"] if line["name"] == "callout")
    assert head["levels"][head["lines"].index(answer)] == "1", "an answer comes between callbacks"


def test_spans_and_callouts_are_told_by_step(story: Replay, ask: Ask) -> None:
    _, head = ask(Microscope(story))("microscope", index=0)
    request_spans, response_spans = head["spans"]
    assert [span["state"] for span in request_spans] == ["flowing", "paused", "flowing", "done"]
    assert [span["state"] for span in response_spans] == ["waiting", "flowing", "paused", "flowing", "done"]
    paused = request_spans[1]
    assert (paused["filter"], paused["action"], paused["length"]) == (0, "StopIteration", "2 ms")
    (callout,) = head["callouts"]
    assert head["lines"][callout["from"]]["name"] == "http_call"
    assert head["lines"][callout["to"]]["name"] == "callout"
    assert paused["from"] <= callout["to"] < paused["to"]
    for spans in head["spans"]:
        assert [span["to"] for span in spans[:-1]] == [span["from"] for span in spans[1:]], "no gaps"


def test_it_opens_where_something_happened(story: Replay, replay: Replay, ask: Ask) -> None:
    _, head = ask(Microscope(story))("microscope", index=1)
    assert head["lines"][head["at"]]["name"] == "remove_header_map_value"
    limited = int(replay.exchanges[replay.exchanges["outcome"] == "limited"]["index"].iloc[0])
    _, head = ask(Microscope(replay))("microscope", index=limited)
    assert rows_of(head)[head["at"]] >= replay[limited].decision.seq > 0


def test_a_call_that_was_chosen_elsewhere(story: Replay, ask: Ask) -> None:
    view = Microscope(story)
    mutation = story[2].mutations[1]
    found, _ = ask(view)("owner", call=mutation.seq)
    assert found["index"] == 2
    _, head = ask(view)("microscope", index=2, call=mutation.seq)
    assert rows_of(head)[head["at"]] == mutation.seq
    missing, _ = ask(view)("owner", call=10**8)
    assert "error" in missing


def test_search_looks_at_names_arguments_results_and_logs(story: Replay, ask: Ask) -> None:
    asked = ask(Microscope(story))
    _, head = asked("microscope", index=1)
    kinds = {
        words: [head["lines"][at]["name"] for at in asked("find", index=1, text=words)[1]["found"]]
        for words in ("COOKIE", "casmis", "verified", "no such")
    }
    assert kinds["COOKIE"] == ["replace_header_map_value"]
    assert kinds["casmis"] == ["set_shared_data"]
    assert kinds["verified"] == ["log"]
    assert kinds["no such"] == []
    assert len(asked("find", index=1, text="")[1]["found"]) == 0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """An exchange of some thousand hostcalls."""
    file = tmp_path_factory.mktemp("many") / "many.wasm"
    calls = (
        call("get", 0, ":path", OUT, OUT),
        call("replace", 0, "x-n", "1"),
        call("proxy_set_shared_data", "k", "v", 0),
        call("log", 2, "hello"),
    )
    file.write_bytes(wasm(request_headers=[Loop(calls, 1500)]))
    return Chain(Filter(file)).replay(Made([request(), request(at_ms=5)]))  # type: ignore[arg-type]


def test_long_exchanges_come_in_windows(many: Replay, ask: Ask) -> None:
    asked = ask(Microscope(many))
    head_of, head = asked("microscope", index=1)
    assert head["steps"] > 6000 and len(head["lines"]) <= 400 and "error" not in head_of
    assert len(json.dumps(head)) < 300_000
    _, states = asked("states", index=1, at=3000)
    assert states["first"] <= 3000 <= states["last"] < states["first"] + 601
    for step in (states["first"], 3000, 3001, 3002, states["last"]):
        agree(many[1], head, states, step)
    _, lines = asked("calls", index=1, first=2996, count=200)
    assert len(lines) == 200
    assert asked("find", index=1, text="hello")[1]["total"] == 1500


def test_a_long_exchange_is_cut_and_says_so(many: Replay, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.widgets.call_steps.MOST_STEPS", 50)
    _, head = ask(Microscope(many))("microscope", index=0)
    assert head["steps"] == 50 and head["left"] > 5900


def test_hostile_text_fits_into_a_message(hostile_replay: Replay, ask: Ask) -> None:
    asked = ask(Microscope(hostile_replay))
    for index in hostile_replay.exchanges["index"]:
        found, head = asked("microscope", index=int(index))
        assert "error" not in found
        assert len(json.dumps(head)) < 600_000
        assert all(len(entry[1]) <= 512 for entry in head["states"]["entries"])


def test_connections_have_a_microscope_too(repo: Path, tmp_path: Path, ask: Ask) -> None:
    file = tmp_path / "tcp.wasm"
    file.write_bytes(wasm(downstream_data=[call("log", 2, "data")]))
    replay = Chain(Filter(file), kind="tcp").replay(open_capture(repo / "captures" / "tcp.mitm"))
    index = next(iter(replay)).index
    _, head = ask(Microscope(replay))("microscope", index=index)
    assert head["directions"] == ["From client", "From upstream"] and head["method"] == "TCP"
    assert any(line["kind"] == "log" for line in head["lines"])
    assert head["spans"][0][-1]["state"] == "done"


def test_the_dashboard_answers_the_same(story: Replay, ask: Ask) -> None:
    questions: list[tuple[str, dict[str, Any]]] = [("microscope", {"index": 1}), ("calls", {"index": 1, "first": 0, "count": 9})]
    for kind, question in questions:
        assert ask(Workbench(story))(kind, **question) == ask(Microscope(story))(kind, **question)


def test_nothing_captured_is_state(story: Replay) -> None:
    view = story[1].microscope()
    assert view.selected == 1 and view.call == -1
    state = json.dumps({key: value for key, value in view.get_state().items() if key not in ("_esm", "_css")}, default=str)
    assert "store-17" not in state and len(state) < 2000


@pytest.mark.parametrize("question", [{"index": 99}, {"index": "x"}, {}])
def test_questions_that_cannot_be_answered(story: Replay, ask: Ask, question: dict[str, Any]) -> None:
    for kind in ("microscope", "states", "calls", "find"):
        found, data = ask(Microscope(story))(kind, **question)
        assert "error" in found and data is None
