"""The engine, and compiled modules kept between sessions.

Compiling a filter takes seconds, loading its machine code well under 50 ms. What is kept is machine code: it belongs to the user
alone (a directory of mode 0700 in the user's cache directory, or where `WORKBENCH_CACHE` says) and must never be shipped or shared.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import wasmtime

__all__ = ["assembled", "cache_directory", "compiled", "engine"]

_MOST_BYTES = 1 << 30
_MOST_IN_PROCESS = 64
_STACK = 512 << 10  # bytes of native stack for wasm; every platform's threads have more
_SETTINGS = f"wasmtime {version('wasmtime')}, epoch interruption, stack {_STACK}, no threads"
_modules: dict[str, wasmtime.Module] = {}
_lock = threading.Lock()


def engine(fuel: bool = False) -> wasmtime.Engine:
    """The process's engine, or the one whose code counts its instructions as wasmtime's fuel. Its code can be interrupted; a filter can
    neither share memory nor wait."""
    return _engine(fuel)


@cache
def _engine(fuel: bool) -> wasmtime.Engine:
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.max_wasm_stack = _STACK
    config.wasm_threads = False
    if fuel:
        config.consume_fuel = True
    return wasmtime.Engine(config)


def cache_directory() -> Path:
    """Where compiled modules are kept; not necessarily there yet."""
    chosen = os.environ.get("WORKBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "filter-workbench"


@cache
def assembled(text: str) -> bytes:
    """The module that a WAT text of ours is, assembled once a process."""
    return bytes(wasmtime.wat2wasm(text))


def compiled(wasm: bytes, fuel: bool = False) -> wasmtime.Module:
    """`wasm` as machine code for `engine(fuel)`: from this process, else from the cache, else compiled and put there.

    Raises `wasmtime.WasmtimeError` where wasmtime finds the module invalid. A cache that cannot be used only costs time.
    """
    key = hashlib.sha256(_SETTINGS.encode() + b"\0fuel" * fuel + b"\0" + wasm).hexdigest()
    with _lock:
        module = _modules.get(key)
        if module is None:
            module = _modules[key] = _from_cache(key, fuel) or _compile(key, wasm, fuel)
            while len(_modules) > _MOST_IN_PROCESS:
                del _modules[next(iter(_modules))]
        return module


def _compile(key: str, wasm: bytes, fuel: bool) -> wasmtime.Module:
    module = wasmtime.Module(engine(fuel), wasm)
    with suppress(OSError):
        _keep(key, bytes(module.serialize()))
    return module


def _private_directory() -> Path:
    """Where the entries lie, made if need be; `OSError` where others could write to it."""
    directory = cache_directory() / "compiled"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):
        info = directory.stat()
        if info.st_uid != os.getuid():
            raise PermissionError(f"{directory} belongs to somebody else")
        if stat.S_IMODE(info.st_mode) & 0o077:
            directory.chmod(0o700)
    return directory


def _from_cache(key: str, fuel: bool) -> wasmtime.Module | None:
    try:
        found = sorted(_private_directory().glob(f"{key}-*.cwasm"))
    except OSError:
        return None
    for path in found:
        # another machine with the same home may have left code for its own processor: wasmtime refuses that
        with suppress(OSError, wasmtime.WasmtimeError):
            if _whole(path):
                module = wasmtime.Module.deserialize_file(engine(fuel), os.fspath(path))
                os.utime(path)
                return module
            path.unlink()
    return None


def _whole(path: Path) -> bool:
    # wasmtime checks only an entry's head, and a damaged body would run: so each name carries its content's digest
    with path.open("rb") as file:
        return path.stem.endswith(hashlib.file_digest(file, "sha256").hexdigest())


def _keep(key: str, code: bytes) -> None:
    directory = _private_directory()
    # an entry may be mapped by a running process, so it is never written in place
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        try:
            file.write(code)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.unlink(file.name)
            raise
    os.replace(file.name, directory / f"{key}-{hashlib.sha256(code).hexdigest()}.cwasm")
    _trim(directory)


def _trim(directory: Path) -> None:
    """Drop what was not used for longest until the rest is within bounds."""
    entries = sorted(((path.stat().st_mtime, path.stat().st_size, path) for path in directory.glob("*.cwasm")), reverse=True)
    total = 0
    for _, size, path in entries:
        total += size
        if total > _MOST_BYTES:
            with suppress(OSError):  # Windows keeps a mapped file
                path.unlink()
