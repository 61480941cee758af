"""Bodies as text, JSON and hexadecimal."""

from __future__ import annotations

import gzip
import zlib
from types import SimpleNamespace
from typing import Any

import brotli
import pytest
import zstandard

from workbench.analysis.stages import Stage
from workbench.errors import WorkbenchError
from workbench.replay import Replay
from workbench.widgets.bodies import FORMS, SHOWN, bodies, image


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


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "br", "zstd"])
def test_packed_bodies_are_unpacked(coding: str) -> None:
    text = b'{"toys": ["bear", "kite"]}'
    raw = zlib.compressobj(wbits=-15)
    data = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "raw deflate": raw.compress(text) + raw.flush(),
        "br": brotli.compress(text),
        "zstd": zstandard.compress(text),
    }[coding]
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


def test_long_texts_come_in_pages_that_join_without_a_gap() -> None:
    text = "".join(f"zeile {at} ä€\n" for at in range(9000))
    pages, page = [], 0
    while True:
        found = bodies(view((text.encode(), "")), "text", page)
        pane = found["parts"][0]["panes"][0]
        pages.append("\n".join(line for _, line in pane["lines"]))
        page += 1
        if not pane["left"]:
            break
    assert page == -(-len(text.encode()) // SHOWN)
    assert "".join(part.replace("\n", "") for part in pages) == text.replace("\n", "")
    assert bodies(view((text.encode(), "")), "text", 10**9)["parts"][0]["panes"][0]["lines"] == []


def test_hexadecimal_comes_in_pages() -> None:
    found = bodies(view((bytes(10_000), "")), "hex", 1)
    pane = found["parts"][0]["panes"][0]
    assert pane["lines"][0][1].startswith("001000  00 00")
    assert pane["left"] == 10_000 - 8192


def test_each_step_of_a_body_has_its_pane() -> None:
    found = bodies(view((b'{"a": 1}', ""), (b'{"a": 2}', ""), (b'{"a": 2}', ""), (b'{"a": 2, "b": []}', "")), "changes")
    part = found["parts"][0]
    assert [pane["title"] for pane in part["panes"]] == ["Stage 0", "stage 1", "stage 3"]
    assert [[(row["path"], row["kind"], row["was"], row["now"]) for row in step["rows"]] for step in part["changes"]] == [
        [("$.a", "chg", "1", "2")],
        [("$.b", "add", None, "[]")],
    ]


def test_a_form_is_read() -> None:
    stage = Stage(
        "client", "client", None, True, (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),), body=b"a=1&b=x+y%21&c="
    )
    found = bodies(SimpleNamespace(request=(stage,), response=()))
    assert found["form"] == "form"
    assert lines(found) == ["a = 1", "b = x y!", "c = "]


@pytest.mark.parametrize(
    ("data", "kind"), [(b"\x89PNG\r\n\x1a\n...", "image/png"), (b"GIF89a..", "image/gif"), (b"RIFF....WEBPVP8 ", "image/webp")]
)
def test_pictures_are_told_by_their_first_bytes(data: bytes, kind: str) -> None:
    shown: Any = view((gzip.compress(data), "gzip"))
    assert bodies(shown)["form"] == "image"
    assert image(shown, 0, 0) == (kind, data)


@pytest.mark.parametrize("data", [b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"GIF8", b"", b"RIFF....WAVE"])
def test_nothing_else_is_a_picture(data: bytes) -> None:
    shown: Any = view((data, ""))
    assert "image" not in bodies(shown)["forms"]
    with pytest.raises(WorkbenchError):
        image(shown, 0, 0)
    with pytest.raises(WorkbenchError):
        image(shown, 0, 7)


def test_every_body_of_the_sample_is_shown(replay: Replay) -> None:
    for index in replay.exchanges["index"]:
        for form in ("", *FORMS):
            found = bodies(replay[index], form)
            request, response = found["parts"]
            captured = replay.capture[index].request.body
            assert bool(captured) == bool(request["panes"] and request["panes"][0]["size"])
            assert all(one["title"] for one in (request, response))
