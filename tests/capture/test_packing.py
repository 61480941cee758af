from __future__ import annotations

import struct
from pathlib import Path

from workbench.capture import Exchange, Request, open_capture
from workbench.capture.packing import HAS_RESPONSE, pack, pack_pairs, unpack_pairs

HEAD = struct.Struct("<IIIQQQQII")


def test_pairs_come_back_with_order_repeats_and_empties() -> None:
    pairs = ((b"a", b"1"), (b"A", b""), (b"", b"\0\xff"), (b"a", b"1"))
    data = b"before" + pack_pairs(pairs) + b"after"
    assert unpack_pairs(data, 6) == (pairs, len(data) - 5)
    assert pack_pairs(()) == b"\0\0\0\0"


def text(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<I", data, at)
    return data[at + 4 : at + 4 + size], at + 4 + size


def test_records_of_a_sample_read_back(sample: Path) -> None:
    with open_capture(sample) as capture:
        exchanges = list(capture)
    data, at = pack(exchanges), 0
    for exchange in exchanges:
        request, response = exchange.request, exchange.response
        size, index, flags, start, end, response_start, response_end, status, connection = HEAD.unpack_from(data, at)
        stop, at = at + 4 + size, at + HEAD.size
        assert (index, start, end, connection) == (exchange.index, request.start_ns, request.end_ns, exchange.connection)
        assert flags >> 8 & 0xFF == {b"HTTP/1.1": 11, b"HTTP/2.0": 20}[request.http_version]
        for part in (request.method, request.scheme, request.authority, request.path):
            got, at = text(data, at)
            assert got == part
        headers, at = unpack_pairs(data, at)
        body, at = text(data, at)
        trailers, at = unpack_pairs(data, at)
        assert (headers, body, trailers) == (request.headers, request.body, request.trailers)
        headers, at = unpack_pairs(data, at)
        body, at = text(data, at)
        trailers, at = unpack_pairs(data, at)
        if response is None:
            assert not flags & HAS_RESPONSE and (status, headers, body, trailers) == (0, (), b"", ())
        else:
            assert flags & HAS_RESPONSE
            assert (status, headers, body, trailers) == (response.status, response.headers, response.body, response.trailers)
            assert (response_start, response_end) == (response.start_ns, response.end_ns)
        attributes, at = unpack_pairs(data, at)
        error, at = text(data, at)
        assert (attributes, error.decode(), at) == (exchange.attributes, exchange.error, stop)
    assert at == len(data)


def test_an_exchange_without_response_keeps_the_requests_time() -> None:
    request = Request(b"GET", b"http", b"h", b"/", b"HTTP/1.0", (), b"", (), 5, 7)
    head = HEAD.unpack_from(pack([Exchange(3, request, None, error="gone")]))
    assert head[1:] == (3, 10 << 8, 5, 7, 7, 7, 0, 1)
