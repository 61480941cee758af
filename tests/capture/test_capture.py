from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from workbench.capture import Batch, open_capture
from workbench.capture.batch import batches
from workbench.capture.packing import pack
from workbench.errors import CaptureError

from .conftest import CAPTURES, states, write


def test_indexing_is_that_of_a_sequence(burst: Path) -> None:
    capture = open_capture(str(burst))
    everything = list(capture)
    assert len(capture) == len(everything) == 15
    assert capture.path == burst
    assert [capture[i] for i in (0, 7, -1, -15)] == [everything[i] for i in (0, 7, -1, -15)]
    for index in (15, -16):
        with pytest.raises(IndexError, match=str(index)):
            capture[index]
    for key in (slice(0, 2), "5", 1.0, None):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            capture[key]  # type: ignore[index]
    assert repr(capture) == f"<Capture '{burst}', 15 exchanges>"


def test_an_exchange_shows_itself_in_one_line_whatever_it_holds() -> None:
    longest = max((repr(each) for each in open_capture(CAPTURES / "edge.mitm")), key=len)
    assert len(longest) < 400 and longest.isprintable()
    assert repr(open_capture(CAPTURES / "burst.mitm")[0]).startswith("<Exchange #0 <Request POST /toys, ")


def test_any_exchange_may_be_the_first_to_be_read() -> None:
    path = CAPTURES / "edge.mitm"
    everything = list(open_capture(path))
    for index in (539, 64, 1):
        assert open_capture(path)[index] == everything[index]
    assert {e.connection for e in everything} == set(range(1, 7))


def test_start_and_end_span_all_exchanges(sample: Path) -> None:
    capture = open_capture(sample)
    everything = list(capture)
    assert capture.start_ns == min(e.request.start_ns for e in everything)
    assert capture.end_ns == max(e.response.end_ns if e.response else e.request.end_ns for e in everything)


def indexes(batch: Batch) -> list[int]:
    found, at = [], 0
    while at < len(batch.data):
        size, index = struct.unpack_from("<II", batch.data, at)
        found.append(index)
        at += 4 + size
    return found


def test_batches_go_by_the_start_of_the_request(sample: Path) -> None:
    capture = open_capture(sample)
    everything = list(capture)
    order = sorted(everything, key=lambda e: (e.request.start_ns, e.index))
    for size in (1, 7, 1000):
        batches = list(capture.batches(size=size))
        assert [index for batch in batches for index in indexes(batch)] == [e.index for e in order]
        assert all(batch.count == len(indexes(batch)) <= size for batch in batches)
        assert [batch.start_ns for batch in batches] == [everything[indexes(batch)[0]].request.start_ns for batch in batches]
        assert b"".join(batch.data for batch in batches) == pack(order)


def test_the_samples_are_not_in_order_already() -> None:
    started = [e.request.start_ns for e in open_capture(CAPTURES / "toystore.mitm")]
    assert started != sorted(started)


def test_ties_stay_in_file_order(burst: Path, tmp_path: Path) -> None:
    flows = states(burst)
    for flow in flows:
        flow["request"]["timestamp_start"] = 1000.0
    batches_ = open_capture(write(tmp_path / "ties.mitm", flows)).batches()
    assert [index for batch in batches_ for index in indexes(batch)] == list(range(15))


def test_batches_follow_the_pace_of_whoever_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock moves only where a batch is used: 20 ms, or next to nothing, for each exchange. Takers hold one batch ahead."""
    now = [0.0]
    monkeypatch.setattr("workbench.capture.batch.time.perf_counter", lambda: now[0])

    def sizes(each_s: float) -> list[int]:
        upcoming = batches(((n, b"x") for n in range(5000)), None, 1 << 20)
        found, ahead = [], next(upcoming, None)
        while ahead is not None:
            used, ahead = ahead, next(upcoming, None)
            found.append(used.count)
            now[0] += used.count * each_s
        return found

    slow, quick = sizes(0.02), sizes(1e-6)
    assert sum(slow) == sum(quick) == 5000
    assert max(slow) == 4 and set(slow[5:-1]) <= {1, 2}
    assert max(quick) == 1000 and len(quick) < 15


def test_batches_keep_to_their_bytes(sample: Path) -> None:
    capture = open_capture(sample)
    largest = max(len(pack([e])) for e in capture)
    batches = list(capture.batches(max_bytes=largest + 1000))
    assert len(batches) > 1 and all(len(batch.data) <= largest + 1000 for batch in batches)
    assert all(batch.count == 1 for batch in capture.batches(max_bytes=1))
    assert sum(batch.count for batch in batches) == len(capture)


def test_a_capture_can_be_closed(burst: Path) -> None:
    with open_capture(burst) as capture:
        assert capture[0].index == 0
    with pytest.raises(ValueError, match="closed"):
        capture[1]


BAD = {
    "har": (b'{"log": {"entries": []}}', "no whole entry is in this HAR file. .* hardump"),
    "har with byte order mark": (b'\xef\xbb\xbf{"log": {}}', "no HAR file: log.entries is missing"),
    "json": (b'{"a": 1}', "this is a JSON file, but no HAR file"),
    "json cut short": (b'{"a": ', "this is no HAR file: the file ends"),
    "empty": (b"", "the file is empty. .* mitmdump -w"),
    "gzip": (b"\x1f\x8b\x08\0\0", "gzip file, .* gunzip"),
    "pcap": (b"\xd4\xc3\xb2\xa1\2\0\4\0", "packet capture"),
    "wasm": (b"\0asm\1\0\0\0", "wasm module"),
    "text": (b"GET / HTTP/1.1\r\n", "neither a mitmproxy flow file nor a HAR file. .* mitmdump -w"),
    "number": (b"12345", "no whole flow"),
    "netstring": (b"5:hello,", "no whole flow"),
    "dictionary": (b"8:1:a;1:b,}", "no whole flow"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_flow_file_is_one_line_with_a_remedy(kind: str, tmp_path: Path) -> None:
    data, message = BAD[kind]
    path = tmp_path / "bad.mitm"
    path.write_bytes(data)
    with pytest.raises(CaptureError, match=message) as caught:
        open_capture(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert caught.value.remedy


def test_paths_that_name_no_file(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"none\.mitm: No such file"):
        open_capture(tmp_path / "none.mitm")
    with pytest.raises(CaptureError, match="this is a directory"):
        open_capture(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaptureError, match="no regular file"):
        open_capture(tmp_path / "pipe")
