from __future__ import annotations

import pytest

from workbench.analysis import words


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0 ns"), (740, "740 ns"), (999, "999 ns"), (999.6, "1 µs"), (4180, "4.18 µs"), (16_900, "16.9 µs"), (999_499, "999 µs"),
        (999_700, "1 ms"), (1_838_000, "1.84 ms"), (6e9, "6 s"), (59.94e9, "59.9 s"), (59.96e9, "1 min"), (138e9, "2 min 18 s"),
        (7_260e9, "2 h 1 min"), (-1500, "\u22121.5 µs"),
    ],
)  # fmt: skip
def test_durations_have_three_figures(ns: float, said: str) -> None:
    assert words.duration(ns) == said


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 B"), (86, "86 B"), (999, "999 B"), (1000, "1.0 kB"), (182_300, "182 kB"), (999_600, "1.0 MB"), (1_100_000, "1.1 MB")],
)
def test_sizes(n: int, said: str) -> None:
    assert words.size(n) == said


def test_counts_are_in_full() -> None:
    assert words.count(1_204_118) == "1\u202f204\u202f118"
    assert (words.signed(3), words.signed(-1200), words.signed(0)) == ("+3", "\u22121\u202f200", "0")


@pytest.mark.parametrize("char", ["\x00", "\n", "\x1b", "\x7f", "\x9b", "\u200b", "\u202e", "\u2066", "\u2028", "\ufeff", "\U000e0041"])
def test_what_could_fool_a_reader_is_an_escape(char: str) -> None:
    shown = words.visible(f"a{char}b")
    assert char not in shown
    assert shown.startswith("a\\") and shown.endswith("b")
    assert int(shown[3:-1], 16) == ord(char)


def test_other_text_is_left_alone() -> None:
    assert words.visible("Grüße, 世界 <b>") == "Grüße, 世界 <b>"


def test_bytes_that_are_not_utf8_are_latin1() -> None:
    assert words.text("é".encode()) == "é"
    assert words.text(b"caf\xe9") == "café"


@pytest.mark.parametrize(
    ("call", "number", "name"),
    [
        ("proxy_on_request_headers", 4, "StopAllIterationAndWatermark"), ("proxy_on_request_body", 1, "StopIterationAndBuffer"),
        ("proxy_on_response_trailers", 1, "StopIteration"), ("proxy_on_configure", 0, "false"), ("proxy_on_log", 0, ""),
        ("_initialize", 0, ""), ("proxy_set_shared_data", 8, "CasMismatch"), ("proxy_log", 99, "99"), ("fd_write", 8, "BADF"),
        ("path_open", 123, "123"),
    ],
)  # fmt: skip
def test_results_by_name(call: str, number: int, name: str) -> None:
    assert words.result(call, number) == name


def test_machine_words() -> None:
    assert [words.policy(n) for n in (1, 2, 3, 4, 9)] == ["fail_reload", "fail_closed", "fail_open", "restart", "9"]
    assert [words.failure(n) for n in (1, 2, 3, 4, 5, 6, 0)] == ["trap", "timeout", "memory", "start", "configure", "earlier", "0"]


def test_shorten() -> None:
    assert words.shorten("abcdef", 6) == "abcdef"
    assert words.shorten("abcdefg", 6) == "abcde…"
