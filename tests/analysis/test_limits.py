from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.analysis.tracewriter import START, TraceWriter, fields
from workbench.analysis.decision import all_decisions, all_verdicts
from workbench.analysis.facts import gather_facts
from workbench.analysis.limits import limits_table
from workbench.analysis.limits_gather import gather_limits
from workbench.analysis.tables import decisions_table
from workbench.capture.packing import pack_pairs
from workbench.trace.records import NONE, Event
from workbench.trace.trace import Trace

SECOND = 10**9


def table(trace: Trace) -> pd.DataFrame:
    return limits_table(trace, gather_limits(trace, gather_facts(trace)))


def length(number: int, *parts: bytes) -> bytes:
    """A field with bytes in it, as protobuf writes it."""
    body = b"".join(parts)
    assert len(body) < 128
    return bytes([number << 3 | 2, len(body)]) + body


def question(domain: bytes, *descriptors: tuple[tuple[bytes, bytes], ...]) -> bytes:
    entries = [b"".join(length(1, length(1, key), length(2, value)) for key, value in each) for each in descriptors]
    return length(1, domain) + b"".join(length(2, each) for each in entries)


def begin(*filters: str) -> TraceWriter:
    w = TraceWriter(*(filters or ("shim",)))
    w.request(0, method=b"POST")
    w.callback("proxy_on_request_headers", 0, 0, 4, 1)
    return w


def test_a_service_that_explains_itself_is_believed() -> None:
    w = begin()
    call = w.asked(0, question(b"toystore", ((b"a", b"b"),)), b"\x08\x02")
    window = (START, START + 10 * SECOND)
    w.limit(0, call, (b"toystore", b"create-toy", b"user=bob"), (5, 5, 1, 10), over=True, window=window)
    w.limit(0, call, (b"toystore", b"all", b""), (100, 7, 1, 60), flags=b"check")
    w.limit(0, call, (b"toystore", b"tried", b""), (1, 9, 1, 0), over=True, flags=b"shadow")
    w.limit(0, call, (b"toystore", b"free", b""), (0, 3, 1, 0), flags=b"unlimited")
    found = table(w.take())
    assert found["verdict"].tolist() == ["limited", "allowed", "shadow", "unlimited"]
    assert found["limit"].tolist() == ["create-toy", "all", "tried", "free"]
    assert found["source"].tolist() == ["service"] * 4  # the answer itself is not read a second time
    first = found.iloc[0]
    assert (first["domain"], first["key"], first["max"], first["counter"], first["remaining"], first["window_s"]) == (
        "toystore",
        "user=bob",
        5,
        5,
        0,
        10,
    )
    assert first["window_start"] == pd.Timestamp(window[0], tz="UTC")
    assert first["resets_at"] == pd.Timestamp(window[1], tz="UTC")
    assert pd.isna(found.iloc[1]["resets_at"]) and found.iloc[1]["remaining"] == 93
    assert pd.isna(found.iloc[3]["max"]) and pd.isna(found.iloc[2]["window_s"])


def test_rows_of_several_segments_keep_their_limits() -> None:
    w = begin()
    for index in range(6):
        call = w.asked(index, b"", b"\x08\x01")
        w.limit(index, call, (b"d", b"n%d" % (index % 2), b"k"), (5, index, 1, 10))
    for segment in (1, 4, 1000):
        found = table(w.take(segment))
        assert found["limit"].tolist() == ["n0", "n1"] * 3
        assert found["counter"].tolist() == list(range(6))


def test_the_statuses_of_an_answer_tell_each_descriptor() -> None:
    """As envoyproxy/ratelimit answers: 5 a minute, 2 left and 12.5 s to go for the first; the second is over 10 an hour."""
    w = begin()
    limit = length(2, b"\x08\x05\x10\x02", length(3, b"per user"))
    first = length(2, b"\x08\x01", limit, b"\x18\x02", length(4, b"\x08\x0c\x10\x80\xca\xb5\xee\x01"))
    none = length(2, b"\x08\x01")
    second = length(2, b"\x08\x02", length(2, b"\x08\x0a\x10\x03"))
    w.asked(
        0,
        question(b"edge", ((b"user", b"bob"),), ((b"x", b"y"),), ((b"path", b"/toys"), (b"m", b"POST"))),
        b"\x08\x02" + first + none + second,
    )
    found = table(w.take())
    assert found["key"].tolist() == ["user=bob", "path=/toys, m=POST"]
    assert found["limit"].tolist() == ["per user", ""]
    assert found["verdict"].tolist() == ["allowed", "limited"]
    assert found["counter"].tolist() == [3, 10]
    assert found["window_s"].tolist() == [60, 3600]
    end = START + 12_500_000_000
    assert found.iloc[0]["resets_at"] == pd.Timestamp(end, tz="UTC")
    assert found.iloc[0]["window_start"] == pd.Timestamp(end - 60 * SECOND, tz="UTC")
    assert set(found["source"]) == {"answer"}


