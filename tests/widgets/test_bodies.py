"""Bodies as text, JSON and hexadecimal."""

from __future__ import annotations

import gzip
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.analysis.stages import Stage
from workbench.replay import Replay
from workbench.widgets.bodies import SHOWN, bodies


def view(*stages: tuple[bytes, str]) -> Any:
    """An exchange whose request body is each of these in turn, with its content coding."""
    places = [
        Stage(
            "client" if not at else "filter", f"stage {at}", at or None, True, (("content-encoding", coding),) if coding else (), body=data
        )
        for at, (data, coding) in enumerate(stages)
    ]
    return SimpleNamespace(request=tuple(places), response=())


def lines(found: dict[str, Any], pane: int = 0) -> list[str]:
    return [text for _, text in found["parts"][0]["panes"][pane]["lines"]]


def test_json_is_laid_out_and_compared_line_by_line() -> None:
    found = bodies(view((b'{"a":1,"b":2}', ""), (b'{"a":1,"b":3}', "")))
    assert found["form"] == "json"
    before, after = found["parts"][0]["panes"]
    assert ["del", '  "b": 2'] in [list(line) for line in before["lines"]]
    assert ["add", '  "b": 3'] in [list(line) for line in after["lines"]]
    assert ("same", '  "a": 1,') in [tuple(line) for line in before["lines"]]
    assert found["parts"][0]["note"] == "13 B → 13 B"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate"])
def test_packed_bodies_are_unpacked(coding: str) -> None:
    text = b'{"toys": ["bear", "kite"]}'
    raw = zlib.compressobj(wbits=-15)
    data = {"gzip": gzip.compress(text), "deflate": zlib.compress(text), "raw deflate": raw.compress(text) + raw.flush()}[coding]
    found = bodies(view((data, coding.split()[-1])))
    assert '    "bear",' in lines(found)
    assert "unpacked" in found["parts"][0]["panes"][0]["note"]


def test_a_bomb_is_cut() -> None:
    found = bodies(view((gzip.compress(b"\n" * 50_000_000), "gzip")), "text")
    assert sum(map(len, lines(found))) + len(lines(found)) <= SHOWN


@pytest.mark.parametrize("data", [b"\x1f\x8b broken", b"", b"\xff\xfe\x00"])
def test_a_wrong_coding_is_shown_as_it_is(data: bytes) -> None:
    found = bodies(view((data, "gzip")), "hex")
    assert found["form"] == "hex"
    assert "".join(lines(found)).startswith("000000" if data else "")


def test_bytes_are_hexadecimal() -> None:
    found = bodies(view((bytes(range(256)), "")))
    assert found["forms"] == ["hex"]
    assert lines(found)[0] == "000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  ................"
    assert lines(found)[4].endswith("@ABCDEFGHIJKLMNO")


def test_binary_behind_a_long_text_is_no_text() -> None:
    assert bodies(view((b"a" * (SHOWN // 2) + b"\xff" * SHOWN, "")))["forms"] == ["hex"]
    found = bodies(view((b"a" + "ä".encode() * SHOWN, "")))
    assert "text" in found["forms"], "a cut through a character is no reason to show hexadecimal"


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a": ' * 50_000, b"{", b"9" * 10_000, b'{"n": ' + b"1" * 10_000 + b"}"])
def test_what_only_looks_like_json_is_text(data: bytes) -> None:
    found = bodies(view((data, "")))
    assert "json" not in found["forms"]
    assert sum(map(len, lines(found))) <= SHOWN


def test_long_bodies_say_what_is_left() -> None:
    found = bodies(view((b"line\n" * 100_000, "")), "text")
    pane = found["parts"][0]["panes"][0]
    assert pane["size"] == 500_000
    assert pane["left"] == 500_000 - sum(len(line) + 1 for _, line in pane["lines"])
    assert len(pane["lines"]) <= 1500


def test_every_body_of_the_sample_is_shown(replay: Replay) -> None:
    for index in replay.exchanges["index"]:
        for form in ("", "text", "json", "hex"):
            found = bodies(replay[index], form)
            request, response = found["parts"]
            captured = replay.capture[index].request.body
            assert bool(captured) == bool(request["panes"] and request["panes"][0]["size"])
            assert all(one["title"] for one in (request, response))
