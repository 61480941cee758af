"""A limiter over real gRPC, in real time: for real Envoy, or for whoever else asks a rate-limit service."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...capture.exchange import Pairs
from ..calls import GrpcAnswer, GrpcRequest, GrpcResponse, LimitState
from ..serving import grpc_server
from ..yamlfile import load
from .envoy_ratelimit import EnvoyRateLimit
from .limitador import Limitador
from .messages import OVER_LIMIT, DecodeError, RateLimitResponse
from .service import RateLimits, RateLimitService, Request

__all__ = ["Answered", "LimitServer", "load_limits"]

_CODES = ("UNKNOWN", "OK", "OVER_LIMIT")


@dataclass(frozen=True, slots=True)
class Answered:
    """One request and what it came to. `code` is the answer's, or where it failed `status N`; `time_ns` real, since the Unix epoch."""

    time_ns: int
    method: str
    domain: str
    descriptors: tuple[tuple[tuple[str, str], ...], ...]
    hits: int
    code: str
    limits: tuple[LimitState, ...]
    problem: str = ""

    @property
    def over(self) -> bool:
        """True where it was refused."""
        return self.code == _CODES[OVER_LIMIT]


def load_limits(path: Path, kind: str | None = None, headers: bool = False) -> RateLimits:
    """The limiter of a file or folder: `kind` is "limitador" or "envoy", without it what the file looks like. Raises ConfigError."""
    if kind is None:
        # a list is Limitador's, a mapping or a folder of them the other's
        kind = "envoy" if path.is_dir() or isinstance(load(path).value, dict) else "limitador"
    if kind == "envoy":
        return EnvoyRateLimit.load(path, headers=headers, latency_ms=0)
    return Limitador.load(path, headers="draft03" if headers else "none", latency_ms=0)


class LimitServer:
    """Serves the limits that `read` gives, and reads them again when `path` changes; counters outlive that.

    `answered` is told of each request, from the thread that answered it, one at a time.
    """

    def __init__(self, path: Path, read: Callable[[Path], RateLimits], answered: Callable[[Answered], None]) -> None:
        self._path = path
        self._read = read
        self._answered = answered
        self._lock = threading.Lock()
        self._seen = _stamp(path)
        self._limits = read(path)
        self._service = self._limits.begin()

    @property
    def limits(self) -> RateLimits:
        """What it serves now."""
        return self._limits

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[int]:
        """Serve on loopback, on a free port for 0; gives the port. Raises ConfigError for one that is taken."""
        with grpc_server(self._answer, port=port) as bound:
            yield bound

    def reload(self) -> bool:
        """Read the limits again if the file has changed; False where it has not. Raises ConfigError for a file that is wrong, whose
        limits are ignored: those before stay."""
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return False
        self._seen = stamp
        limits = self._read(self._path)
        with self._lock:
            self._service = RateLimitService(limits.counting(self._service.counting), limits.latency_ms, limits.faults)
            self._limits = limits
        return True

    def _answer(self, path: str, metadata: Pairs, message: bytes) -> GrpcAnswer:
        _, service, method = path.rsplit("/", 2)
        with self._lock:
            now = time.time_ns()
            answer = self._service.grpc(GrpcRequest("", metadata, message, now, None, "", None, service=service, method=method))
            self._answered(_told(now, method, message, answer))
        return answer


def _told(now: int, method: str, message: bytes, answer: GrpcAnswer) -> Answered:
    try:
        asked = Request.parse(message)
    except DecodeError:
        asked = Request("", (), 0)
    code, problem = "", ""
    limits: tuple[LimitState, ...] = ()
    if isinstance(answer, GrpcResponse):
        assert isinstance(answer.message, bytes)
        code = f"status {answer.status}" if answer.status else _CODES[RateLimitResponse.FromString(answer.message).overall_code]
        problem, limits = answer.status_message, answer.limits
    descriptors = tuple(each.entries for each in asked.descriptors)
    return Answered(now, method, asked.domain, descriptors, max(asked.hits, 1), code, limits, problem)


def _stamp(path: Path) -> Any:
    """What changes when a file does, or one in a folder: also where another takes its place, as with a mounted ConfigMap."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return [(file.name, status.st_mtime_ns, status.st_size, status.st_ino) for file in files if (status := os.stat(file))]
    except OSError as error:
        return error.errno
