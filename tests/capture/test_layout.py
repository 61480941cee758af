"""The quick reader against mitmproxy's: the same exchange, or none."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from mitmproxy.io import tnetstring

from workbench.capture import open_capture
from workbench.capture.flow import decode, decode_by_mitmproxy
from workbench.capture.flowfile import _quick_times, _times
from workbench.capture.layout import fields, locate

from .conftest import CAPTURES, states, turned
from .hostile import hostile


def raw(flow: dict[str, Any]) -> bytes:
    return tnetstring.dumps(turned(flow))


def test_it_reads_every_sample_as_mitmproxy_does(sample: Path) -> None:
    for index, state in enumerate(states(sample)):
        data = raw(state)
        assert locate(data) is not None
        assert decode(data, index, 3, 5) == decode_by_mitmproxy(data, index, 3, 5)
        assert _quick_times(data) == _times(data, 0, len(data))


def test_a_flow_made_at_a_whole_second_is_read_too(burst: Path) -> None:
    for created in (946681200, 1_800_000_000, 1_800_000_000.0):
        data = raw({**states(burst)[0], "timestamp_created": created})
        assert locate(data) is not None
        assert decode(data, 0, 3, 5) == decode_by_mitmproxy(data, 0, 3, 5)


def test_what_looks_like_structure_inside_values_is_no_structure(burst: Path) -> None:
    base, quick = states(burst)[0], 0
    for flow in hostile(base, 400, random.Random(3)):
        data = raw(flow)
        assert decode(data, 1, 2, 3) == decode_by_mitmproxy(data, 1, 2, 3)
        if locate(data) is not None:
            quick += 1
            assert _quick_times(data) == _times(data, 0, len(data))
    assert 100 < quick < 400


def test_a_flipped_byte_is_never_read_otherwise_than_by_mitmproxy() -> None:
    chance = random.Random(11)
    flows = [raw(state) for state in states(CAPTURES / "toystore.mitm")]
    read = 0
    for _ in range(1500):
        data = bytearray(chance.choice(flows))
        data[chance.randrange(len(data))] = chance.choice(b"0123456789:;,#^~]}!x\0")
        try:
            expected = decode_by_mitmproxy(bytes(data), 1, 2, 3)
        except ValueError:
            continue
        read += 1
        assert decode(bytes(data), 1, 2, 3) == expected
    assert read > 300


def test_fields_refuse_what_are_no_pairs() -> None:
    for value in ([[b"a"]], [[b"a", b"b", b"c"]], [b"a"], [["a", b"b"]], [[b"a", None]]):
        data = tnetstring.dumps(value)
        payload = data[data.index(b":") + 1 : -1]
        try:
            got = fields(payload)
        except ValueError:
            continue
        raise AssertionError(got)


def test_long_headers_are_read_too(burst: Path) -> None:
    flow, *_ = states(burst)
    flow["request"]["headers"] = [[b"x-%d" % n, b"v" * 300] for n in range(100)]
    data = raw(flow)
    exchange, _ = decode(data, 0, 1, 1)
    assert len(exchange.request.headers) == 100
    assert exchange == decode_by_mitmproxy(data, 0, 1, 1)[0]
    assert open_capture(burst)[0].request.body == exchange.request.body
