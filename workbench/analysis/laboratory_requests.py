"""The requests that the laboratory counts, and what tells them apart: columns made once, tried many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from reprlib import repr as brief
from typing import Protocol, TypeAlias
from urllib.parse import parse_qsl

import numpy as np

from ..capture.exchange import Exchange
from ..capture.packing import unpack_pairs
from ..errors import ConfigError
from ..trace.trace import Trace
from . import words
from .facts import Facts, Outcome
from .heads import heads
from .limits import Limits
from .rowfields import Bools, Ints

__all__ = ["KEYS", "Captured", "Key", "Requests", "default_key", "requests_of"]

Key: TypeAlias = str | Callable[[Exchange], object] | Sequence[object]
"""What requests share a limit by: a name of `KEYS`, a function of the captured exchange, or a value for each of the chosen exchanges."""

KEYS = ("limit", "all", "method", "host", "path", "client", "connection", "header:NAME", "query:NAME")
"""`limit` is the key that the replay's own filter or service told; the path is without its query, the client an address without port."""

_LONGEST = 200


class Captured(Protocol):
    """What the laboratory needs of a capture."""

    def __getitem__(self, index: int, /) -> Exchange: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Requests:
    """One entry a request, in order of time. `key` are places in `keys`; `recorded` is True for what was limited in the replay."""

    exchange: Ints
    time: Ints
    connection: Ints
    key: Ints
    keys: tuple[str, ...]
    recorded: Bools
    key_name: str = "all"

    def __len__(self) -> int:
        return len(self.exchange)


def default_key(limits: Limits) -> str:
    """`limit` where the replay tells of keys, else `all`."""
    return "limit" if any(limit.key for limit in limits.limits) else "all"


def requests_of(trace: Trace, facts: Facts, capture: Captured, limits: Limits, chosen: Ints, key: Key) -> Requests:
    """The exchanges `chosen` (indexes in the capture), told apart by `key`. ConfigError for a key that is none."""
    places = np.searchsorted(facts.exchange, chosen)
    if len(chosen) and (places.max() >= len(facts) or (facts.exchange[places] != chosen).any()):
        raise ConfigError("some of the exchanges were not replayed", where="requests", remedy="Choose among replay.facts.exchange")
    order = np.lexsort((chosen, facts.time[places]))
    chosen, places = chosen[order], places[order]
    values = _values(trace, facts, capture, limits, chosen, places, key, order)
    codes: dict[str, int] = {}
    key_of = np.fromiter((codes.setdefault(value, len(codes)) for value in values), np.int64, len(chosen))
    return Requests(
        exchange=chosen,
        time=facts.time[places],
        connection=_connections(trace, facts.request[places]),
        key=key_of,
        keys=tuple(codes),
        recorded=np.asarray(facts.outcome[places] == Outcome.LIMITED, bool),
        key_name=key if isinstance(key, str) else "a function" if callable(key) else "a column",
    )


def _values(
    trace: Trace, facts: Facts, capture: Captured, limits: Limits, chosen: Ints, places: Ints, key: Key, order: Ints
) -> Sequence[str]:
    """The key of each request."""
    if not isinstance(key, str):
        if callable(key):
            return [_short(key(capture[index])) for index in chosen.tolist()]
        if not hasattr(key, "__len__"):
            raise ConfigError(f"is {brief(key)}", where="key", remedy="Give a name such as header:x-user, a function, or a column")
        if len(key) != len(chosen):
            raise ConfigError(f"{len(key)} keys for {len(chosen)} requests", where="key", remedy="Give one for each request")
        return [_short(key[at]) for at in order.tolist()]
    kind, _, name = key.partition(":")
    if key == "all":
        return [""] * len(chosen)
    if key == "limit":
        # of several limits the busiest one's key, so that one traffic is not told apart by two different things
        busiest = np.bincount(limits.limit, minlength=len(limits.limits)) if len(limits) else np.zeros(0, np.int64)
        at = np.lexsort((-busiest[limits.limit], limits.exchange))
        known = {
            exchange: place for exchange, place in zip(limits.exchange[at][::-1].tolist(), limits.limit[at][::-1].tolist(), strict=True)
        }
        told = [limit.key for limit in limits.limits]
        return [told[known[index]] if index in known else "" for index in chosen.tolist()]
    if key in ("method", "host", "path") or (kind == "query" and name):
        wanted = {"method": "method", "host": "authority"}.get(key, "path")
        texts = [words.text(value) for value in heads(trace, facts, places, (wanted,))[wanted]]
        if wanted != "path":
            return [_short(text) for text in texts]
        return [_short(text.partition("?")[0]) if key == "path" else _query(text, name) for text in texts]
    if key == "connection":
        return [str(number) for number in _connections(trace, facts.request[places]).tolist()]
    if key == "client":
        return [_client(capture[index]) for index in chosen.tolist()]
    if kind == "header" and name:
        return _headers(trace, facts.request[places], name.strip().lower().encode())
    raise ConfigError(f"no key {key!r}", where="key", remedy=f"Give one of {', '.join(KEYS)}, a function of an exchange, or a column")


def _short(value: object) -> str:
    return words.shorten(words.text(value) if isinstance(value, bytes) else str(value), _LONGEST)


def _query(path: str, name: str) -> str:
    pairs = parse_qsl(path.partition("?")[2][:65536], keep_blank_values=True, max_num_fields=None)
    return next((_short(value) for key, value in pairs if key == name), "")


def _client(exchange: Exchange) -> str:
    address = next((words.text(value) for name, value in exchange.attributes if name == b"source\0address"), "")
    return address.rpartition(":")[0] if ":" in address else address


def _headers(trace: Trace, rows: Ints, name: bytes) -> list[str]:
    """The first header of that name in each REQUEST event. What differs little is read once."""
    found = [""] * len(rows)
    for first, records, blob in trace.blocks():
        for at in np.flatnonzero((rows >= first) & (rows < first + len(records))).tolist():
            row = records[int(rows[at]) - first]
            begin = int(row["blob"]) + 4
            # most requests have no such header, and bytes are searched quicker than pairs are read
            field = bytes(blob[begin : int(row["blob"]) + int(row["blob_len"])])
            if name in field:
                found[at] = next((_short(value) for key, value in unpack_pairs(field)[0] if key.lower() == name), "")
    return found


def _connections(trace: Trace, rows: Ints) -> Ints:
    found = np.zeros(len(rows), np.int64)
    for first, records in trace.segments():
        here = (rows >= first) & (rows < first + len(records))
        found[here] = records["c"][rows[here] - first]
    return found
