"""A replay's result against what real Envoy did, exchange by exchange."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.errors import ReplayError

from .judge import Observed, Seen

__all__ = ["Difference", "Side", "compare", "is_idle_timeout"]

Side = Literal["exchange", "upstream_request", "downstream_response"]
_Pairs = list[tuple[str, str]]
_Cause = tuple[str, bool]
_UNKNOWN: _Cause = ("", False)

# What Envoy's codec and connection manager write behind the last filter: no result of the chain, unless the chain set it itself.
_BEHIND_FILTERS: dict[Side, frozenset[str]] = {
    "upstream_request": frozenset({"transfer-encoding"}),
    "downstream_response": frozenset({"transfer-encoding", "connection", "date"}),
}
_PSEUDO_SEEN: dict[Side, tuple[str, ...]] = {"upstream_request": (":method", ":path", ":authority"), "downstream_response": ()}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `what` is `crashed`, `refused`, `reached`, `status`, `body`, `trailers`, `header NAME`, `header order`, …;
    `ours` and `envoy` are what each has (None: nothing); `cause` is the likely reason in words, where one is known. `explained`: the
    cause is known for sure and lies in Envoy or in how it was run, so the replay is not to be doubted."""

    exchange: int
    side: Side
    what: str
    ours: Any
    envoy: Any
    cause: str = ""
    explained: bool = False

    def __str__(self) -> str:
        text = f"exchange {self.exchange}, {self.side}, {self.what}: ours {self.ours!r}, Envoy {self.envoy!r}"
        return f"{text} ({self.cause})" if self.cause else text


def compare(observed: Sequence[Observed], baseline: Sequence[Observed], replayed: Iterable[Mapping[str, Any]]) -> list[Difference]:
    """Every difference between a replay and real Envoy, in capture order.

    `replayed` are the JSON objects of `workbench replay --jsonl`; `observed` is `run_envoy` with the same exchanges and chain,
    `baseline` the same without filters: a header that Envoy itself added there is not counted unless ours has it too. A message that
    Envoy began to send and never ended counts as not sent when ours sent none. Not compared is what HTTP/1.1 does not show: the order
    of pseudo headers, `:scheme`, and trailers beside a content-length.
    Raises ReplayError for an object that is not of that form.
    """
    plain = {seen.exchange: seen for seen in baseline}
    ours = _by_exchange(replayed)
    found: list[Difference] = []
    for seen in observed:
        result = ours.pop(seen.exchange, None)
        if result is None:
            found.append(Difference(seen.exchange, "exchange", "replayed", False, True))
        elif seen.exchange not in plain:
            raise ReplayError(
                "the baseline lacks this exchange", where=f"exchange {seen.exchange}", remedy="Run it with the same exchanges"
            )
        else:
            found += _One(seen, plain[seen.exchange], result).differences()
    return found + [Difference(index, "exchange", "observed", True, False) for index in ours]


def is_idle_timeout(result: Mapping[str, Any]) -> bool:
    """A filter held the exchange until the stream idle timeout ended it: the proxy answered that it took too long."""
    local = result.get("local_response")
    return bool(local and local["filter"] is None and local["details"] == "stream_idle_timeout")


