"""What somebody types wrong ends in one line that says what would be right: no traceback of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.errors import MissingError, WorkbenchError

REPO = Path(__file__).resolve().parents[1]
ADD_HEADER = str(REPO / "sample_filters/add_header/add_header.wasm")


class Given:
    """What a notebook has at hand when something goes wrong."""

    def __init__(self) -> None:
        self.capture = wb.open_capture(REPO / "captures" / "burst.mitm")
        self.chain = wb.Chain(ADD_HEADER)
        self.replay = self.chain.replay(self.capture)
        self.other = self.chain.replay(wb.open_capture(REPO / "captures" / "websocket.mitm"))


@pytest.fixture(scope="module")
def given() -> Given:
    return Given()


MISTAKES: dict[str, tuple[Callable[[Given], Any], str]] = {
    "a filter that is a number": (lambda _: wb.Filter(5), "5 is neither a filter nor a path. Give the path of a .wasm file"),  # type: ignore[arg-type]
    "a filter that is nothing": (lambda _: wb.Chain(None), "None is neither a filter nor a path"),  # type: ignore[arg-type]
    "a path in bytes": (lambda _: wb.Filter(b"f.wasm"), "is neither a filter nor a path"),  # type: ignore[arg-type]
    "a chain in a chain": (lambda g: wb.Chain(g.chain), "a chain stands where a filter should"),
    "a filter that is a capture": (lambda g: wb.Chain(g.capture), "is neither a filter nor a path"),
    "another filter that is a number": (lambda g: g.chain.with_filter(5), "5 is neither a filter nor a path"),
    "a successor that is a number": (lambda g: g.chain.swap("add_header", 5, at=3), "5 is neither a filter nor a path"),
    "a served number": (lambda _: wb.serve_filter(5), "5 is neither a filter nor a path"),  # type: ignore[arg-type]
    "a policy that is a list": (lambda _: wb.Filter("f.wasm", failure_policy=[]), "unknown failure_policy []. Give one of"),  # type: ignore[arg-type]
    "a flag that is text": (lambda _: wb.Filter("f.wasm", fail_open="no"), "fail_open is 'no'. Give True or False"),  # type: ignore[arg-type]
    "capabilities, a number": (lambda _: wb.Filter("f.wasm", allowed_capabilities=5), "allowed_capabilities is 5. Give a list"),  # type: ignore[arg-type]
    "capabilities of numbers": (lambda _: wb.Filter("f.wasm", allowed_capabilities=[5]), "allowed_capabilities is [5]. Give a list"),  # type: ignore[list-item]
    "foreign functions, a number": (lambda _: wb.Chain(foreign=5), "foreign is 5. Give a mapping"),  # type: ignore[arg-type]
    "an answer that is a mapping": (lambda _: wb.Chain(clusters={"a": {}}), "dict cannot answer. Give HttpResponse(200)"),  # type: ignore[dict-item]
    "counting by a word": (lambda g: g.chain.replay(g.capture, fuel="yes"), "fuel: is 'yes'. Give True or False"),
    "a main thread by a word": (lambda g: g.chain.replay(g.capture, main_thread="x"), "main_thread: is 'x'. Give True or False"),
    "progress that is a number": (lambda g: g.chain.replay(g.capture, progress=5), "progress: 5 cannot be called. Give a function"),
    "partial that is a number": (lambda g: g.chain.replay(g.capture, partial=5), "partial: 5 cannot be called. Give a function"),
    "cancel that is True": (lambda g: g.chain.replay(g.capture, cancel=True), "cancel: is True. Give a threading.Event"),
    "a hostcall that is a number": (lambda g: g.chain.intercept(5), "5 is no name of a hostcall. Give its name in the ABI"),
    "a hook without a function": (lambda g: g.chain.intercept("proxy_log").__enter__(), "proxy_log: has no function. Give one"),
    "an exchange that is none": (lambda g: g.replay[15], "exchange 15 is not in a capture of 15. The first is 0, -1 is the last"),
    "a view of one that is none": (lambda g: g.replay.microscope(99), "exchange 99 is not in a capture of 15"),
    "exchanges by a slice": (lambda g: g.replay[:2], "is no number of an exchange. `where(QUERY)` gives those"),
    "a query that is a number": (lambda g: g.replay.where(5), "5 is no query. Give text, such as"),
    "compared with a number": (lambda g: g.replay.where("~differs any", against=5), "5 is no replay. Give two"),
    "a comparison with a capture": (lambda g: wb.compare(g.replay, g.capture), "is no replay. Give two that Chain.replay gave"),
    "two captures compared": (lambda g: wb.compare(g.replay, g.other), "two captures: burst.mitm of 15 and websocket.mitm of 7"),
    "a file that is a number": (lambda g: g.replay.to_jsonl(5), "5 is no path of a file. Give one as text"),
    "headers that are a number": (lambda g: g.replay.redacted(5), "redaction: 5 is no header's name"),
    "limits that are a number": (lambda g: g.replay.laboratory().sweep(limits=5), "limit: 5 is no list of values. Give several"),
    "a key that is a number": (lambda g: g.replay.laboratory(key=5), "key: is 5. Give a name such as header:x-user"),
    "a direction that is none": (lambda g: g.replay[0].tracks("up"), "no direction 'up'. Give request or response"),
    "an option that is none": (lambda g: wb.Workbench(g.replay, settngs={}), "Workbench: no option settngs. There are settings"),
    "settings that are a number": (lambda g: wb.Workbench(g.replay, settings=5), "Workbench: settings are 5. Give a mapping"),
    "a default that is none": (lambda g: wb.Workbench(g.replay, filter_defaults={"path": 2}), "no filter default path. There are config"),
    "a setting that is none": (lambda g: wb.Workbench(g.replay, settings={"worker": 2}), "no setting worker. There are seed"),
    "a dashboard's headers": (lambda g: wb.Workbench(g.replay, redact=5), "redaction: 5 is no header's name"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(given: Given, mistake: str) -> None:
    make, told = MISTAKES[mistake]
    with pytest.raises(WorkbenchError, match=re.escape(told)) as refused:
        make(given)
    assert "\n" not in str(refused.value)
    (line,) = refused.value._render_traceback_()
    assert line.endswith(str(refused.value))


def test_a_loop_by_numbers_ends_where_exchanges_do(given: Given) -> None:
    """What is missing is an IndexError too, as of any sequence."""
    with pytest.raises(IndexError):
        given.replay[15]
    assert issubclass(MissingError, WorkbenchError)


def test_a_place_that_cannot_be_written_shows_no_traceback(given: Given, tmp_path: Path) -> None:
    with pytest.raises(wb.ReplayError, match="cannot be written: No such file or directory") as refused:
        given.replay.to_jsonl(tmp_path / "none" / "out.jsonl")
    assert len(refused.value._render_traceback_()) == 1
