"""CEL over Envoy's attributes, for the foreign functions `expr_create`, `expr_evaluate` and `expr_delete`.

cel-cpp itself evaluates, in its Python package. It takes times as variables only where the whole attribute is one (`request.time`), so
an expression that names such an attribute is compiled with types, every other without, as Envoy does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from cel_expr_python import cel

from ..services.cel import loops
from ..trace.numbers import Status
from .arguments import parse_pairs, serialise_pairs

__all__ = ["Expressions"]

_STRINGS, _INTS, _TIMES, _MAPS, _BOOLS = "text", "int", "time", "map", "bool"
_ATTRIBUTES: dict[str, dict[str, str]] = {
    "request": {
        **dict.fromkeys(("path", "url_path", "host", "scheme", "method", "referer", "useragent", "id", "protocol", "query"), _STRINGS),
        **dict.fromkeys(("size", "total_size", "headers_bytes"), _INTS),
        **dict.fromkeys(("time", "duration"), _TIMES),
        "headers": _MAPS,
    },
    "response": {
        **dict.fromkeys(("code", "grpc_status", "flags", "size", "total_size", "headers_bytes"), _INTS),
        **dict.fromkeys(("headers", "trailers"), _MAPS),
        "code_details": _STRINGS,
        "backend_latency": _TIMES,
    },
    "connection": {
        **dict.fromkeys(("requested_server_name", "tls_version", "termination_details", "transport_failure_reason"), _STRINGS),
        **dict.fromkeys(("subject_local_certificate", "subject_peer_certificate", "dns_san_local_certificate"), _STRINGS),
        **dict.fromkeys(("dns_san_peer_certificate", "uri_san_local_certificate", "uri_san_peer_certificate"), _STRINGS),
        "sha256_peer_certificate_digest": _STRINGS,
        "mtls": _BOOLS,
        "id": _INTS,
    },
    "upstream": {
        **dict.fromkeys(("address", "local_address", "transport_failure_reason", "locality", "tls_version"), _STRINGS),
        **dict.fromkeys(("port", "num_endpoints", "request_attempt_count"), _INTS),
        "cx_pool_ready_duration": _TIMES,
    },
    "source": {"address": _STRINGS, "port": _INTS},
    "destination": {"address": _STRINGS, "port": _INTS},
    "xds": {
        **dict.fromkeys(("cluster_name", "route_name", "virtual_host_name", "filter_chain_name"), _STRINGS),
        "listener_direction": _INTS,
    },
}
_SINGLE = ("plugin_name", "plugin_root_id", "plugin_vm_id")
_WHOLE = (*_ATTRIBUTES, "filter_state")
_STATE = re.compile(r"filter_state\s*\[\s*['\"]([^'\"]+)['\"]\s*\]")
_TIMED = tuple(f"{root}.{name}" for root, names in _ATTRIBUTES.items() for name, kind in names.items() if kind == _TIMES)
_UNDECLARED = re.compile(r"undeclared reference to '([\w.]+)'")

_LONGEST, _MOST_STEPS, _MOST_EXPRESSIONS = 16 << 10, 100_000_000, 10_000
"""Bytes of an expression, steps of loops that one of its length could make, expressions of a root context: bounds of ours."""

Property: TypeAlias = Callable[[bytes], "bytes | None"]


@dataclass
class _Table:
    """The expressions of one root context."""

    made: dict[int, tuple[str, Any]] = field(default_factory=dict)
    next: int = 0


class Expressions:
    """The expressions of one replay's filters."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int], _Table] = {}
        variables = dict.fromkeys((*_WHOLE, *_SINGLE, "metadata"), cel.Type.DYN)
        types = {name: cel.Type.TIMESTAMP if name == "request.time" else cel.Type.DURATION for name in _TIMED}
        self._env = cel.NewEnv(variables=variables | types)

    def call(self, name: bytes, root: tuple[int, int], argument: bytes, read: Property) -> tuple[int, bytes]:
        """Status and result of one of the three functions; `root` says whose expressions they are, `read` gives a property by its path."""
        table = self._tables.setdefault(root, _Table())
        if name == b"expr_create":
            return self._create(table, argument)
        if len(argument) != 4:
            return Status.BadArgument, b""
        token = int.from_bytes(argument, "little")
        if name == b"expr_delete":
            table.made.pop(token, None)
            return Status.Ok, b""
        if token not in table.made:
            return Status.NotFound, b""
        return self._evaluate(read, *table.made[token])

    def _create(self, table: _Table, argument: bytes) -> tuple[int, bytes]:
        if len(argument) > _LONGEST or len(table.made) >= _MOST_EXPRESSIONS:
            return Status.BadArgument, b""
        try:
            text = argument.decode()
            if (len(text) / 2) ** loops(text) > _MOST_STEPS:
                return Status.BadArgument, b""
            plain = self._env.compile(text, disable_check=True)
        except (RuntimeError, ValueError):
            return Status.BadArgument, b""
        # one that can be read but not built takes a token all the same
        token, table.next = table.next, table.next + 1
        checked = None
        try:
            checked = self._env.compile(text)
        except RuntimeError as error:
            names = (name.rpartition(".")[2] for name in _UNDECLARED.findall(str(error)))
            if any(re.search(rf"\b{name}\s*\(", text) for name in names):
                return Status.BadArgument, b""
        timed = checked is not None and any(name in text for name in _TIMED)
        table.made[token] = text, checked if timed else plain
        return Status.Ok, token.to_bytes(4, "little")

    def _evaluate(self, read: Property, text: str, expression: Any) -> tuple[int, bytes]:
        if text.strip() in _WHOLE:
            return Status.SerializationFailure, b""
        if text.strip() == "metadata":
            return Status.Ok, b""  # a message without fields
        try:
            result = expression.eval(data=_variables(read, text))
        except RuntimeError:  # more steps than cel-cpp allows
            return Status.InternalFailure, b""
        if str(result.type()) == "ERROR":
            return Status.InternalFailure, b""
        try:
            return Status.Ok, _serialised(result)
        except _Unwritable:
            return Status.SerializationFailure, b""


