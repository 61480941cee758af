from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from workbench.analysis.facts import gather_facts
from workbench.analysis.page import exchange_html, summary_html
from workbench.analysis.summary import Summary, summarise, summary_text
from workbench.capture.packing import pack_pairs
from workbench.trace.records import NONE, Event
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter, fields

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[2J\x00\n" + "x" * 5000


def summary(trace: Trace, **more: Any) -> Summary:
    return summarise(trace, gather_facts(trace), **more)


def test_it_says_what_ran_and_what_became_of_it(endings: Trace) -> None:
    text = summary_text(summary(endings, source="toys.mitm", problems=("cut short at byte 9",)))
    assert text.splitlines()[0] == "toys.mitm through auth → limit → hello"
    assert "7 exchanges · 7 callbacks · 8 hostcalls · 1 change" in text
    assert re.search(r"passed 1 +changed 1 +local 2 +denied 1 +limited 1 +error 1", text)
    assert re.search(r"3 hello +response_headers +\+ hello +1", text)
    assert re.search(r"limited +2 limit +1 +429 by limit: Too many requests; 0 of 5 left", text)
    assert re.search(r"1 auth +on_request_headers +trap +1 +#3 +unreachable +fail_closed", text)
    assert "cut short at byte 9" in text


def test_a_stopped_replay_says_so(endings: Trace) -> None:
    assert "(stopped before its end)" in summary(endings, complete=False).head


def test_an_empty_trace() -> None:
    assert "0 exchanges" in summary_text(summary(TraceWriter().take()))


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_no_line_is_wider_than_asked(replayed: Any, width: int) -> None:
    for trace in (replayed.summary, summary(hostile())):
        assert max(map(len, summary_text(trace, width=width).splitlines())) <= width


def test_colour_only_when_asked(endings: Trace) -> None:
    plain, coloured = summary_text(summary(endings)), summary_text(summary(endings), colour=True)
    assert "\x1b" not in plain and "\x1b[" in coloured
    assert [line.rstrip() for line in re.sub(r"\x1b\[\d+m", "", coloured).splitlines()] == plain.splitlines()


def hostile() -> Trace:
    text = HOSTILE.encode()
    w = TraceWriter(HOSTILE)
    w.request(0, path=text, method=text)
    w.callback("proxy_on_request_headers", 0, 0)
    w.hostcall("proxy_log", 0, 0, (2,), text)
    w.hostcall("proxy_add_header_map_value", 0, 0, (0,), text, text, b"", fields(text))
    w.event(Event.LOCAL_RESPONSE, 0, (NONE, 0), text, text, pack_pairs(((text, text),)), result=403, filter=0)
    w.event(Event.FAILURE, NONE, (1, 2, 1), text, text, filter=0)
    w.downstream(0, 403, 0, (text, text), own=text)
    return w.take()


def test_hostile_text_does_nothing_to_a_terminal() -> None:
    text = summary_text(summary(hostile(), source=HOSTILE, problems=(HOSTILE,)))
    assert {char for char in text if not char.isprintable()} <= {"\n", "\u202f"}


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_text_is_no_markup() -> None:
    from workbench.replay import Replay

    from .tracewriter import exchange

    view = Replay([exchange(0)], None, hostile())[0]
    for page in (summary_html(summary(hostile(), source=HOSTILE, problems=(HOSTILE,))), exchange_html(view)):
        seen = Collector()
        seen.feed(page)
        assert seen.tags <= {"div", "b", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert seen.attributes <= {"style", "scope"}
        assert "\x1b" not in page and "\u202e" not in page and "\x00" not in page


def test_pages_of_a_real_replay(replayed: Any) -> None:
    assert "basic_auth → token_bucket → add_header" in summary_html(replayed.summary)
    page = exchange_html(replayed[0])
    assert "hello" in page and "replace_header_map_value" in page


def test_a_loss_of_many_exchanges_is_told_once(endings: Trace) -> None:
    lost = [f"Exchange {index}: the response's body was not recorded." for index in range(7)]
    text = summary_text(summary(endings, problems=("cut short", *lost, "Exchange 9: left out.")), width=200)
    told = text.partition("Problems of the capture\n")[2].splitlines()
    assert [line.strip() for line in told] == [
        "cut short",
        "Exchanges 0, 1, 2, 3, 4 and others: the response's body was not recorded.",
        "Exchange 9: left out.",
    ]
