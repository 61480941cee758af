"""The hash of sources, and the section that carries it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sample_filters.sources import read_stamp, source_files, sources_hash, stamp
from workbench.errors import FilterLoadError

EMPTY = b"\0asm\x01\0\0\0"


def write(root: Path, files: dict[str, bytes]) -> list[Path]:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return source_files(root)


def test_hash_depends_on_names_and_contents_but_not_on_order(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a.rs": b"1", "src/b.rs": b"2"})
    value = sources_hash(paths, tmp_path)
    assert value == sources_hash(reversed(paths), tmp_path)
    assert value.startswith("sha256:") and len(value) == 71
    (tmp_path / "a.rs").write_bytes(b"3")
    assert sources_hash(paths, tmp_path) != value
    (tmp_path / "a.rs").write_bytes(b"1")
    (tmp_path / "a.rs").rename(tmp_path / "c.rs")
    assert sources_hash(source_files(tmp_path), tmp_path) != value


def test_hash_tells_apart_what_joined_would_be_equal(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"ab": b"c"})
    two = write(tmp_path / "two", {"a": b"bc"})
    assert sources_hash(one, tmp_path / "one") != sources_hash(two, tmp_path / "two")


def test_hash_is_the_same_with_line_ends_of_windows(tmp_path: Path) -> None:
    unix = write(tmp_path / "unix", {"a": b"x\ny\n"})
    windows = write(tmp_path / "windows", {"a": b"x\r\ny\r\n"})
    assert sources_hash(unix, tmp_path / "unix") == sources_hash(windows, tmp_path / "windows")


def test_built_prose_and_hidden_files_are_no_sources(tmp_path: Path) -> None:
    names = ["main.go", "README.md", "f.wasm", ".hidden", "target/x.rs", "src/.git/y", "src/lib.rs"]
    found = write(tmp_path, dict.fromkeys(names, b""))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found) == ["main.go", "src/lib.rs"]


def test_stamp_is_read_back_and_replaces_an_older_one() -> None:
    module = EMPTY + b"\0\x05\x04name"
    assert read_stamp(module) is None
    once = stamp(module, "sha256:1")
    assert read_stamp(once) == "sha256:1"
    assert once.startswith(module)
    assert stamp(once, "sha256:22") == stamp(module, "sha256:22")


def test_a_long_stamp_has_a_length_of_two_bytes() -> None:
    assert read_stamp(stamp(EMPTY, "x" * 300)) == "x" * 300


@pytest.mark.parametrize("data", [b"", b"MZ", EMPTY + b"\x01\x05", EMPTY + b"\0\x02\x09x", EMPTY + b"\x01\xff\xff\xff\xff\xff"])
def test_what_is_no_module_is_refused(data: bytes) -> None:
    with pytest.raises(FilterLoadError):
        stamp(data, "sha256:1")
