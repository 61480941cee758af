"""Answers from a table: the first entry that matches a request answers it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .calls import GrpcAnswer, GrpcRequest, GrpcResponse, HttpAnswer, HttpRequest, HttpResponse

__all__ = ["Entry", "Match", "Script", "fits"]

_UNIMPLEMENTED = 12


@dataclass(frozen=True)
class Match:
    """What an entry is for; None is anything, and `*` in a text stands for any characters.

    `path` is compared without the query unless it has a `?` itself. For gRPC `service` and `method` count, or the path
    `/service/method`; an entry with `service` is for gRPC alone.
    """

    method: str | None = None
    authority: str | None = None
    path: str | None = None
    service: str | None = None

    def http(self, request: HttpRequest) -> bool:
        """Whether it is for an HTTP call."""
        path = request.path.decode("latin-1")
        if self.path is not None and "?" not in self.path:
            path = path.partition("?")[0]
        values = {"method": request.method.decode("latin-1"), "authority": request.authority.decode("latin-1"), "path": path}
        return self._all(values)

    def grpc(self, request: GrpcRequest) -> bool:
        """Whether it is for a gRPC call. Its authority is the cluster's name."""
        path = f"/{request.service}/{request.method}"
        return self._all({"service": request.service, "method": request.method, "authority": request.cluster, "path": path})

    def _all(self, values: dict[str, str]) -> bool:
        wanted = {"method": self.method, "authority": self.authority, "path": self.path, "service": self.service}
        return all(text is None or (name in values and fits(text, values[name])) for name, text in wanted.items())


def fits(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, in which `*` is anything: in time that grows with the text, whatever a filter asks for."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


@dataclass(frozen=True)
class Entry:
    """`answers` are given in turn, the last again and again; with `cycle` they begin anew."""

    answers: tuple[HttpAnswer | GrpcAnswer, ...]
    match: Match = field(default_factory=Match)
    cycle: bool = False


@dataclass(frozen=True, init=False)
class Script:
    """A table of answers for one cluster. Where no entry matches, `otherwise` answers: without one 404, for gRPC Unimplemented.

    An entry whose answer is of the other protocol (an `HttpResponse` for gRPC, a `GrpcResponse` for HTTP) is passed over, but for an
    `HttpResponse` that a gRPC entry (with `service`) gives on purpose.
    """

    entries: tuple[Entry, ...]
    otherwise: HttpAnswer | GrpcAnswer | None

    @property
    def deterministic(self) -> bool:
        """It is."""
        return True

    def __init__(self, entries: Iterable[Entry | HttpAnswer | GrpcAnswer] = (), otherwise: HttpAnswer | GrpcAnswer | None = None) -> None:
        every = tuple(entry if isinstance(entry, Entry) else Entry((entry,)) for entry in entries)
        object.__setattr__(self, "entries", every)
        object.__setattr__(self, "otherwise", otherwise)

    def begin(self, capture: object) -> _Playing:
        """A service for one replay: turns begin with the first answer."""
        return _Playing(self)


class _Playing:
    def __init__(self, script: Script) -> None:
        self._script = script
        self._turns = [0] * len(script.entries)

    def http(self, request: HttpRequest) -> HttpAnswer:
        """The first entry's answer that is one of HTTP."""
        found = self._next(entry.match.http(request) and _is_http(entry.answers) for entry in self._script.entries)
        if found is None:
            found = self._script.otherwise
        if found is None or isinstance(found, GrpcResponse):
            asked = b" ".join((request.method, request.authority + request.path)).decode("utf-8", "replace")
            return HttpResponse(404, {"content-type": "text/plain"}, f"no answer is scripted for {asked}")
        return found

    def peek(self, request: GrpcRequest) -> GrpcAnswer:
        """What `grpc` would answer; it stays the next."""
        turns = list(self._turns)
        answer = self.grpc(request)
        self._turns = turns
        return answer

    def grpc(self, request: GrpcRequest) -> GrpcAnswer:
        """The first entry's answer that is one of gRPC."""
        entries = self._script.entries
        found = self._next(entry.match.grpc(request) and (entry.match.service is not None or _is_grpc(entry.answers)) for entry in entries)
        found = self._script.otherwise if found is None else found
        if found is None:
            return GrpcResponse(status=_UNIMPLEMENTED, status_message=f"no answer is scripted for /{request.service}/{request.method}")
        return found

    def _next(self, matches: Iterable[bool]) -> HttpAnswer | GrpcAnswer | None:
        for place, matching in enumerate(matches):
            if matching:
                entry, turn = self._script.entries[place], self._turns[place]
                self._turns[place] += 1
                count = len(entry.answers)
                return entry.answers[turn % count if entry.cycle else min(turn, count - 1)]
        return None


def _is_http(answers: Sequence[object]) -> bool:
    return not any(isinstance(answer, GrpcResponse) for answer in answers)


def _is_grpc(answers: Sequence[object]) -> bool:
    return not any(isinstance(answer, HttpResponse) for answer in answers)
