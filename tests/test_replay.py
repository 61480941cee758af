from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.analysis.exchange import ExchangeView
from workbench.capture.exchange import Exchange
from workbench.errors import ConfigError, MissingError, ReplayError
from workbench.replay import Replay
from workbench.trace.trace import Trace

from .analysis.tracewriter import TraceWriter, every_ending, exchange

CAPTURE = [exchange(index, b"", b"ok") for index in range(7)]


@pytest.fixture
def replay() -> Replay:
    return Replay(CAPTURE, None, every_ending().take())


@pytest.fixture(scope="module")
def real(sample_capture: Path, sample_filter: Any) -> Replay:
    chain = wb.Chain(wb.Filter(sample_filter("add_header")))
    return chain.replay(wb.open_capture(sample_capture))


def test_it_is_a_sequence_of_exchanges(replay: Replay) -> None:
    assert len(replay) == 7
    assert [view.index for view in replay] == list(range(7))
    assert isinstance(replay[3], ExchangeView)
    assert replay[-1].index == 6
    assert replay.count("limited") == 1


def test_exchanges_go_by_their_number_in_the_capture() -> None:
    w = TraceWriter("f")
    w.request(2)
    w.request(5)
    replay = Replay(CAPTURE, None, w.take())
    assert [view.index for view in replay] == [2, 5]
    assert replay[5].index == 5
    with pytest.raises(IndexError, match="exchange 3 was not replayed"):
        replay[3]
    with pytest.raises(MissingError, match=r"exchange 7 is not in a capture of 7\. The first is 0"):
        replay[7]
    with pytest.raises(IndexError):
        replay[-8]
    for key in (slice(0, 2), "5", 1.0, None):
        with pytest.raises(ConfigError, match="is no number of an exchange"):
            replay[key]  # type: ignore[index]


def test_an_outcome_or_a_clock_that_is_none_is_refused(replay: Replay, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no outcome 'limit'"):
        replay.count("limit")
    with pytest.raises(ConfigError, match="no clock 'wall'"):
        replay.to_perfetto(tmp_path / "out.json", "wall")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), [("limit", 0), ("limit", -3), ("limit", "all"), ("timeout", 0), ("timeout", None)])
def test_what_a_verification_cannot_be_told_is_refused(replay: Replay, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: is "):
        replay.verify_with_envoy(**{name: value})


def test_exchanges_are_not_compared_with_connections(real: Replay, repo: Path, sample_filter: Any) -> None:
    tcp = wb.Chain(wb.Filter(sample_filter("add_header")), kind="tcp").replay(wb.open_capture(repo / "captures" / "tcp.mitm"))
    with pytest.raises(ConfigError, match="one replay is of HTTP exchanges, the other of TCP connections"):
        wb.compare(real, tcp)


def test_what_a_notebook_shows_is_a_line_or_a_page(real: Replay) -> None:
    assert repr(real.summary).splitlines()[0] == real.summary.head
    assert len(repr(real.state())) < 100
    assert repr(real.laboratory().sweep(limits=[3, 5])).startswith("<Sweep: 2 of 2 settings tried on ")


def test_tables_are_made_once(replay: Replay) -> None:
    for name in ("exchanges", "mutations", "decisions", "callbacks", "hostcalls", "logs", "failures"):
        assert getattr(replay, name) is getattr(replay, name)


def test_a_repr_is_cheap(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: Trace, seq: int) -> None:
        raise AssertionError("a row was read")

    monkeypatch.setattr(Trace, "row", read)
    assert repr(replay) == f"<Replay of 7 exchanges through 3 filters, {len(replay.trace)} rows>"


def test_a_stopped_replay_says_so(replay: Replay) -> None:
    replay.trace.complete = False
    assert not replay.complete
    assert "stopped before its end" in repr(replay) and "stopped before its end" in replay._repr_html_()


def test_results_to_a_file(replay: Replay, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert replay.to_jsonl(out) == 7
    assert [json.loads(line) for line in out.read_text().splitlines()] == list(replay.outcomes())
    with pytest.raises(ReplayError, match="cannot be written"):
        replay.to_jsonl(tmp_path)


def test_a_capture_may_be_any_sequence_of_exchanges() -> None:
    seen: list[int] = []

    class Counting(list[Exchange]):
        def __getitem__(self, index: Any) -> Any:
            seen.append(index)
            return super().__getitem__(index)

    list(Replay(Counting(CAPTURE), None, every_ending().take()).outcomes())
    assert seen == list(range(7)), "each exchange is read once"


def test_a_real_replay(real: Replay, sample_capture: Path) -> None:
    assert real.complete and len(real) == len(wb.open_capture(sample_capture))
    answered = [view for view in real if view.result["downstream_response"] is not None]
    assert len(answered) > 80
    for view in answered:
        response = view.result["downstream_response"]
        assert response is not None and ["hello", "world"] in response["headers"]
    assert set(real.mutations["name"]) == {"hello"}


def test_two_replays_have_one_digest(real: Replay) -> None:
    again = real.chain.replay(real.capture)
    assert again.digest() == real.digest()
    assert wb.compare(real, again).differences == ()


def test_page_in_a_notebook(real: Replay) -> None:
    assert "add_header" in real._repr_html_()
    assert "replace_header_map_value" in real[0]._repr_html_()
