"""What counts as news of a file, by a clock that the tests move; and the thread that looks."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

from workbench.widgets.watcher import Watcher, file_digest


class Watched:
    """One file, its watcher, and what was used of it last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = True
        self.used = file_digest(path)
        self.now = 0.0
        self.watcher = Watcher(lambda: [path], lambda _: self.used, lambda _: self.whole, lambda _: None)

    def look(self, seconds: float) -> list[Path]:
        """Looks every quarter of a second for so long; all that was news."""
        found = []
        for _ in range(round(seconds / 0.25)):
            self.now += 0.25
            found += self.watcher.look(self.now)
        self.used = file_digest(self.path) if found else self.used
        return found


def test_only_another_content_is_news(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(b"one")
    file = Watched(path)
    assert file.look(3) == []
    os.utime(path)
    assert file.look(3) == []
    path.write_bytes(b"two!")
    assert file.look(3) == [path]
    assert file.look(3) == []
    other = tmp_path / "b.wasm"
    other.write_bytes(b"six!")
    other.replace(path)
    assert file.look(3) == [path], "one that took its place is another file"


def test_what_is_not_what_was_used_is_news_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(b"one")
    file = Watched(path)
    file.used = "another"
    assert file.look(1) == [path]


def test_a_file_is_waited_for_until_it_rests(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(b"one")
    file = Watched(path)
    file.look(1)
    for part in range(8):
        path.write_bytes(b"two" * (part + 2))
        assert file.look(0.25) == []
    assert file.look(1) == [path]


def test_a_file_that_is_not_whole_gets_more_time_and_is_told_then(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(b"one")
    file = Watched(path)
    file.look(1)
    path.write_bytes(b"ha")
    file.whole = False
    assert file.look(1.5) == []
    assert file.look(1.5) == [path], "broken for good: the user is told"
    path.write_bytes(b"half")
    file.look(1)
    path.write_bytes(b"whole now")
    file.whole = True
    assert file.look(1) == [path]


def test_a_file_that_goes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(b"one")
    file = Watched(path)
    file.look(1)
    path.unlink()
    assert file.look(2) == [], "a build removes it before it writes"
    path.write_bytes(b"one")
    assert file.look(2) == [], "the same came back"
    path.unlink()
    assert file.look(4) == [path]
    assert file.used == ""
    path.write_bytes(b"one")
    assert file.look(1) == [path], "after a replay that failed the same is news"


def test_the_thread_tells_and_stops(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(b"one")
    told: list[list[Path]] = []
    heard = Event()
    watcher = Watcher(lambda: [path], lambda _: "another", lambda _: True, lambda paths: (told.append(paths), heard.set())[1])
    watcher.start()
    assert heard.wait(120)
    watcher.stop()
    watcher._thread.join(120)
    assert not watcher._thread.is_alive() and told == [[path]]
