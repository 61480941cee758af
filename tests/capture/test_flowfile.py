"""Damaged, hostile and foreign flow files: every whole exchange is read and what is not is named."""

from __future__ import annotations

import os
import random
import resource
import time
from pathlib import Path

import pytest
from mitmproxy import tcp
from mitmproxy.io import FlowWriter, tnetstring
from mitmproxy.test import tflow

from workbench.capture import open_capture
from workbench.errors import CaptureError

from .conftest import states, turned, write


def test_cut_anywhere_it_yields_every_whole_exchange(burst: Path, tmp_path: Path) -> None:
    whole = burst.read_bytes()
    expected = list(open_capture(burst))
    ends = [0]
    for state in states(burst):
        ends.append(ends[-1] + len(tnetstring.dumps(turned(state))))
    assert ends[-1] == len(whole)
    path = tmp_path / "cut.mitm"
    chance = random.Random(7)
    for cut in [ends[1], ends[1] + 1, ends[2] - 1, ends[5] + 4, ends[5] + 5, *(chance.randrange(ends[1], len(whole)) for _ in range(40))]:
        path.write_bytes(whole[:cut])
        capture = open_capture(path)
        count = sum(end <= cut for end in ends) - 1
        assert list(capture) == expected[:count]
        if cut == ends[count]:
            assert capture.problems == ()
        else:
            assert len(capture.problems) == 1
            assert capture.problems[0].startswith(f"Dropped the rest of the file from byte {ends[count]}: ")


