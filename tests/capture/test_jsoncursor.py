"""The cursor agrees with a decoder on where values start and stop, wherever blocks of the file end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.capture import jsoncursor
from workbench.capture.filebytes import FileBytes
from workbench.capture.jsoncursor import Cursor

VALUES: list[Any] = [
    {"name": "a", "value": 'quoted " and \\ and \\" and }]'}, [], {}, "", "\\", -1.5e3, None, True,
    [[[{"deep": [1, [2, {"x": "{["}]]}], "[" * 50], []], {"a": {"b": {"c": "\u00e9" * 40}}, "d": [1, 2, 3]}, "é" * 90,
]  # fmt: skip


def file(path: Path, text: str) -> FileBytes:
    path.write_bytes(text.encode())
    return FileBytes(path)


@pytest.mark.parametrize("block", [2, 3, 7, 16, 64, 1 << 18])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_value_is_found(block: int, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsoncursor, "_BLOCK", block)
    text = json.dumps({"before": VALUES, "log": {"entries": VALUES, "end": 1}}, indent=indent)
    data = file(tmp_path / "a", text)
    cursor = Cursor(data)
    found, keys = [], []
    for key in cursor.members():
        keys.append(key)
        if key == b"before":
            start, stop = cursor.skip()
            assert json.loads(data[start:stop]) == VALUES
            continue
        for inner in cursor.members():
            keys.append(inner)
            if inner == b"entries":
                for _ in cursor.elements():
                    start, stop = cursor.skip()
                    found.append(json.loads(data[start:stop]))
            else:
                cursor.skip()
    assert found == VALUES
    assert keys == [b"before", b"log", b"entries", b"end"]
    assert cursor.at == len(text)


@pytest.mark.parametrize("text", ['{"a": [1, {"b": "cut', '{"a": [1, {"b": 2}', '{"a": "\\', "{", "", '{"a"', '{"a":'])
def test_a_file_cut_short_is_said(text: str, tmp_path: Path) -> None:
    cursor = Cursor(file(tmp_path / "a", text))
    with pytest.raises(ValueError, match="the file ends before"):
        for _ in cursor.members():
            cursor.skip()


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "'{' is wanted"), ("{1:2}", "no key"), ('{"a" 1}', "':'"), ('{"a":,}', "no JSON value")]
)
def test_what_is_no_json_is_said(text: str, message: str, tmp_path: Path) -> None:
    cursor = Cursor(file(tmp_path / "a", text))
    with pytest.raises(ValueError, match=message):
        for _ in cursor.members():
            cursor.skip()


def test_depth_costs_nothing(tmp_path: Path) -> None:
    text = "[" * 1_000_000 + "]" * 1_000_000
    assert Cursor(file(tmp_path / "a", text)).skip() == (0, 2_000_000)
