"""Watches files by looking at them: no service of the system's, so it works on every file system, network shares too."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

__all__ = ["Watcher", "file_digest"]

_EVERY_S = 0.25
_REST_S = 0.4
_UNSOUND_REST_S = 2.0
_GONE_S = 3.0

Signature = tuple[int, int, int] | None


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; empty for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass
class _Seen:
    signature: Signature
    since: float
    told: bool = True


class Watcher:
    """Tells when the content of files has changed and come to rest.

    paths    gives the files to watch; asked at each look, so they may become others
    used     the digest that was used last of a file, `file_digest` of then: only another content is news
    sound    whether a file is whole; one that is not may still be being written and is given two seconds more
    changed  called, in the watcher's thread, with the files that are news; one that has gone for three seconds is news too
    """

    def __init__(
        self,
        paths: Callable[[], Iterable[Path]],
        used: Callable[[Path], str],
        sound: Callable[[Path], bool],
        changed: Callable[[list[Path]], None],
    ) -> None:
        self._paths, self._used, self._sound, self._changed = paths, used, sound, changed
        self._seen: dict[Path, _Seen] = {}
        self._stop = Event()
        self._thread = Thread(target=self._work, name="workbench-watch", daemon=True)

    def start(self) -> None:
        """Begin to look; files that are not what was used last are news at once."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; `changed` may be called once yet."""
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.wait(_EVERY_S):
            news = self.look(time.monotonic())
            if news and not self._stop.is_set():
                self._changed(news)

    def look(self, now: float) -> list[Path]:
        """One look at `now`, in seconds: the files that are news."""
        news = []
        paths = list(dict.fromkeys(self._paths()))
        for path in paths:
            signature = _signature(path)
            seen = self._seen.get(path)
            if seen is None or seen.signature != signature:
                self._seen[path] = _Seen(signature, now, told=False)
            elif not seen.told and self._rested(path, now - seen.since, gone=signature is None):
                seen.told = True
                if file_digest(path) != self._used(path):
                    news.append(path)
        for path in set(self._seen) - set(paths):
            del self._seen[path]
        return news

    def _rested(self, path: Path, seconds: float, *, gone: bool) -> bool:
        if gone:
            return seconds >= _GONE_S
        return seconds >= _REST_S and (seconds >= _UNSOUND_REST_S or self._sound(path))