def test_the_first_flow_cut_is_an_error(burst: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mitm"
    path.write_bytes(burst.read_bytes()[:1000])
    with pytest.raises(CaptureError, match=r"cut\.mitm: no whole flow .* byte 0: .* 1000 of 20\d\d bytes .* mitmdump -w"):
        open_capture(path)


@pytest.mark.parametrize("junk", [b"junk", b"12", b"\0" * 5000, b"99:", b"999999999999:", b"5:hello,", b"0:}", b"\n" * 300_000])
def test_after_garbage_it_goes_on(junk: bytes, burst: Path, tmp_path: Path) -> None:
    whole = burst.read_bytes()
    place = len(tnetstring.dumps(turned(states(burst)[0])))
    path = tmp_path / "garbage.mitm"
    path.write_bytes(whole[:place] + junk + whole[place:])
    capture = open_capture(path)
    assert [e.request for e in capture] == [e.request for e in open_capture(burst)]
    assert len(capture.problems) == 1
    assert capture.problems[0].startswith(f"Dropped {len(junk)} bytes from byte {place}: ")


def test_a_recording_that_was_killed_and_appended_to_goes_on(burst: Path, tmp_path: Path) -> None:
    # mitmdump -w +FILE appends behind half a flow, whose length now reaches into the next ones
    whole = burst.read_bytes()
    path = tmp_path / "appended.mitm"
    path.write_bytes(whole[:5000] + whole)
    capture = open_capture(path)
    assert [e.request for e in capture] == [e.request for e in list(open_capture(burst))[:2] + list(open_capture(burst))]
    assert len(capture.problems) == 1 and "Dropped" in capture.problems[0]


def test_a_flows_older_self_is_no_exchange_of_its_own(burst: Path, tmp_path: Path) -> None:
    first, second, *_ = states(burst)
    second["backup"] = dict(first)
    path = write(tmp_path / "edited.mitm", [first, second])
    path.write_bytes(path.read_bytes()[:-1])
    capture = open_capture(path)
    assert len(capture) == 1 and len(capture.problems) == 1


def test_damage_inside_a_flow_costs_that_exchange_only(burst: Path, tmp_path: Path) -> None:
    data = burst.read_bytes().replace(b'{"name": "Top 3"}', b'{"name": "Top 3}"').replace(b"6:method;4:POST,", b"6:method;4:POST#", 1)
    path = tmp_path / "damaged.mitm"
    path.write_bytes(data)
    capture = open_capture(path)
    assert capture.problems == ()
    assert [e.index for e in capture] == list(range(1, 15))
    assert capture.problems == ("Exchange 0: left out, as its flow is damaged.",)
    assert sum(batch.count for batch in capture.batches()) == 14
    with pytest.raises(CaptureError, match=r"damaged\.mitm, exchange 0 at byte 0: the flow is damaged: .*invalid integer.* not affected"):
        capture[0]


def test_deep_nesting_is_damage_and_no_crash(burst: Path, tmp_path: Path) -> None:
    deep = b"0:]"
    for _ in range(30_000):
        deep = b"%d:%s]" % (len(deep), deep)
    whole = burst.read_bytes()
    size, _, rest = whole.partition(b":")
    flow = b"4:deep;" + deep + rest[: int(size)]
    path = tmp_path / "deep.mitm"
    path.write_bytes(b"%d:%s}" % (len(flow), flow) + whole)
    capture = open_capture(path)
    assert len(capture) == 16 and len(list(capture)) == 15
    with pytest.raises(CaptureError, match="nested too deeply"):
        capture[0]
    assert capture.start_ns == open_capture(burst).start_ns


@pytest.mark.parametrize("prefix", [b"99999999999:", b"999999999999:9:websocket;", b"0000000000000000:x"])
def test_a_claimed_length_allocates_nothing(prefix: bytes, tmp_path: Path) -> None:
    path = tmp_path / "absurd.mitm"
    path.write_bytes(prefix)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CaptureError, match="no whole flow"):
        open_capture(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_file_full_of_false_beginnings_is_given_up_soon(burst: Path, tmp_path: Path) -> None:
    path = tmp_path / "hostile.mitm"
    path.write_bytes(burst.read_bytes() + b"9999:9:websocket;" * 200_000)
    start = time.process_time()
    capture = open_capture(path)
    assert time.process_time() - start < 5
    assert len(capture) == 15 and len(capture.problems) == 1


def test_flows_that_are_not_http_are_counted(burst: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.mitm"
    with path.open("wb") as file:
        writer = FlowWriter(file)
        for flow in (tflow.ttcpflow(), tflow.tflow(resp=True), tflow.tdnsflow(), tflow.ttcpflow(), tflow.tudpflow()):
            assert isinstance(flow, tcp.TCPFlow) == (flow.type == "tcp")
            writer.add(flow)
        file.write(burst.read_bytes())
        writer.add(tflow.twebsocketflow())
    capture = open_capture(path)
    assert len(capture) == 17
    assert [e.index for e in capture] == list(range(17))
    said = capture.problems
    for expected in (
        "2 TCP connections beside",
        "Skipped 1 DNS flow (HTTP and TCP",
        "Skipped 1 UDP flow (HTTP",
    ):
        assert any(sentence.startswith(expected) for sentence in said), said


def test_flows_of_an_unknown_version_are_counted(burst: Path, tmp_path: Path) -> None:
    flows = states(burst)
    flows[1]["version"] = flows[4]["version"] = 4711
    capture = open_capture(write(tmp_path / "newer.mitm", flows))
    assert len(capture) == 13
    (problem,) = capture.problems
    assert problem.startswith("Skipped 2 flows of format 4711")


def test_flows_over_the_limit_are_left_out(burst: Path, tmp_path: Path) -> None:
    flows = states(burst)
    flows[2]["response"]["content"] = b"x" * 600_000
    path = write(tmp_path / "large.mitm", flows)
    capture = open_capture(path)
    assert [len(e.response.body) for e in capture if e.response][2] == 600_000
    assert capture.start_ns == open_capture(burst).start_ns and capture.end_ns == open_capture(burst).end_ns
    small = open_capture(path, max_flow=100_000)
    assert len(small) == 14 and "Skipped 1 exchange of more than 100000 bytes" in small.problems[0]


def test_keys_in_another_order_are_found(burst: Path, tmp_path: Path) -> None:
    shuffled = []
    for flow in states(burst):
        flow["request"] = dict(reversed(flow["request"].items()))
        shuffled.append(dict(reversed(flow.items())))
    assert list(open_capture(write(tmp_path / "order.mitm", shuffled))) == list(open_capture(burst))


def test_a_file_that_changes_while_it_is_open_says_so(burst: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.mitm"
    path.write_bytes(burst.read_bytes())
    capture = open_capture(path)
    assert capture[14].index == 14
    os.truncate(path, 3000)
    assert capture[0].index == 0
    with pytest.raises(CaptureError, match="changed after it was opened"):
        capture[14]