def _variables(read: Property, text: str) -> dict[str, object]:
    """What the expression can mean, as the attributes are now."""
    found: dict[str, object] = {}
    for root, names in _ATTRIBUTES.items():
        if not re.search(rf"\b{root}\b", text):
            continue
        values: dict[str, object] = {}
        for name, kind in names.items():
            value = read(f"{root}\0{name}".encode()) if name in text or "[" in text else None
            if value is None:
                continue
            if kind == _TIMES:
                found[f"{root}.{name}"] = _time(name, value)
            else:
                values[name] = _value(kind, value)
        found[root] = values
    for name in _SINGLE:
        if name in text and (value := read(name.encode())) is not None:
            found[name] = value.decode("utf-8", "replace")
    if "filter_state" in text:
        states = {name: read(f"filter_state\0{name}".encode()) for name in _STATE.findall(text)}
        found["filter_state"] = {name: value for name, value in states.items() if value is not None}
    return found


class _Unwritable(Exception):
    """A value that no property can be."""


def _value(kind: str, value: bytes) -> object:
    if kind == _MAPS:
        return {name.decode("utf-8", "replace"): text.decode("utf-8", "replace") for name, text in parse_pairs(value)}
    if kind == _BOOLS:
        return value != b"\0"
    return int.from_bytes(value, "little", signed=True) if kind == _INTS else value.decode("utf-8", "replace")


def _time(name: str, value: bytes) -> datetime | timedelta:
    """Microseconds are as fine as Python gets."""
    passed = timedelta(microseconds=int.from_bytes(value, "little", signed=True) // 1000)
    return datetime(1970, 1, 1, tzinfo=UTC) + passed if name == "time" else passed


def _serialised(value: Any) -> bytes:
    """A CEL value as Envoy writes properties (reference: Proxy-Wasm property values)."""
    kind, plain = str(value.type()).partition("<")[0], value.value()
    if kind == "BOOL":
        return bytes([plain])
    if kind in ("STRING", "BYTES"):
        return plain.encode() if isinstance(plain, str) else bytes(plain)
    if kind in ("INT", "UINT", "DOUBLE"):
        return struct.pack({"INT": "<q", "UINT": "<Q", "DOUBLE": "<d"}[kind], plain)
    if kind == "TIMESTAMP":
        passed = plain - datetime(1970, 1, 1, tzinfo=UTC)
        digits = str(value).rstrip("Z").partition(".")[2].ljust(9, "0")[:9]
        return struct.pack("<q", (passed // timedelta(seconds=1)) * 1_000_000_000 + int(digits))
    if kind == "DURATION":
        return struct.pack("<q", plain // timedelta(microseconds=1) * 1000)
    if kind == "LIST":
        return serialise_pairs([(_serialised(each), b"") for each in plain]) or bytes(4)
    if kind == "MAP" and all(isinstance(key, str) for key in plain):
        return serialise_pairs([(key.encode(), _serialised(each)) for key, each in plain.items()]) or bytes(4)
    raise _Unwritable
