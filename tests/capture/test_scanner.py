"""Many flows at once from wasm: byte for byte what is read one by one, or left to it."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mitmproxy.io import tnetstring

from workbench.capture import flowfile, open_capture
from workbench.capture.filebytes import FileBytes
from workbench.capture.flow import decode
from workbench.capture.flowfile import _quick_times
from workbench.capture.packing import pack
from workbench.capture.scanner import Scanner
from workbench.errors import CaptureError

from .conftest import CAPTURES, states, turned
from .hostile import hostile

SAMPLES = sorted(CAPTURES.glob("*.mitm"))
NEVER, ALWAYS = 1 << 60, 1


@pytest.fixture
def from_flows_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets from how many flows or bytes on the scanner is asked."""

    def set_to(many: int) -> None:
        monkeypatch.setattr(flowfile, "_MANY", many)
        monkeypatch.setattr(flowfile, "_LARGE", many)

    return set_to


def everything(path: Path) -> Any:
    """All that a replay takes of a capture, or the error."""
    try:
        with open_capture(path) as capture:
            batches = [(batch.data, batch.count, batch.start_ns) for batch in capture.batches(7)]
            return batches, len(capture), capture.start_ns, capture.end_ns, len(capture.connections), capture.problems
    except CaptureError as error:
        return str(error)


def raws(path: Path) -> list[bytes]:
    return [tnetstring.dumps(turned(state)) for state in states(path)]


def scanned(folder: Path, flows: list[bytes]) -> tuple[list[bytes | None], list[Any]]:
    """What the scanner makes of each flow, index 0 and up, connection 3 and start 5; and its times."""
    path = folder / "scanned.mitm"
    path.write_bytes(b"".join(flows))
    sizes = np.array([len(raw) for raw in flows], np.int64)
    offsets = np.cumsum(sizes) - sizes
    scanner, ones = Scanner(FileBytes(path)), np.ones(len(flows), np.int64)
    return list(scanner.records(offsets, sizes, np.arange(len(flows)), 3 * ones, 5 * ones)), list(scanner.times(offsets, sizes))


def agree(folder: Path, flows: list[bytes]) -> int:
    """Holds the scanner against the reader of single flows; gives how many it read."""
    records, times = scanned(folder, flows)
    for index, (raw, record, time) in enumerate(zip(flows, records, times, strict=True)):
        if record is not None:
            exchange, lost = decode(raw, index, 3, 5)
            assert (record, lost) == (pack((exchange,)), ()), raw
        if time is not None:
            start, end, connection = _quick_times(raw) or (None, None, b"")
            assert time == (start or 0, end or 0, connection), raw
    return sum(record is not None for record in records)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_the_same_either_way(sample: Path, from_flows_on: Callable[[int], None]) -> None:
    from_flows_on(NEVER)
    expected = everything(sample)
    from_flows_on(ALWAYS)
    assert everything(sample) == expected


@pytest.mark.parametrize("sample", ["toystore", "edge", "burst"])
def test_it_reads_what_mitmproxy_usually_writes(sample: str, tmp_path: Path) -> None:
    flows = raws(CAPTURES / f"{sample}.mitm")
    assert agree(tmp_path, flows) == len(flows)
    assert None not in scanned(tmp_path, flows)[1]


def test_damaged_files_are_the_same_either_way(tmp_path: Path, from_flows_on: Callable[[int], None]) -> None:
    """Cut, with bytes changed, taken out and put in, of several kinds of flows in one file."""
    chance = random.Random(11)
    path = tmp_path / "damaged.mitm"
    for _ in range(60):
        whole = b"".join(chance.choice(RAWS) for _ in range(12))
        for _ in range(chance.randrange(4)):
            place, size = chance.randrange(len(whole)), chance.choice([0, 1, 1, 40, 3000])
            junk = chance.choice([b"", b"7", b"\0", chance.randbytes(1), b"9:websocket;0:~", chance.choice(RAWS)])
            whole = whole[:place] + junk + whole[place + size :]
        path.write_bytes(whole)
        from_flows_on(NEVER)
        expected = everything(path)
        from_flows_on(ALWAYS)
        assert everything(path) == expected


def test_hostile_values_are_values(burst: Path, tmp_path: Path) -> None:
    flows = [tnetstring.dumps(turned(flow)) for flow in hostile(states(burst)[0], 600, random.Random(5))]
    assert 100 < agree(tmp_path, flows) < 600


