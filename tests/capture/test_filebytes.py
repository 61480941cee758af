from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.capture.filebytes import FileBytes


@pytest.fixture
def data() -> bytes:
    return os.urandom(20_000)


def test_it_reads_like_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    file = FileBytes(path)
    assert len(file) == len(data)
    for start, stop in ((0, 10), (5, 5), (100, 9000), (4, 12), (19_990, 30_000), (30_000, 30_001), (8, 4)):
        assert file[start:stop] == data[start:stop]
    assert (file[0], file[19_999]) == (data[0], data[19_999])
    with pytest.raises(IndexError):
        file[20_000]
    assert file.find(data[5000:5010], 4990, 5020) == 5000
    assert file.find(b"absent", 10, 20) == -1
    assert file.read(19_000, 5000) == data[19_000:]


def test_a_file_cut_short_meanwhile_gives_what_is_left(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    file = FileBytes(path)
    assert not file.changed
    os.truncate(path, 1000)
    assert file.changed
    assert file.read(900, 5000) == data[900:1000]
    assert file.read(5000, 10) == b""
