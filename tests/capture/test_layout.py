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


HOSTILE = [
    b"",
    b"a,9:authority;0:,",
    b",6:scheme;4:http,6:method;3:GET,",
    b"~8:response;0:~7:request;1:4:path;1:a,",
    b"]12:http_version;8:HTTP/1.1,}6:backup;0:~",
    b"}5:error;0:~2:id;36:00000000-0000-0000-0000-000000000000;4:type;4:http;7:version;2:21#}",
    b"\xff\0:;,]}~",
]


def test_what_looks_like_structure_inside_values_is_no_structure(burst: Path) -> None:
    chance = random.Random(3)
    (base, *_), quick = states(burst), 0
    for _ in range(400):
        flow = turned(turned(base))
        flow["response"] = chance.choice([None, {**base["response"]}])
        request = flow["request"] = {**base["request"]}
        messages = [message for message in (request, flow["response"]) if message]
        for message in messages:
            message["content"] = chance.choice([None, *HOSTILE])
            message["trailers"] = chance.choice([None, [], [[chance.choice(HOSTILE), chance.choice(HOSTILE)]]])
            message["headers"] = [[chance.choice(HOSTILE), chance.choice(HOSTILE)] for _ in range(chance.randrange(4))]
            message["timestamp_end"] = chance.choice([None, 12.5, 1e9, message["timestamp_end"]])
            message["http_version"] = chance.choice([b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/2.0", b"HTTP/3"])
        for name in ("path", "authority", "scheme", "method"):
            if chance.random() < (0.5 if name == "path" else 0.1):
                request[name] = chance.choice(HOSTILE)
        request["host"] = chance.choice(["h", "h", ";13:timestamp_end;0:~15:timestamp_start;1:1^8:trailers;0:~"])
        if flow["response"] and chance.random() < 0.1:
            flow["response"]["reason"] = chance.choice(HOSTILE)
        flow["error"] = chance.choice([None, {"msg": "5:error;0:~2:id;36:", "timestamp": 1.0}, {"timestamp": 1.0, "msg": ""}])
        flow["client_conn"] = {**base["client_conn"], "sni": chance.choice([None, "2:id;36:", "a"]), "tls": chance.random() < 0.5}
        flow["server_conn"] = {**base["server_conn"], "peername": chance.choice([None, ["::1", 5, 0, 0], ["name", 5]])}
        flow["comment"] = chance.choice(["", "", "", "a word"])
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