def test_changed_bytes_change_both_or_are_left_to_python(tmp_path: Path) -> None:
    chance = random.Random(9)
    assert 200 < agree(tmp_path, list(mutated(chance, 4000))) < 3000


@pytest.mark.parametrize("number", ["4294967295", "4294967294", "2147483647", "999999999999", "9999999999999", "0", "00000", "", "-1"])
def test_no_length_leads_astray(number: str, tmp_path: Path) -> None:
    """Each length in a flow as another one, among them those at which numbers of 32 bits end."""
    raw = RAWS[0]
    lengths = [found.span() for found in re.finditer(rb"\d+(?=:)", raw)]
    assert len(lengths) > 100
    agree(tmp_path, [raw[:at] + number.encode() + raw[stop:] for at, stop in lengths])


def mutated(chance: random.Random, count: int) -> Iterator[bytes]:
    """Flows with digits, type bytes and letters changed, where it hurts: outside of bodies mostly."""
    numbers = re.compile(rb"\d+")
    for _ in range(count):
        raw = bytearray(chance.choice(RAWS))
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            match chance.randrange(4):
                case 0:
                    raw[chance.randrange(len(raw))] = chance.randrange(256)
                case 1:
                    places = [found.start() for found in numbers.finditer(raw)]
                    raw[chance.choice(places)] = chance.choice(b"0123456789.e+-")
                case 2:
                    places = [at for at, byte in enumerate(raw) if byte in b"~;,^#}]!:"]
                    raw[chance.choice(places)] = chance.choice(b"~;,^#}]!:")
                case _:
                    at = chance.randrange(len(raw))
                    raw[at : at + chance.randrange(2)] = chance.choice([b"", b"1", b"0:~", b":"])
        yield bytes(raw)


HOSTS = [
    *("127.0.0.1", "0.0.0.0", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4 ", "1.2.3.4.5", "", "localhost", "١.2.3.4"),
    *("::", "::1", "1::", "fe80::1", "fe80::1%eth0", "FE80::ABCD", "0:0:0:0:0:0:0:1", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "1:2::0:1"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0:0", "::1.2.3.4", "::ffff:0:1.2.3.4", "64:ff9b::1.2.3.4", "1:2:3:4:5:6:1.2.3.4"),
    *("1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", "1::2::3", "1.2.3.4::", "12345::", ":1", "1:", ":::", "[::1]", "1:2"),
]


def test_addresses_are_written_as_python_writes_them(burst: Path, tmp_path: Path) -> None:
    chance = random.Random(2)
    random_hosts = [str(ipaddress.IPv6Address(bytes(chance.choice([0, 0, 0, 255, 1]) for _ in range(16)))) for _ in range(100)]
    base = states(burst)[0]
    flows = []
    for host in [*HOSTS, *random_hosts]:
        for port in (80, 0, 65535, 65536, -1):
            client = {**base["client_conn"], "peername": [host, port, 0, 0], "sockname": [host, 1]}
            server = {**base["server_conn"], "peername": [host, port], "sockname": None}
            flows.append(tnetstring.dumps(turned({**base, "client_conn": client, "server_conn": server})))
    assert agree(tmp_path, flows) > len(flows) / 2


def test_it_goes_on_in_a_file_that_is_cut_while_it_is_read(tmp_path: Path, from_flows_on: Callable[[int], None]) -> None:
    from_flows_on(ALWAYS)
    path = tmp_path / "cut.mitm"
    whole = (CAPTURES / "edge.mitm").read_bytes()
    path.write_bytes(whole)
    with open_capture(path) as capture:
        records = capture.batches(1)
        before = next(records)
        with path.open("r+b") as file:
            file.truncate(len(whole) // 2)
        after = list(records)
    assert before.count == 1
    assert 100 < len(after) < 500


def test_large_flows_are_read_too(tmp_path: Path, from_flows_on: Callable[[int], None]) -> None:
    """Larger than what is read at once, the first and the last and between small ones."""
    path = tmp_path / "large.mitm"
    flows = states(CAPTURES / "burst.mitm")
    for index, size in ((0, 1 << 20), (3, 300_000), (4, 3 << 20), (14, 1 << 21)):
        flows[index]["response"]["content"] = b"x" * size
    path.write_bytes(b"".join(tnetstring.dumps(turned(flow)) for flow in flows))
    from_flows_on(NEVER)
    expected = everything(path)
    from_flows_on(ALWAYS)
    assert everything(path) == expected


RAWS = [raw for sample in SAMPLES for raw in raws(sample)[:120]]
