"""Where the code of a configured filter lies here: nothing is fetched, what the configuration names elsewhere is said by the user."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..errors import ConfigError
from ..services.yamlfile import Item
from .documents import fault, shown

__all__ = ["Modules", "inline"]


class Modules:
    """Files by what a configuration calls them: an address, an image, a path in the proxy's container."""

    def __init__(self, given: Mapping[str, str | os.PathLike[str]] | None) -> None:
        self._given = {str(name): Path(path) for name, path in (given or {}).items()}
        self._asked: dict[str, None] = {}

    def fetched(self, name: str, item: Item) -> Path:
        """The file that stands for what the proxy would fetch. Raises ConfigError where none is said."""
        self._asked[name] = None
        if name not in self._given:
            raise fault(item, f"{name} is fetched by the proxy, not here", f"Get the module and say where it is: {_how(name)}")
        return self._checked(name, item)

    def local(self, name: str, item: Item) -> Path:
        """A path of the proxy's files: the one that is said for it, else it as it is, else from the configuration's folder on."""
        self._asked[name] = None
        if name in self._given:
            return self._checked(name, item)
        try:
            for path in (Path(name), Path(item.file).parent / name):
                if path.is_file():
                    return path
        except (OSError, ValueError):
            pass
        raise fault(item, f"no file {shown(item)} here", f"Say where the module is: {_how(name)}")

    def _checked(self, name: str, item: Item) -> Path:
        path = self._given[name]
        if not path.is_file():
            raise fault(item, f"{name} is said to be {path}, which is no file", "Check the path")
        return path

    def check_used(self, where: str) -> None:
        """Raise ConfigError for what was said of a module that the configuration does not name."""
        for name in self._given:
            if name not in self._asked:
                named = f"It names {', '.join(self._asked)}" if self._asked else "It names none"
                raise ConfigError(f"no module is called {name!r}", where=where, remedy=named)


def _how(name: str) -> str:
    return f'modules={{"{name}": "FILE.wasm"}}, or --module {name}=FILE.wasm'


def inline(code: bytes) -> Path:
    """A file with code that stands in the configuration itself; it is there until this process ends."""
    path = Path(_folder().name) / f"{hashlib.sha256(code).hexdigest()[:16]}.wasm"
    if not path.exists():
        path.write_bytes(code)
    return path


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="workbench-inline-")