def _by_exchange(replayed: Iterable[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    found = {}
    for number, result in enumerate(replayed):
        missing = [key for key in ("exchange", "upstream_request", "downstream_response") if key not in result]
        if missing:
            raise ReplayError(
                f"no field {missing[0]!r}", where=f"replayed object {number}", remedy="Give the objects of `workbench replay --jsonl`"
            )
        found[int(result["exchange"])] = result
    return found


@dataclass(frozen=True, slots=True)
class _One:
    seen: Observed
    plain: Observed
    result: Mapping[str, Any]

    def differences(self) -> list[Difference]:
        if self.seen.crash:
            return [self._difference("exchange", "crashed", False, True, (self.seen.crash, True))]
        refused = self._refused()
        return [refused] if refused is not None else [*self._upstream(), *self._downstream()]

    def _refused(self) -> Difference | None:
        """Where Envoy takes the captured message for no HTTP, nothing else can be compared: its own answer stands in for the chain's."""
        status, answer = self.plain.status, self.plain.downstream_response
        ours = self.result["downstream_response"]
        if not status or self.seen.status != status or (ours is not None and int(ours["status"]) == status):
            return None
        if self.plain.upstream_request is None:
            cause = f"Envoy itself refuses this request with {status}, no filter runs"
            return self._difference("upstream_request", "refused", False, True, (cause, True))
        if answer is not None and status == 502 and answer.body.startswith(b"upstream connect error"):
            cause = f"Envoy itself refuses the captured response with {status}"
            return self._difference("downstream_response", "refused", False, True, (cause, True))
        return None

    def _upstream(self) -> Iterable[Difference]:
        ours = self.result["upstream_request"]
        yield from self._message("upstream_request", ours, self.seen.upstream_request, self.plain.upstream_request)
        if ours is not None and self.seen.upstream_requests > 1:
            cause = "Envoy sends a request again when a filter continues a stream that is not paused"
            yield self._difference("upstream_request", "times sent", 1, self.seen.upstream_requests, (cause, True))

    def _downstream(self) -> Iterable[Difference]:
        ours, seen = self.result["downstream_response"], self.seen.downstream_response
        if ours is not None and seen is not None and int(ours["status"]) != self.seen.status:
            # Another answer altogether: its fields and body say no more.
            yield self._difference("downstream_response", "status", int(ours["status"]), self.seen.status, self._status_cause())
        else:
            yield from self._message("downstream_response", ours, seen, self.plain.downstream_response)

    def _difference(self, side: Side, what: str, ours: Any, envoy: Any, cause: _Cause = _UNKNOWN) -> Difference:
        return Difference(self.seen.exchange, side, what, ours, envoy, *cause)

    def _message(self, side: Side, ours: Mapping[str, Any] | None, seen: Seen | None, plain: Seen | None) -> Iterable[Difference]:
        if ours is not None and side == "downstream_response" and self.seen.failure == "timeout" and is_idle_timeout(self.result):
            return  # Envoy says the same after five minutes, for which no client here waits
        if ours is None or seen is None:
            if (ours is None) != (seen is None or not seen.complete):
                yield self._difference(side, "reached", ours is not None, seen is not None, self._status_cause())
            return
        yield from self._headers(side, _pairs(ours["headers"]), list(seen.headers), plain)
        body = (ours["body_size"], ours["body_sha256"])
        taken, written = seen.body, seen.body + seen.excess
        # A body longer than its content-length: what was written and what the peer takes of it are both true.
        if body not in (_size_and_hash(taken), _size_and_hash(written)):
            cause = _UNKNOWN if seen.complete else ("the message ended before its content-length", _stale_length(ours))
            yield self._difference(side, "body", body, _size_and_hash(taken), cause)
        trailers = _pairs(ours["trailers"])
        if trailers != list(seen.trailers) and (seen.trailers or "content-length" not in dict(seen.headers)):
            yield self._difference(side, "trailers", trailers, list(seen.trailers))

    def _headers(self, side: Side, ours: _Pairs, envoy: _Pairs, plain: Seen | None) -> Iterable[Difference]:
        for name in _PSEUDO_SEEN[side]:
            if _values(ours, name) != _values(envoy, name):
                yield self._difference(side, f"header {name}", _values(ours, name), _values(envoy, name))
        ours = [pair for pair in ours if not pair[0].startswith(":")]
        names = {name for name, _ in ours}
        by_itself = (_BEHIND_FILTERS[side] | (plain.added if plain else frozenset())) - names
        envoy = [
            (name, value)
            for name, value in envoy
            if not name.startswith(":") and name not in by_itself and not (name == "content-length" and value == "0" and name not in names)
        ]
        if ours == envoy:
            return
        different = False
        for name in dict.fromkeys(name for name, _ in ours + envoy):
            mine, theirs = _values(ours, name), _values(envoy, name)
            if mine != theirs:
                different = True
                yield self._difference(side, f"header {name}", mine, theirs, self._header_cause(name, mine, theirs, plain))
        if not different:
            yield self._difference(side, "header order", [name for name, _ in ours], [name for name, _ in envoy])

    def _status_cause(self) -> _Cause:
        request = self.seen.upstream_request
        if self.seen.failure == "timeout" and request is not None and not request.complete:
            return "the upstream waits for the rest of a request that is shorter than its content-length", True
        if self.seen.failure and self.seen.downstream_response is None:
            return f"the client got no answer from Envoy: {self.seen.failure}", False
        trap = next((line for line in self.seen.log if " failed: " in line and "Function:" in line), "")
        if trap:
            return f"the filter trapped in Envoy: {trap.partition('Function: ')[2]}", False
        names = {name for name, _ in _pairs((self.result["upstream_request"] or {}).get("headers", []))}
        if self.seen.status == 404 and self.seen.upstream_request is None and names and "x-forwarded-proto" not in names:
            return "Envoy finds no route for a request whose x-forwarded-proto a filter removed", True
        return _UNKNOWN

    def _header_cause(self, name: str, ours: list[str], envoy: list[str], plain: Seen | None) -> _Cause:
        if len(ours) > 1 and envoy == [",".join(ours)]:
            return "Envoy joins the values of this header with a comma", True
        if plain is not None and envoy == _values(list(plain.headers), name):
            # Envoy's own work only where the replay has it as captured and no filter touched it there.
            touched = any(change["op"] == "set_all" or change["name"] == name for change in self.result.get("mutations", ()))
            if not touched and ours == _values(list(plain.sent), name):
                return "Envoy has the same without any filter", True
            return "in Envoy no filter changed it", False
        return _UNKNOWN


def _stale_length(message: Mapping[str, Any]) -> bool:
    """Whether a message announces another length than it has."""
    return any(value != str(message["body_size"]) for value in _values(_pairs(message["headers"]), "content-length"))


def _size_and_hash(body: bytes) -> tuple[int, str]:
    return len(body), hashlib.sha256(body).hexdigest()


def _pairs(headers: Iterable[Sequence[str]]) -> _Pairs:
    return [(str(name), str(value)) for name, value in headers]


def _values(pairs: _Pairs, name: str) -> list[str]:
    return [value for other, value in pairs if other == name]