def test_a_status_over_its_limit_in_an_answer_that_lets_pass_is_shadow() -> None:
    w = begin()
    w.asked(0, question(b"edge", ((b"a", b"b"),)), b"\x08\x01" + length(2, b"\x08\x02", length(2, b"\x08\x05\x10\x01")))
    assert table(w.take())["verdict"].tolist() == ["shadow"]


def test_without_statuses_the_headers_of_an_answer_tell() -> None:
    """As Limitador answers with its draft 03 headers."""
    w = begin()
    said = ((b"x-ratelimit-limit", b'5, 5;w=10;name="create-toy"'), (b"x-ratelimit-remaining", b"0"), (b"x-ratelimit-reset", b"7"))
    w.asked(
        0,
        question(b"toystore", ((b"l", b"1"),)),
        b"\x08\x02" + b"".join(length(3, length(1, key), length(2, value)) for key, value in said),
    )
    (found,) = table(w.take()).to_dict("records")
    assert (found["limit"], found["key"], found["max"], found["counter"], found["window_s"]) == ("create-toy", "l=1", 5, 5, 10)
    assert found["verdict"] == "limited"
    assert found["resets_at"] == pd.Timestamp(START + 7 * SECOND, tz="UTC")


@pytest.mark.parametrize("answer", [b"", b"\xff\xff", b"\x08", b"\x12\x7f\x00", b"\x08\x01" + length(2, b"\x12\x05")])
def test_an_answer_that_is_none_tells_nothing(answer: bytes) -> None:
    w = begin()
    w.asked(0, b"\xff", answer)
    w.asked(0, question(b"d"), answer)
    assert len(table(w.take())) == 0


def test_a_bare_answer_still_is_a_verdict() -> None:
    w = begin()
    w.asked(0, question(b"toystore", ((b"l", b"1"),)), b"\x08\x02")
    (found,) = table(w.take()).to_dict("records")
    assert (found["domain"], found["key"], found["verdict"]) == ("toystore", "l=1", "limited")
    assert pd.isna(found["max"])


def limited(w: TraceWriter, exchange: int, *headers: tuple[bytes, bytes], filter: int = 0) -> None:
    pairs = pack_pairs(((b":status", b"429"), *headers))
    w.event(Event.LOCAL_RESPONSE, exchange, (NONE, 0, 0), b"", b"", pairs, result=429, filter=filter, parent=w.callback_row)


def test_headers_tell_and_shared_data_name_the_key() -> None:
    w = begin("bucket")
    w.hostcall("proxy_get_shared_data", 0, 0, (0,), b"bucket bob", b"", result=1)
    w.callback("proxy_on_response_headers", 0, 0)
    for name, value in ((b"x-ratelimit-limit", b"5, 5;w=10"), (b"x-ratelimit-remaining", b"4"), (b"x-ratelimit-reset", b"2")):
        w.hostcall("proxy_add_header_map_value", 0, 0, (2,), name, value, b"", fields(value))
    w.request(1)
    w.callback("proxy_on_request_headers", 0, 1)
    w.hostcall("proxy_get_shared_data", 0, 1, (3,), b"bucket eve", b"\0" * 24)
    limited(w, 1, (b"x-ratelimit-limit", b"5"), (b"x-ratelimit-remaining", b"0"))
    found = table(w.take())
    assert found["key"].tolist() == ["bucket bob", "bucket eve"]
    assert found["counter"].tolist() == [1, 5]
    assert found["verdict"].tolist() == ["allowed", "limited"]
    assert set(found["source"]) == {"headers"}
    assert found["window_s"].fillna(-1).tolist() == [10, -1]


def test_a_request_header_of_that_name_tells_nothing() -> None:
    w = begin("f")
    w.hostcall("proxy_add_header_map_value", 0, 0, (0,), b"x-ratelimit-limit", b"5", b"", fields(b"5"))
    assert len(table(w.take())) == 0


def test_headers_of_several_windows_are_several_limits() -> None:
    w = begin("kong")
    limited(w, 0, (b"X-RateLimit-Limit-Second", b"2"), (b"X-RateLimit-Remaining-Second", b"0"), (b"X-RateLimit-Limit-Hour", b"50"))
    found = table(w.take())
    assert found["limit"].tolist() == ["second", "hour"]
    assert found["window_s"].tolist() == [1, 3600]


