"""A workbench that redacts: whatever the page asks, no answer holds a value of a header that it is told to hide."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from workbench.analysis.redaction import SECRET_HEADERS
from workbench.capture import Capture
from workbench.chain import Chain, Filter
from workbench.errors import ConfigError
from workbench.replay import Replay
from workbench.widgets import Workbench


@pytest.fixture(scope="module")
def secrets(capture: Capture) -> dict[bytes, int]:
    """The values in the capture that are long enough to be no other word, each with an exchange that has it."""
    names = {name.encode() for name in SECRET_HEADERS}
    pairs = [(pair, each.index) for each in capture for side in (each.request, each.response) if side is not None for pair in side.headers]
    return {value: index for (name, value), index in pairs if name.lower() in names and len(value) > 8}


def _answers(view: Workbench, indexes: set[int]) -> bytes:
    """Everything that the views say of some exchanges."""
    sent: list[bytes] = []

    def send(content: Any, buffers: Any = None) -> None:
        assert "error" not in content, content
        sent.extend((json.dumps(content, default=str).encode(), *map(bytes, buffers or ())))

    view.send = send  # type: ignore[method-assign]

    def ask(kind: str, **question: Any) -> None:
        view._handle_custom_msg({"kind": kind, "ask": "1", **question}, [])

    ask("rows", first=0, count=200, sort="index", query="")
    ask("findings")
    ask("tracks")
    for kind in ("decisions", "laboratory"):
        ask(kind)
    for index in indexes:
        ask("detail", index=index)
        ask("microscope", index=index)
        ask("calls", index=index, first=0, count=500)
        ask("states", index=index)
    return b"\n".join(sent)


def test_no_answer_holds_a_secret(capture: Capture, chain: Chain, sample_filter: Callable[[str], Any], secrets: dict[bytes, int]) -> None:
    every = Chain(Filter(sample_filter("trace_every_call")), *chain)
    open_ = _answers(_done(Workbench(capture, every)), {*secrets.values()})
    shown = _answers(_done(Workbench(capture, every, redact=SECRET_HEADERS)), {*secrets.values()})
    assert len(secrets) > 5
    for secret in secrets:
        assert secret in open_
        assert secret not in shown
        assert base64.b64encode(secret) not in shown
    assert b"[redacted " in shown
    assert b"[redacted " not in open_


def _done(view: Workbench) -> Workbench:
    view.wait(60)
    return view


def test_runs_of_a_workbench_that_redacts_can_be_compared(capture: Capture, chain: Chain) -> None:
    view = _done(Workbench(capture, chain, redact=["authorization"]))
    view.start()
    view.wait(60)
    assert len(view.runs) == 2
    assert not view.compare().differences


def test_a_replay_that_is_given_is_redacted_and_can_run_again(replay: Replay) -> None:
    for view in (Workbench(replay, redact=["authorization"]), Workbench(replay.redacted(["authorization"]))):
        shown = view.replay
        assert shown is not None
        values = [value for name, value in shown.capture[0].request.headers if name.lower() == b"authorization"]  # type: ignore[union-attr]
        assert all(value.startswith(b"[redacted") for value in values)
        view.start()
        assert (view.wait(60).facts.outcome == replay.facts.outcome).all()
        assert view.redact == ("authorization",)


def test_settings_reach_each_replay(capture: Capture, chain: Chain) -> None:
    view = _done(Workbench(capture, chain, settings={"callback_limit_s": 0.25}))
    view.start()
    assert view.wait(60).settings.callback_limit_s == 0.25


def test_a_bad_name_is_refused_at_once(capture: Capture, chain: Chain) -> None:
    with pytest.raises(ConfigError, match="no header's name"):
        Workbench(capture, chain, redact=["a b"])
