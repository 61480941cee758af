from __future__ import annotations

from typing import Any

from workbench.replay import Replay, compare
from workbench.trace.records import NONE

from .tracewriter import TraceWriter, exchange

CAPTURE = [exchange(index, b"", b"ok") for index in range(4)]


def replay(*statuses: int | None, own: bytes | None = None, header: bytes = b"1") -> Replay:
    w = TraceWriter("f")
    for index, status in enumerate(statuses):
        w.request(index)
        w.callback("proxy_on_request_headers", 0, index, ns=1000 * (index + 1))
        if status is not None:
            w.upstream(index)
            w.response(index, status, 2)
            w.downstream(index, status, 2, (b"h", header), own=own)
    return Replay(CAPTURE, None, w.take())


def test_the_same_twice_does_not_differ() -> None:
    found = compare(replay(200, 404), replay(200, 404))
    assert found.differences == ()
    assert found.only == ((), ())
    assert found.medians["ratio"].tolist() == [1.0, 1.0]


def test_differences_are_named() -> None:
    found = compare(replay(200, 200, 200), replay(200, 500, None, header=b"2"))
    assert [(one.exchange, one.parts) for one in found.differences] == [
        (0, ("downstream response headers",)),
        (1, ("status", "downstream response headers")),
        (2, ("status", "upstream request presence", "downstream response presence")),
    ]
    assert found.table.loc[1, "differs"] == "status, downstream response headers"
    assert "3 of 3 exchanges differ" in repr(found)


def test_printed_it_says_what_differs() -> None:
    text = str(compare(replay(200, 200, 200), replay(200, 500, None, header=b"2"))).split("\n")
    assert text[0].endswith("3 of 3 exchanges differ; median filter 1.6 µs → 1.6 µs; median host 400 ns → 400 ns")
    assert text[1].startswith("  downstream response headers 2   status 2   ")
    assert [line.split()[0] for line in text[2:]] == ["#1", "#2", "#0"]
    assert "passed 200 → passed 500" in text[2] and text[2].endswith("  downstream response headers")
    many = str(compare(replay(*[200] * 30), replay(*[500] * 30))).split("\n")
    assert len(many) == 23 and many[-1] == "  and 10 more"


def test_bodies_are_compared_by_their_bytes() -> None:
    assert compare(replay(200), replay(200, own=b"ok")).differences == ()
    (one,) = compare(replay(200), replay(200, own=b"no")).differences
    assert one.parts == ("downstream response body",)


def test_exchanges_of_one_side_only() -> None:
    found = compare(replay(200, 200), replay(200))
    assert found.only == ((1,), ())
    assert "1 only in a" in repr(found)


def test_empty_replays() -> None:
    assert "0 of 0 exchanges differ" in repr(compare(replay(), replay()))


def test_real_replays_of_one_capture(replayed: Any) -> None:
    """Without its limiter the chain lets through what it limited, and tells no limits."""
    import workbench as wb

    chain = wb.Chain(*(each for each in replayed.chain if each.name != "token_bucket"))
    found = compare(replayed, chain.replay(replayed.capture))
    limited = set(replayed.exchanges.query("outcome == 'limited'")["index"])
    assert limited <= {one.exchange for one in found.differences}
    assert {one.outcome for one in found.differences if one.exchange in limited} == {("limited", "changed")}
    assert NONE not in {one.exchange for one in found.differences}
    assert compare(replayed, replayed).differences == ()


def test_one_byte_of_a_long_body_or_header_is_found() -> None:
    for size in (10, 100_000):
        one, other = b"a" * size, b"a" * (size - 1) + b"b"
        assert compare(replay(200, own=one), replay(200, own=bytes(one))).differences == ()
        assert [each.parts for each in compare(replay(200, own=one), replay(200, own=other)).differences] == [("downstream response body",)]
        assert len(compare(replay(200, 200, header=one), replay(200, 200, header=other)).differences) == 2