@pytest.mark.parametrize(("numbers", "column", "values"), [((4, 3, 2), "remaining", [4, 3, 2]), ((1, 2, 3), "counter", [1, 2, 3])])
def test_a_counter_in_shared_data_is_what_can_be_seen(numbers: tuple[int, ...], column: str, values: list[int]) -> None:
    w = begin("f")
    for index, number in enumerate(numbers):
        w.request(index)
        w.callback("proxy_on_request_headers", 0, index)
        w.hostcall("proxy_set_shared_data", 0, index, (1,), b"tokens", struct.pack("<Q", number))
    w.request(3)
    limited(w, 3)
    found = table(w.take())
    assert found[column].tolist()[:3] == values
    assert found["key"].tolist() == ["tokens"] * 3 + [""]
    assert found["source"].tolist() == ["shared data"] * 3 + ["local response"]
    assert found["verdict"].tolist() == ["allowed"] * 3 + ["limited"]


def test_decisions_know_the_limit_that_decided() -> None:
    w = begin()
    call = w.asked(0, b"", b"\x08\x02")
    w.limit(0, call, (b"d", b"wide", b""), (100, 3, 1, 60))
    w.limit(0, call, (b"d", b"narrow", b"u=1"), (5, 5, 1, 10), over=True, window=(START, START + 9_500_000_000))
    limited(w, 0)
    w.request(1)
    w.callback("proxy_on_request_headers", 0, 1)
    call = w.asked(1, b"", b"\x08\x01")
    w.limit(1, call, (b"d", b"wide", b""), (100, 4, 1, 60))
    w.limit(1, call, (b"d", b"narrow", b"u=2"), (5, 1, 1, 10))
    trace = w.take()
    found = decisions_table(trace, gather_facts(trace))
    assert found["verdict"].tolist() == ["limited", "allowed"]
    assert found["limit_name"].tolist() == ["narrow", "narrow"]
    assert found["key"].tolist() == ["u=1", "u=2"]
    assert found["counter"].tolist() == [5, 1]
    assert found["remaining"].tolist() == [0, 4]
    assert found["reset"].fillna(-1).tolist() == [10, -1]


@pytest.mark.parametrize(
    ("answer", "end", "status", "why"),
    [
        (b"", 2, 14, "gave no whole answer"), (b"", 1, 4, "did not answer in time"), (b"", 0, 14, "answered gRPC Unavailable"),
        (b"", 0, 0, "answered UNKNOWN"), (b"\x08\x00", 0, 0, "answered UNKNOWN"),
    ],
)  # fmt: skip
def test_a_service_that_fails_is_let_through_or_refused(answer: bytes, end: int, status: int, why: str) -> None:
    w = begin()
    w.asked(0, question(b"d"), answer, end=end, status=status)
    w.request(1)
    w.callback("proxy_on_request_headers", 0, 1)
    w.asked(1, question(b"d"), answer, end=end, status=status)
    w.event(Event.LOCAL_RESPONSE, 1, (NONE, 0, 0), b"", b"", b"\0\0\0\0", result=500, filter=0)
    w.request(2)
    w.callback("proxy_on_request_headers", 0, 2)
    w.asked(2, question(b"d"), b"\x08\x01")
    found = list(all_decisions(w.take(), gather_facts(w.take())))
    assert [one.verdict for one in found] == ["error let through", "error refused", "allowed"]
    assert [one.kind for one in found] == ["allowed", "denied", "allowed"]
    assert all(why in one.reason for one in found[:2])
    assert [verdict for _, verdict, _ in all_verdicts(w.take(), gather_facts(w.take()))] == [one.verdict for one in found]


def test_a_filter_that_fails_is_let_through_or_refused(endings: Trace) -> None:
    w = begin()
    w.event(Event.FAILURE, 0, (1, 3, 2), b"unreachable", b"proxy_on_request_headers", filter=0, parent=w.callback_row)
    (found,) = all_decisions(w.take(), gather_facts(w.take()))
    assert (found.kind, found.verdict) == ("error", "error let through")
    assert list(all_verdicts(w.take(), gather_facts(w.take()))) == [(0, "error let through", 0)]
    assert "error refused" in [one.verdict for one in all_decisions(endings, gather_facts(endings))]


def test_a_real_replay(replayed: Any) -> None:
    """The token bucket of the tour: each row as its headers say it, none for the exchanges that it does not concern."""
    found = replayed.limits
    posts = replayed.decisions[replayed.decisions["filter"] == "token_bucket"]
    assert np.array_equal(np.sort(found["exchange"]), np.sort(posts["exchange"].to_numpy(np.int64)))
    assert (found["max"] == 5).all() and (found["counter"] + found["remaining"] == 5).all()
    assert (found["verdict"] == "limited").sum() == replayed.count("limited") == 16
    assert found["key"].unique().tolist() == ["token_bucket 5/10s+5 /toys all"]
