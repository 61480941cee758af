"""A Proxy-Wasm filter as a host is told to load it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from reprlib import repr as brief
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import ConfigError
from .host.module import DEFAULT_MEMORY_LIMIT, path_text, read_file
from .trace.records import Policy

if TYPE_CHECKING:
    from .audit import Inspection

__all__ = ["Configuration", "Filter"]

Configuration: TypeAlias = "Mapping[str, Any] | Sequence[Any] | str | bytes | None"
"""A mapping or list becomes compact JSON, text UTF-8, bytes stay as they are, None is empty."""

_POLICIES = {policy.name.lower(): policy for policy in Policy}
_USUAL = {"failure_policy": "closed", "memory_limit": DEFAULT_MEMORY_LIMIT}
_SHA256 = re.compile("[0-9a-fA-F]{64}")


@dataclass(frozen=True, init=False)
class Filter:
    """A Proxy-Wasm filter as a host is told to load it; the fields are those of Envoy's plugin and VM configuration.

    path            the `.wasm`; it is read at each replay, so a new build is taken without more
    config          plugin configuration
    name            its name in every view; the file's stem without one
    root_id         which root context of the module, where it has several
    vm_config       VM configuration
    vm_id           filters with the same code, vm_id, vm_config, env and allowed_capabilities share one VM
    env             environment variables, names to values
    failure_policy  what a failed filter means: closed (503), open (passed), reload (a fresh VM for a later exchange, one a
                    second at most, as Envoy), or restart (a fresh VM for the next exchange, ours)
    fail_open       Envoy's older form of `open`, which lets the failing exchange pass too
    allow_on_headers_stop_iteration  StopIteration in a headers callback lets body callbacks go on, Envoy's setting of that name
    memory_limit    bytes of memory it may have, a multiple of 64 KiB
    allowed_capabilities  names of hostcalls and callbacks it is restricted to, Envoy's `capability_restriction_config`; none: all are
                    allowed. Another hostcall links and answers InternalFailure, another callback counts as not there
    expected_sha256  what the module must have, in hexadecimal, like `sha256` of a WasmPlugin: another one is refused
    """

    path: Path
    config: bytes
    name: str
    root_id: str
    vm_config: bytes
    vm_id: str
    env: tuple[tuple[str, str], ...]
    failure_policy: str
    fail_open: bool
    allow_on_headers_stop_iteration: bool
    memory_limit: int
    allowed_capabilities: tuple[str, ...]
    expected_sha256: str

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Configuration = None,
        *,
        name: str | None = None,
        root_id: str = "",
        vm_config: Configuration = None,
        vm_id: str = "",
        env: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        failure_policy: str = "closed",
        fail_open: bool = False,
        allow_on_headers_stop_iteration: bool = False,
        memory_limit: int = DEFAULT_MEMORY_LIMIT,
        allowed_capabilities: Iterable[str] = (),
        expected_sha256: str = "",
    ) -> None:
        """Raises `ConfigError` for values that cannot be meant; the file itself is looked at when it is replayed."""
        where = path_text(path)
        if failure_policy not in tuple(_POLICIES):
            raise ConfigError(f"unknown failure_policy {failure_policy!r}", where=where, remedy=f"Give one of {', '.join(_POLICIES)}")
        if fail_open and failure_policy != "closed":
            raise ConfigError("fail_open and failure_policy are given both", where=where, remedy="Give one of them")
        if not Path(path).name:
            raise ConfigError("this names no file", where=where, remedy="Give the path of a .wasm file")
        for title, text in (("name", name or ""), ("root_id", root_id), ("vm_id", vm_id), ("expected_sha256", expected_sha256)):
            if not isinstance(text, str):
                raise ConfigError(f"{title} is {brief(text)}", where=where, remedy="Give text")
        for title, flag in (("fail_open", fail_open), ("allow_on_headers_stop_iteration", allow_on_headers_stop_iteration)):
            if not isinstance(flag, bool):
                raise ConfigError(f"{title} is {brief(flag)}", where=where, remedy="Give True or False")
        if not isinstance(memory_limit, int):
            raise ConfigError(f"memory_limit is {brief(memory_limit)}", where=where, remedy="Give bytes, a multiple of 65536")
        if expected_sha256 and not _SHA256.fullmatch(expected_sha256):
            raise ConfigError("expected_sha256 is not 64 hexadecimal digits", where=where, remedy="Copy it from `workbench inspect`")
        names = tuple(allowed_capabilities) if isinstance(allowed_capabilities, Iterable) else (None,)
        if isinstance(allowed_capabilities, str) or not all(isinstance(each, str) for each in names):
            raise ConfigError(f"allowed_capabilities is {brief(allowed_capabilities)}", where=where, remedy="Give a list of names")
        values = {
            "path": Path(path),
            "config": _bytes_of(config, "config", where),
            "name": Path(path).stem if name is None else name,
            "root_id": root_id,
            "vm_config": _bytes_of(vm_config, "vm_config", where),
            "vm_id": vm_id,
            "env": _environment(env, where),
            "failure_policy": failure_policy,
            "fail_open": fail_open,
            "allow_on_headers_stop_iteration": allow_on_headers_stop_iteration,
            "memory_limit": memory_limit,
            "allowed_capabilities": names,
            "expected_sha256": expected_sha256,
        }
        for name_, value in values.items():
            object.__setattr__(self, name_, value)
        if not self.name:
            raise ConfigError("the name is empty", where=where, remedy="Leave it out to take the file's")

    def __repr__(self) -> str:
        """As one would write it, without what is as it is by itself."""
        usual = {"name": self.path.stem, **_USUAL}
        given = ((each.name, getattr(self, each.name)) for each in fields(self)[1:])
        told = [f", {name}={brief(value)}" for name, value in given if value != usual.get(name, type(value)())]
        return f"Filter({os.fspath(self.path)!r}{''.join(told)})"

    @property
    def policy(self) -> Policy:
        """The failure policy by its number."""
        return _POLICIES[self.failure_policy]

    @property
    def sha256(self) -> str:
        """Of the file as it is now, in hexadecimal."""
        return hashlib.sha256(read_file(self.path)).hexdigest()

    def inspect(self) -> Inspection:
        """What the module is and where it would run; also for modules that no host loads. FilterLoadError for what is no wasm file."""
        from .audit import inspect_module

        return inspect_module(self.path, self.memory_limit)


def _environment(env: Mapping[str, str] | Iterable[tuple[str, str]], where: str) -> tuple[tuple[str, str], ...]:
    try:
        pairs = tuple(dict(env).items())
    except (TypeError, ValueError):
        pairs = ((None, None),)  # type: ignore[assignment]
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in pairs):
        raise ConfigError(f"env is {brief(env)}", where=where, remedy="Give a mapping of names to values, both text")
    return pairs


def _bytes_of(value: Configuration, what: str, where: str) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{what} cannot be written as JSON: {error}", where=where, remedy="Give text or bytes for other formats"
        ) from error
