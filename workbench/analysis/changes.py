"""What filters changed in messages, call by call: a mutation is a hostcall that was answered Ok and left something different.

A call that sets a header to the value it already had is no mutation, and one that replaces what was not there adds it.
Of `before` and `after`:

- add, replace, remove: the values of that header name before and after the call, in order;
- set_all: `name: value` for each entry of the whole list before and after, the mutation's name is empty;
- body: the size in bytes as decimal digits, and for `after` behind it the first 256 bytes that the call wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..capture.packing import unpack_pairs
from ..trace.records import INSTEAD, split_values
from ..trace.trace import Row, Trace
from . import words
from .calls import MUTATION_PARTS, ExchangeRows, arguments
from .facts_changed import MUTATORS

__all__ = ["BODY_PARTS", "PREVIEW", "Mutation", "mutation", "mutations"]

PREVIEW = 256
"""Bytes of a written body that a mutation quotes."""

_OPS = dict(zip(MUTATORS, ("add", "replace", "remove", "set_all", "body"), strict=True))
BODY_PARTS = ("request_body", "response_body", "downstream_data", "upstream_data")
"""Parts that are bytes, by the number of their buffer; the last two are a TCP connection's, as they go through the filters."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change; `seq` is the row of the call that made it, `time` virtual nanoseconds, `part` such as `request_headers`."""

    seq: int
    exchange: int
    time: int
    filter: str | None
    callback: str
    part: str
    op: str
    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def mutations(rows: ExchangeRows) -> Iterator[Mutation]:
    """The changes to one exchange, in the order of the calls."""
    for name, row in rows.hostcalls:
        if name in _OPS and row.result == 0 and not row.flags & INSTEAD:
            found = mutation(rows.trace, name, row, rows.callback(row))
            if found is not None:
                yield found


def mutation(trace: Trace, name: str, row: Row, callback: str) -> Mutation | None:
    """The change that a call of one of `MUTATORS` in `callback` made; None where nothing is different."""
    op, given, header = _OPS[name], arguments(trace, row), ""
    if op == "body":
        part = BODY_PARTS[row.a] if row.a < len(BODY_PARTS) else ""
        before, after = _sizes(given)
    else:
        part = MUTATION_PARTS[row.a] if row.a < len(MUTATION_PARTS) else ""
        before, after = (_listed(given.get(side, b""), op) for side in ("before", "after"))
        header = words.text(_bytes(given.get("name", b""))).lower()
    if not part or before == after:
        return None
    if op == "replace" and not before:
        op = "add"
    return Mutation(row.seq, row.exchange, row.time, trace.filter_name(row), callback, part, op, header, before, after)


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""


def _listed(field: int | bytes, op: str) -> tuple[str, ...]:
    if op == "set_all":
        pairs, _ = unpack_pairs(_bytes(field))
        return tuple(f"{words.text(name)}: {words.text(value)}" for name, value in pairs)
    return tuple(map(words.text, split_values(_bytes(field))))


def _sizes(given: dict[str, int | bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Size before, and after with what was written, as the host applies start and size (Proxy-Wasm reference, set_buffer_bytes)."""
    start, size, length = (value if isinstance(value := given.get(name, 0), int) else 0 for name in ("start", "size", "size_before"))
    written = _bytes(given.get("value", b""))
    dropped = min(size, length) if start == 0 else 0
    if not written and not dropped:
        return (), ()
    return (str(length),), (str(length - dropped + len(written)), words.text(written[:PREVIEW]))
