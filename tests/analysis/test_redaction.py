"""What a redacted replay says of headers that hold secrets, and what it leaves as it is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from workbench.analysis.redaction import Redaction, placeholder
from workbench.capture.exchange import Pairs
from workbench.capture.packing import pack_pairs, unpack_pairs
from workbench.errors import ConfigError
from workbench.trace.records import Event
from workbench.trace.trace import Trace

from .tracewriter import TraceWriter, exchange, fields

TOKEN = b"Bearer eyJhbGciOi.J-9.sig_nature"
SECRETS = (TOKEN, b"eyJhbGciOi.J-9.sig_nature", b"s3ss10n-of-ann", b"abc")


def _written() -> TraceWriter:
    w = TraceWriter("one")
    w.request(0, authorization=TOKEN, cookie=b"lang=en; sid=s3ss10n-of-ann", x_user=b"ann")
    w.callback("proxy_on_request_headers", 0, 0, 4, 1)
    w.hostcall("proxy_get_header_map_value", 0, 0, (0,), b"Authorization", TOKEN)
    w.hostcall("proxy_replace_header_map_value", 0, 0, (0,), b"authorization", b"abc", fields(TOKEN), fields(b"abc"))
    w.hostcall("proxy_get_property", 0, 0, (), b"request\0headers\0authorization", b"abc")
    w.hostcall("proxy_get_property", 0, 0, (), b"request\0path", b"/toys")
    w.hostcall("proxy_log", 0, 0, (2,), b"token is 'eyJhbGciOi.J-9.sig_nature'. For session s3ss10n-of-ann.")
    w.hostcall("proxy_set_shared_data", 0, 0, (0,), b"user/eyJhbGciOi.J-9.sig_nature", b"\x07")
    w.asked(0, b"\n\x19eyJhbGciOi.J-9.sig_nature")
    w.event(Event.INTERCEPTED, 0, (2, 1), b"value", TOKEN, b"abc")
    w.upstream(0)
    w.response(0, 200, 2, (b"set-cookie", b"sid=s3ss10n-of-ann; Path=/"))
    w.downstream(0, 200, 2, (b"set-cookie", b"sid=s3ss10n-of-ann; Path=/"), own=b"s3ss10n-of-ann is in the body")
    return w


def _all(trace: Trace) -> bytes:
    return b"".join(bytes(blob) for _, _, blob in trace.blocks())


@pytest.mark.parametrize("segment", [1, 3, 100])
def test_no_secret_is_left_but_in_bodies(segment: int) -> None:
    whole = _written().take(segment)
    shown = Redaction().trace(whole)
    data = _all(shown)
    assert len(data) == len(_all(whole))
    for secret in SECRETS[:2]:
        assert secret in _all(whole)
        assert secret not in data
    assert data.count(SECRETS[2]) == 1
    body = shown.rows(0)[-1].fields[2]
    assert body == b"s3ss10n-of-ann is in the body"
    assert not re.search(rb"\babc\b", data)


def test_the_rest_stays_as_it_is() -> None:
    whole, shown = _written().take(), Redaction().trace(_written().take())
    assert len(shown) == len(whole)
    for before, after in zip(whole.rows(0), shown.rows(0), strict=True):
        assert before[:-1] == after[:-1]
        assert [len(field) for field in before.fields] == [len(field) for field in after.fields]
    pairs, _ = unpack_pairs(shown.rows(0)[0].fields[0])
    values = dict(pairs)
    assert values[b"x-user"] == b"ann"
    assert values[b":path"] == b"/toys"
    assert shown.rows(0)[5].fields == (b"request\0path", b"/toys")
    assert shown.rows(0)[6].fields[0].startswith(b"token is '[redacted ")
    assert shown.complete


def test_the_same_value_is_the_same_placeholder_wherever_it_stands() -> None:
    pairs: Pairs = ((b"Authorization", TOKEN), (b"x-user", b"ann"))
    captured = exchange(0)
    captured = replace(captured, request=replace(captured.request, headers=pairs, trailers=pairs))
    redaction = Redaction()
    hidden = redaction.exchange(captured).request
    assert hidden.headers == hidden.trailers == ((b"Authorization", placeholder(TOKEN)), (b"x-user", b"ann"))
    read = redaction.trace(_written().take()).rows(0)[2].fields
    assert read == (b"Authorization", placeholder(TOKEN))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 14, 15, 16, 4000])
def test_a_placeholder_is_as_long_as_its_value_and_says_nothing_of_it(size: int) -> None:
    value = b"Q" * size
    made = placeholder(value)
    assert len(made) == size
    assert b"Q" not in made
    if size >= 8:
        assert made == placeholder(value)
        assert made != placeholder(b"R" * size)


def test_a_trace_that_grows_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _written().take(4)
    redaction, looked = Redaction(), []
    hide = Redaction._hidden

    def counted(self: Redaction, schema: Any, first: int, records: Any, blob: memoryview) -> bytes:
        looked.append(first)
        return hide(self, schema, first, records, blob)

    monkeypatch.setattr(Redaction, "_hidden", counted)
    part = replace(whole.snapshot(), _segments=whole._segments[:2], _rows=8)
    assert len(redaction.trace(part)) == 8
    assert not redaction.trace(part).complete
    assert _all(redaction.trace(whole)) == _all(Redaction().trace(whole))
    assert looked[:4] == [0, 4, 8, 12]


def test_other_headers_on_demand_and_bad_names_refused() -> None:
    shown = Redaction(["X-User"]).trace(_written().take())
    values = dict(unpack_pairs(shown.rows(0)[0].fields[0])[0])
    assert values[b"x-user"] == b"***"
    assert values[b"authorization"] == TOKEN
    assert _all(Redaction([]).trace(_written().take())) == _all(_written().take())
    with pytest.raises(ConfigError, match="no header's name"):
        Redaction(["cookie", "two words"])


def test_a_damaged_header_map_is_left_alone() -> None:
    w = TraceWriter("one")
    w.event(Event.MAP, 0, (0,), b"\xff\xff\xff\xffauthorization")
    w.event(Event.MAP, 0, (0,), pack_pairs(((b"authorization", b"x"),))[:-1])
    w.event(Event.MAP, 0, (0,), b"co")
    assert len(Redaction().trace(w.take())) == 3


def test_a_replay_shows_no_secret_in_any_table(replayed: Any) -> None:
    """The tour's chain reads the credentials, and logs and counts what it saw."""
    secret = {value for each in replayed.capture for name, value in each.request.headers if name.lower() == b"authorization"}
    shown = replayed.redacted()
    assert secret
    texts = [str(list(frame.itertuples())) for frame in (shown.hostcalls, shown.mutations, shown.logs, shown.decisions)]
    texts += [str(result) for result in shown.outcomes()]
    for value in secret:
        assert value.decode() in str(list(replayed.hostcalls.itertuples())) + "".join(map(str, replayed.outcomes()))
        assert not any(value.decode() in each for each in texts)
    assert (shown.facts.outcome == replayed.facts.outcome).all()
    assert shown.where("~outcome denied").tolist() == replayed.where("~outcome denied").tolist()
    assert shown.where("~hq YWRtaW4zOmFkbWluMw").tolist() == []
    with pytest.raises(ConfigError, match="redacted replay"):
        shown.verify_with_envoy()
