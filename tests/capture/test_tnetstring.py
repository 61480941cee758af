from __future__ import annotations

import pytest
from mitmproxy.io import tnetstring as theirs

from workbench.capture.tnetstring import DICT, entries, number, span


def test_entries_are_those_that_mitmproxy_wrote() -> None:
    value = {"a": 1, "nested": {"b": b"x" * 300}, "list": [1.5, None, True], "text": "K\u00e4fer"}
    data = theirs.dumps(value)
    start, stop = span(data, 0, len(data))
    assert data[stop] == DICT and stop == len(data) - 1
    found = {key.decode(): theirs.parse(kind, memoryview(data)[first:last]) for key, kind, first, last in entries(data, start, stop)}
    assert found == value


@pytest.mark.parametrize("data", [b"", b"x", b":", b"5", b"5:abc", b"-1:,", b"+1:a,", b" 1:a,", b"1_0:aaaaaaaaaa,", b"0000000000001:a,"])
def test_what_is_no_length_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="byte 0"):
        span(data, 0, len(data))


@pytest.mark.parametrize("data", [b"1:a;", b"1:a;9:b,", b"1:a;1:b", b"1:a;1:b,junk", b"999999999999:a;1:b,"])
def test_a_broken_dictionary_ends_in_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="at byte"):
        list(entries(data, 0, len(data)))


def test_a_long_key_is_not_carried_around() -> None:
    key = b"%d:%s;" % (1000, b"k" * 1000)
    assert [key for key, *_ in entries(key + b"0:~", 0, len(key) + 3)] == [b"k" * 64]


def test_numbers() -> None:
    assert number(b"12.5", ord("^"), 0, 4) == 12.5
    assert number(b"12", ord("#"), 0, 2) == 12
    assert number(b"12", ord(","), 0, 2) is None
    assert number(b"twelve", ord("^"), 0, 6) is None
    assert number(b"1" * 5000, ord("#"), 0, 5000) is None
