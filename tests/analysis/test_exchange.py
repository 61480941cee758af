from __future__ import annotations

import dataclasses
import json
from typing import Any

from workbench.capture.exchange import Exchange
from workbench.replay import Replay
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter, exchange


def test_a_view_joins_what_the_rooms_tell(endings: Trace, captured: list[Exchange]) -> None:
    view = Replay(captured, None, endings)[1]
    assert (view.index, view.outcome, view.decision.kind) == (1, "limited", "limited")
    assert view.finding == view.decision.reason == "429 by limit: Too many requests; 0 of 5 left"
    assert [line.message for line in view.logs] == ["limited"]
    assert view.result["decision"]["filter"] == "limit"
    assert repr(view) == "<ExchangeView #1 GET https://api.toystore.com/toys: limited, 429 by limit: Too many requests; 0 of 5 left>"


def test_findings_of_exchanges_nobody_judged(endings: Trace, captured: list[Exchange]) -> None:
    replay = Replay(captured, None, endings)
    assert replay[0].finding == "client got 200, 1 change by hello; auth read authorization and let pass"
    w = TraceWriter("f")
    w.request(0)
    assert Replay([exchange(0)], None, w.take())[0].finding == "client got nothing, nothing changed"


def test_tracks_show_the_stages_that_were_reached(endings: Trace, captured: list[Exchange]) -> None:
    view = Replay(captured, None, endings)[0]
    assert {track.name: track.values for track in view.tracks("response")} == {
        ":status": ("200",) * 5,
        "hello": (None, "world", "world", "world", "world"),
    }


def test_a_repr_is_one_line(captured: list[Exchange]) -> None:
    w = TraceWriter("f")
    w.request(0, path=b"/\n\x1b[31m" + b"x" * 9999)
    said = repr(Replay(captured, None, w.take())[0])
    assert len(said) < 500 and said.isprintable()


def test_calls_are_plain_data(replayed: Any) -> None:
    for call in replayed[0].calls:
        json.dumps(dataclasses.asdict(call))
